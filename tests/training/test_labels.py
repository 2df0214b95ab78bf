"""Labels against a slow oracle, on hand-drawn tables and on generated ones."""

import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import BadInput
from features.schema import COVERAGE, FAILURES, TIME
from training import labels
from training.labels import label

START = datetime(2024, 1, 1, tzinfo=UTC)


def hour(h: float) -> datetime:
    return START + timedelta(hours=h)


def failures(*rows: tuple[str, float, str, float]) -> pa.Table:
    """(machine, hour, component, hour recorded)."""
    rows_ = [(machine, hour(h), hour(recorded), component) for machine, h, component, recorded in rows]
    return pa.Table.from_pylist([dict(zip(FAILURES.arrow.names, row, strict=True)) for row in rows_], schema=FAILURES.arrow)


def coverage(**until: float) -> pa.Table:
    rows = [{"machine_id": name, "event_time": hour(h), "recorded_at": hour(h), "state": None} for name, h in until.items()]
    return pa.Table.from_pylist(rows, schema=COVERAGE.arrow)


def observations(*rows: tuple[str, float]) -> pa.Table:
    ids, moments = [row[0] for row in rows], [hour(row[1]) for row in rows]
    return pa.table({"machine_id": pa.array(ids, pa.string()), "as_of": pa.array(moments, TIME)})


def row(frame: pd.DataFrame, index: int = 0) -> list[float | None]:
    values = frame.loc[index, ["hours_to_failure", "followed_hours", "y24", "y48", "y72"]].tolist()
    return [None if math.isnan(value) else value for value in values]


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        (100.0, [None, 72, 0, 0, 0]),  # 100 h ahead: beyond the horizon
        (128.0, [72, 72, 0, 0, 1]),  # exactly 72 h ahead: inside, the window is closed at its end
        (127.9, [None, 72, 0, 0, 0]),
        (152.0, [48, 72, 0, 1, 1]),
        (176.0, [24, 72, 1, 1, 1]),
        (199.0, [1, 72, 1, 1, 1]),
        (200.0, [None, 72, 0, 0, 0]),  # at the failure itself: the window is open at its start
        (928.0, [None, 72, 0, 0, 0]),
        (930.0, [None, 70, 0, 0, None]),  # followed for 70 h only: the 72 h label is not ripe
        (953.0, [None, 47, 0, None, None]),
        (990.0, [None, 10, None, None, None]),
        (1001.0, [None, 0, None, None, None]),
    ],
)
def test_one_failure_and_the_end_of_observation(as_of: float, expected: list[float | None]) -> None:
    found = label(observations(("a", as_of)), failures(("a", 200, "c", 200)), coverage(a=1000))
    assert row(found) == pytest.approx(expected)


def test_a_drive_that_ends_with_its_failure_is_labelled_though_nobody_followed_it_further() -> None:
    found = label(observations(("a", 150.0), ("a", 130.0)), failures(("a", 200, "c", 200)), coverage(a=200))
    assert row(found, 0) == [50, 50, 0, 0, 1]
    assert row(found, 1) == [70, 70, 0, 0, 1]


def test_several_failures_at_once_are_one_event_and_components_are_told_apart() -> None:
    both = failures(("a", 200, "c1", 200), ("a", 200, "c2", 200), ("a", 220, "c3", 220))
    found = label(observations(("a", 190)), both, coverage(a=1000), components=("c1", "c2", "c3", "c4"))
    assert row(found) == [10, 72, 1, 1, 1]
    assert found.loc[0, ["hours_to_c1", "hours_to_c2", "hours_to_c3"]].tolist() == [10, 10, 30]
    assert math.isnan(found.loc[0, "hours_to_c4"])


def test_machines_keep_their_own_failures_and_strangers_are_ignored() -> None:
    table = failures(("b", 210, "c", 210), ("zz", 190.5, "c", 190.5))
    found = label(observations(("a", 190), ("b", 190), ("c", 190)), table, coverage(a=1000, b=1000))
    assert found["y24"].tolist()[:2] == [0, 1]
    assert row(found, 2) == [None, 0, None, None, None]  # no coverage: nothing is known


def test_known_until_hides_later_records_and_ends_the_follow_up() -> None:
    table = failures(("a", 210, "c", 300), ("b", 210, "c", 210))
    seen = label(observations(("a", 190), ("b", 190)), table, coverage(a=1000, b=1000), known_until=hour(250))
    assert row(seen, 0) == [None, 60, 0, 0, None]  # failed, but recorded only at 300
    assert row(seen, 1) == [20, 60, 1, 1, 1]
    lagged = label(observations(("a", 190)), table, coverage(a=1000), known_until=hour(250), reporting_lag_hours=40)
    assert row(lagged) == [None, 20, None, None, None]


