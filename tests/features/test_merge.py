"""Merging against a slow plain-Python reference, and the rule in small drawn cases."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.clock import in_order
from features.merge import ACCEPTED, CORRECTED, DUPLICATE, merge
from features.schema import EVENTS, RECORDED_AT, TIME

HOUR = 3_600_000_000
T0 = 1_700_000_000_000_000
IMPORTED = T0 + 1000 * HOUR

Row = tuple[str, int, int, str, float | None, bool]  # machine, event hour, recorded hour, code, severity, own recorded_at


def table(rows: list[Row]) -> pa.Table:
    machine, event, recorded, code, severity, _ = zip(*rows, strict=True) if rows else ([],) * 6
    columns = {
        "machine_id": pa.array(list(machine), pa.string()),
        "event_time": pa.array([T0 + hour * HOUR for hour in event], pa.int64()).cast(TIME),
        "recorded_at": pa.array([T0 + hour * HOUR for hour in recorded], pa.int64()).cast(TIME),
        "code": pa.array(list(code), pa.string()),
        "severity": pa.array(list(severity), pa.float64()),
    }
    return pa.table(columns).cast(EVENTS.arrow)


def judge(existing: list[Row], incoming: list[Row]) -> tuple[list[int], list[int]]:
    own = np.array([row[5] for row in incoming], dtype=bool)
    result = merge(table(existing), table(incoming), own, EVENTS, IMPORTED)
    return result.verdict.tolist(), result.recorded.tolist()


def reference(existing: list[Row], incoming: list[Row]) -> tuple[list[int], list[int]]:
    """One row at a time, as the docstring of `merge` says it."""
    versions: dict[tuple[str, int, str], list[tuple[int, float | None]]] = {}

    def content(severity: float | None) -> float | None:
        return None if severity is None or severity != severity else severity

    for machine, event, recorded, code, severity, _ in sorted(existing, key=lambda row: row[2]):
        versions.setdefault((machine, event, code), []).append((T0 + recorded * HOUR, content(severity)))
    verdicts, moments = [0] * len(incoming), [0] * len(incoming)
    for index, (machine, event, recorded, code, severity, own) in sorted(enumerate(incoming), key=lambda pair: pair[1][2]):
        known = versions.setdefault((machine, event, code), [])
        moment, value = T0 + recorded * HOUR, content(severity)
        verdict = ACCEPTED
        if known:
            newer = own and moment > known[-1][0]
            if value == known[-1][1] or (not newer and value in [other for _, other in known]):
                verdict = DUPLICATE
            else:
                verdict = CORRECTED
                moment = moment if newer else max(IMPORTED, known[-1][0] + 1)
        if verdict != DUPLICATE:
            known.append((moment, value))
        verdicts[index], moments[index] = verdict, moment
    return verdicts, moments


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.integers(0, 2),
        st.integers(0, 4),
        st.sampled_from(["e1", "e2"]),
        st.sampled_from([None, float("nan"), 0.0, -0.0, 1.0]),
        st.booleans(),
    ),
    max_size=14,
)


def stored_form(rows: list[Row]) -> list[Row]:
    """What merging into an empty lake leaves: versions with their own recorded_at, as hours are too coarse for it."""
    verdicts, _ = reference([], rows)
    return [row for row, verdict in zip(rows, verdicts, strict=True) if verdict == ACCEPTED]


@settings(deadline=None)
@given(ROWS, ROWS)
def test_agrees_with_the_reference(first: list[Row], second: list[Row]) -> None:
    existing = stored_form(first)
    assert judge(existing, second)[0] == reference(existing, second)[0]
    kept = [index for index, verdict in enumerate(judge(existing, second)[0]) if verdict != DUPLICATE]
    ours, theirs = judge(existing, second)[1], reference(existing, second)[1]
    assert [ours[index] for index in kept] == [theirs[index] for index in kept]


@settings(deadline=None)
@given(ROWS)
def test_a_rerun_finds_only_duplicates(rows: list[Row]) -> None:
    incoming = table(rows)
    own = np.array([row[5] for row in rows], dtype=bool)
    first = merge(EVENTS.arrow.empty_table(), incoming, own, EVENTS, IMPORTED)
    stored = incoming.set_column(2, EVENTS.arrow.field(RECORDED_AT), pa.array(first.recorded).cast(TIME))
    stored = stored.filter(pa.array(first.verdict != DUPLICATE))
    again = merge(stored, incoming, own, EVENTS, IMPORTED + HOUR)
    assert again.count(DUPLICATE) == len(rows)
    recorded = in_order(stored, EVENTS)
    keys = recorded.select([*EVENTS.key, RECORDED_AT])
    assert keys.group_by(keys.column_names).aggregate([]).num_rows == stored.num_rows  # every version has its own moment


def merged(stored: pa.Table, turns: list[tuple[int, list[Row]]]) -> pa.Table:
    """`stored` with turns merged at once; a turn's number also says when it came in."""
    rows = [row for _, turn in turns for row in turn]
    number = np.array([number for number, turn in turns for _ in turn], dtype=np.int64)
    own = np.array([row[5] for row in rows], dtype=bool)
    found = merge(stored, table(rows), own, EVENTS, IMPORTED + number, number)
    incoming = table(rows).set_column(2, EVENTS.arrow.field(RECORDED_AT), pa.array(found.recorded).cast(TIME))
    return in_order(pa.concat_tables([stored, incoming.filter(pa.array(found.verdict != DUPLICATE))]), EVENTS)


