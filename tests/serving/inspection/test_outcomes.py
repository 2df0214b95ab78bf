"""What came of a visit is read key by key; the loop of rectification counts what had happened by then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import BadInput
from serving.inspection.outcomes import Hazard, loop, parsed

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
VISIT = {
    "visit_id": "v_1", "outcome": "done", "at": "2026-11-25T09:30:00+08:00", "hours": 2.5, "by": "Li Na",
    "findings": [{"grade": "major", "kind": "guard", "due": "2026-11-30"}],
}  # fmt: skip


def test_an_outcome_is_read_as_it_is_written() -> None:
    read = parsed(VISIT, "outcome 1", NOW)
    assert (read.visit_id, read.outcome, read.hours, read.by, read.note) == ("v_1", "done", 2.5, "Li Na", "")
    assert read.at == datetime(2026, 11, 25, 1, 30, tzinfo=UTC)
    assert [one.document() for one in read.findings] == [
        {"grade": "major", "kind": "guard", "due": "2026-11-30", "note": "", "supervised": False}
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"outcome": "gone"}, "outcome 1, outcome"),
        ({"hour": 2}, "outcome 1, hour"),
        ({"at": "2026-11-25T09:30:00"}, "no zone"),
        ({"at": "2026-11-26T09:30:00+08:00"}, "lies ahead"),
        ({"at": "yesterday"}, "no moment"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "beyond the years"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "beyond the years"),
        ({"findings": [{"grade": "major", "kind": "guard", "due": "9999-12-31"}]}, "within 50 years"),
        ({"by": "Li\nNa"}, "more than one line"),
        ({"by": "Li\x00Na"}, "control character"),
        ({"note": "half \ud800"}, "control character"),
        ({"hours": -1}, "outcome 1, hours"),
        ({"hours": True}, "outcome 1, hours"),
        ({"hours": None}, "the effort is missing"),
        ({"by": " "}, "outcome 1, by"),
        ({"visit_id": ""}, "outcome 1, visit_id"),
        ({"findings": {}, "outcome": "refused"}, "finds nothing"),
        ({"findings": "two"}, "no list"),
        ({"findings": [{"grade": "awful", "kind": "x", "due": "2026-11-30"}]}, "finding 1, grade"),
        ({"findings": [{"grade": "major", "kind": "x", "due": "soon"}]}, "finding 1, due"),
        ({"findings": [{"grade": "major", "kind": "x", "due": "2026-11-01"}]}, "before the visit"),
        ({"findings": [{"grade": "major", "kind": "", "due": "2026-11-30"}]}, "finding 1, kind"),
        ({"findings": [{"grade": "major", "kind": "x", "due": "2026-11-30", "supervised": 1}]}, "neither true nor false"),
        ({"findings": [7]}, "finding 1"),
    ],
)
def test_what_cannot_be_is_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as told:
        parsed({**VISIT, **change}, "outcome 1", NOW)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def _day(day: int) -> datetime:
    return NOW - timedelta(days=100) + timedelta(days=day)


def test_the_loop_by_hand() -> None:
    hazards = [
        Hazard(_day(0), _day(10), _day(5), _day(6)),  # in time, verified
        Hazard(_day(0), _day(10), _day(15), None),  # late
        Hazard(_day(0), _day(10), None, None),  # overdue
        Hazard(_day(0), _day(200), None, None),  # not yet due
        Hazard(_day(0), None, _day(1), None),  # never due
        Hazard(_day(101), _day(110), None, None),  # not yet found
    ]
    found = loop(hazards, _day(100))
    assert (found.found, found.rectified, found.verified, found.open) == (5, 3, 1, 2)
    assert (found.due, found.in_time, found.late, found.overdue) == (3, 1, 1, 1)
    assert found.rate == pytest.approx(2 / 3)
    assert found.rate_in_time == pytest.approx(1 / 3)
    assert found.mean_days == pytest.approx((5 + 15 + 1) / 3)
    earlier = loop(hazards, _day(12))
    assert (earlier.in_time, earlier.late, earlier.overdue, earlier.open) == (1, 0, 2, 3)
    assert loop([], NOW).rate is None


MOMENTS = st.integers(0, 100).map(_day)


@given(st.lists(st.tuples(MOMENTS, MOMENTS | st.none(), MOMENTS | st.none(), MOMENTS | st.none())), MOMENTS)
def test_the_loop_knows_nothing_of_later(rows: list[tuple[Any, ...]], as_of: datetime) -> None:
    hazards = [Hazard(*row) for row in rows]
    seen = [
        Hazard(
            one.found,
            one.due,
            None if one.rectified is None or one.rectified > as_of else one.rectified,
            None if one.verified is None or one.verified > as_of else one.verified,
        )
        for one in hazards
        if one.found <= as_of
    ]
    found = loop(hazards, as_of)
    assert found == loop(seen, as_of)
    assert found.found == found.rectified + found.open
    assert found.due == found.in_time + found.late + found.overdue