def test_pandas_in_their_order_and_other_horizons() -> None:
    frame = pd.DataFrame({"as_of": pd.to_datetime([hour(195), hour(100)], utc=True), "machine_id": ["a", "a"]})
    found = label(frame, failures(("a", 200, "c", 200)), coverage(a=1000), horizon_hours=(4, 240))
    assert list(found) == ["hours_to_failure", "followed_hours", "y4", "y240"]
    assert found["y240"].tolist() == [1, 1]
    assert found["followed_hours"].tolist() == [240, 240]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"machine_id": ["a"]}), "column as_of is missing"),
        (pd.DataFrame({"machine_id": ["a"], "as_of": pd.to_datetime(["2024-01-01"])}), "not a time with a zone"),
    ],
)
def test_bad_observations_are_named(frame: pd.DataFrame, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        label(frame, failures(), coverage())


def test_horizons_must_increase() -> None:
    with pytest.raises(BadInput, match="do not increase"):
        label(observations(("a", 1)), failures(), coverage(), horizon_hours=(48, 24))


def test_empty_tables() -> None:
    assert len(label(observations(), failures(), coverage())) == 0
    assert row(label(observations(("a", 1)), failures(), coverage(a=1000))) == [None, 72, 0, 0, 0]


machines = st.sampled_from(["a", "b", "c"])
hours = st.integers(0, 400).map(lambda quarter: quarter / 4)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(machines, hours), max_size=8),
    st.lists(st.tuples(machines, hours, st.sampled_from(["c1", "c2"]), hours), max_size=8),
    st.dictionaries(machines, hours),
    st.none() | hours,
)
def test_agrees_with_the_plain_definition(
    rows: list[tuple[str, float]], events: list[tuple[str, float, str, float]], until: dict[str, float], known: float | None
) -> None:
    found = label(observations(*rows), failures(*events), coverage(**until), known_until=None if known is None else hour(known))
    for index, (machine, as_of) in enumerate(rows):
        end = until.get(machine, -math.inf)
        if known is not None:
            end = min(end, known)
        ahead = [
            moment - as_of
            for name, moment, _, recorded in events
            if name == machine and moment > as_of and (known is None or recorded <= known)
        ]
        for horizon in (24, 48, 72):
            inside = any(distance <= horizon for distance in ahead)
            expected = 1.0 if inside else 0.0 if end - as_of >= horizon else math.nan
            assert found.loc[index, f"y{horizon}"] == pytest.approx(expected, nan_ok=True)


# Ways in which code reaches for what comes later; a module that does so belongs into training/labels.py.
LOOKS_FORWARD = re.compile(r"shift\(-|bfill|backfill|direction=.(forward|nearest)|strategy=.forward|hours_to_next|lookahead")


def looking_forward(source: str) -> list[str]:
    return [line.strip() for line in source.splitlines() if LOOKS_FORWARD.search(line)]


def test_no_other_module_looks_forward() -> None:
    root = Path(labels.__file__).parent.parent
    modules = [path for package in ("features", "training", "serving") for path in (root / package).rglob("*.py")]
    found = {str(path.relative_to(root)): looking_forward(path.read_text(encoding="utf-8")) for path in modules}
    assert {name for name, lines in found.items() if lines} == {"training/labels.py"}
    assert looking_forward("frame.groupby('machine_id')['volt'].shift(-24)")  # planted: it does find one


def test_ten_thousand_machines_at_once() -> None:
    rng = np.random.default_rng(3)
    ids = [f"m{i}" for i in range(10_000)]
    machine = rng.integers(0, 10_000, 400_000)
    moments = rng.integers(0, 10_000, 400_000)
    base = int(START.timestamp())
    table = pa.table(
        {
            "machine_id": pa.DictionaryArray.from_arrays(pa.array(machine, pa.int32()), pa.array(ids)),
            "as_of": pa.array((base + moments * 3600) * 1_000_000).cast(TIME),
        }
    )
    fail = rng.integers(0, 10_000, 3_000)
    events = failures(*[(ids[i], int(fail[i]), "c", int(fail[i])) for i in range(3_000)])
    found = label(table, events, coverage(**dict.fromkeys(ids, 9_900)))
    ahead = np.where(machine < 3_000, fail[np.minimum(machine, 2_999)] - moments, -1)
    expected = np.where((ahead > 0) & (ahead <= 72), 1.0, np.where(9_900 - moments >= 72, 0.0, np.nan))
    np.testing.assert_array_equal(found["y72"].to_numpy(), expected)
