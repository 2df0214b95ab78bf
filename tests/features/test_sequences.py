"""Windows for the networks: odd histories, odd kinds, and the way through the lake. The law: `test_windows_law`."""

import math
import tracemalloc
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numba import njit

from features import kernel_tapes, sequences
from features.errors import BadInput
from features.history import from_tables
from features.kinds import MachineKind, Term, load_kind
from features.lake import Lake
from features.observations import table_of
from features.online import history_from_lake, history_from_request
from features.schema import FIXED, MACHINE, readings
from tests.properties.histories import ON_CHANGE, REGULAR, START, Tables, bits, table
from tests.speed.hourly import KIND as HOURLY
from tests.speed.hourly import make_lake

HOURS = 24.0
LAYOUT = sequences.layout(REGULAR, HOURS, baseline=3)
MACHINE_ROW = ("m1", 0.0, 0.0, "regular", "A1", 900.0, None)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def tables_of(
    rows: list[tuple[Any, ...]], kind: MachineKind = REGULAR, machine: tuple[Any, ...] | None = MACHINE_ROW, **more: Any
) -> Tables:
    """Readings (hour, delay, values...) of machine m1, and rows of other tables with their columns."""
    sensors = [sensor.name for sensor in kind.sensors]
    made = {kind.readings_table: table(readings(kind), [("m1", *row) for row in rows], sensors)}
    facts = [] if machine is None else [(*machine[:3], kind.name, *machine[4:])]
    made["machines"] = table(FIXED["machines"], facts, ["kind", "model", "age_hours", "capacity"])
    for name, (columns, said) in more.items():
        made[name] = table(FIXED[name], [("m1", *row) for row in said], columns)
    return made


class Seen:
    """The window of machine m1 at an hour, by channel: the real steps, oldest first."""

    def __init__(self, tables: Tables, hour: float, kind: MachineKind = REGULAR, hours: float = HOURS) -> None:
        self.layout = sequences.layout(kind, hours, baseline=3)
        batch = sequences.one(self.layout, kind, from_tables(kind, tables, ["m1"]), at(hour))
        self.known = int(batch.known[0])
        self.front, self.steps = batch.steps[0, : -self.known], batch.steps[0, -self.known :]
        self._static = batch.static[0]

    def __getitem__(self, name: str) -> list[float]:
        return [float(x) for x in self.steps[:, self.layout.names.index(name)]]

    def static(self, name: str) -> float:
        return float(self._static[self.layout.static.index(name)])


def same(found: list[float], wanted: list[float | None]) -> bool:
    return bool(np.array_equal(found, [math.nan if one is None else one for one in wanted], equal_nan=True))


def test_steps_are_the_known_readings_and_then_the_moment_itself() -> None:
    errors = (["code"], [(0.5, 0, "e1"), (2.5, 0, "e1"), (2.75, 0, "e2"), (3.5, 0, "unheard of"), (3.75, 0, "e1")])
    repairs = (["component", "action"], [(1.5, 0, "c1", "planned"), (2.5, 0, "c2", "inspect")])
    seen = Seen(tables_of([(1, 0, 10.0, None), (2, 0, 12.0, 1.0), (3, 0, 17.0, 3.0)], events=errors, maintenance=repairs), 4.0)
    assert seen.known == 4 and seen.layout.steps == 25
    assert np.isnan(seen.front).all()
    assert same(seen["ago_hours"], [3, 2, 1, 0])
    assert same(seen["gap_hours"], [None, 1, 1, 1])
    assert same(seen["service_hours"], [901, 902, 903, 904])
    assert same(seen["sensor:heat"], [10, 12, 17, None])
    assert same(seen["own:heat"], [-3, -1, 4, None])
    assert same(seen["own:shake"], [None, -1, 1, None])
    assert same(seen["error:e1"], [1, 0, 1, 1])
    assert same(seen["error:e2"], [0, 0, 1, 0])
    assert same(seen["maintenance:c1"], [0, 1, 0, 0])
    assert same(seen["age_hours:c1"], [None, 0.5, 1.5, 2.5])
    # An inspection keeps the part.
    assert same(seen["age_hours:c2"], [None] * 4) and same(seen["maintenance:c2"], [0, 0, 1, 0])
    assert seen.static("age_hours") == 904 and seen.static("model:A1") == 1 and seen.static("model:A2") == 0


