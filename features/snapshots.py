"""Snapshots: immutable, dated feature tables on disk. A snapshot exists once its folder has its final name."""

import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.catalog import Catalog, catalog
from features.errors import BadInput, NotFound
from features.kinds import MachineKind
from features.observations import AS_OF, SCHEMA, Grid
from features.schema import MACHINE

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
MANIFEST = "manifest.json"
# Numbers of high entropy: quick compression, no dictionaries, statistics of the keys only, a column of a chunk in one go.
WRITER: dict[str, Any] = {
    "compression": "lz4", "use_dictionary": [MACHINE], "write_statistics": [MACHINE, AS_OF], "write_batch_size": 1 << 14
}  # fmt: skip
Matrix = npt.NDArray[np.float32]


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

    catalog: Catalog
    versions: Mapping[str, int]
    grid: Grid
    lake_root: Path
    digest: str

    @classmethod
    def of(cls, catalog: Catalog, versions: Mapping[str, int], grid: Grid, *, lake_root: Path, lake_id: str) -> "Draft":
        digest = _digest(lake_id, versions, catalog.hash, grid.model_dump(mode="json"))
        return cls(catalog, versions, grid, lake_root, digest)

    def existing(self, home: Path) -> "Snapshot | None":
        """The snapshot of the same content, if one was built."""
        found = sorted(_folder(home).glob(f"{self.catalog.kind.name}-*-{self.digest}/{MANIFEST}"))
        return Snapshot(found[0].parent) if found else None

    @contextmanager
    def open(self, home: Path) -> Iterator["Work"]:
        """A working folder beside the snapshots, removed unless it was published. Leftovers of killed builds go too."""
        folder = _folder(home)
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
        """Write one group of a bucket's machines, their observations and features, chunk by chunk (a row group each)."""
        names = self.draft.catalog.names
        # Missing is NaN: without nulls Parquet has less to note down of each number.
        schema = pa.schema([*SCHEMA, *(pa.field(name, pa.float32(), nullable=False) for name in names)])
        path, rows, latest = self.path / f"part-{bucket:02d}-{number:03d}.parquet", 0, -1
        with pq.ParquetWriter(path, schema, **WRITER) as writer:
            for table, matrix in chunks:
                columns = [pa.array(matrix[:, column]) for column in range(len(names))]
                writer.write_table(pa.table([*table.columns, *columns], schema=schema), row_group_size=len(matrix))
                rows += table.num_rows
                latest = max(latest, pc.max(table.column(AS_OF)).cast(pa.int64()).as_py())
        _sync(path)
        return Part(path.name, bucket, rows, latest)

    def publish(self, parts: Sequence[Part]) -> "Snapshot":
        """Write the manifest and give the folder its name, in one step that either happens or does not."""
        draft, wanted = self.draft, self.draft.catalog
        last = datetime.fromtimestamp(max(part.latest for part in parts) / 1e6, UTC)
        name = f"{wanted.kind.name}-{last:%Y%m%d}-{draft.digest}"
        manifest = {
            "format": FORMAT,
            "id": name,
            "kind": wanted.kind.model_dump(mode="json"),
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


def _digest(lake_id: str, versions: Mapping[str, int], catalog_hash: str, grid: Mapping[str, Any]) -> str:
    document = [FORMAT, lake_id, dict(versions), catalog_hash, dict(grid)]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:12]


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


def _folder(home: Path) -> Path:
    return home / "snapshots"


