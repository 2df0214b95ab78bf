"""The traps of this field, planted on purpose: each one must break the law that the product keeps.

A leak of time, a row used before it was known, breaks `breaks_law`. Leaks of a reader: `test_reader_leaks`.
"""

from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, find, settings

from features import reference
from features.build import compute
from features.catalog import catalog
from features.clock import in_order, micros, times
from features.history import HOUR, from_tables
from features.schema import EVENT_TIME, FIXED, MACHINE, RECORDED_AT, TIME, readings
from tests.features.test_reference import IDS as PEERS
from tests.features.test_reference import KIND as PEERED
from tests.features.test_reference import fleet
from tests.properties.histories import (
    MACHINES,
    REGULAR,
    START,
    Features,
    Tables,
    bits,
    breaks_law,
    histories,
    kind_features,
)

LOOKS = [START + timedelta(hours=hour) for hour in range(6, 150, 6)]
honest = kind_features(REGULAR)
# Shrinking the example would cost time and show nobody anything.
SEARCH = settings(max_examples=200, deadline=None, database=None, derandomize=True, phases=(Phase.generate,))


def to_next_maintenance(tables: Tables, as_of: datetime) -> np.ndarray:
    """A maintenance row stands at the failure's own time, and whoever looks at the row's time alone sees it coming."""
    rows, now = tables["maintenance"], micros(as_of)
    ahead = [event - now for event in times(rows, EVENT_TIME) if event > now]
    return np.array([[min(ahead) / 3.6e9 if ahead else np.nan]])


def at_once(rows: pa.Table) -> pa.Table:
    """A table of somebody who keeps one clock."""
    return rows.set_column(rows.schema.get_field_index(RECORDED_AT), RECORDED_AT, rows.column(EVENT_TIME))


def by_event_time_only(tables: Tables, as_of: datetime) -> np.ndarray:
    """An error that was recorded late, used from the moment it happened."""
    return honest(tables | {"events": at_once(tables["events"])}, as_of)


def mode_by_event_time_only(tables: Tables, as_of: datetime) -> np.ndarray:
    """A mode and a load that were written down late, standing from the moment they began."""
    return honest(tables | {"operations": at_once(tables["operations"])}, as_of)


def air_by_event_time_only(tables: Tables, as_of: datetime) -> np.ndarray:
    """The weather as the archive has it today, with the hours that arrived late."""
    return honest(tables | {"environment": at_once(tables["environment"])}, as_of)


def peers_by_event_time_only(tables: Tables, as_of: datetime) -> np.ndarray:
    """A day of the reference table that was made anew later, read as if it had always been so."""
    name = REGULAR.reference_table
    return honest(tables | {name: at_once(tables[name])}, as_of)


def mode_of_the_next_row(tables: Tables, as_of: datetime) -> np.ndarray:
    """A state filled backwards: between two rows the mode of the coming one."""
    rows = in_order(tables["operations"], FIXED["operations"])
    coming = rows.to_pandas().groupby(MACHINE)["mode"].shift(-1)
    filled = pa.array(coming, pa.string(), from_pandas=True)
    return honest(tables | {"operations": rows.set_column(rows.schema.get_field_index("mode"), "mode", filled)}, as_of)


def normalised_over_all_time(tables: Tables, as_of: datetime) -> np.ndarray:
    """Sensor features scaled by mean and spread of the whole history, its future included."""
    values = np.array(tables[REGULAR.readings_table].column("heat").to_numpy(), dtype=np.float64)
    seen = values[~np.isnan(values)]
    matrix = honest(tables, as_of)
    return (matrix - seen.mean()) / (seen.std() + 1.0) if len(seen) else matrix


