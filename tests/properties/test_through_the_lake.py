"""Whatever way rows come into the lake, the features are those of the rows: imports in turns, rows sent again, corrections.

And what was once read can be read again: at the versions of an earlier day the features have the bits that they had then.
"""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from features.build import compute
from features.catalog import catalog
from features.clock import micros, times
from features.history import HOUR, from_tables
from features.lake import Lake
from features.online import history_from_lake, vector
from features.schema import FIXED, MACHINE, RECORDED_AT, TableContract, readings
from features.sources.reader import Batch, Source
from tests.properties.histories import MACHINES, REGULAR, START, Tables, bits, histories

# Its reference table would be the lake's own, not the drawn one.
KIND = REGULAR.model_copy(update={"name": "stored", "reference": False})
WANTED = catalog(KIND)
LOOKS = micros(START) + np.arange(6, 180, 12) * HOUR


def contract_of(name: str) -> TableContract:
    return readings(KIND) if name == KIND.readings_table else FIXED[name]


def accepted(name: str, table: pa.Table) -> pa.Table:
    """Without what the lake refuses: codes that the kind does not declare, capacities below zero."""
    if name == "machines":
        place = table.schema.get_field_index("capacity")
        return table.set_column(place, table.schema.field("capacity"), pc.abs(table.column("capacity")))
    column, terms = ("code", KIND.error_codes) if name == "events" else ("mode", KIND.modes)
    return table.filter(pc.is_in(table.column(column), value_set=pa.array([None, *(term.code for term in terms)])))


def turns(tables: Tables, cuts: list[int]) -> list[Tables]:
    """The rows in the order in which they became known: up to the first cut, to the next, and the rest."""
    edges = [np.iinfo(np.int64).min, *sorted(cuts), np.iinfo(np.int64).max]
    parts = []
    for low, high in pairwise(edges):
        known = {name: times(table, RECORDED_AT) for name, table in tables.items()}
        parts.append(
            {name: table.filter(pa.array((low < known[name]) & (known[name] <= high))) for name, table in tables.items()}
        )
    return parts


def source(parts: list[Tables]) -> Source:
    def batches() -> Iterator[Batch]:
        for part in parts:
            for name, table in part.items():
                if table.num_rows:
                    yield Batch(contract_of(name), table, name, np.arange(1, table.num_rows + 1, dtype=np.int64))

    return Source("drawn", (KIND,), batches)


def features(tables: Tables) -> np.ndarray:
    looks = np.tile(LOOKS, len(MACHINES))
    return bits(compute(WANTED, from_tables(KIND, tables, MACHINES), np.repeat([0, 1], len(LOOKS)), looks))


@given(histories(KIND), st.lists(st.integers(0, 200), min_size=1, max_size=2, unique=True), st.data())
@settings(max_examples=4, deadline=None, derandomize=True, database=None, phases=(Phase.generate,))
def test_features_from_the_lake_are_those_of_the_rows(drawn: Tables, hours: list[int], data: st.DataObject) -> None:
    tables = drawn | {name: accepted(name, drawn[name]) for name in ("machines", "events", "operations")}
    parts = turns(tables, [micros(START) + hour * HOUR for hour in hours])
    # Rows of a machine that the lake does not know yet go to quarantine: another law.
    assume(set(parts[0]["machines"].column(MACHINE).to_pylist()) == set(MACHINES))
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(Path(folder) / "lake", create=True, buckets=2)
        seen: list[Tables] = []
        told: list[tuple[dict[str, int], np.ndarray]] = []
        for part in parts:
            # Rows of an earlier turn are sent again: duplicates.
            again = data.draw(st.sampled_from(seen)) if seen else {}
            account = lake.ingest(source([part, again]), imported_at=datetime(2026, 1, 1, tzinfo=UTC))
            assert all(table["quarantined"] == 0 for table in account.document()["tables"].values())
            seen.append(part)
            told.append((dict(lake.versions()), features(read(lake))))
        assert np.array_equal(told[-1][1], features(tables))
        for place, (versions, then) in enumerate(told):
            assert np.array_equal(features(read(lake, versions)), then)
            so_far = {name: pa.concat_tables([part[name] for part in parts[: place + 1]]) for name in tables}
            assert np.array_equal(then, features(so_far))
        known = set(tables["machines"].column(MACHINE).to_pylist())
        for name in sorted(known):
            moment = START + timedelta(hours=90)
            stored = vector(WANTED, history_from_lake(lake, name), moment)
            assert np.array_equal(bits(stored), bits(vector(WANTED, from_tables(KIND, tables, [name]), moment)))


def read(lake: Lake, versions: dict[str, int] | None = None) -> Tables:
    view = lake.at(versions)
    return {name: view.read(name) for name in view.versions}
