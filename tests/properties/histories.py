"""Histories as Hypothesis draws them: irregular, gappy, late and corrected; and the law of the house as a check."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import strategies as st

from features.build import compute
from features.catalog import Catalog, catalog
from features.clock import micros, times
from features.history import from_tables
from features.kinds import Action, MachineKind, Sensor, Term
from features.schema import EVENT_TIME, FIXED, RECORDED_AT, TIME, TableContract, readings, reference

Tables = dict[str, pa.Table]
Features = Callable[[Tables, datetime], np.ndarray]

START = datetime(2024, 1, 1, tzinfo=UTC)
MACHINES = ["m1", "m2"]
LAST_HOUR = 150.0
DELAYS = [0.0, 0.0, 0.0, 0.25, 3.0, 30.0, 400.0]
NUMBERS = [None, 7.0, *(quarter / 4 for quarter in range(-20, 401, 3)), 70000.0, 4295032833.0]


def _sensor(name: str, *, fault: bool = False, packed: bool = False) -> Sensor:
    return Sensor(name=name, unit="mm/s", fault=fault, packed=packed, words_en=name, words_zh=name)


def _terms(*codes: str) -> tuple[Term, ...]:
    return tuple(Term(code=code, words_en=code, words_zh=code) for code in codes)


def _action(code: str, state: Literal["running", "stopped"] | None) -> Action:
    return Action(code=code, words_en=code, words_zh=code, state=state)


REGULAR = MachineKind(
    name="regular",
    words_en="regular",
    words_zh="regular",
    window_hours=(3, 12, 48),
    past_hours=96,
    calendar=("season", "weekday", "date", "made"),
    sensors=(_sensor("heat"), _sensor("shake")),
    error_codes=_terms("e1", "e2"),
    components=_terms("c1", "c2"),
    models=("A1", "A2", "B1"),
    modes=_terms("idle", "full"),
    shifts=_terms("day", "night"),
    actions=(_action("stop", "stopped"), _action("start", "running"), _action("adjust", None)),
    environment=True,
    hot_c=30.0,
    reference=True,
    equal_load_hours=(48, 100),
)
ON_CHANGE = REGULAR.model_copy(
    update={
        "name": "counters",
        "sampling": "on_change",
        "reference": False,
        "equal_load_hours": (),
        "sensors": (_sensor("plain"), _sensor("bad", fault=True), _sensor("packs", fault=True, packed=True)),
    }
)
KINDS = [REGULAR, ON_CHANGE]

# Quarter hours, so that rows fall exactly on the edges of windows; delays from none to longer than everything.
hours = st.integers(0, int(LAST_HOUR * 4)).map(lambda quarters: quarters / 4)


def _rows(draw: st.DrawFn, *choices: Sequence[object], most: int = 12, dense: int = 40) -> list[tuple[object, ...]]:
    """(machine, hour, delay, values...): some that Hypothesis chooses and shrinks, and a dense stretch by the seed it chooses.

    Machines and hours come from small sets, so equal keys (corrections) come by themselves.
    """
    picked = [st.sampled_from(list(choice)) for choice in choices]
    rows = draw(st.lists(st.tuples(st.sampled_from(MACHINES), hours, st.sampled_from(DELAYS), *picked), max_size=most))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    begin, step = draw(st.sampled_from([0.0, 20.0, 60.0])), draw(st.sampled_from([0.25, 1.0, 2.0]))
    count = draw(st.integers(0, dense))
    for place in random.integers(0, max(count * 2 // 3, 1), count):  # with repetition: gaps, and corrections of the same key
        values = [choice[random.integers(len(choice))] for choice in choices]
        name = MACHINES[0] if random.random() < 0.8 else MACHINES[1]
        rows.append((name, begin + int(place) * step, DELAYS[random.integers(len(DELAYS))], *values))
    return rows


class Drawn(dict[str, pa.Table]):
    """Tables that a failing test names by their sizes: their content would fill the screen."""

    def __repr__(self) -> str:
        return f"tables of {', '.join(f'{rows.num_rows} {name}' for name, rows in self.items())}"


@st.composite
def histories(draw: st.DrawFn, kind: MachineKind) -> Tables:
    """Contract tables of two machines, every row with its two clocks."""
    sensors = [sensor.name for sensor in kind.sensors]
    made = {kind.readings_table: table(readings(kind), _rows(draw, *[NUMBERS] * len(sensors), dense=60), sensors)}
    made["events"] = table(FIXED["events"], _rows(draw, ["e1", "e2", "other"]), ["code"])
    repairs = _rows(draw, ["c1", "c2"], [None, "planned", "inspect"])
    made["maintenance"] = table(FIXED["maintenance"], repairs, ["component", "action"])
    made["failures"] = table(FIXED["failures"], _rows(draw, ["c1", "c2"], most=3, dense=4), ["component"])
    said = [
        ["stop", "start", "adjust", "other"],
        [None, "idle", "full", "unheard of"],
        [None, 0.0, 0.5, 1.25],
        [None, "day", "night", "dusk"],
    ]
    made["operations"] = table(FIXED["operations"], _rows(draw, *said), ["action", "mode", "load", "shift"])
    air = [[None, -5.0, 20.0, 30.0, 35.5], [None, 40.0, 90.0]]
    made["environment"] = table(FIXED["environment"], _rows(draw, *air), ["ambient_temperature_c", "humidity_pct"])
    facts = [["A1", "B1", "unheard of", None], [None, 0.0, 900.0], NUMBERS]
    versions = st.lists(st.sampled_from([0.0, 5.0, 90.0]), min_size=1, max_size=3, unique=True)
    rows: list[tuple[object, ...]] = [
        (name, draw(st.sampled_from([0.0, 8.0])), delay, kind.name, *(draw(st.sampled_from(list(fact))) for fact in facts))
        for name in MACHINES
        for delay in draw(versions)
    ]
    if kind.reference:
        made[kind.reference_table] = _peers(draw, kind)
    made["machines"] = table(FIXED["machines"], rows, ["kind", "model", "age_hours", "capacity"])
    return Drawn(made)


def _peers(draw: st.DrawFn, kind: MachineKind) -> pa.Table:
    """Days of a reference table: of all groups at once, as they are published; some days late, some made anew."""
    contract = reference(kind)
    days = draw(st.lists(st.tuples(st.integers(0, 6), st.sampled_from([0.0, 0.0, 5.0, 60.0])), max_size=6))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    numbers = {"mean": [None, 5.0, 20.0], "std": [None, 0.0, 2.5, 8.0], "machines": [0, 4, 5, 12]}
    choices = [
        numbers.get(column.name.split("_")[-1], [0, 1] if column.type == pa.int64() else [None, 0.0, 0.5])
        for column in contract.own
    ]
    rows: list[tuple[object, ...]] = []
    for day, delay in days:
        for group in (kind.name, *(f"{kind.name}/{model}" for model in kind.models)):
            values = [choice[random.integers(len(choice))] for choice in choices]
            rows.append((group, 24.0 * day, delay, *values))
    return table(contract, rows, [column.name for column in contract.own])


def table(contract: TableContract, rows: Sequence[tuple[object, ...]], columns: Sequence[str]) -> pa.Table:
    """Rows of (machine, hour, delay, values...) as a contract table; of equal key and recording time the first stays."""
    kept: dict[tuple[object, ...], dict[str, object]] = {}
    for name, hour, delay, *values in rows:
        moment = START + timedelta(hours=float(str(hour)))
        row = {contract.entity: name, EVENT_TIME: moment, RECORDED_AT: moment + timedelta(hours=float(str(delay)))}
        row |= dict(zip(columns, values, strict=True))
        kept.setdefault(tuple(row[part] for part in (*contract.key, RECORDED_AT)), row)
    full = [{column.name: row.get(column.name) for column in contract.columns} for row in kept.values()]
    return pa.Table.from_pylist(full, schema=pa.schema([(field.name, field.type) for field in contract.arrow]))


moments = st.integers(0, int(LAST_HOUR * 4) + 120).map(lambda quarters: START + timedelta(hours=quarters / 4))


def features_of(wanted: Catalog) -> Features:
    """The product's own features of every machine at one moment: float32[machines, features]."""

    def features(tables: Tables, as_of: datetime) -> np.ndarray:
        history = from_tables(wanted.kind, tables, MACHINES)
        count = len(MACHINES)
        return compute(wanted, history, np.arange(count), np.full(count, micros(as_of)))

    return features