@settings(deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=5), st.data())
def test_turns_merged_together_are_as_merged_one_by_one(parts: list[list[Row]], data: st.DataObject) -> None:
    turns = list(enumerate(parts))
    nothing = EVENTS.arrow.empty_table()
    singly = nothing
    for turn in turns:
        singly = merged(singly, [turn])
    assert repr(merged(nothing, turns).to_pylist()) == repr(singly.to_pylist())  # NaN is equal to itself here
    # A process that died after a commit takes some turns again, with or without those that came later.
    done = data.draw(st.integers(0, len(turns)))
    assert repr(merged(merged(nothing, turns[:done]), turns).to_pylist()) == repr(singly.to_pylist())


@pytest.mark.parametrize(
    ("existing", "incoming", "verdict", "recorded"),
    [
        pytest.param([], ("a", 1, 1, "e", 1.0, False), ACCEPTED, T0 + HOUR, id="new"),
        pytest.param([("a", 1, 1, "e", 1.0)], ("a", 1, 1, "e", 1.0, False), DUPLICATE, None, id="same"),
        pytest.param([("a", 1, 1, "e", None)], ("a", 1, 1, "e", float("nan"), False), DUPLICATE, None, id="nan is null"),
        pytest.param([("a", 1, 1, "e", 1.0)], ("a", 1, 1, "e", 2.0, False), CORRECTED, IMPORTED, id="other content"),
        pytest.param([("a", 1, 1, "e", 1.0)], ("a", 1, 5, "e", 2.0, True), CORRECTED, T0 + 5 * HOUR, id="own later clock"),
        pytest.param([("a", 1, 1, "e", 1.0)], ("a", 1, 0, "e", 2.0, True), CORRECTED, IMPORTED, id="own earlier clock"),
        pytest.param(
            [("a", 1, 1, "e", 1.0), ("a", 1, 3, "e", 2.0)], ("a", 1, 1, "e", 1.0, False), DUPLICATE, None, id="old file again"
        ),
        pytest.param(
            [("a", 1, 1, "e", 1.0), ("a", 1, 3, "e", 2.0)], ("a", 1, 4, "e", 1.0, True), CORRECTED, T0 + 4 * HOUR, id="back"
        ),
    ],
)
def test_rule(
    existing: list[tuple[str, int, int, str, float | None]], incoming: Row, verdict: int, recorded: int | None
) -> None:
    verdicts, moments = judge([(*row, False) for row in existing], [incoming])
    assert verdicts == [verdict]
    assert recorded is None or moments == [recorded]


def test_versions_of_one_import_get_rising_times() -> None:
    rows: list[Row] = [("a", 1, 1, "e", value, False) for value in (1.0, 2.0, 3.0, 2.0)]
    verdicts, moments = judge([], rows)
    assert verdicts == [ACCEPTED, CORRECTED, CORRECTED, DUPLICATE]
    assert moments[:3] == [T0 + HOUR, IMPORTED, IMPORTED + 1]
    assert datetime.fromtimestamp(moments[0] / 1e6, UTC).year == 2023
