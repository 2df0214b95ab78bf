"""What a worker holds of the lake: the machines' latest histories, its place in the log, and the thread that compacts it."""

import logging
import threading
from datetime import UTC, datetime
from typing import Any

from features.compactor import Compactor
from features.errors import ForewarnError
from features.lake import Lake
from features.live import Live
from features.log import Writer
from features.log_records import Entry
from features.receive import open_contract, receive, told
from features.settings import Settings
from serving import metrics
from serving.errors import Unavailable
from serving.rows import read_rows

log = logging.getLogger("forewarn.stream")

FOLLOW_SECONDS = 0.2


class Stream:
    """Opened at once, whether there is a lake or not: the lake is looked for when it is needed."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.lake
        self._most_bytes = settings.live_mb * 2**20
        self._most_waiting = log_bytes(settings)
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._writer: Writer | None = None
        self._written = ""  # the lake that it writes into
        self._stop = threading.Event()
        self._follower = threading.Thread(target=self._follow, name="log-follower", daemon=True)
        self._follower.start()
        self._compactor = Compactor(self._root, settings.compact_seconds) if settings.compact_seconds else None

    def live(self) -> Live:
        """The histories of the lake that is there now. Raises NotFound if there is none."""
        lake = Lake.open(self._root)
        with self._lock:
            if self._live is None or self._live.lake.id != lake.id:
                self._live = Live(lake, most_bytes=self._most_bytes)
            return self._live

    def take(self, table_name: str, media_type: str, body: bytes) -> dict[str, Any]:
        """Check a posted batch, log it, and say what was taken. Raises UserError, Unavailable; nothing is taken then."""
        live = self.live()
        if live.waiting_bytes > self._most_waiting:
            why = "the log is not moved into the tables fast enough: see FOREWARN_COMPACT_SECONDS, or run `forewarn ingest`"
            raise Unavailable(f"{live.waiting_bytes >> 20} MB of rows wait in the log; send these again later ({why})")
        entry = checked(live, table_name, media_type, body)
        try:
            self._log_of(live.lake).append(entry)
        except OSError as error:
            log.error("a batch of %d rows was not logged: %s", entry.rows_in, error)
            raise Unavailable(f"the log does not take rows now: {error.strerror}; send them again later") from None
        answer = told(entry)
        metrics.taken(entry.table_name, answer["taken"], answer["refused"])
        return answer

    def _log_of(self, lake: Lake) -> Writer:
        with self._lock:
            if self._writer is None or self._written != lake.id:
                if self._writer is not None:
                    self._writer.close()
                self._writer, self._written = Writer.open(lake.root), lake.id
            return self._writer

    def _follow(self) -> None:
        """Keep up with the log, so that whoever asks for a score need not wait for what was logged since the last one."""
        while not self._stop.wait(FOLLOW_SECONDS):
            live = self._live
            if live is None:
                continue
            try:
                live.pull()
                live.renew()
            except ForewarnError as error:
                log.warning("the log is not followed: %s", error)
            except Exception:  # a lake that is being replaced, say: the next look finds it whole
                log.exception("the log is not followed")

    def close(self) -> None:
        self._stop.set()
        self._follower.join()
        if self._compactor is not None:
            self._compactor.close()
        if self._writer is not None:
            self._writer.close()


def log_bytes(settings: Settings) -> int:
    """How much memory rows may take that wait in the log."""
    return settings.log_mb * 2**20


def checked(live: Live, table_name: str, media_type: str, body: bytes) -> Entry:
    """A posted batch as the log takes it. Raises UserError."""
    contract = open_contract(live.lake, table_name)
    rows, now = read_rows(media_type, body), datetime.now(UTC)
    return receive(contract, rows, now, live.kinds_of, live.lake.kinds(), live.enrolled)
