"""Snapshots: immutable, dated feature tables on disk, as they are read. features/drafts.py writes them."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.catalog import Definition, catalog
from features.enterprise import catalog as of_enterprises
from features.errors import BadInput, NotFound
from features.kinds import MachineKind
from features.observations import AS_OF, schema
from features.schema import ENTERPRISE, MACHINE

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
MANIFEST = "manifest.json"
Matrix = npt.NDArray[np.float32]


def digest_of(lake_id: str, versions: Mapping[str, int], catalog_hash: str, grid: Mapping[str, Any]) -> str:
    """What a snapshot's content follows from, in twelve hex digits."""
    document = [FORMAT, lake_id, dict(versions), catalog_hash, dict(grid)]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:12]


def folder_of(home: Path) -> Path:
    """Where the snapshots of a home lie."""
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
        ours = self.definition.hash
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
        if not self.id.endswith(digest_of(lake_id, document["lake_versions"], document["catalog_hash"], document["grid"])):
            mend = "run `forewarn features build` and take the new one"
            raise BadInput("built on another lake, or changed since", where=f"snapshot {self.id}", mend=mend)

    @property
    def kind(self) -> MachineKind:
        return MachineKind.model_validate(self.manifest["kind"])

    @property
    def definition(self) -> Definition:
        """What this installation computes for such observations: of machines of the kind, or of enterprises."""
        return of_enterprises.catalog() if self.entity == ENTERPRISE else catalog(self.kind)

    @property
    def entity(self) -> str:
        """The column that says whose observations these are: machine_id or enterprise_id."""
        return str(self.manifest.get("entity", MACHINE))

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
        """Keys and features as Arrow, by bucket, entity and time. Raises NotFound on an unknown feature."""
        wanted = self.features if columns is None else list(columns)
        unknown = [name for name in wanted if name not in set(self.features)]
        if unknown:
            raise NotFound(f"no feature {unknown[0]}", where=f"snapshot {self.id}", mend="see the manifest's features")
        names = [self.entity, AS_OF, *wanted]
        form = pa.schema([*schema(self.entity), *(pa.field(name, pa.float32()) for name in wanted)])
        chosen = [part for part in self.manifest["parts"] if buckets is None or part["bucket"] in buckets]
        read = [self._part(part, names).cast(form) for part in chosen]
        table = pa.concat_tables(read) if read else form.empty_table()
        if machine_ids is not None:
            table = table.filter(pc.is_in(table.column(self.entity).cast(pa.string()), value_set=pa.array(machine_ids)))
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
        """Entity and as_of of every row, in the order of `table` and `matrix`."""
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
        """One row per observation: entity, as_of, features."""
        table = self.table(columns, machine_ids=machine_ids)
        text = table.column(self.entity).cast(pa.string())
        return table.set_column(0, self.entity, text).to_pandas()


def list_snapshots(home: Path) -> list[Snapshot]:
    """All finished snapshots, the newest last."""
    found = [Snapshot(path.parent) for path in sorted(folder_of(home).glob(f"[!.]*/{MANIFEST}"))]
    return sorted(found, key=lambda one: (one.manifest["created_at"], one.id))


def open_snapshot(home: Path, snapshot_id: str = "latest", kind: str | None = None) -> Snapshot:
    """A snapshot by id, or the one built last (of a kind). Raises NotFound, BadInput for one of another kind."""
    if snapshot_id != "latest":
        path = folder_of(home) / snapshot_id
        if not snapshot_id or Path(snapshot_id).name != snapshot_id or not (path / MANIFEST).exists():
            raise NotFound(f"no snapshot {snapshot_id}", where=str(folder_of(home)), mend="see `forewarn features list`")
        found = Snapshot(path)
        if kind is not None and found.kind.name != kind:
            raise BadInput(f"of kind {found.kind.name}", where=f"snapshot {snapshot_id}", mend=f"name one of kind {kind}")
        return found
    fitting = [one for one in list_snapshots(home) if kind is None or one.manifest["kind"]["name"] == kind]
    if not fitting:
        what = "no snapshot yet" if kind is None else f"no snapshot of kind {kind} yet"
        raise NotFound(what, where=str(folder_of(home)), mend="run `forewarn features build`")
    return fitting[-1]
