"""Checked rows of an import on disk, by table and bucket, so that an import of any size is merged some entities at a time."""

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.datafiles import ranges
from features.schema import TableContract

ROW, FILE, OWN, ARRIVAL, RECEIVED = "_row", "_file", "_own_recorded", "_arrival", "_received"


class Spill:
    """Append rows by table and bucket, read them back bucket by bucket, entities in order. The folder is removed by `close`."""

    def __init__(self, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        self._root = root
        self._files: list[str] = []
        self._parts: dict[str, dict[int, list[Path]]] = defaultdict(lambda: defaultdict(list))
        self._open: dict[int, pa.RecordBatchStreamWriter] = {}
        self._open_table = ""
        self._refused: pa.RecordBatchStreamWriter | None = None
        self.contracts: dict[str, TableContract] = {}
        self.rows = 0

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
        self.rows += count
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

    def stretches(self, name: str, bucket: int, rows: int) -> Iterator[pa.Table]:
        """The rows of one table and bucket with the columns named above, some entities at a time, ascending: about `rows` rows.

        Within such a stretch the rows stand in the order in which they came.
        """
        self._close_writers()
        entity = self.contracts[name].entity
        held: Counter[str] = Counter()
        for batch in self._batches(name, bucket):
            for word in pc.value_counts(batch.column(entity)).to_pylist():
                held[word["values"]] += word["counts"]
        ids = sorted(held, key=str.encode)
        for low, high in ranges(ids, [held[one] for one in ids], rows):
            yield pa.Table.from_batches(
                [part for one in self._batches(name, bucket) if (part := _between(one, entity, low, high))]
            )

    def _batches(self, name: str, bucket: int) -> Iterator[pa.RecordBatch]:
        for path in self._parts[name][bucket]:
            with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
                yield from stream

    def refuse(self, table: pa.Table) -> None:
        """Put refused rows aside for the quarantine."""
        if self._refused is None:
            self._refused = pa.ipc.new_stream(self._root / "refused.arrows", table.schema)
        self._refused.write_table(table, max_chunksize=1 << 16)

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

    def clear(self) -> None:
        """Forget all rows: what comes now is another part."""
        self._close()
        for path in self._root.iterdir():
            path.unlink()
        self._parts.clear()
        self.contracts.clear()
        self._open_table, self.rows = "", 0

    def close(self) -> None:
        self._close()
        shutil.rmtree(self._root, ignore_errors=True)

    def _close(self) -> None:
        self._close_writers()
        if self._refused is not None:
            self._refused.close()
            self._refused = None


def _between(batch: pa.RecordBatch, entity: str, low: str, high: str) -> pa.RecordBatch | None:
    ids = batch.column(entity)
    inside = pc.and_(pc.greater_equal(ids, low), pc.less_equal(ids, high))
    count = pc.sum(inside).as_py()
    return (batch if count == batch.num_rows else batch.filter(inside)) if count else None
