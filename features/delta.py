"""Delta tables on disk: append at once, scan a version by bucket. The only importer of deltalake."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as fs
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError

from features.errors import BadInput, NotFound
from features.schema import MACHINES, TEXT, TIME

BUCKET = "bucket"
# What a commit says of itself: who made it (import, log, program, compaction, replace), of what, and the account of its rows.
ORIGIN, SOURCE, COUNTS = "forewarn.origin", "forewarn.source", "forewarn.counts"
_BUCKET = pa.field(BUCKET, pa.int32(), nullable=False)
# Small row groups: rows are sorted by entity, so that reading one machine decodes a few thousand rows, not its whole bucket.
_WRITER = WriterProperties(compression="ZSTD", compression_level=3, max_row_group_size=1 << 14)
# Snapshots and scores name versions as their evidence: by default those older than 30 days would go with some later commit.
_KEPT = {"delta.enableExpiredLogCleanup": "false"}

QUARANTINE = pa.schema(
    [
        ("source", TEXT),
        ("file", TEXT),
        ("row", pa.int64()),
        ("table", TEXT),
        ("column", TEXT),
        ("reason", TEXT),
        ("value", TEXT),
        ("imported_at", TIME),
    ]
)


def exists(path: Path) -> bool:
    """Whether a Delta table is there. Raises BadInput for a folder that has lost its log: its rows must not read as none."""
    if (path / "_delta_log").is_dir() and DeltaTable.is_deltatable(str(path)):
        return True
    if next(path.glob(f"{BUCKET}=*/*.parquet"), None) is None:
        return False
    mend = "restore it from a copy of the lake"
    raise BadInput("the table's _delta_log is gone or empty, its data files are there", where=str(path), mend=mend)


def _damaged(path: Path, error: Exception) -> BadInput:
    reason = str(error).splitlines()[0]
    return BadInput(f"not readable as a table ({reason})", where=str(path), mend="restore it from a copy of the lake")


def append(path: Path, schema: pa.Schema, buckets: Iterator[tuple[int, pa.Table]], said: Mapping[str, str]) -> None:
    """Commit (bucket, rows) pairs at once, partitioned by bucket; no pair, no new version.

    said: what the commit says of itself.
    A process killed before the commit leaves files that no version names, and nothing else.
    """
    first = next(buckets, None)
    if first is None:
        return
    batches = (batch for bucket, table in chain([first], buckets) for batch in _with_bucket(table, bucket))
    # A table's first files come before its log; under a name of their own, so that a folder without a log is always damage.
    place = path if exists(path) else path.with_name(f".{path.name}.first")
    if place != path:
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
    write_deltalake(
        place,
        pa.RecordBatchReader.from_batches(schema.append(_BUCKET), batches),
        mode="append",
        partition_by=BUCKET,
        schema_mode="merge",
        writer_properties=_WRITER,
        configuration=_KEPT,
        commit_properties=CommitProperties(custom_metadata=dict(said)),
    )
    if place != path:
        place.replace(path)


def _with_bucket(table: pa.Table, bucket: int) -> list[pa.RecordBatch]:
    """Record batches of `table` with its bucket as the last column."""
    bucketed = table.append_column(_BUCKET, pa.repeat(pa.scalar(bucket, pa.int32()), table.num_rows))
    return list(bucketed.combine_chunks().to_batches())


class Frozen:
    """A table at one version: its log is read once, its files are opened as they are needed. Threads may share it."""

    def __init__(self, path: Path, at_version: int | None = None) -> None:
        """at_version: None is the current one. Raises NotFound for a version that is not there, BadInput for damage."""
        self.path = path
        try:
            self._table = DeltaTable(path, version=at_version)
        except (DeltaError, OSError) as error:
            if at_version is None or not exists(path):
                raise _damaged(path, error) from None
            what = f"no version {at_version} of table {path.name}"
            mend = "it may have been removed; build anew from the current version"
            raise NotFound(what, where=str(path), mend=mend) from None
        self.version = int(self._table.version())

    @cached_property
    def _dataset(self) -> ds.FileSystemDataset:
        # Arrow's own file system: the one of deltalake calls back into Python for every read.
        files = fs.SubTreeFileSystem(str(self.path), fs.LocalFileSystem())
        return self._table.to_pyarrow_dataset(filesystem=files, as_large_types=False)

    def scan(
        self, schema: pa.Schema, *, buckets: Sequence[int] | None = None, condition: ds.Expression | None = None
    ) -> pa.Table:
        """The columns of `schema`, in no particular row order; a column that the table does not have yet is null.

        Only files of `buckets` are opened, and of a file only the row groups that may fulfil `condition`.
        Raises BadInput if one of its files is damaged.
        """
        if buckets is not None:
            if not len(buckets):
                return schema.empty_table()
            inside = pc.field(BUCKET).isin(pa.array(buckets, pa.int32()))
            condition = inside if condition is None else inside & condition
        try:
            present = [name for name in schema.names if name in self._dataset.schema.names]
            rows = self._dataset.to_table(columns=present, filter=condition)
        except (DeltaError, OSError, pa.ArrowInvalid) as error:
            raise _damaged(self.path, error) from None
        for field in schema:
            if field.name not in present:
                rows = rows.append_column(field.name, pa.nulls(rows.num_rows, field.type))
        return rows.select(schema.names).cast(schema)


def add_quarantined(path: Path, rows: pa.Table) -> None:
    """Append those `rows` (QUARANTINE schema) that are not in the table yet, whenever they came in."""
    same = [name for name in QUARANTINE.names if name != "imported_at"]
    rows = rows.cast(QUARANTINE).group_by(same, use_threads=False).aggregate([("imported_at", "min")])
    rows = rows.rename_columns([*same, "imported_at"]).select(QUARANTINE.names)
    if exists(path):
        stored = DeltaTable(path).to_pyarrow_table(columns=same)
        rows = rows.join(stored, keys=same, join_type="left anti")
    if rows.num_rows:
        write_deltalake(path, in_file_order(rows.cast(QUARANTINE)), mode="append", writer_properties=_WRITER)


def in_file_order(rows: pa.Table) -> pa.Table:
    """By table, file and row; machines first, since a machine that is refused takes the rows of all its tables with it."""
    # "machines" sorts after "coverage"; a column of its own says that it comes before.
    first = pc.not_equal(rows.column("table"), MACHINES.name)
    order = pc.sort_indices(
        rows.append_column("later", first), [(name, "ascending") for name in ("later", "table", "file", "row", "column")]
    )
    return rows.take(order)
