"""The live bundle of each machine kind: read from the pointer that `promote` writes, watched, swapped in one step."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.catalog import Catalog, pooled
from features.errors import BadInput, NotFound
from features.history import History
from features.kinds import MachineKind
from features.lake import Lake
from features.observations import AS_OF
from features.pooled import EVERY
from features.schema import MACHINE, MACHINES, TIME
from features.view import View
from serving.watched import RETRY_SECONDS, Watched
from training.bundle import Bundle

if TYPE_CHECKING:
    from features.sequences import Batch, Windows


@dataclass(frozen=True)
class Champion:
    """A loaded bundle that agreed with its golden row, ready to score."""

    bundle: Bundle
    catalog: Catalog
    bundle_id: str

    @property
    def kind(self) -> MachineKind:
        """The kind that it scores."""
        return self.catalog.kind

    @property
    def pooled(self) -> bool:
        """Whether its bundle learnt from machines of all kinds."""
        return self.bundle.manifest.kind == EVERY

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of its scores should know."""
        if not self.pooled:
            return ()
        learnt = ", ".join(self.bundle.manifest.kinds)
        return (f"kind {self.kind.name} has no champion of its own: scored by the pooled bundle ({learnt})",)

    @property
    def reads_windows(self) -> bool:
        """Whether networks of its bundle can be asked here."""
        return self.bundle.networks is not None

    def window(self, history: History, as_of: datetime) -> "Batch | None":
        """What its networks see of the one machine of a history; None without networks."""
        if not self.reads_windows or self.bundle.layout is None:
            return None
        from features import sequences

        return sequences.one(self.bundle.layout, self.kind, history, as_of)

    def windows(self, view: View, ids: pa.Array, moments: npt.NDArray[np.int64], threads: int) -> "Windows | None":
        """The same of many machines of the lake, each at its own moment (microseconds)."""
        if not self.reads_windows or self.bundle.layout is None:
            return None
        from features import sequences

        observations = pa.table({MACHINE: ids, AS_OF: pa.array(moments).cast(TIME)})
        return sequences.windows(view, self.kind, observations, hours=self.bundle.layout.window_hours, threads=threads)

    def of(self, kind: MachineKind) -> "Champion":
        """A pooled champion for machines of one kind."""
        return replace(self, catalog=pooled(kind))


def pointers(home: Path) -> Path:
    return home / "champion" / "machine"


def kinds_with_champion(home: Path) -> list[str]:
    """The names of all champions; `pooled` is the one of the kinds without one of their own."""
    return sorted(entry.stem for entry in pointers(home).glob("*.json"))


def kinds_served(home: Path) -> list[str]:
    """The kinds that have a champion, and where there is a pooled one those of the lake's other machines. Raises NotFound."""
    own = kinds_with_champion(home)
    if EVERY.name not in own:
        return own
    machines = Lake.open(home / "lake").at().read(MACHINES.name, columns=["kind"])
    return sorted({*own, *machines.column("kind").to_pylist()} - {EVERY.name})


def _declared(home: Path) -> dict[str, MachineKind]:
    """The kinds of the home's lake, if it has one."""
    try:
        return Lake.open(home / "lake").kinds()
    except NotFound:
        return {}


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
    """The champion of `kind` as its pointer names it, or the pooled one for a kind that the lake knows.

    Raises NotFound without a pointer, BadInput on a damaged one.
    """
    pointer = pointers(home) / f"{kind}.json"
    if kind != EVERY.name and not pointer.exists() and EVERY.name in kinds_with_champion(home):
        declared = _declared(home).get(kind)
        if declared is not None:
            return load_champion(home, EVERY.name).of(declared)
    return _loaded(pointed_at(home, pointer, lambda: unknown_kind(kind, kinds_with_champion(home))))


def pointed_at(home: Path, pointer: Path, none: Callable[[], NotFound]) -> Path:
    """The bundle directory that a pointer names. Raises `none` without a pointer, BadInput on a damaged one, NotFound."""
    try:
        document = json.loads(pointer.read_text(encoding="utf-8"))
        path = Path(home, document["path"])
    except FileNotFoundError:
        raise none() from None
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"not a champion pointer: {error}", where=str(pointer), mend="promote a bundle again") from None
    if not path.is_dir():
        raise NotFound(f"the champion's bundle {document['path']} is gone", where=str(pointer), mend="promote another bundle")
    return path


def unknown_kind(kind: str, known: list[str]) -> NotFound:
    named = ", ".join(sorted({*known} - {EVERY.name}))
    listed = f"kinds with a champion: {named}" if known else "no kind has one yet; train and promote"
    return NotFound(f"no champion for machine kind {kind!r}", where="kind", mend=listed)


class Champions(Watched[Champion]):
    """All champions of machines under a home, and the pooled one lent to the kinds without one of their own."""

    def __init__(self, home: Path, *, retry_seconds: float = RETRY_SECONDS) -> None:
        super().__init__(pointers(home), lambda kind: load_champion(home, kind), retry_seconds)
        self.home = home
        self._lent: Mapping[str, Champion] = {}

    def _beside(self, current: Mapping[str, Champion]) -> None:
        self._lent = self._lend(current.get(EVERY.name), current)

    def _lend(self, every: Champion | None, own: Mapping[str, Champion]) -> dict[str, Champion]:
        """The pooled champion for each kind that the lake knows and that has none of its own."""
        if every is None:
            return {}
        found = {}
        for name, kind in _declared(self.home).items():
            if name not in own:
                lent = self._lent.get(name)
                same = lent is not None and lent.kind == kind and lent.bundle is every.bundle
                found[name] = lent if lent is not None and same else every.of(kind)
        return found

    def get(self, kind: str) -> Champion:
        """The champion of a kind, or the pooled one lent to it. Raises NotFound that names the kinds that have one."""
        champion = self._current.get(kind) if kind != EVERY.name else None
        champion = champion or self._lent.get(kind)
        if champion is None:
            raise unknown_kind(kind, [*self._current, *self._lent])
        return champion
