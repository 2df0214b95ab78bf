"""A frozen view of the lake: every table at one version, for readers who look more than once."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features import delta
from features.clock import in_order
from features.datafiles import Ids, Span, Where, ranges
from features.errors import NotFound
from features.schema import MACHINE, MACHINES, RECORDED_AT, TEXT, TableContract

if TYPE_CHECKING:
    from features.lake import Lake


class View:
    """The lake's tables at fixed versions. A table that is not among the versions is empty: it did not exist then.

    A table's log is read once. Threads may share a view.
    """

    def __init__(self, lake: "Lake", versions: Mapping[str, int], opened: Mapping[str, delta.Frozen] | None = None) -> None:
        """versions: of the lake's tables; one that is not there is found out when it is read. opened: tables open already."""
        self.versions: Mapping[str, int] = MappingProxyType(dict(versions))
        self._lake = lake
        self._lock = Lock()
        self._contracts: dict[str, TableContract] = {}
        self._tables = dict(opened or {})

    def read(
        self,
        table_name: str,
        *,
        buckets: Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        machine_ids: Sequence[str] | None = None,
        between: Ids | None = None,
        times: Span | None = None,
        coded: bool = False,
    ) -> pa.Table:
        """All versions of the rows of a table, in the order of `clock.in_order`.

        buckets, machine_ids: only these (ids read only the buckets they fall into); of a table of enterprises or industries
        the ids are theirs. columns: only these, in this order.
        between: only entities from the first id to the second, both included; of a compacted table nothing else is decoded.
        times: only rows whose event time lies in this span (microseconds), both ends included.
        coded: the entity as a dictionary.
        Raises NotFound for an unknown table or version, BadInput for a damaged one.
        """
        contract = self.contract(table_name)
        names = list(columns) if columns is not None else contract.arrow.names
        needed = list(dict.fromkeys([*contract.key, RECORDED_AT, *names]))
        schema = pa.schema([contract.arrow.field(name) for name in needed])
        if machine_ids is not None:
            if not len(machine_ids):
                return schema.empty_table().select(names)
            found = set(self._lake.bucket_of(machine_ids).tolist())
            buckets = sorted(found if buckets is None else found & set(buckets))
        table = self._table(table_name)
        if table is None:
            return schema.empty_table().select(names)
        ids = None if machine_ids is None else pa.array(machine_ids, TEXT)
        parts = list(table.read(schema, Where(contract.entity, ids, between, times), buckets=buckets))
        if not parts:
            return schema.empty_table().select(names)
        found = in_order(pa.concat_tables(parts), contract)
        return (found if coded else found.cast(schema)).select(names)

    def onward(self, table_name: str, bucket: int, ranges: Sequence[Ids]) -> Iterator[pa.Table]:
        """As `read` with each of some ascending ranges as `between`, the entity as a dictionary; nothing is decoded twice."""
        contract = self.contract(table_name)
        table = self._table(table_name)
        each = ([] for _ in ranges) if table is None else table.onward(contract.arrow, contract.entity, bucket, ranges)
        for parts in each:
            yield in_order(pa.concat_tables(parts), contract) if parts else contract.arrow.empty_table()

    def latest(self, table_name: str) -> datetime | None:
        """The latest recording of a table's rows, without reading them; None without a row."""
        table = self._table(table_name)
        return None if table is None else table.latest(RECORDED_AT)

    def buckets_of(self, machine_ids: Sequence[str]) -> npt.NDArray[np.int32]:
        """The bucket of each machine, known or not."""
        return self._lake.bucket_of(machine_ids)

    def machine_ids(self, bucket: int) -> list[str]:
        """The ids of the machines of a bucket, ascending (by bytes, as `between` compares them)."""
        ids = self.read(MACHINES.name, buckets=[bucket], columns=[MACHINE]).column(MACHINE)
        return [str(one) for one in pc.unique(ids).to_pylist()]

    def vacuumed(self) -> list[str]:
        """The tables that are no longer there at these versions, or some of whose files are not."""

        def whole(name: str) -> bool:
            try:
                table = self._table(name)
            except NotFound:
                return False
            return table is None or all((table.path / file.path).exists() for file in table.files)

        return [name for name in self.versions if delta.exists(self._lake.path(name)) and not whole(name)]

    def groups(self, table_name: str, bucket: int, rows: int) -> list[Ids]:
        """Ranges of the entities of a bucket, ascending, each of at most `rows` rows of a table (or of one entity)."""
        table = self._table(table_name)
        return [] if table is None else ranges(*table.counts(bucket, self.contract(table_name).entity), rows)

    def contract(self, table_name: str) -> TableContract:
        """The contract of a table, as the lake knew it when the view first looked. Raises NotFound."""
        if table_name not in self._contracts:
            self._contracts[table_name] = self._lake.contract(table_name)
        return self._contracts[table_name]

    def _table(self, name: str) -> delta.Frozen | None:
        if name not in self.versions:
            return None
        with self._lock:
            if name not in self._tables:
                self._tables[name] = delta.Frozen(self._lake.path(name), self.versions[name])
            return self._tables[name]