def test_what_stood_is_carried_from_before_the_window() -> None:
    columns = ["action", "mode", "load", "shift"]
    said = [(0, 0, "start", "idle", 0.5, "day"), (30.5, 0, "adjust", "full", None, None), (31.5, 40, "stop", "idle", 0.0, None)]
    air = (["ambient_temperature_c", "humidity_pct"], [(1, 0, 20.0, None), (31, 0, None, 60.0)])
    rows = [(hour, 0, 1.0, 1.0) for hour in (30, 31, 32)]
    seen = Seen(tables_of(rows, operations=(columns, said), environment=air), 33.0)
    assert same(seen["load"], [0.5] * 4) and same(seen["running"], [1] * 4)
    assert same(seen["mode:idle"], [1, 0, 0, 0]) and same(seen["mode:full"], [0, 1, 1, 1])
    assert same(seen["shift:day"], [1] * 4) and same(seen["shift:night"], [0] * 4)
    assert same(seen["ambient_temperature_c"], [20] * 4) and same(seen["humidity_pct"], [None, 60, 60, 60])


def test_late_and_corrected_rows_are_seen_as_known() -> None:
    # The reading of hour 2 came at hour 10; that of hour 3 was corrected at hour 8.
    tables = tables_of([(1, 0, 1.0, 1.0), (2, 8, 2.0, 1.0), (3, 0, 3.0, 1.0), (3, 5, 33.0, 1.0)])
    for hour, heat, gap in ((7, [1, 3], 2), (8, [1, 33], 2), (9.75, [1, 33], 2), (10, [1, 2, 33], 1)):
        seen = Seen(tables, hour)
        assert same(seen["sensor:heat"], [*heat, None]) and seen["gap_hours"][-2] == gap
        assert seen["own:heat"][0] == pytest.approx(1 - np.mean(heat))


def test_a_window_shorter_than_asked_for_is_returned_as_it_is() -> None:
    seen = Seen(tables_of([(100, 0, 1.0, 1.0)]), 101.0, hours=2000.0)
    assert seen.known == 2 and seen.layout.steps == 2001
    assert np.isnan(seen.front).all() and same(seen["sensor:heat"], [1, None])


def test_without_a_reading_there_is_the_moment_alone() -> None:
    errors = (["code"], [(1, 0, "e1"), (2, 0, "e1")])
    seen = Seen(tables_of([], events=errors), 4.0)
    assert seen.known == 1
    assert same(seen["gap_hours"], [None]) and same(seen["sensor:heat"], [None]) and same(seen["own:heat"], [None])
    assert seen["error:e1"] == [2.0]
    nothing = Seen(tables_of([], machine=None), 4.0)
    assert nothing.known == 1 and same(nothing["service_hours"], [None]) and math.isnan(nothing.static("age_hours"))


def test_readings_without_a_number_are_steps_without_one() -> None:
    seen = Seen(tables_of([(1, 0, None, None), (2, 0, None, None)]), 3.0)
    assert seen.known == 3 and same(seen["sensor:heat"], [None] * 3) and same(seen["own:heat"], [None] * 3)
    assert same(seen["gap_hours"], [None, 1, 1])


def test_a_constant_sensor_is_at_its_own_level() -> None:
    seen = Seen(tables_of([(hour, 0, 7.1, 0.0) for hour in range(20)]), 20.0)
    assert same(seen["own:heat"], [0.0] * 20 + [None]) or np.allclose(seen["own:heat"][:-1], 0.0, atol=1e-6)
    assert same(seen["own:shake"], [0.0] * 20 + [None])


def test_a_gap_of_a_week_shows_in_the_gap_channel() -> None:
    tables = tables_of([(1, 0, 1.0, 1.0), (170, 0, 2.0, 1.0)], events=(["code"], [(100, 0, "e1")]))
    seen = Seen(tables, 171.0)
    # The reading before the gap is out of the window; how long ago it was, and what came since, is not lost.
    assert seen.known == 2 and seen["gap_hours"] == [169, 1] and seen["error:e1"] == [1, 0]
    silent = Seen(tables, 169.0)
    assert silent.known == 1 and silent["gap_hours"] == [168] and silent["error:e1"] == [1]


