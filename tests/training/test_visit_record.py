"""What is known of a place when its visit is planned: by hand, and nothing of the two months planned."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.sources import chicago
from features.sources.chicago import DAY
from tests.training.inspected import city, written
from training import visit_record
from training.visit_record import Rates, features, plan_day


def told(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    frame = chicago.frame(written(table, folder))
    return frame.assign(found=(frame["criticalCount"] > 0).astype(float))


@pytest.fixture
def visits(tmp_path: Path) -> pd.DataFrame:
    return told(city(), tmp_path / "set")


def test_two_months_are_planned_at_a_time() -> None:
    days = pd.Series(pd.to_datetime(["2014-01-01", "2014-02-28", "2014-09-02", "2014-10-31", "2014-12-31"]))
    assert [str(day.date()) for day in plan_day(days)] == ["2014-01-01", "2014-01-01", "2014-09-01", "2014-09-01", "2014-11-01"]


def test_a_place_by_hand(tmp_path: Path) -> None:
    table = city(40, 8).iloc[:5].assign(
        License=[7, 7, 7, 7, 8], Inspector_Assigned=["purple", "brown", "purple", "purple", "brown"],
        criticalCount=[1.0, 0.0, 5.0, 0.0, 0.0], minorCount=[3.0, 1.0, 9.0, 0.0, 0.0], Facility_Type="Restaurant",
    )  # fmt: skip
    table[DAY] = pd.to_datetime(["2012-03-01", "2013-08-31", "2013-09-02", "2013-10-01", "2013-10-01"])
    frame = told(table, tmp_path / "set")
    rates = Rates.learn(frame)
    assert rates.of["found"] == {"brown": 0.0, "purple": pytest.approx(2 / 3)} and rates.all["found"] == 0.4
    found = features(frame.iloc[3:], frame, rates)
    one, new = found.iloc[0], found.iloc[1]
    # The visit of 2 September lies in the two months planned: what it found is not known.
    assert one["visits"] == 2 and one["critical, all"] == 1 and one["minor, last"] == 1 and one["minor, all"] == 4
    assert one["critical, more than expected"] == pytest.approx(1 - 2 / 3) and one["last finds"] == 0.0
    assert one["years since"] == pytest.approx(1 / 365) and one["age"] == pytest.approx(3.0 - 30 / 365)
    assert one["finds"] == pytest.approx(2 / 3) and one["same inspector"] == 0.0
    assert new["visits"] == 0 and np.isnan(new["years since"]) and np.isnan(new["same inspector"]) and new["finds"] == 0.0


def altered(visits: pd.DataFrame, rows: "pd.Series[bool]") -> pd.DataFrame:
    """The same with other outcomes in some rows."""
    columns = list(visit_record.OUTCOMES.values())
    return visits.assign(**{name: visits[name].where(~rows, 3.0) for name in columns})


def test_nothing_from_the_plan_day_on_is_seen(visits: pd.DataFrame) -> None:
    asked, rates = visits[plan_day(visits[DAY]) == pd.Timestamp("2013-09-01")], Rates.learn(visits)
    plain = features(asked, visits, rates)
    later = altered(visits, visits[DAY] >= pd.Timestamp("2013-09-01"))
    pd.testing.assert_frame_equal(features(later.loc[asked.index], later, rates), plain)
    pd.testing.assert_frame_equal(features(asked, visits[visits[DAY] < pd.Timestamp("2013-09-01")], rates), plain)
    before = altered(visits, visits[DAY] < pd.Timestamp("2013-09-01"))
    assert not features(asked, before, rates).equals(plain)


def test_a_planted_leak_is_seen_by_that_test(visits: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit_record, "plan_day", lambda days: days + pd.Timedelta(days=1))
    asked, rates = visits[plan_day(visits[DAY]) == pd.Timestamp("2013-09-01")], Rates.learn(visits)
    later = altered(visits, visits[DAY] >= pd.Timestamp("2013-09-01"))
    assert not features(asked, later, rates).equals(features(asked, visits, rates))