@dataclass(frozen=True)
class Snapshot:
    """A snapshot on disk, read lazily."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @cached_property
    def manifest(self) -> dict[str, Any]:
        try:
            document = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        except ValueError:
            document = None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise self._damaged(MANIFEST)
        return document

    def _damaged(self, file: str) -> BadInput:
        mend = "remove the snapshot's folder and run `forewarn features build`"
        return BadInput("missing or damaged", where=str(self.path / file), mend=mend)

    def check_current(self) -> None:
        """Raises BadInput unless its features are those that this installation computes."""
        ours = catalog(self.kind).hash
        if self.manifest["catalog_hash"] != ours:
            what = f"built on catalog {self.manifest['catalog_hash']}, this installation computes {ours}"
            raise BadInput(what, where=f"snapshot {self.id}", mend="run `forewarn features build` and take the new one")

    @property
    def lake(self) -> Path:
        """Its lake: the one beside it in their home, which may have moved, else the one where it was built."""
        beside = self.path.parent.parent / "lake"
        return beside if (beside / "lake.json").exists() else Path(self.manifest["lake"])

    def check_lake(self, lake_id: str) -> None:
        """Raises BadInput unless it was built on this lake: versions of another one mean other rows."""
        document = self.manifest
        if not self.id.endswith(_digest(lake_id, document["lake_versions"], document["catalog_hash"], document["grid"])):
            mend = "run `forewarn features build` and take the new one"
            raise BadInput("built on another lake, or changed since", where=f"snapshot {self.id}", mend=mend)

    @property
    def kind(self) -> MachineKind:
        return MachineKind.model_validate(self.manifest["kind"])

    @property
    def features(self) -> list[str]:
        return list(self.manifest["features"])

    @property
    def rows(self) -> int:
        return int(self.manifest["rows"])

    @property
    def buckets(self) -> list[int]:
        """Buckets that hold observations."""
        return sorted({part["bucket"] for part in self.manifest["parts"]})

    def table(
        self,
        columns: Sequence[str] | None = None,
        *,
        buckets: Sequence[int] | None = None,
        machine_ids: Sequence[str] | None = None,
    ) -> pa.Table:
        """Keys and features as Arrow, by bucket, machine and time. Raises NotFound on an unknown feature."""
        wanted = self.features if columns is None else list(columns)
        unknown = [name for name in wanted if name not in set(self.features)]
        if unknown:
            raise NotFound(f"no feature {unknown[0]}", where=f"snapshot {self.id}", mend="see the manifest's features")
        names = [MACHINE, AS_OF, *wanted]
        schema = pa.schema([*SCHEMA, *(pa.field(name, pa.float32()) for name in wanted)])
        chosen = [part for part in self.manifest["parts"] if buckets is None or part["bucket"] in buckets]
        read = [self._part(part, names).cast(schema) for part in chosen]
        table = pa.concat_tables(read) if read else schema.empty_table()
        if machine_ids is not None:
            table = table.filter(pc.is_in(table.column(MACHINE).cast(pa.string()), value_set=pa.array(machine_ids)))
        return table.unify_dictionaries()

    def _part(self, part: Mapping[str, Any], names: list[str]) -> pa.Table:
        try:
            table = pq.read_table(self.path / part["file"], columns=names).select(names)
        except (OSError, KeyError, pa.ArrowInvalid):
            raise self._damaged(part["file"]) from None
        if table.num_rows != part["rows"]:
            raise self._damaged(part["file"])
        return table

    def observations(self, *, buckets: Sequence[int] | None = None) -> pa.Table:
        """machine_id and as_of of every row, in the order of `table` and `matrix`."""
        return self.table([], buckets=buckets)

    def matrix(self, bucket: int | None = None, columns: Sequence[str] | None = None) -> Matrix:
        """float32[rows, features] of one bucket or of all, in the order of `observations`."""
        table = self.table(columns, buckets=None if bucket is None else [bucket])
        out = np.empty((table.num_columns - 2, table.num_rows), dtype=np.float32)
        for row, column in enumerate(table.columns[2:]):
            out[row] = column.to_numpy()
        return out.T

    def taken(self, bucket: int, rows: npt.NDArray[np.int64]) -> Iterator[tuple[npt.NDArray[np.int64], Matrix]]:
        """Features of some rows of a bucket (ascending numbers), a row group at a time: (their numbers, float32[n, features]).

        Row groups without any of them are not read.
        """
        start = 0
        for part in self.manifest["parts"]:
            if part["bucket"] != bucket or not part["rows"]:
                continue
            try:
                file = pq.ParquetFile(self.path / part["file"])
                for group in range(file.num_row_groups):
                    stop = start + file.metadata.row_group(group).num_rows
                    inside = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]
                    if len(inside):
                        table = file.read_row_group(group, columns=self.features).select(self.features)
                        out = np.empty((table.num_columns, table.num_rows), dtype=np.float32)
                        for place, column in enumerate(table.columns):
                            out[place] = column.to_numpy()
                        yield inside, (out if len(inside) == stop - start else out[:, inside - start]).T
                    start = stop
            except (OSError, KeyError, pa.ArrowInvalid):
                raise self._damaged(part["file"]) from None

    def to_pandas(self, columns: Sequence[str] | None = None, machine_ids: Sequence[str] | None = None) -> "pd.DataFrame":
        """One row per observation: machine_id, as_of, features."""
        table = self.table(columns, machine_ids=machine_ids)
        text = table.column(MACHINE).cast(pa.string())
        return table.set_column(0, MACHINE, text).to_pandas()


def list_snapshots(home: Path) -> list[Snapshot]:
    """All finished snapshots, the newest last."""
    found = [Snapshot(path.parent) for path in sorted(_folder(home).glob(f"[!.]*/{MANIFEST}"))]
    return sorted(found, key=lambda one: (one.manifest["created_at"], one.id))


def open_snapshot(home: Path, snapshot_id: str = "latest", kind: str | None = None) -> Snapshot:
    """A snapshot by id, or the one built last (of a kind). Raises NotFound, BadInput for one of another kind."""
    if snapshot_id != "latest":
        path = _folder(home) / snapshot_id
        if not snapshot_id or Path(snapshot_id).name != snapshot_id or not (path / MANIFEST).exists():
            raise NotFound(f"no snapshot {snapshot_id}", where=str(_folder(home)), mend="see `forewarn features list`")
        found = Snapshot(path)
        if kind is not None and found.kind.name != kind:
            raise BadInput(f"of kind {found.kind.name}", where=f"snapshot {snapshot_id}", mend=f"name one of kind {kind}")
        return found
    fitting = [one for one in list_snapshots(home) if kind is None or one.manifest["kind"]["name"] == kind]
    if not fitting:
        what = "no snapshot yet" if kind is None else f"no snapshot of kind {kind} yet"
        raise NotFound(what, where=str(_folder(home)), mend="run `forewarn features build`")
    return fitting[-1]