def test_more_readings_than_fit_leave_the_newest() -> None:
    rows = [(hour / 4, 0, float(hour), 1.0) for hour in range(200)]
    seen = Seen(tables_of(rows), 200 / 4 - 0.25)
    assert seen.known == 25 and len(seen.front) == 0
    assert same(seen["sensor:heat"], [*map(float, range(176, 200)), None]) and seen["gap_hours"][0] == 0.25


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan, 1e39, -1e300])
@pytest.mark.parametrize("kind", [REGULAR, ON_CHANGE], ids=lambda kind: kind.name)
def test_a_number_that_is_none_is_missing(kind: MachineKind, number: float) -> None:
    """The lake and the service refuse infinity; a window takes it for missing all the same, and never passes it on."""
    hour = 3_600_000_000
    columns = {kind.sensors[0].name: [1.0, number, 3.0], "event_time": [hour, 2 * hour, 3 * hour]}
    machine = {"machine_id": "m1", "model": "A1", "age_hours": None, "event_time": 0, "recorded_at": 0}
    history = history_from_request(kind, {"machine": machine, "tables": {kind.readings_table: columns}})
    batch = sequences.one(sequences.layout(kind, HOURS), kind, history, datetime.fromisoformat("1970-01-01T04:00:00+00:00"))
    place = batch.steps[0, -4:, sequences.layout(kind, HOURS).names.index(f"sensor:{kind.sensors[0].name}")]
    logged = kind is ON_CHANGE and np.isfinite(number)
    assert np.isnan(place[1]) or logged
    assert not np.isinf(batch.steps).any() and not np.isinf(batch.static).any()


def test_a_history_that_was_cut_short_has_no_level_of_its_own() -> None:
    """A posted week of a machine that has run for a year: its first readings are not those of a new machine."""
    rows = [(1000 + hour, 0, 5.0, 1.0) for hour in range(10)]
    assert same(Seen(tables_of(rows), 1010.0)["own:heat"], [None] * 11)
    young = (*MACHINE_ROW[:1], 990.0, *MACHINE_ROW[2:])
    assert same(Seen(tables_of(rows, machine=young), 1010.0)["own:heat"], [0.0] * 10 + [None])
    assert same(Seen(tables_of(rows, machine=None), 1010.0)["own:heat"], [0.0] * 10 + [None])


def test_readings_that_hold_stand_at_the_begin_and_at_the_end_of_a_window() -> None:
    rows = [(0, 0, 3.0, 0.0, 0.0), (10, 0, 7.0, 0.0, 65536.0 * 5 + 2)]
    seen = Seen(tables_of(rows, ON_CHANGE), 30.0, ON_CHANGE)
    assert seen.known == 3 and seen["ago_hours"] == [30, 20, 0]
    assert np.allclose(seen["sensor:plain"], np.log1p([3, 7, 7]))
    assert np.allclose(seen["sensor:packs_word0"], np.log1p([0, 2, 2]))
    assert np.allclose(seen["sensor:packs_word1"], np.log1p([0, 5, 5]))
    alone = Seen(tables_of(rows, ON_CHANGE), 500.0, ON_CHANGE)
    assert alone.known == 2 and alone["ago_hours"] == [490, 0] and alone["gap_hours"] == [10, 490]


def test_a_kind_that_declares_little_has_few_channels() -> None:
    bare = MachineKind(name="bare", words_en="bare", words_zh="bare", period_hours=24.0, sensors=REGULAR.sensors)
    plain = sequences.layout(bare)
    assert plain.names == ("ago_hours", "gap_hours", "service_hours", "sensor:heat", "sensor:shake", "own:heat", "own:shake")
    assert plain.static == ("age_hours", "observed_hours", "capacity", "failures") and plain.steps == 8
    seen = Seen(tables_of([(24 * day, 0, float(day), 1.0) for day in range(20)], bare), 24 * 19, bare, 168.0)
    assert seen.known == 8 and same(seen["sensor:heat"], [13, 14, 15, 16, 17, 18, 19, None])


@pytest.mark.parametrize("name", ["azure_pdm", "azure_pdm_daily", "backblaze"])
def test_every_shipped_kind_has_windows(name: str) -> None:
    kind = load_kind(Path(sequences.__file__).parent / f"sources/{name}.toml")
    rows = [(24 * day, 0, *(float(day) for _ in kind.sensors)) for day in range(9)]
    seen = Seen(tables_of(rows, kind), 24 * 8, kind, 168.0)
    # Seven days of readings; where they hold until the next, the one before them too.
    assert seen.known == (9 if kind.sampling == "on_change" else 8)
    assert np.isfinite(seen.steps[0, 3 : 3 + len(kind.sensors)]).all()


