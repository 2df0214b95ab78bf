"""What a folder of pointers names, loaded and watched: a changed pointer is swapped in one step, a bad one changes nothing."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from features.errors import ForewarnError

log = logging.getLogger("forewarn.champion")
RETRY_SECONDS = 30.0
Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class _Seen:
    """What the pointer file looked like when it was read: a rewritten file differs in at least one."""

    mtime_ns: int
    inode: int
    size: int


class Watched(Generic[Loaded]):
    """What the pointers of a folder name, by their names. `refresh` reads what changed; readers always see one complete set.

    A new bundle that fails to load, or misses its golden row, leaves the old one in service and is reported in `failures`; it
    is tried again every `retry_seconds`, since its directory may be mended while its pointer stays.
    """

    def __init__(self, folder: Path, load: Callable[[str], Loaded], retry_seconds: float) -> None:
        self._folder, self._load, self._retry_seconds = folder, load, retry_seconds
        self._retry_at: dict[str, float] = {}
        self._current: Mapping[str, Loaded] = {}
        self._seen: dict[str, _Seen] = {}
        self._lock = threading.Lock()
        self.failures: dict[str, str] = {}

    def refresh(self) -> bool:
        """Load what is new or changed; True if any champion was swapped."""
        with self._lock:
            found = {entry.stem: entry for entry in sorted(self._folder.glob("*.json"))}
            current = {name: loaded for name, loaded in self._current.items() if name in found}
            changed = len(current) != len(self._current)
            self.failures = {name: line for name, line in self.failures.items() if name in found}
            self._seen = {name: seen for name, seen in self._seen.items() if name in found}
            for name, pointer in found.items():
                changed |= self._renewed(name, pointer, current)
            self._beside(current)
            self._current = current
            return changed

    def _renewed(self, name: str, pointer: Path, current: dict[str, Loaded]) -> bool:
        """Load what a pointer names into `current` if it changed, or if it failed and is due again."""
        try:
            status = pointer.stat()
        except FileNotFoundError:
            return False
        seen = _Seen(status.st_mtime_ns, status.st_ino, status.st_size)
        waits = name not in self.failures or time.monotonic() < self._retry_at[name]
        if self._seen.get(name) == seen and waits:
            return False
        self._seen[name] = seen
        try:
            current[name] = self._load(name)
        except (ForewarnError, OSError) as error:
            if self.failures.get(name) != str(error):
                log.error("champion of %s not loaded, the one before stays: %s", name, error)
            self.failures[name] = str(error)
            self._retry_at[name] = time.monotonic() + self._retry_seconds
            return False
        self.failures.pop(name, None)
        log.info("champion of %s is loaded anew", name)
        return True

    def _beside(self, current: Mapping[str, Loaded]) -> None:
        """What follows from a new set, made before readers see it."""

    def missing(self) -> list[str]:
        """Names whose pointer names a bundle that did not load, with none before it to stay in service."""
        return [name for name in self.failures if name not in self._current]

    def all(self) -> list[Loaded]:
        return list(self._current.values())

    def watch(self, stop: threading.Event, every_seconds: float = 1.0) -> threading.Thread:
        """Refresh in a daemon thread until `stop` is set, so that loading never delays a request."""

        def loop() -> None:
            while not stop.wait(every_seconds):
                try:
                    self.refresh()
                except OSError as error:
                    log.error("champion pointers not readable: %s", error)

        thread = threading.Thread(target=loop, name="champion-watch", daemon=True)
        thread.start()
        return thread