def last_version_only(tables: Tables, as_of: datetime) -> np.ndarray:
    """Corrections applied in place: the past is read as it is known today."""
    rows = tables[REGULAR.readings_table]
    newest = rows.sort_by([(RECORDED_AT, "descending")]).group_by([MACHINE, EVENT_TIME], use_threads=False)
    kept = newest.aggregate([(name, "first") for name in rows.column_names if name not in (MACHINE, EVENT_TIME)])
    kept = kept.rename_columns([MACHINE, EVENT_TIME, *(n for n in rows.column_names if n not in (MACHINE, EVENT_TIME))])
    return honest(tables | {REGULAR.readings_table: kept.select(rows.column_names).cast(rows.schema)}, as_of)


@pytest.mark.parametrize(
    "leak",
    [
        to_next_maintenance, by_event_time_only, normalised_over_all_time, last_version_only, mode_by_event_time_only,
        air_by_event_time_only, peers_by_event_time_only, mode_of_the_next_row,
    ],
)  # fmt: skip
def test_a_leak_of_time_breaks_the_law(leak: Features) -> None:
    def caught(tables: Tables) -> bool:
        return any(breaks_law(leak, tables, as_of).size for as_of in LOOKS)

    # `find` raises NoSuchExample where no history gives the leak away.
    found = find(histories(REGULAR), caught, settings=SEARCH)
    # On the very history that gives the leak away, the product's own features keep the law.
    assert not any(breaks_law(honest, found, as_of).size for as_of in LOOKS)


def with_peers(tables: Tables, as_of: datetime, *, days_early: int = 0) -> np.ndarray:
    """Features of a fleet beside its peers, from the reference table of the same rows; dated so many days too early."""
    whole = reference.made(PEERED, [tables])
    for clock in (EVENT_TIME, RECORDED_AT):
        early = pa.array(times(whole, clock) - days_early * 24 * HOUR).cast(TIME)
        whole = whole.set_column(whole.schema.get_field_index(clock), whole.schema.field(clock), early)
    history = from_tables(PEERED, tables | {PEERED.reference_table: whole}, PEERS)
    return compute(catalog(PEERED), history, np.arange(len(PEERS)), np.full(len(PEERS), micros(as_of)))


def test_peers_of_a_day_that_is_not_over_break_the_law() -> None:
    """A daily mean under the date at which its day begins holds the rest of the day for whoever asks at noon."""
    tables, looks = fleet(), [START + timedelta(days=day, hours=12) for day in range(2, 13)]
    assert not any(breaks_law(with_peers, tables, as_of).size for as_of in looks)
    broken = {place for as_of in looks for place in breaks_law(partial(with_peers, days_early=1), tables, as_of).tolist()}
    assert {name for place in broken if (name := catalog(PEERED).names[place]).endswith("_peers_z")} == {
        f"{sensor.name}_peers_z" for sensor in PEERED.sensors
    }


def test_maintenance_at_the_moment_of_the_failure_is_not_seen_before_it() -> None:
    """743 of 761 failures stand in the maintenance table at the same moment; an hour before, both are unknown."""
    moment = START + timedelta(hours=100)
    row = {MACHINE: ["m1"], EVENT_TIME: [moment], RECORDED_AT: [moment - timedelta(hours=24)]}
    schema = readings(REGULAR).arrow
    planned = pa.table({**row, "component": ["c1"], "action": [None]}, schema=_contract("maintenance"))
    facts = {MACHINE: MACHINES, EVENT_TIME: [START] * 2, RECORDED_AT: [START] * 2, "kind": ["regular"] * 2}
    machines = pa.Table.from_pylist(pa.table(facts).to_pylist(), schema=_contract("machines"))
    tables = {"maintenance": planned, "machines": machines, REGULAR.readings_table: schema.empty_table()}
    before, without = (honest(one, moment - timedelta(hours=1)) for one in (tables, tables | {"maintenance": planned.slice(1)}))
    assert np.array_equal(bits(before), bits(without))
    assert not np.array_equal(bits(honest(tables, moment)), bits(honest(tables | {"maintenance": planned.slice(1)}, moment)))


def _contract(name: str) -> pa.Schema:
    return pa.schema([(field.name, field.type) for field in FIXED[name].arrow])