def test_a_machine_that_changes_its_kind_is_none_of_the_old_one() -> None:
    tables = tables_of([(hour, 0, 1.0, 1.0) for hour in range(10)])
    changed = table(
        FIXED["machines"], [(*MACHINE_ROW[:2], 5.0, "other", "A1", 0.0, None)], ["kind", "model", "age_hours", "capacity"]
    )
    tables["machines"] = pa.concat_tables([tables["machines"], changed])
    before, after = Seen(tables, 4.75), Seen(tables, 5.0)
    assert before.static("age_hours") == 904.75 and before["service_hours"][-1] == 904.75
    assert math.isnan(after.static("age_hours")) and math.isnan(after["service_hours"][-1])
    assert after["sensor:heat"][-2] == 1.0


@pytest.mark.parametrize("hours", [0.0, -1.0, 0.5, math.nan, math.inf, 1e9])
def test_hours_that_make_no_window_are_refused(hours: float) -> None:
    with pytest.raises(BadInput, match=r"kind regular: a window of .* hours; choose hours from 1 "):
        sequences.layout(REGULAR, hours)
    with pytest.raises(BadInput, match="a baseline of 0 readings"):
        sequences.layout(REGULAR, baseline=0)


def test_the_hash_names_what_a_window_means() -> None:
    others = [
        sequences.layout(REGULAR, 48.0, baseline=3),
        sequences.layout(REGULAR, HOURS),
        sequences.layout(REGULAR.model_copy(update={"hot_c": 31.0}), HOURS, baseline=3),
    ]
    assert len({LAYOUT.hash, *(one.hash for one in others)}) == 4
    assert sequences.layout(REGULAR.model_copy(), HOURS, baseline=3) == LAYOUT


def test_a_channel_that_the_layout_does_not_know_is_refused() -> None:
    more = REGULAR.model_copy(update={"error_codes": (*REGULAR.error_codes, Term(code="e3", words_en="e3", words_zh="e3"))})
    history = from_tables(more, tables_of([(1, 0, 1.0, 1.0)], more), ["m1"])
    with pytest.raises(BadInput, match=r"kind regular: windows of layout .*only one of them has error:e3.*train again"):
        sequences.one(LAYOUT, more, history, at(2))
    fewer = REGULAR.model_copy(update={"sensors": REGULAR.sensors[:1]})
    history = from_tables(fewer, tables_of([(1, 0, 1.0)], fewer), ["m1"])
    with pytest.raises(BadInput, match="a history of 1 sensors, not 2"):
        sequences.one(LAYOUT, REGULAR, history, at(2))


def test_a_batch_to_write_to_must_fit() -> None:
    history = from_tables(REGULAR, tables_of([(1, 0, 1.0, 1.0)]), ["m1"])
    entity, as_of = np.array([0, -1, 0]), np.array([int(at(hour).timestamp()) * 10**6 for hour in (1, 2, 3)])
    windows = sequences.over(REGULAR, history, entity, as_of, hours=HOURS, baseline=3)
    fresh, room = windows.take(np.array([2, 1])), sequences.empty(windows.layout, 2)
    assert windows.take(np.array([2, 1]), room) is room
    assert np.array_equal(bits(room.steps), bits(fresh.steps)) and fresh.known.tolist() == [2, 0]
    assert np.isnan(fresh.static[1]).all()
    for bad in (
        sequences.empty(windows.layout, 1),
        sequences.Batch(np.ascontiguousarray(room.steps), room.static),
        sequences.Batch(room.steps.astype(np.float64), room.static),
    ):
        with pytest.raises(ValueError, match="the batch to write to"):
            windows.take(np.array([2, 1]), bad)
    with pytest.raises(IndexError):
        windows.take(np.array([3]))
    with pytest.raises(ValueError, match="an entity is the place of a machine"):
        sequences.over(REGULAR, history, np.array([1]), as_of[:1], hours=HOURS)


