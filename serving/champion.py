"""The live bundle of each machine kind: read from the pointer that `promote` writes, watched, swapped in one step."""

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from features.catalog import Catalog
from features.errors import BadInput, ForewarnError, NotFound
from features.kinds import MachineKind
from training.bundle import Bundle

log = logging.getLogger("forewarn.champion")
RETRY_SECONDS = 30.0


@dataclass(frozen=True)
class Champion:
    """A loaded bundle that agreed with its golden row, ready to score."""

    bundle: Bundle
    catalog: Catalog
    bundle_id: str

    @property
    def kind(self) -> MachineKind:
        return self.bundle.manifest.kind


@dataclass(frozen=True)
class _Seen:
    """What the pointer file looked like when it was read: a rewritten file differs in at least one."""

    mtime_ns: int
    inode: int
    size: int


def pointers(home: Path) -> Path:
    return home / "champion" / "machine"


def kinds_with_champion(home: Path) -> list[str]:
    return sorted(entry.stem for entry in pointers(home).glob("*.json"))


def load_bundle(home: Path, bundle_id: str) -> Champion:
    """A bundle by id. Raises NotFound if it is not under `home`, BadInput if it is damaged or misses its golden row."""
    path = home / "bundles" / bundle_id
    if not path.is_dir():
        raise NotFound(f"no bundle {bundle_id}", where=str(path), mend="restore the directory or train again")
    return _loaded(path)


def _loaded(path: Path) -> Champion:
    bundle = Bundle.load(path)
    bundle.check_golden()
    return Champion(bundle, bundle.catalog, bundle.manifest.bundle_id)


def load_champion(home: Path, kind: str) -> Champion:
    """The champion of `kind` as its pointer names it. Raises NotFound without a pointer, BadInput on a damaged one."""
    pointer = pointers(home) / f"{kind}.json"
    try:
        document = json.loads(pointer.read_text(encoding="utf-8"))
        path = home / document["path"]
    except FileNotFoundError:
        raise unknown_kind(kind, kinds_with_champion(home)) from None
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"not a champion pointer: {error}", where=str(pointer), mend="promote a bundle again") from None
    if not path.is_dir():
        raise NotFound(f"the champion's bundle {document['path']} is gone", where=str(pointer), mend="promote another bundle")
    return _loaded(path)


def unknown_kind(kind: str, known: list[str]) -> NotFound:
    listed = f"kinds with a champion: {', '.join(sorted(known))}" if known else "no kind has one yet; train and promote"
    return NotFound(f"no champion for machine kind {kind!r}", where="kind", mend=listed)


class Champions:
    """All champions under a home. `refresh` reads what changed; readers always see one complete set.

    A new bundle that fails to load, or misses its golden row, leaves the old one in service and is reported in `failures`; it
    is tried again every `retry_seconds`, since its directory may be mended while its pointer stays.
    """

    def __init__(self, home: Path, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self.home, self._retry_seconds = home, retry_seconds
        self._retry_at: dict[str, float] = {}
        self._current: Mapping[str, Champion] = {}
        self._seen: dict[str, _Seen] = {}
        self._lock = threading.Lock()
        self.failures: dict[str, str] = {}

    def refresh(self) -> bool:
        """Load what is new or changed; True if any champion was swapped."""
        with self._lock:
            found = {entry.stem: entry for entry in sorted(pointers(self.home).glob("*.json"))}
            current = {kind: champion for kind, champion in self._current.items() if kind in found}
            changed = len(current) != len(self._current)
            self.failures = {kind: line for kind, line in self.failures.items() if kind in found}
            self._seen = {kind: seen for kind, seen in self._seen.items() if kind in found}
            for kind, pointer in found.items():
                try:
                    status = pointer.stat()
                except FileNotFoundError:
                    continue
                seen = _Seen(status.st_mtime_ns, status.st_ino, status.st_size)
                waits = kind not in self.failures or time.monotonic() < self._retry_at[kind]
                if self._seen.get(kind) == seen and waits:
                    continue
                self._seen[kind] = seen
                try:
                    current[kind] = load_champion(self.home, kind)
                except (ForewarnError, OSError) as error:
                    if self.failures.get(kind) != str(error):
                        log.error("champion of %s not loaded, the one before stays: %s", kind, error)
                    self.failures[kind] = str(error)
                    self._retry_at[kind] = time.monotonic() + self._retry_seconds
                    continue
                self.failures.pop(kind, None)
                changed = True
                log.info("champion of %s is now %s", kind, current[kind].bundle_id)
            self._current = current
            return changed

    def get(self, kind: str) -> Champion:
        """The champion of a kind. Raises NotFound that names the kinds that have one."""
        champion = self._current.get(kind)
        if champion is None:
            raise unknown_kind(kind, list(self._current))
        return champion

    def missing(self) -> list[str]:
        """Kinds whose pointer names a bundle that did not load, with none before it to stay in service."""
        return [kind for kind in self.failures if kind not in self._current]

    def all(self) -> list[Champion]:
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
