"""The log into the tables, round by round: nothing is lost and nothing stored twice, wherever a process dies.

A round takes what lies behind the position, merges it as an import does, commits table by table, and writes the new position
and the account at once. Killed in between, the next round takes the same rows again, and finds those that are stored as
duplicates; what a commit of the killed round says of its part of the account still holds.
"""

import fcntl
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from features import compaction, delta, documents, reference
from features import ingest as imports
from features import log as logs
from features.account import RowAccount, TableCount
from features.errors import Conflict, ForewarnError, NotFound
from features.log import Position, Record, Tail
from features.sources.reader import Batch

if TYPE_CHECKING:
    from pathlib import Path

    from features.lake import Lake

log = logging.getLogger("forewarn.compactor")

SOURCE = "log"
STATE = "compacted.json"
FORMAT = 1
# A round's rows are held in memory while they are merged.
MOST_ROWS = 500_000
# So much waiting is not left waiting until the next round is due.
MOST_BYTES = 64 * 2**20
MOST_VERSIONS = 100
_ROUND, _UPTO = "forewarn.round", "forewarn.upto"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Compacted:
    """Up to where the log is in the tables, after how many rounds, when, and what became of all rows up to there."""

    round: int = 0
    moved_at: datetime = _EPOCH
    positions: dict[str, Position] = field(default_factory=dict)
    tables: dict[str, TableCount] = field(default_factory=dict)

    def account(self) -> RowAccount:
        return RowAccount(SOURCE, self.moved_at, self.tables)


def compacted(lake_root: "Path") -> Compacted:
    """What is said to be compacted. Raises BadInput if that is damaged."""
    path = lake_root / logs.FOLDER / STATE
    if not path.exists():
        return Compacted()
    document = documents.read_json(path, "restore it from a copy of the lake")
    positions = {writer: Position(*place) for writer, place in document["positions"].items()}
    tables = {name: TableCount(**count) for name, count in document["tables"].items()}
    return Compacted(document["round"], datetime.fromisoformat(document["moved_at"]), positions, tables)


def compact_log(
    lake: "Lake",
    *,
    most_rows: int = MOST_ROWS,
    wait: Callable[[], bool] | None = None,
    now: datetime | None = None,
    until: int | None = None,
) -> RowAccount | None:
    """One round: up to `most_rows` rows into the tables. Returns their account, None if nothing was waiting.

    wait: see `Lake.writing`. until: records with a later stamp wait. Raises Conflict (the lake is being written and `wait` is
    not, or no longer, patient).
    """
    if not Tail(lake.root, compacted(lake.root).positions).waiting_bytes():
        return None
    with lake.writing(wait, brief=True) as spill:
        before = compacted(lake.root)
        died = _died(lake, before)
        tail = Tail(lake.root, before.positions)
        if died is None:
            records = tail.read(most_rows, logs.stamp_now() if until is None else until)
            positions = tail.positions
        else:
            positions = before.positions | died.positions
            records = _up_to(positions, tail, most_rows)
        if not records:
            return None
        said = {
            delta.ORIGIN: SOURCE,
            _ROUND: str(before.round + 1),
            _UPTO: json.dumps(positions),
        }
        account = imports.run(lake, SOURCE, _batches(lake, records), now or datetime.now(UTC), spill, None, said)
        if died is not None:
            account = RowAccount(SOURCE, account.imported_at, account.tables | died.tables)
        tables = _sum(before.tables, account.tables)
        _settle(lake, Compacted(before.round + 1, account.imported_at, positions, tables))
        logs.remove_before(lake.root, positions)
    return account


def _up_to(positions: logs.Positions, tail: Tail, most_rows: int) -> list[Record]:
    """The records before some positions, read some at a time: far more may be waiting behind them."""
    found: list[Record] = []
    while any(tail.positions.get(writer, logs.START) < place for writer, place in positions.items()):
        records = tail.read(most_rows)
        if not records:
            break
        found += [record for record in records if record.end <= positions.get(record.writer, logs.START)]
    return found


def _batches(lake: "Lake", records: list[Record]) -> Iterator[Batch]:
    contracts: dict[str, Any] = {}
    # Table by table, since the spill has the files of one of them open: within a table their order stays.
    for record in sorted(records, key=lambda record: record.entry.table_name):
        entry = record.entry
        if entry.table_name not in contracts:
            contracts[entry.table_name] = lake.contract(entry.table_name)
        moment = _EPOCH + timedelta(microseconds=entry.received_at)
        about = {"received_at": moment, "own_recorded": entry.own_recorded, "refused_then": entry.refused}
        yield Batch(contracts[entry.table_name], entry.rows, record.place, entry.numbers(), **about)


