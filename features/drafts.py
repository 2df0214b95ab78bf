"""Snapshots being written: a snapshot exists once its folder has its final name."""

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.catalog import Definition
from features.observations import AS_OF, Grid, schema
from features.snapshots import FORMAT, MANIFEST, Matrix, Snapshot, digest_of, folder_of

# Numbers of high entropy: quick compression, no dictionaries, statistics of the keys only, a column of a chunk in one go.
WRITER: dict[str, Any] = {"compression": "lz4", "write_batch_size": 1 << 14}


@dataclass(frozen=True)
class Part:
    """One written Parquet file."""

    file: str
    bucket: int
    rows: int
    latest: int


@dataclass(frozen=True)
class Draft:
    """What decides a snapshot's content, before it is built."""

    catalog: Definition
    versions: Mapping[str, int]
    grid: Grid
    lake_root: Path
    digest: str

    @classmethod
    def of(cls, catalog: Definition, versions: Mapping[str, int], grid: Grid, *, lake_root: Path, lake_id: str) -> "Draft":
        digest = digest_of(lake_id, versions, catalog.hash, grid.model_dump(mode="json"))
        return cls(catalog, versions, grid, lake_root, digest)

    def existing(self, home: Path) -> Snapshot | None:
        """The snapshot of the same content, if one was built."""
        found = sorted(folder_of(home).glob(f"{self.catalog.kind.name}-*-{self.digest}/{MANIFEST}"))
        return Snapshot(found[0].parent) if found else None

    @contextmanager
    def open(self, home: Path) -> Iterator["Work"]:
        """A working folder beside the snapshots, removed unless it was published. Leftovers of killed builds go too."""
        folder = folder_of(home)
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f".{self.digest}-*"):
            with _claimed(leftover) as mine:
                if mine:
                    shutil.rmtree(leftover, ignore_errors=True)
        path = folder / f".{self.digest}-{uuid.uuid4().hex[:8]}"
        path.mkdir()
        with _claimed(path):
            try:
                yield Work(self, path)
            finally:
                shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class Work:
    """A snapshot being written."""

    draft: Draft
    path: Path

    def write(self, bucket: int, number: int, chunks: Iterable[tuple[pa.Table, Matrix]]) -> Part:
        """Write one group of a bucket's entities, their observations and features, chunk by chunk (a row group each)."""
        names, entity = self.draft.catalog.names, self.draft.catalog.entity
        # Missing is NaN: without nulls Parquet has less to note down of each number.
        form = pa.schema([*schema(entity), *(pa.field(name, pa.float32(), nullable=False) for name in names)])
        path, rows, latest = self.path / f"part-{bucket:02d}-{number:03d}.parquet", 0, -1
        with pq.ParquetWriter(path, form, use_dictionary=[entity], write_statistics=[entity, AS_OF], **WRITER) as writer:
            for table, matrix in chunks:
                columns = [pa.array(matrix[:, column]) for column in range(len(names))]
                writer.write_table(pa.table([*table.columns, *columns], schema=form), row_group_size=len(matrix))
                rows += table.num_rows
                latest = max(latest, pc.max(table.column(AS_OF)).cast(pa.int64()).as_py())
        _sync(path)
        return Part(path.name, bucket, rows, latest)

    def publish(self, parts: Sequence[Part]) -> Snapshot:
        """Write the manifest and give the folder its name, in one step that either happens or does not."""
        draft, wanted = self.draft, self.draft.catalog
        last = datetime.fromtimestamp(max(part.latest for part in parts) / 1e6, UTC)
        name = f"{wanted.kind.name}-{last:%Y%m%d}-{draft.digest}"
        manifest = {
            "format": FORMAT,
            "id": name,
            "kind": wanted.kind.model_dump(mode="json"),
            "entity": wanted.entity,
            "catalog_hash": wanted.hash,
            "features": wanted.names,
            "lake": str(draft.lake_root),
            "lake_versions": dict(draft.versions),
            "grid": draft.grid.model_dump(mode="json"),
            "rows": sum(part.rows for part in parts),
            "last_as_of": last.isoformat(),
            "parts": [{"file": part.file, "bucket": part.bucket, "rows": part.rows} for part in parts],
            "created_at": datetime.now(UTC).isoformat(),
        }
        _settle(self.path / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False))
        final = self.path.parent / name
        try:
            self.path.replace(final)
        except OSError:
            # Another build of the same content was faster; its folder holds the same bytes.
            if not (final / MANIFEST).exists():
                raise
        _sync(final.parent)
        return Snapshot(final)


def _settle(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _claimed(path: Path) -> Iterator[bool]:
    """Whether this process alone works in a folder; the system forgets the claim of one that was killed."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
