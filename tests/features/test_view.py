"""Views: versions taken once, one rule for absent tables, pushed-down entities and times, the same rows as a plain filter."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import compaction, datafiles, frozen
from features.clock import in_order, micros
from features.datafiles import ROW_GROUP, Reader, ranges
from features.errors import NotFound
from features.lake import Lake
from features.schema import MACHINES
from tests.features.plant import NOW, READINGS, hours, machine, reading, source

IDS = ["a", "a1", "b", "bb", "c", "é", "机", "机2"]
HOURS = 12


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Eight machines, half of the hours in a first import and half in later ones, then half compacted; row groups of 5 rows."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(datafiles, "ROW_GROUP", 5)
        made = Lake.open(tmp_path_factory.mktemp("lake"), create=True, buckets=2)
        made.ingest(source((MACHINES, [machine(name) for name in IDS])), imported_at=NOW)
        for first in (0, 6, 9):
            rows = [reading(name, hour, float(hour)) for name in IDS for hour in range(first, HOURS if first else 6)]
            made.ingest(source((READINGS, rows)), imported_at=NOW)
            if first == 6:
                compaction.compact(made, whole=True)
        made.ingest(source((READINGS, [reading("bb", 3, 77.0)])), imported_at=NOW + timedelta(days=1))
    return made


def plain(lake: Lake) -> pa.Table:
    return in_order(pa.concat_tables([lake.read(READINGS.name, buckets=[bucket]) for bucket in (0, 1)]), READINGS)


@settings(deadline=None)
@given(
    ids=st.none() | st.lists(st.sampled_from([*IDS, "nobody"]), max_size=4),
    between=st.none() | st.tuples(st.sampled_from(["", *IDS, "zz"]), st.sampled_from(["", *IDS, "zz"])),
    span=st.none() | st.tuples(st.integers(-1, HOURS), st.integers(-1, HOURS)),
    buckets=st.none() | st.lists(st.integers(0, 1), unique=True),
    columns=st.none() | st.just(["oil"]) | st.just(["oil", "machine_id"]),
)
def test_reading_a_part_is_filtering_the_whole(
    lake: Lake, ids: Any, between: Any, span: Any, buckets: Any, columns: Any
) -> None:
    times = None if span is None else (micros(hours(span[0])), micros(hours(span[1])))
    found = lake.at().read(READINGS.name, machine_ids=ids, between=between, times=times, buckets=buckets, columns=columns)
    expected = plain(lake).to_pylist()
    if ids is not None:
        expected = [row for row in expected if row["machine_id"] in ids]
    if between is not None:
        low, high = (end.encode() for end in between)
        expected = [row for row in expected if low <= row["machine_id"].encode() <= high]
    if span is not None:
        expected = [row for row in expected if hours(span[0]) <= row["event_time"] <= hours(span[1])]
    if buckets is not None:
        expected = [row for row in expected if lake.bucket_of([row["machine_id"]])[0] in buckets]
    names = columns or READINGS.arrow.names
    assert found.to_pylist() == [{name: row[name] for name in names} for row in expected]
    assert found.schema == pa.schema([READINGS.arrow.field(name) for name in names])


def test_only_row_groups_that_may_hold_a_wanted_row_are_decoded(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    chosen = Reader.chosen
    monkeypatch.setattr(Reader, "chosen", lambda self, where: decoded.append(chosen(self, where)) or decoded[-1])
    lake.at().read(READINGS.name, machine_ids=["bb"], times=(micros(hours(2)), micros(hours(3))))
    assert sum(map(len, decoded)) <= 3 < sum(len(Reader(lake.path(READINGS.name), one).groups) for one in files(lake))


def files(lake: Lake) -> tuple[datafiles.DataFile, ...]:
    return frozen.Frozen(lake.path(READINGS.name)).files


def test_a_log_is_opened_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    view = lake.at({"readings_press": 2, "machines": 0})
    opened = []
    table = frozen.DeltaTable
    monkeypatch.setattr(frozen, "DeltaTable", lambda *args, **more: opened.append(args) or table(*args, **more))
    for _ in range(3):
        view.read(READINGS.name, machine_ids=["a"])
        view.machine_ids(0)
    assert len(opened) == 2


def test_versions_are_taken_once_and_absent_tables_are_empty(lake: Lake) -> None:
    view = lake.at()
    assert dict(view.versions) == lake.versions()
    assert view.read("failures").num_rows == lake.at({}).read(READINGS.name).num_rows == 0
    assert lake.at({READINGS.name: 0}).read(MACHINES.name).num_rows == 0
    with pytest.raises(NotFound, match="no version 99 of table readings_press"):
        lake.at({READINGS.name: 99}).read(READINGS.name)
    with pytest.raises(NotFound, match="no table 'reading'"):
        view.read("reading")


def test_ids_and_groups_of_a_bucket(lake: Lake) -> None:
    view = lake.at()
    for bucket in (0, 1):
        ids = [name for name in sorted(IDS, key=str.encode) if lake.bucket_of([name])[0] == bucket]
        assert view.machine_ids(bucket) == ids
        whole = view.read(READINGS.name, buckets=[bucket])
        parts = [view.read(READINGS.name, buckets=[bucket], between=one) for one in view.groups(READINGS.name, bucket, 25)]
        assert pa.concat_tables(parts).equals(whole)
        assert all(part.num_rows <= 25 for part in parts)
        assert all(len(pc.unique(part["machine_id"])) == 2 for part in parts[:-1])
    assert view.groups("failures", 0, 25) == []


def test_ranges() -> None:
    assert ranges([], [], 5) == []
    assert ranges(["a", "b", "c", "d", "e"], [2, 3, 9, 1, 1], 5) == [("a", "b"), ("c", "c"), ("d", "e")]


def test_statistics_of_rows_in_more_than_one_group(tmp_path: Path) -> None:
    rows = pa.table({"machine_id": ["m"] * (2 * ROW_GROUP + 1), "event_time": range(2 * ROW_GROUP + 1)}).cast(
        pa.schema([READINGS.arrow.field("machine_id"), READINGS.arrow.field("event_time")])
    )
    [head, tail] = rows.slice(0, 10), rows.slice(10)
    written = datafiles.write(tmp_path, 0, rows.schema, [head, tail])
    assert written is not None
    datafiles.settle(tmp_path, [written])
    assert (written.rows, written.ids, written.span) == (rows.num_rows, ("m", "m"), (0, 2 * ROW_GROUP))
    groups = Reader(tmp_path, written).groups
    assert [count for count, _, _ in groups] == [ROW_GROUP, ROW_GROUP, 1]
    assert groups[1][2] == (ROW_GROUP, 2 * ROW_GROUP - 1)
    assert datafiles.write(tmp_path, 0, rows.schema, [rows.slice(0, 0)]) is None
    assert [path.name for path in (tmp_path / "bucket=0").iterdir()] == [written.path.removeprefix("bucket=0/")]


@settings(deadline=None)
@given(cuts=st.lists(st.sampled_from(["", *IDS, "zz"]), max_size=6, unique=True), bucket=st.integers(0, 1))
def test_range_after_range_is_each_of_them_read_alone(lake: Lake, cuts: list[str], bucket: int) -> None:
    """Ranges that ascend, with gaps between them and without; of rows decoded for one the later ones stay."""
    ends = sorted(cuts, key=str.encode)
    spans = list(zip(ends[::2], ends[1::2], strict=False))
    view = lake.at()
    found = list(view.onward(READINGS.name, bucket, spans))
    assert len(found) == len(spans)
    for span, table in zip(spans, found, strict=True):
        expected = view.read(READINGS.name, buckets=[bucket], between=span)
        assert table.cast(expected.schema).to_pylist() == expected.to_pylist()


def test_ranges_decode_a_row_group_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[tuple[str, int]] = []
    read = Reader.read

    def watched(self: Reader, schema: pa.Schema, where: Any, groups: Any = None) -> pa.Table:
        decoded.extend((self.file.path, group) for group in groups)
        return read(self, schema, where, groups)

    monkeypatch.setattr(Reader, "read", watched)
    for bucket in (0, 1):
        list(lake.at().onward(READINGS.name, bucket, [(name, name) for name in IDS]))
    assert decoded
    assert len(set(decoded)) == len(decoded)


def test_the_latest_recording_is_told_without_reading(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = plain(lake).column("recorded_at")
    assert lake.at().latest(READINGS.name) == pc.max(recorded).as_py()
    before = lake.at({READINGS.name: 1})
    assert before.latest(MACHINES.name) is None
    assert before.latest(READINGS.name) == pc.max(before.read(READINGS.name).column("recorded_at")).as_py()
    # Files of other writers may tell nothing of themselves.
    told = frozen.pq.read_metadata

    def untold(path: Path) -> Any:
        whole = told(path)
        silent = SimpleNamespace(path_in_schema="recorded_at", statistics=None)
        group = SimpleNamespace(column=lambda _: silent)
        return SimpleNamespace(num_rows=whole.num_rows, num_columns=1, num_row_groups=1, row_group=lambda _: group)

    monkeypatch.setattr(frozen.pq, "read_metadata", untold)
    assert lake.at().latest(READINGS.name) == pc.max(recorded).as_py()
