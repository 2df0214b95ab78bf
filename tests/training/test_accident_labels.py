"""Accidents and exposure ahead of enterprises, against a slow oracle and by hand."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.enterprise.schema import ACCIDENTS, EXPOSURES
from features.errors import BadInput
from features.schema import TIME, TableContract
from training.labels import accidents_ahead

START = datetime(2024, 1, 1, tzinfo=UTC)
HORIZONS = (30.0, 90.0)


def day(d: float) -> datetime:
    return START + timedelta(days=d)


def filled(contract: TableContract, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows of a contract; columns that are not named are empty (0 where a number must be)."""
    blank = {c.name: None if c.nullable else "" if pa.types.is_string(c.type) else 0.0 for c in contract.columns}
    return pa.Table.from_pylist([{**blank, **row} for row in rows], schema=contract.arrow)


def accidents(*rows: tuple[str, float, float, float | None]) -> pa.Table:
    """(enterprise, day, day recorded, loss)."""
    return filled(
        ACCIDENTS,
        [
            {"enterprise_id": who, "event_time": day(d), "recorded_at": day(r), "direct_loss": loss, "accident_id": f"{i}"}
            for i, (who, d, r, loss) in enumerate(rows)
        ],
    )


def exposures(*rows: tuple[str, float, float, float], basis: str = "hours_worked") -> pa.Table:
    """(enterprise, first day, last day, amount), recorded at the end."""
    return filled(
        EXPOSURES,
        [
            {"enterprise_id": who, "starts": day(a), "event_time": day(b), "recorded_at": day(b), "basis": basis, "amount": x}
            for who, a, b, x in rows
        ],
    )


def observations(*rows: tuple[str, float]) -> pa.Table:
    ids, moments = [row[0] for row in rows], [day(row[1]) for row in rows]
    return pa.table({"enterprise_id": pa.array(ids, pa.string()), "as_of": pa.array(moments, TIME)})


def ahead(
    seen: pa.Table, happened: pa.Table, spent: pa.Table, known: float, lag: float = 0.0, horizons: tuple[float, ...] = HORIZONS
) -> dict[str, list[float]]:
    frame = accidents_ahead(
        seen, happened, spent, known_until=day(known), basis="hours_worked", horizon_days=horizons, reporting_lag_days=lag
    )
    return {name: frame[name].tolist() for name in frame}


def test_the_window_is_open_at_its_start_and_closed_at_its_end() -> None:
    happened = accidents(("a", 100, 101, 5.0), ("a", 130, 131, None), ("a", 130.01, 131, 7.0), ("b", 110, 111, 1.0))
    found = ahead(observations(("a", 100)), happened, exposures(("a", 0, 400, 400.0)), known=400)
    assert found["accidents30"] == [1.0]  # not its own moment, not the one a quarter of an hour too late, not another's
    assert found["loss30"] == [0.0]
    assert found["accidents90"] == [2.0]
    assert found["loss90"] == [7.0]


def test_exposure_is_of_the_part_that_was_followed() -> None:
    spent = exposures(("a", 0, 100, 100.0), ("a", 120, 220, 200.0))
    found = ahead(observations(("a", 90), ("a", 200), ("a", 220), ("c", 90)), accidents(), spent, known=400)
    assert found["exposure30"][:2] == [10.0, 40.0]  # ten days of the first period; the 20 days between the two count nothing
    assert found["followed30"] == [30.0, 20.0, 0.0, 0.0]
    assert found["exposure90"][0] == 10.0 + 2.0 * 60
    assert all(math.isnan(found[name][i]) for name in ("accidents30", "loss30", "exposure30") for i in (2, 3))


def test_nobody_is_followed_into_what_may_be_unreported() -> None:
    happened, spent = accidents(("a", 150, 180, 1.0)), exposures(("a", 0, 400, 400.0))
    early = exposures(("a", 0, 165, 165.0))
    assert ahead(observations(("a", 140)), happened, early, known=170)["accidents30"] == [0.0]  # it happened, nobody knew
    careful = ahead(observations(("a", 140)), happened, early, known=170, lag=25)
    assert careful["followed30"] == [5.0]
    assert ahead(observations(("a", 140)), happened, spent, known=401)["accidents30"] == [1.0]


def test_another_basis_is_another_exposure() -> None:
    spent = pa.concat_tables([exposures(("a", 0, 400, 400.0)), exposures(("a", 0, 400, 7.0), basis="headcount")])
    assert ahead(observations(("a", 10)), accidents(), spent, known=400)["exposure30"] == [30.0]


def test_horizons_must_increase() -> None:
    with pytest.raises(BadInput, match="do not increase"):
        ahead(observations(("a", 1)), accidents(), exposures(), known=2, horizons=(90.0, 30.0))


days = st.integers(0, 300).map(float)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), days), min_size=1, max_size=5),
    st.lists(st.tuples(st.sampled_from("abd"), days, st.integers(0, 60), st.floats(0, 9)), max_size=12),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 8), st.integers(1, 29), st.floats(0, 50)), max_size=10),
    st.integers(0, 330),
    st.integers(0, 40),
)
def test_as_counted_by_hand(
    seen: list[tuple[str, float]],
    happened: list[tuple[str, float, int, float]],
    periods: list[tuple[str, int, int, float]],
    known: int,
    lag: int,
) -> None:
    spans = {(who, month): (who, 30.0 * month, 30.0 * month + length, amount) for who, month, length, amount in periods}
    spent, events = list(spans.values()), [(who, d, d + delay, loss) for who, d, delay, loss in happened]
    found = ahead(observations(*seen), accidents(*events), exposures(*spent), known=known, lag=lag)
    for i, (who, d) in enumerate(seen):
        until = min([known - lag, max((b for w, _, b, _ in spent if w == who and b <= known), default=-1e9)])
        for h in HORIZONS:
            end = min(d + h, until)
            if end <= d:
                assert found[f"followed{h:g}"][i] == 0.0
                assert math.isnan(found[f"accidents{h:g}"][i])
                continue
            inside = [loss for w, at, known_at, loss in events if w == who and d < at <= end and known_at <= known]
            part = sum(x * max(0.0, min(end, b) - max(d, a)) / (b - a) for w, a, b, x in spent if w == who and b <= known)
            assert found[f"followed{h:g}"][i] == pytest.approx(end - d)
            assert found[f"accidents{h:g}"][i] == len(inside)
            np.testing.assert_allclose([found[f"loss{h:g}"][i], found[f"exposure{h:g}"][i]], [sum(inside), part], atol=1e-9)
