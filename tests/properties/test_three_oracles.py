"""Every feature of every catalog, computed three times: by the kernels, by Polars, and by a few plain lines of Python.

Histories are irregular, gappy, duplicated, late and corrected. All agree to 1e-6 of the scale and are missing alike; the
kernels give one machine online the bits that they give all machines offline. Nothing here names a feature: a new spec is found
through its catalog, and one with an operation that an oracle does not know fails.
"""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.build import compute
from features.catalog import OPS, Catalog, catalog, pooled
from features.clock import micros
from features.history import HOUR, READINGS, from_tables
from features.kinds import MachineKind
from features.observations import table_of
from features.online import vector
from features.schema import FIXED, readings
from features.spec import FeatureSpec
from tests.oracles import pandas_catalog, polars_catalog, slow
from tests.properties.histories import (
    KINDS,
    MACHINES,
    REGULAR,
    START,
    Tables,
    bits,
    histories,
    known_by,
    moments,
    table,
)  # fmt: skip

Matrix = np.ndarray
# Shrinking takes minutes and tells little more than the feature's name in the message.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


def spare(kind: MachineKind) -> Catalog:
    """What the kernels can do of a kind's numbers and codes, and no family asks for yet."""
    asked = {spec.op for made in (catalog, pooled) for one in KINDS for spec in (made(one).base or made(one)).specs}
    name = "windows" if kind.sampling == "regular" else "steps"
    columns = {name: (READINGS, kind.sensors[0].name), "points": ("events", kind.error_codes[0].code)}
    specs = [
        FeatureSpec(op, "spare", table, op, column, window_hours=12.0, against_hours=48.0)
        for kernel, (table, column) in columns.items()
        for op in sorted(set(OPS[kernel]) - asked)
    ]
    return Catalog(kind, tuple(specs))


WANTED = [made(kind) for made in (catalog, pooled, spare) for kind in KINDS]
# Medians have no short cut, and the bench's kind has none.
HOURLY = REGULAR.model_copy(update={"name": "hourly", "past_hours": None})
# Nor has it sensors at equal load: there is no short cut either, and pandas has no such operation.
BENCH = HOURLY.model_copy(update={"equal_load_hours": ()})
WHOSE = [f"{whose}-{kind.name}" for whose in ("own", "pooled", "spare") for kind in KINDS]


def examples(count: int) -> int:
    """So many by default, more under a profile that searches longer."""
    return round(count * settings.default.max_examples / 100) if settings.default else count


def by_kernels(wanted: Catalog, tables: Tables, machine: np.ndarray, as_of: np.ndarray) -> Matrix:
    return compute(wanted, from_tables(wanted.kind, tables, MACHINES), machine, as_of)


def by_polars(wanted: Catalog, tables: Tables, machine: np.ndarray, as_of: np.ndarray, *, bulk: bool = False) -> Matrix:
    observations = table_of(MACHINES, machine.astype(np.int32), as_of)
    return _matrix(wanted, polars_catalog.features(wanted, tables, observations, bulk=bulk))


def _matrix(wanted: Catalog, found: pa.Table) -> Matrix:
    assert found.column_names[2:] == wanted.names
    return np.stack([np.array(found.column(name).to_numpy(), dtype=np.float64) for name in wanted.names], axis=1)


def by_plain_python(wanted: Catalog, tables: Tables, looks: list[tuple[str, datetime]]) -> Matrix:
    rows = {name: table.to_pylist() for name, table in tables.items()}
    found = [slow.features(wanted, rows, name, moment) for name, moment in looks]
    return np.array([[one[name] for name in wanted.names] for one in found])


def differing(wanted: Catalog, found: Matrix, expected: Matrix, scale: float = 1.0) -> list[str]:
    """Where two oracles differ by more than 1e-6 of the value or of the scale, in words."""
    alike = np.isclose(found, expected, rtol=1e-6, atol=1e-6 * scale, equal_nan=True)
    return [f"{wanted.names[j]} of look {i}: {found[i, j]}, expected {expected[i, j]}" for i, j in np.argwhere(~alike)[:5]]