def kind_features(kind: MachineKind) -> Features:
    return features_of(catalog(kind))


def known_by(tables: Mapping[str, pa.Table], as_of: datetime) -> Tables:
    """Only the rows (all their versions) that had happened and were recorded by `as_of`."""
    moment = micros(as_of)
    return {name: one.filter(pa.array(_known(one) <= moment)) for name, one in tables.items()}


def with_another_future(tables: Mapping[str, pa.Table], as_of: datetime, seed: int) -> Tables:
    """What was known by `as_of` as it is, everything else shuffled: numbers and texts swapped between rows, rows dropped."""
    random = np.random.default_rng(seed)
    return {name: _shaken(one, micros(as_of), random) for name, one in tables.items()}


def _known(table: pa.Table) -> np.ndarray:
    return np.maximum(times(table, EVENT_TIME), times(table, RECORDED_AT))


def _shaken(table: pa.Table, moment: int, random: np.random.Generator) -> pa.Table:
    known = pa.array(_known(table) <= moment)
    future = table.filter(pc.invert(known))
    future = future.take(pa.array(np.flatnonzero(random.random(future.num_rows) < 0.7)))
    for index, column in enumerate(future.schema):
        if column.name in (EVENT_TIME, RECORDED_AT):
            continue
        order = random.permutation(future.num_rows)
        future = future.set_column(index, column, future.column(index).take(pa.array(order)))
    # Still in the future: later than it was.
    later = pa.array(times(future, RECORDED_AT) + random.integers(0, 10, future.num_rows) * 3_600_000_000, type=pa.int64())
    future = future.set_column(future.schema.get_field_index(RECORDED_AT), RECORDED_AT, later.cast(TIME))
    return pa.concat_tables([future.cast(table.schema), table.filter(known)])


def breaks_law(features: Features, tables: Tables, as_of: datetime, *, seed: int = 0) -> np.ndarray:
    """Columns in which `features` saw more than what was known at `as_of`; empty when the law of the house holds."""
    held = bits(features(tables, as_of))
    others = [known_by(tables, as_of), with_another_future(tables, as_of, seed)]
    return np.flatnonzero(np.any([bits(features(one, as_of)) != held for one in others], axis=(0, 1)))


def bits(matrix: np.ndarray) -> np.ndarray:
    """float32 as its bits, so that equality is to the last bit and NaN equals itself."""
    return np.ascontiguousarray(matrix, dtype=np.float32).view(np.int32)
