"""The lake's writing lock: one writer at a time, and whoever holds it for seconds only says so, so that others wait."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from features.errors import Conflict

FILE = ".lock"
# What the lock of a brief writer says, and for how long others wait for such.
BRIEF, BRIEF_SECONDS = "brief", 60.0


@contextmanager
def held(root: Path, wait: Callable[[], bool] | None = None, *, brief: bool = False) -> Iterator[None]:
    """Hold the lock of the lake at `root` (the system drops it with the process).

    Raises Conflict if somebody else holds it; with `wait`, only once `wait()`, asked again and again, says False.
    brief: it is held for seconds, again and again, so that others wait for it by themselves.
    """
    with (root / FILE).open("a") as lock:
        soon = _soon_free(root, time.monotonic() + BRIEF_SECONDS)
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if (wait or soon)():
                    continue
                mend = "wait until it has finished, then run this again"
                raise Conflict("another process is writing into this lake", where=str(root), mend=mend) from None
        lock.truncate(0)
        lock.write(BRIEF if brief else "")
        lock.flush()
        yield


def patience(seconds: float) -> Callable[[], bool]:
    """For `held`: wait a little, and again, for so long."""
    until = time.monotonic() + seconds

    def wait() -> bool:
        time.sleep(0.05)
        return time.monotonic() < until

    return wait


def _soon_free(root: Path, until: float) -> Callable[[], bool]:
    """Wait a moment; whether the lock's holder said that it holds it for seconds only."""

    def wait() -> bool:
        time.sleep(0.05)
        return (root / FILE).read_text() == BRIEF and time.monotonic() < until

    return wait