@pytest.mark.parametrize("wanted", WANTED, ids=WHOSE)
@given(data=st.data())
@settings(max_examples=examples(12), deadline=None, phases=PHASES)
def test_the_oracles_agree(wanted: Catalog, data: st.DataObject) -> None:
    tables = data.draw(histories(wanted.kind))
    looks = [(name, moment) for moment in data.draw(st.lists(moments, min_size=1, max_size=4)) for name in MACHINES]
    machine = np.array([MACHINES.index(name) for name, _ in looks])
    as_of = np.array([micros(moment) for _, moment in looks])
    kernels = by_kernels(wanted, tables, machine, as_of)
    plain = by_plain_python(wanted, tables, looks)
    assert differing(wanted, kernels.astype(np.float64), plain) == []
    assert differing(wanted, by_polars(wanted, tables, machine, as_of), plain) == []
    for place, (name, moment) in enumerate(looks):
        alone = vector(wanted, from_tables(wanted.kind, tables, [name]), moment)
        assert np.array_equal(bits(alone), bits(kernels[place]))


@given(data=st.data())
@settings(max_examples=examples(4), deadline=None, phases=PHASES)
def test_the_peers_of_the_bench_agree(data: st.DataObject) -> None:
    """Windows and cumulative counts over settled rows with the rest merged in, by Polars and by pandas."""
    wanted = catalog(BENCH)
    tables = data.draw(histories(BENCH))
    step, phase = data.draw(st.sampled_from([(3, 0), (3, HOUR // 4), (8, 0)]))
    grid = micros(START) + phase + np.arange(0, 180, step) * HOUR
    machine, as_of = np.repeat([0, 1], len(grid)), np.tile(grid, 2)
    exact = by_kernels(wanted, tables, machine, as_of).astype(np.float64)
    # Running sums keep a rounding error of the largest number that ever went through them.
    scale = _scale(tables)
    assert differing(wanted, by_polars(wanted, tables, machine, as_of, bulk=True), exact, scale) == []
    found = pandas_catalog.features(wanted, tables, table_of(MACHINES, machine.astype(np.int32), as_of))
    assert differing(wanted, _matrix(wanted, found), exact, scale) == []


kinds = st.builds(
    lambda windows, past, period, of: of.model_copy(
        update={"name": "any", "window_hours": tuple(sorted(windows)), "past_hours": past, "period_hours": period}
    ),
    st.sets(st.sampled_from([0.25, 1.5, 6.0, 13.0, 24.0, 30.5, 72.0, 400.0]), min_size=1, max_size=4),
    st.sampled_from([None, 5.0, 47.75, 500.0]),
    st.sampled_from([0.25, 1.0, 24.0]),
    st.sampled_from(KINDS),
)


@given(data=st.data())
@settings(max_examples=examples(25), deadline=None, phases=PHASES)
def test_any_declaration_agrees(data: st.DataObject) -> None:
    """Whatever windows, past and period a kind declares: kernels against plain Python, alone as together."""
    wanted = catalog(data.draw(kinds))
    tables = data.draw(histories(wanted.kind))
    looks = [(name, moment) for moment in data.draw(st.lists(moments, min_size=1, max_size=4)) for name in MACHINES]
    machine = np.array([MACHINES.index(name) for name, _ in looks])
    as_of = np.array([micros(moment) for _, moment in looks])
    kernels = by_kernels(wanted, tables, machine, as_of)
    assert differing(wanted, kernels.astype(np.float64), by_plain_python(wanted, tables, looks)) == []
    alone = by_kernels(wanted, tables, machine[-1:], as_of[-1:])
    assert np.array_equal(bits(alone[0]), bits(kernels[-1]))


def test_dense_histories_agree() -> None:
    """Two months of hours, long enough for whatever a kernel keeps of whole stretches of time: late, corrected, lost, stuck."""
    wanted = catalog(HOURLY)
    tables = dense(np.random.default_rng(5))
    grid = micros(START) + np.arange(0, DENSE_HOURS, 3) * HOUR
    machine, as_of = np.repeat([0, 1], len(grid)), np.tile(grid, 2)
    kernels = by_kernels(wanted, tables, machine, as_of)
    assert differing(wanted, by_polars(wanted, tables, machine, as_of, bulk=True), kernels.astype(np.float64)) == []
    assert differing(wanted, by_polars(wanted, tables, machine, as_of), kernels.astype(np.float64)) == []
    order = np.random.default_rng(6).permutation(len(as_of))
    assert np.array_equal(bits(by_kernels(wanted, tables, machine[order], as_of[order])), bits(kernels[order]))
    chosen = np.arange(7, len(as_of), 41)
    looks = [(MACHINES[machine[place]], START + timedelta(hours=3 * int(place % len(grid)))) for place in chosen]
    assert differing(wanted, kernels[chosen].astype(np.float64), by_plain_python(wanted, tables, looks)) == []
    for place, (name, moment) in zip(chosen, looks, strict=True):
        then = from_tables(HOURLY, known_by(tables, moment), [name])
        assert np.array_equal(bits(vector(wanted, then, moment)), bits(kernels[place]))


DENSE_HOURS = 1500


def dense(random: np.random.Generator) -> Tables:
    """Hourly readings and the tables that go with them: a twentieth late, a fiftieth corrected, a twentieth lost."""
    made = {}
    plain = ((readings(HOURLY), 1.0), (FIXED["events"], 9.0), (FIXED["operations"], 5.0), (FIXED["environment"], 3.0))
    words = {
        "code": ["e1", "e2", "other"],
        "action": ["stop", "start", "adjust"],
        "mode": ["idle", "full"],
        "shift": ["day", "night"],
    }
    for contract, every in plain:
        rows: list[tuple[object, ...]] = []
        for name in MACHINES:
            level = 50.0
            for hour in np.arange(0.0, DENSE_HOURS, every):
                if random.random() < 0.05:
                    continue
                level = level if random.random() < 0.2 else 50.0 + float(random.normal())
                delays = [float(random.integers(1, 60)) if random.random() < 0.05 else 0.0]
                delays += [delays[0] + float(random.integers(1, 90))] if random.random() < 0.02 else []
                for delay in delays:
                    own = [random.choice(words[one.name]) if one.name in words else level + delay for one in contract.own]
                    rows.append((name, hour, delay, *(str(x) if isinstance(x, str) else float(x) for x in own)))
        made[contract.name] = table(contract, rows, [column.name for column in contract.own])
    visits = [(name, float(hour), 0.0, "c1", "planned") for name in MACHINES for hour in range(100, DENSE_HOURS, 170)]
    made["maintenance"] = table(FIXED["maintenance"], visits, ["component", "action"])
    made["failures"] = table(FIXED["failures"], [(MACHINES[0], 700.0, 2.0, "c2")], ["component"])
    facts: list[tuple[object, ...]] = [(name, 0.0, 0.0, HOURLY.name, "A1", 900.0) for name in MACHINES]
    made["machines"] = table(FIXED["machines"], facts, ["kind", "model", "age_hours"])
    return made


def _scale(tables: Tables) -> float:
    values = [tables[HOURLY.readings_table].column(sensor.name).to_numpy() for sensor in HOURLY.sensors]
    return float(np.nanmax(np.abs(np.concatenate([*values, [1.0]]))))


def test_every_operation_has_its_oracles() -> None:
    in_polars = {op for ops, _ in polars_catalog.FAMILIES for op in ops}
    known = {op for ops in OPS.values() for op in ops}
    assert known - set(slow.OPERATIONS) == set()
    assert known - in_polars == set()
