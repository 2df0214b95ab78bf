"""Evidence of online scores: written in groups by one thread, and a score is answered once its group is committed.

So every id that a client holds can be explained, also after the process is killed, and the cost of a commit is shared by all
requests that arrived while the one before was written. Nothing is dropped: a full queue refuses the next request (HTTP 503).
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Sequence
from dataclasses import replace

from serving.errors import Unavailable
from serving.evidence import deflated
from serving.store import Store, StoredScore

log = logging.getLogger("forewarn.recorder")

CAPACITY = 2_048
GROUP = 256
_Waiting = tuple[StoredScore, asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class Recorder:
    """The writer thread and its bounded queue. `close` writes what waits."""

    def __init__(self, store: Store, *, capacity: int = CAPACITY) -> None:
        self._store = store
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(capacity)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="evidence-writer", daemon=True)
        self._thread.start()

    async def record(self, row: StoredScore) -> None:
        """Return when `row` is committed; its evidence is deflated on the way. Raises Unavailable."""
        if self._closed:
            raise Unavailable("the service is going down; try again")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        try:
            self._queue.put_nowait((row, loop, done))
        except queue.Full:
            raise Unavailable("more scores are waiting to be stored than the service holds; try again") from None
        await done

    def close(self, timeout_seconds: float = 30.0) -> None:
        """Write what waits; what comes later is refused."""
        self._closed = True
        self._queue.put(None)
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group, last = [first], False
            while len(group) < GROUP:
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    last = True
                    break
                group.append(item)
            self._write(group)
            if last:
                return

    def _write(self, group: Sequence[_Waiting]) -> None:
        error: Unavailable | None = None
        try:
            self._store.record([replace(row, evidence=deflated(row.evidence)) for row, _, _ in group])
        except Exception as reason:  # whatever the database driver raises: the requests must hear of it, the thread must live
            log.error("evidence of %d score(s) not stored: %s", len(group), reason)
            error = Unavailable("the score could not be stored; try again")
        for loop in {loop for _, loop, _ in group}:
            waiting = [done for _, own, done in group if own is loop]
            try:
                loop.call_soon_threadsafe(_settle, waiting, error)
            except RuntimeError:
                log.info("%d score(s) stored after their requests were gone", len(waiting))


def _settle(waiting: Sequence["asyncio.Future[None]"], error: Unavailable | None) -> None:
    for done in waiting:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
