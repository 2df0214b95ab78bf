"""The lake: Delta tables partitioned by entity bucket. Rows are appended once, corrected by newer versions, never changed.

lake.json     the format, the number of buckets, and an id that no other lake has
kinds/        the machine kinds, one JSON file each
tables/       one Delta table per contract
quarantine/   rows that broke their contract, with file, row, column and reason (Delta)
accounts/     the row account of each import, one JSON file each
log/          rows that were sent and are not in the tables yet (features/log.py), and the account of those that are
"""

import json
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import delta, lock, quarantine
from features import ingest as imports
from features.account import RowAccount, TableCount
from features.clock import in_order
from features.documents import read_json, write_json
from features.errors import BadInput, NotFound
from features.kinds import MachineKind, extended, parse_kind
from features.schema import MACHINES, TEXT, TableContract, readings, reference
from features.sources.reader import Batch, Source
from features.spill import Spill
from features.tables import STANDARD
from features.view import View

__all__ = ["Lake", "RowAccount", "TableCount"]

FORMAT = 1
MAX_BUCKETS = 256
COPY = "restore it from a copy of the lake"


class Lake:
    """The tables under one root folder. Any number of readers; one writer at a time."""

    def __init__(self, root: Path, buckets: int, id: str) -> None:
        self.root = root
        self.buckets = buckets
        self.id = id

    @classmethod
    def open(cls, root: Path, *, create: bool = False, buckets: int = 8) -> "Lake":
        """Open the lake at `root`, or with `create` make an empty one of `buckets` buckets (which stay for good).

        Raises NotFound if there is none, BadInput if it is not a lake that this version reads.
        """
        path = root / "lake.json"
        if not path.exists():
            if not create:
                raise NotFound("no lake here", where=str(root), mend="import or simulate histories first")
            if not 1 <= buckets <= MAX_BUCKETS:
                raise BadInput(f"{buckets} buckets", where="buckets", mend=f"choose 1 to {MAX_BUCKETS}")
            root.mkdir(parents=True, exist_ok=True)
            write_json(path, {"format": FORMAT, "id": uuid.uuid4().hex, "buckets": buckets})
        try:
            document = _read(path)
            found, buckets, id = document["format"], int(document["buckets"]), str(document["id"])
        except (ValueError, KeyError, TypeError):
            raise _damaged(path) from None
        if found != FORMAT:
            raise BadInput(f"lake of format {found}, this version reads {FORMAT}", where=str(path), mend="update Forewarn")
        return cls(root, buckets, id)

    # Kinds and contracts

    def kinds(self) -> dict[str, MachineKind]:
        """The declared machine kinds by name."""
        return {path.stem: _read_kind(path) for path in sorted((self.root / "kinds").glob("*.json"))}

    def kind(self, name: str) -> MachineKind:
        """One machine kind. Raises NotFound naming those that there are."""
        path = self.root / "kinds" / f"{name}.json"
        if not path.is_file() or path.parent != self.root / "kinds":
            raise NotFound(f"no machine kind '{name}'", where=str(self.root), mend=_choices(self.kinds()))
        return _read_kind(path)

    def put_kind(self, kind: MachineKind) -> MachineKind:
        """Declare a kind, or extend the stored one. Raises Conflict if a sensor or a code would go (see `kinds.extended`)."""
        path = self.root / "kinds" / f"{kind.name}.json"
        if path.exists():
            stored = _read_kind(path)
            kind = extended(stored, kind, str(path))
            if kind == stored:
                return stored
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, kind.model_dump(mode="json"))
        return kind

    def contract(self, table_name: str) -> TableContract:
        """The contract of a table. Raises NotFound naming those that there are."""
        if table_name in STANDARD:
            return STANDARD[table_name]
        kinds = self.kinds().values()
        contracts = {kind.readings_table: readings(kind) for kind in kinds}
        # A kind may have asked for it once: what was published then is still to be read and kept in order.
        asked = (kind for kind in kinds if kind.reference or delta.exists(self.path(kind.reference_table)))
        contracts |= {kind.reference_table: reference(kind) for kind in asked}
        if table_name not in contracts:
            raise NotFound(f"no table '{table_name}'", where=str(self.root), mend=_choices([*STANDARD, *contracts]))
        return contracts[table_name]

    def tables(self) -> list[str]:
        """The tables that hold rows."""
        return sorted(path.name for path in (self.root / "tables").glob("[!.]*") if delta.exists(path))

    # Writing

    def ingest(self, source: Source, *, imported_at: datetime, progress: imports.Progress | None = None) -> RowAccount:
        """Import a source: check, drop duplicates, store corrections as new rows, quarantine what breaks its contract.

        Stores and returns the row account. Running it again changes nothing. Raises BadInput (a file as a whole is unusable;
        nothing of the import is stored then), Conflict (somebody else is importing).
        """
        with self.writing() as spill:
            for kind in source.kinds:
                self.put_kind(kind)
            account = imports.run(self, source.name, source.batches(), imported_at, spill, progress)
            if not account.total.rows_in:
                raise BadInput("no rows in any file", where=source.name, mend="check that this is the right folder")
            return self._store_account(account)

    def append_rows(self, contract: TableContract, table: pa.Table, imported_at: datetime, source_name: str) -> RowAccount:
        """Take rows that a program made through the same checks and the same account as an import."""
        rows = np.arange(1, table.num_rows + 1, dtype=np.int64)
        with self.writing() as spill:
            batch = Batch(contract, table, source_name, rows)
            said = {delta.ORIGIN: "program"}
            return self._store_account(imports.run(self, source_name, iter([batch]), imported_at, spill, None, said))

    def append_new(
        self, contract: TableContract, table: pa.Table, made_at: datetime, source_name: str, first: Callable[[], None]
    ) -> RowAccount:
        """Take rows that nobody can have given before, since their key holds an id made for them: nothing is compared.

        first: called once the lake is held and before it changes, for what must be there wherever these rows are.
        Stores and returns the row account. Raises Conflict if somebody else is writing or the disk is full.
        """
        buckets = self.bucket_of(table.column(contract.entity))
        count = TableCount(rows_in=table.num_rows, accepted=table.num_rows)
        said = {delta.ORIGIN: "program", delta.SOURCE: source_name, delta.COUNTS: json.dumps(asdict(count))}
        parts = ((one, [in_order(table.filter(pa.array(buckets == one)), contract)]) for one in np.unique(buckets).tolist())
        with self.writing():
            first()
            self.append(contract, parts, lambda: said)
            return self._store_account(RowAccount(source_name, made_at, {contract.name: count}))

    def _store_account(self, account: RowAccount) -> RowAccount:
        folder = self.root / "accounts"
        folder.mkdir(exist_ok=True)
        # One after the highest: were it how many there are, an account that was taken away would cost another one.
        last = max((int(path.stem) for path in folder.glob("*.json") if path.stem.isdigit()), default=0)
        write_json(folder / f"{last + 1:06d}.json", account.document())
        return account

    @contextmanager
    def writing(self, wait: Callable[[], bool] | None = None, *, brief: bool = False) -> Iterator[Spill]:
        """Hold the writer's lock (the system drops it with the process) and a folder for spilled rows.

        wait, brief: see `lock.held`. Raises Conflict if somebody else holds the lock.
        """
        with lock.held(self.root, wait, brief=brief), delta.room(self.root):
            spill = Spill(self.root / ".spill")
            try:
                yield spill
            finally:
                spill.close()

    def append(self, contract: TableContract, buckets: Iterable[delta.Bucket], said: Callable[[], Mapping[str, str]]) -> None:
        """Commit the rows of some buckets to a table at once. For `ingest`, under the writer's lock."""
        delta.append(self.path(contract.name), contract.arrow, buckets, said)

    def add_quarantined(self, parts: Iterator[pa.Table], source_name: str, files: tuple[str, str]) -> None:
        """Store rows of a source's files (first and last by name) that are not in quarantine yet. For `ingest`, as `append`."""
        quarantine.add(self.root / "quarantine", parts, source_name, files)

    def replace(
        self, contract: TableContract, table: pa.Table, source_name: str, wait: Callable[[], bool] | None = None
    ) -> None:
        """Make `table` the whole content of a table that a program derives from others, in one commit; older versions stay.

        wait: see `lock.held`; others wait for this by themselves. Raises Conflict if somebody else is writing.
        """
        rows = in_order(table.cast(contract.arrow), contract)
        buckets = self.bucket_of(rows.column(contract.entity))
        parts = ((bucket, [rows.filter(pa.array(buckets == bucket))]) for bucket in np.unique(buckets).tolist())
        said = {delta.ORIGIN: "replace", delta.SOURCE: source_name}
        with self.writing(wait, brief=True):
            delta.replace(self.path(contract.name), contract.arrow, parts, lambda: said)

    # Reading

    def at(self, versions: Mapping[str, int] | None = None) -> View:
        """The lake at given table versions, or as it is now: for whoever reads more than one thing, or more than once."""
        return self._now(self.tables()) if versions is None else View(self, versions)

    def _now(self, names: Iterable[str]) -> View:
        opened = {name: delta.Frozen(self.path(name)) for name in names if delta.exists(self.path(name))}
        return View(self, {name: table.version for name, table in opened.items()}, opened)

    def read(
        self,
        table_name: str,
        *,
        buckets: Sequence[int] | None = None,
        version: int | None = None,
        columns: Sequence[str] | None = None,
        machine_ids: Sequence[str] | None = None,
    ) -> pa.Table:
        """All versions of the rows of a table, in the order of `clock.in_order`; an empty table if it has none yet.

        As `View.read`, of one table: at `version`, or now.
        """
        view = self._now([table_name]) if version is None else self.at({table_name: version})
        return view.read(table_name, buckets=buckets, columns=columns, machine_ids=machine_ids)

    def current(self, contract: TableContract) -> delta.Frozen | None:
        """A table as it is now; None if it has no rows yet."""
        path = self.path(contract.name)
        return delta.Frozen(path) if delta.exists(path) else None

    def versions(self) -> dict[str, int]:
        """The current Delta version of every table that holds rows."""
        return dict(self.at().versions)

    def machines(self) -> pa.Table:
        """All versions of all machines."""
        return self.read(MACHINES.name)

    def bucket_of(self, machine_ids: Sequence[str] | pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int32]:
        """The bucket of each entity id: a stable hash, the same on every machine and in every release."""
        ids = machine_ids if isinstance(machine_ids, pa.Array | pa.ChunkedArray) else pa.array(list(machine_ids), TEXT)
        whole = pa.chunked_array([ids] if isinstance(ids, pa.Array) else ids.chunks, TEXT).combine_chunks()
        encoded = whole.dictionary_encode()
        hashed = [zlib.crc32(name.encode()) % self.buckets for name in encoded.dictionary.to_pylist()]
        return np.asarray(np.array(hashed, dtype=np.int32)[encoded.indices.to_numpy()], dtype=np.int32)

    def history(self, table_name: str | None = None) -> dict[str, list[delta.Commit]]:
        """The commits of one table or of all, oldest first. Raises NotFound for an unknown table."""
        names = self.tables() if table_name is None else [self.contract(table_name).name]
        return {name: delta.history(self.path(name)) for name in names if delta.exists(self.path(name))}

    def accounts(self) -> list[dict[str, Any]]:
        """The row accounts of all imports, oldest first."""
        return [_read(path) for path in sorted((self.root / "accounts").glob("*.json"))]

    def quarantined(self, *, table: str | None = None, limit: int | None = 100) -> pa.Table:
        """Quarantined rows, by table, file and row: at most `limit` of them, of one `table` or of all."""
        return quarantine.read(self.root / "quarantine", table=table, limit=limit)

    def path(self, table_name: str) -> Path:
        """Where a table lies."""
        return self.root / "tables" / table_name


def _read_kind(path: Path) -> MachineKind:
    return parse_kind(_read(path), str(path))


def _read(path: Path) -> dict[str, Any]:
    """A JSON document of the lake. Raises BadInput if it is damaged."""
    return read_json(path, COPY)


def _damaged(path: Path) -> BadInput:
    return BadInput("not readable", where=str(path), mend=COPY)


def _choices(names: Any) -> str:
    return "there are: " + (", ".join(sorted(names)) or "none yet")
