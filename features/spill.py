"""Checked rows of an import on disk, by table and bucket, so that an import of any size needs the memory of one bucket."""

import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.schema import TableContract

ROW, FILE, OWN, ARRIVAL, RECEIVED = "_row", "_file", "_own_recorded", "_arrival", "_received"


class Spill:
    """Append rows by table and bucket, read them back bucket by bucket. The folder is removed by `close`."""

    def __init__(self, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        self._root = root
        self._files: list[str] = []
        self._parts: dict[str, dict[int, list[Path]]] = defaultdict(lambda: defaultdict(list))
        self._kept: dict[str, list[tuple[int, Path]]] = defaultdict(list)
        self._open: dict[int, pa.RecordBatchStreamWriter] = {}
        self._open_table = ""
        self._refused: pa.RecordBatchStreamWriter | None = None
        self.contracts: dict[str, TableContract] = {}

    def add(
        self,
        contract: TableContract,
        table: pa.Table,
        buckets: npt.NDArray[np.int32],
        rows: npt.NDArray[np.int64],
        file: str,
        own_recorded: bool,
        arrival: int,
        received_at: int,
    ) -> None:
        """Append `table`; `buckets` and `rows` are aligned with it. arrival: its turn; received_at: microseconds."""
        if self._open_table != contract.name:
            self._close_writers()
            self._open_table = contract.name
        self.contracts[contract.name] = contract
        if not self._files or self._files[-1] != file:
            self._files.append(file)
        count = table.num_rows
        for name, values in (
            (ROW, pa.array(rows, pa.int64())),
            (FILE, pa.array(np.full(count, len(self._files) - 1, dtype=np.int32))),
            (OWN, pa.array(np.full(count, own_recorded))),
            (ARRIVAL, pa.array(np.full(count, arrival, dtype=np.int64))),
            (RECEIVED, pa.array(np.full(count, received_at, dtype=np.int64))),
        ):
            table = table.append_column(name, values)
        order = np.argsort(buckets, kind="stable")
        table = table.take(pa.array(order))
        found, starts = np.unique(buckets[order], return_index=True)
        for bucket, start, stop in zip(found.tolist(), starts, [*starts[1:], count], strict=True):
            self._writer(contract.name, bucket, table.schema).write_table(table.slice(start, stop - start))

    def _writer(self, name: str, bucket: int, schema: pa.Schema) -> pa.RecordBatchStreamWriter:
        if bucket not in self._open:
            parts = self._parts[name][bucket]
            path = self._root / f"{name}-{bucket}-{len(parts)}.arrows"
            parts.append(path)
            self._open[bucket] = pa.ipc.new_stream(path, schema)
        return self._open[bucket]

    def _close_writers(self) -> None:
        for writer in self._open.values():
            writer.close()
        self._open = {}

    def buckets(self, name: str) -> list[int]:
        return sorted(self._parts[name])

    def read(self, name: str, bucket: int) -> pa.Table:
        """All rows of one table and bucket in the order in which they came, with the columns named above."""
        self._close_writers()
        parts = []
        for path in self._parts[name][bucket]:
            with pa.ipc.open_stream(path) as stream:
                parts.append(stream.read_all())
        return pa.concat_tables(parts)

    def keep(self, name: str, bucket: int, table: pa.Table) -> None:
        """Put merged rows of one bucket aside, if there are any, until the table is committed."""
        if table.num_rows:
            path = self._root / f"{name}-{bucket}-kept.arrows"
            with pa.ipc.new_stream(path, table.schema) as stream:
                stream.write_table(table)
            self._kept[name].append((bucket, path))

    def kept(self, name: str) -> Iterator[tuple[int, pa.Table]]:
        """(bucket, rows) as put aside by `keep`."""
        for bucket, path in self._kept[name]:
            with pa.ipc.open_stream(path) as stream:
                yield bucket, stream.read_all()

    def refuse(self, table: pa.Table) -> None:
        """Put refused rows aside for the quarantine."""
        if self._refused is None:
            self._refused = pa.ipc.new_stream(self._root / "refused.arrows", table.schema)
        self._refused.write_table(table)

    def refused(self) -> Iterator[pa.Table]:
        """What `refuse` put aside, some rows at a time."""
        if self._refused is not None:
            self._refused.close()
            self._refused = None
            with pa.ipc.open_stream(self._root / "refused.arrows") as stream:
                for batch in stream:
                    yield pa.Table.from_batches([batch])

    def files(self, indices: pa.ChunkedArray) -> pa.Array:
        """The file names behind a FILE column."""
        return pa.array(self._files, pa.string()).take(indices.combine_chunks())

    def close(self) -> None:
        self._close_writers()
        if self._refused is not None:
            self._refused.close()
        shutil.rmtree(self._root, ignore_errors=True)