def test_the_digest_follows_what_windows_hold_and_nothing_else() -> None:
    def named(value: float = 1.0, delay: float = 0.0, hour: float = 3.0, more: bool = False) -> str:
        rows = [(1, 0, value, 1.0), (2, delay, 2.0, None), *([(2.5, 0, 1.0, 1.0)] if more else [])]
        history = from_tables(REGULAR, tables_of(rows), ["m1"])
        moment = np.array([int(at(hour).timestamp()) * 10**6])
        return sequences.over(REGULAR, history, np.array([0]), moment, hours=HOURS, baseline=3).digest

    assert named() == named()
    assert len({named(), named(value=1.5), named(delay=0.5), named(hour=4.0), named(more=True)}) == 5


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return make_lake(tmp_path_factory.mktemp("windows") / "lake", 12, hours=700)


def test_the_lake_gives_one_machine_the_bits_that_it_gives_all(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded in many small groups by two threads, in any order of observations, one machine unknown."""
    monkeypatch.setattr(sequences, "READINGS_AT_A_TIME", 1500)
    ids = sorted({str(one) for one in lake.read("machines").column(MACHINE).to_pylist()})
    random = np.random.default_rng(4)
    names = ["ghost", *ids]
    machine = random.integers(0, len(names), 200).astype(np.int32)
    as_of = (
        random.integers(0, 720, 200) * 3_600_000_000
        + int(datetime.fromisoformat("2023-01-01T00:00:00+00:00").timestamp()) * 10**6
    )
    observations = table_of(names, machine, as_of)
    windows = sequences.windows(lake.at(), HOURLY, observations, threads=2)
    with monkeypatch.context() as at_once:
        at_once.setattr(sequences, "READINGS_AT_A_TIME", 1_000_000)
        assert sequences.windows(lake.at(), HOURLY, observations, threads=1).digest == windows.digest
    rows = random.permutation(200)
    batch = windows.take(rows)
    assert len(windows) == 200 and windows.layout.steps == 169
    for place, row in enumerate(rows.tolist()):
        name, moment = observations.slice(row, 1).to_pylist()[0].values()
        if name == "ghost":
            assert batch.known[place] == 1 and np.isnan(batch.static[place, :3]).all()
        elif place < 25:
            alone = sequences.one(windows.layout, HOURLY, history_from_lake(lake, name), moment)
            assert np.array_equal(bits(alone.steps[0]), bits(batch.steps[place]))
            assert np.array_equal(bits(alone.static[0]), bits(batch.static[place]))
    assert batch.known.max() == 169 and np.isfinite(batch.steps).any(axis=(0, 1)).all()


def test_memory_stays_below_one_and_a_half_times_the_raw_series(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw: every row of the kind's tables as time and numbers of 8 bytes each. The bench measures the whole process."""
    monkeypatch.setattr(sequences, "READINGS_AT_A_TIME", 700)
    view = lake.at()
    raw = sum(view.read(name).num_rows * 8 * (1 + numbers) for name, numbers in raw_columns().items())
    ids = sorted({str(one) for one in view.read("machines").column(MACHINE).to_pylist()})
    observations = table_of(ids, np.arange(len(ids), dtype=np.int32), np.zeros(len(ids), dtype=np.int64))
    sequences.windows(view, HOURLY, observations, threads=1)
    tracemalloc.start()
    windows = sequences.windows(view, HOURLY, observations, threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert windows.held_bytes < raw and peak < 1.5 * raw


def raw_columns() -> dict[str, int]:
    """Numbers (or one code) in a row of each table that windows are made of."""
    return {HOURLY.readings_table: 4, "events": 1, "maintenance": 1, "failures": 1, "operations": 4, "environment": 2}


def test_rows_are_found_by_guess_as_by_halving() -> None:
    """Times in clusters, twice at one moment, with gaps of years: the guess may be far off."""

    @njit
    def found(event: np.ndarray, moments: np.ndarray, low: int, high: int, into: np.ndarray) -> None:
        for k in range(len(moments)):
            into[0, k] = kernel_tapes.upto(event, low, high, moments[k])
            into[1, k] = kernel_tapes.back(event, low, high, moments[k])

    random = np.random.default_rng(3)
    for n in (0, 1, 2, 3, 50, 400):
        event = np.sort(np.concatenate([random.integers(0, 9, n), random.integers(10**6, 10**6 + 90, n), [5, 10**15]])) - 4
        moments = np.concatenate([event, event - 1, event + 1, [-(10**15), 2 * 10**15]])
        low, high = n // 3, len(event) - n // 5
        into = np.empty((2, len(moments)), dtype=np.int64)
        found(event, moments, low, high, into)
        assert (into == low + np.searchsorted(event[low:high], moments, side="right")).all()