def _died(lake: "Lake", before: Compacted) -> Compacted | None:
    """The round after `before` as far as its commits tell, if it began and never ended: up to where, and the tables' counts."""
    positions: dict[str, Position] = {}
    tables: dict[str, TableCount] = {}
    for name, version in lake.versions().items():
        said = _last_round(lake.path(name), version)
        if said.get(_ROUND) == str(before.round + 1):
            positions = {writer: Position(*place) for writer, place in json.loads(said[_UPTO]).items()}
            tables[name] = TableCount(**json.loads(said[delta.COUNTS]))
    return Compacted(before.round + 1, before.moved_at, positions, tables) if tables else None


def _last_round(table: "Path", version: int) -> dict[str, str]:
    """What the last round that put rows into a table said of itself; nothing if others have written a lot since."""
    for earlier in range(version, max(version - MOST_VERSIONS, -1), -1):
        said = delta.said(table, earlier)
        if said and _ROUND in said:
            return said
    return {}


def _settle(lake: "Lake", done: Compacted) -> None:
    document = {
        "format": FORMAT,
        "round": done.round,
        "moved_at": done.moved_at.isoformat(),
        "positions": done.positions,
        "tables": {name: asdict(count) for name, count in sorted(done.tables.items())},
    }
    documents.write_json(lake.root / logs.FOLDER / STATE, document)


def _sum(first: dict[str, TableCount], second: dict[str, TableCount]) -> dict[str, TableCount]:
    return {name: first.get(name, TableCount()) + second.get(name, TableCount()) for name in {**first, **second}}


def drain(
    lake: "Lake",
    *,
    wait: Callable[[], bool] | None = None,
    told: Callable[[RowAccount], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> None:
    """Rounds until all that was in the log at the beginning is in the tables, or until `stop()` between two of them.

    wait: see `Lake.writing`. told: hears of each round. Raises Conflict.
    """
    began = logs.stamp_now()
    while not (stop is not None and stop()):
        account = compact_log(lake, wait=wait, until=began)
        if account is None:
            return
        if told is not None:
            told(account)
        tidy(lake)


def tidy(lake: "Lake") -> None:
    """Merge the small files that rounds leave behind, unless somebody else writes just now: the next round comes soon."""
    for name in lake.tables():
        if compaction.needed(lake, name):
            with suppress(Conflict):
                compaction.compact(lake, name)


def publish_peers(lake: "Lake", now: datetime) -> bool:
    """Bring the reference tables up to the day of `now`, once that day: those of kinds of which rows have come in. Whether all
    that was due was done; what fails is logged.
    """
    done = True
    for kind in lake.kinds().values():
        try:
            if reference.due(lake, kind, now):
                reference.publish(lake, kind, until=now)
        except (ForewarnError, OSError) as error:
            log.warning("the peers of kind %s are not published: %s", kind.name, error)
            done = False
        except Exception:
            log.exception("the peers of kind %s are not published", kind.name)
            done = False
    return done


class Compactor:
    """A thread that compacts the log every so often, and sooner when much is waiting; one process at a time does it.

    After the first round of a UTC day it also publishes what is known of the machines together (`publish_peers`).
    """

    def __init__(self, lake_root: "Path", every_seconds: float) -> None:
        self._root = lake_root
        self._every = every_seconds
        self._stop = threading.Event()
        self._news = False
        self._thread = threading.Thread(target=self._run, name="log-compactor", daemon=True)
        self._thread.start()

    def close(self, timeout_seconds: float = 60.0) -> None:
        """Let a running round end; what is left in the log waits for the next process."""
        self._stop.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        waited = 0.0
        while not self._stop.wait(min(self._every, 1.0)):
            waited += min(self._every, 1.0)
            try:
                if waited >= self._every or self._much():
                    waited = 0.0
                    self._round()
            except (ForewarnError, OSError) as error:  # a full disk, say: the log keeps what it holds until the next round
                log.warning("the log is not moved into the tables: %s", error)
            except Exception:
                log.exception("the log is not moved into the tables")

    def _much(self) -> bool:
        return Tail(self._root, compacted(self._root).positions).waiting_bytes() > MOST_BYTES

    def _round(self) -> None:
        from features.lake import Lake

        if not (self._root / logs.FOLDER).is_dir():
            return
        with (self._root / logs.FOLDER / ".compactor").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            try:
                lake = Lake.open(self._root)
            except NotFound:
                return
            began = datetime.now(UTC)
            drain(lake, wait=lambda: not self._stop.wait(0.05), told=self._told, stop=self._stop.is_set)
            if self._news and not self._stop.is_set():
                self._news = not publish_peers(lake, began)

    def _told(self, _: RowAccount) -> None:
        self._news = True
