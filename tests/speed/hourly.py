"""The fleet that the benches of features and the lake look at: hourly readings of many machines, as an appended lake.

The numbers carry no meaning; what matters is their shape: 2 % of the readings late by hours to days, one in two thousand
corrected later, some missing, and a file per month and bucket, as a year of monthly imports leaves it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.clock import in_order, micros, ranks, times
from features.delta import ORIGIN, Bucket
from features.history import HOUR
from features.kinds import Action, Term, load_kind
from features.lake import Lake
from features.schema import (
    COVERAGE,
    ENVIRONMENT,
    EVENT_TIME,
    EVENTS,
    FAILURES,
    MACHINE,
    MACHINES,
    MAINTENANCE,
    OPERATIONS,
    RECORDED_AT,
    TEXT,
    TIME,
    TableContract,
    readings,
)

START = datetime(2023, 1, 1, tzinfo=UTC)


def _words(code: str) -> dict[str, str]:
    return {"code": code, "words_en": code, "words_zh": code}


# Four sensors, five error codes and four components as in the Azure set, and whatever else a kind can switch on, sensors at
# equal load apart.
KIND = load_kind(Path(__file__).parents[2] / "features/sources/azure_pdm.toml").model_copy(
    update={
        "name": "hourly",
        "modes": tuple(Term(**_words(code)) for code in ("idle", "part", "full")),
        "shifts": tuple(Term(**_words(code)) for code in ("day", "night")),
        "actions": (
            Action(**_words("start"), state="running"),
            Action(**_words("stop"), state="stopped"),
            Action(**_words("adjust")),
        ),
        "environment": True,
        "hot_c": 30.0,
        "reference": True,
        "models": ("A1", "A2", "B1", "B2"),
    }
)
YEAR = 8760
LATE, CORRECTED, MISSING = 0.02, 0.0005, 0.005
# So many machines come in together: a larger fleet grows by further cohorts, and its making stays within a few gigabytes.
COHORT = 1000
Random = np.random.Generator
Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]


def make_lake(root: Path, machines: int, hours: int = YEAR, seed: int = 1) -> Lake:
    """The lake at `root`, filled month by month: machines x hours readings and what goes with them."""
    lake = Lake.open(root, create=True)
    lake.put_kind(KIND)
    for first in range(0, machines, COHORT):
        names = np.array([f"m{number:06d}" for number in range(first, min(first + COHORT, machines))])
        bucket_of = lake.bucket_of(names.tolist())
        random = np.random.default_rng([seed, first])
        made = [_tables(names[bucket_of == bucket], hours, random) for bucket in range(lake.buckets)]
        for contract in (MACHINES, COVERAGE, readings(KIND), EVENTS, MAINTENANCE, FAILURES, OPERATIONS, ENVIRONMENT):
            tables = [tables[contract.name] for tables in made]
            for month in range(hours // 730 + 1):
                lake.append(contract, _recorded(tables, month, last=month == hours // 730), lambda: {ORIGIN: "program"})
    return lake


def _recorded(tables: list[pa.Table], month: int, *, last: bool) -> Iterator[Bucket]:
    """What became known in a month (in the last one and later), bucket by bucket."""
    begin = micros(START) + month * 730 * HOUR
    for bucket, table in enumerate(tables):
        recorded = times(table, RECORDED_AT)
        part = table.filter(pa.array((recorded >= begin) & (last | (recorded < begin + 730 * HOUR))))
        if part.num_rows:
            yield bucket, iter([part])


def _tables(names: Names, hours: int, random: Random) -> dict[str, pa.Table]:
    """All rows of some machines by table, in contract order."""
    count, begin, end = len(names), micros(START), micros(START) + hours * HOUR
    start = np.full(count, begin)
    duty = {"action": KIND.actions, "mode": KIND.modes, "shift": KIND.shifts}
    drawn = {
        EVENTS: (200, {"code": [term.code for term in KIND.error_codes]}),
        MAINTENANCE: (25, {"component": [term.code for term in KIND.components], "action": ["planned", "inspect", "replace"]}),
        FAILURES: (2, {"component": [term.code for term in KIND.components]}),
        OPERATIONS: (
            365,
            {**{column: [term.code for term in terms] for column, terms in duty.items()}},
        ),
        ENVIRONMENT: (1460, {}),
    }
    made = {
        MACHINES.name: _table(
            MACHINES,
            names,
            start,
            start,
            kind=[KIND.name] * count,
            model=random.choice(KIND.models, count),
            age_hours=random.uniform(0, 50_000, count),
        ),
        COVERAGE.name: _table(COVERAGE, names, start + hours * HOUR, start + hours * HOUR),
        KIND.readings_table: _readings(names, hours, random),
    }
    for contract, (yearly, words) in drawn.items():
        rows = count * yearly * hours // YEAR
        event = random.integers(begin, end, rows) // (HOUR // 4) * (HOUR // 4)
        late = np.where(random.random(rows) < LATE, random.integers(1, 72, rows), 0) * HOUR
        values = {name: random.choice(choice, rows) for name, choice in words.items()}
        if contract is OPERATIONS:
            values["load"] = random.uniform(0, 1.2, rows)
        if contract is ENVIRONMENT:
            values |= {"ambient_temperature_c": random.normal(15, 8, rows), "humidity_pct": random.uniform(20, 95, rows)}
        made[contract.name] = _table(contract, names[random.integers(count, size=rows)], event, event + late, **values)
    return made


def _readings(names: Names, hours: int, random: Random) -> pa.Table:
    count = len(names)
    shape = (count, hours)
    event = np.broadcast_to(micros(START) + np.arange(hours) * HOUR, shape)
    late = np.where(random.random(shape) < LATE, random.integers(1, 72, shape), 0)
    there = np.flatnonzero(random.random(shape) >= MISSING)
    again = random.choice(there, round(CORRECTED * len(there)), replace=False)
    rows = np.concatenate([there, again])
    recorded = (event + late * HOUR).ravel()[rows]
    recorded[len(there) :] += random.integers(24, 300, len(again)) * HOUR
    values = {}
    for sensor in KIND.sensors:
        level = random.uniform(50, 400, (count, 1)) + np.cumsum(random.normal(0, 0.1, shape), axis=1)
        value = np.maximum(level + random.normal(0, 5, shape), 0.0).ravel()[rows]
        value[len(there) :] += 1.0
        value[random.random(len(rows)) < 0.002] = np.nan
        values[sensor.name] = value
    return _table(readings(KIND), names[rows // hours], event.ravel()[rows], recorded, **values)


def _table(contract: TableContract, machine_id: object, event: Ints, recorded: Ints, **values: object) -> pa.Table:
    """A contract table; rows of one key and one recording time count once, columns that are not given are null."""
    clocks = {EVENT_TIME: pa.array(event).cast(TIME), RECORDED_AT: pa.array(recorded).cast(TIME)}
    given = {MACHINE: pa.array(machine_id, TEXT), **clocks, **{name: pa.array(own) for name, own in values.items()}}
    columns = [
        pa.array(given[field.name], from_pandas=True) if field.name in given else pa.nulls(len(event), field.type)
        for field in contract.arrow
    ]
    whole = in_order(pa.table(columns, contract.arrow.names).cast(contract.arrow), contract)
    keep = np.ones(whole.num_rows, dtype=bool)
    keep[1:] = np.any([np.diff(ranks(whole.column(name))) != 0 for name in (*contract.key, RECORDED_AT)], axis=0)
    return whole.filter(pa.array(keep))
