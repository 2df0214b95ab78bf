"""The live bundle of enterprise scores: read from its pointer, watched and swapped like those of machines."""

from dataclasses import dataclass
from pathlib import Path

from features.enterprise.catalog import EVERY, Catalog, catalog
from features.errors import NotFound
from serving.champion import pointed_at
from serving.watched import RETRY_SECONDS, Watched
from training.enterprise.bundle import RiskBundle

KIND = EVERY.name


@dataclass(frozen=True)
class RiskChampion:
    """A loaded bundle that answered its golden rows as on the day it was made."""

    bundle: RiskBundle
    catalog: Catalog

    @property
    def bundle_id(self) -> str:
        return self.bundle.manifest.bundle_id


def pointers(home: Path) -> Path:
    return home / "champion" / "enterprise"


def has_champion(home: Path) -> bool:
    return (pointers(home) / f"{KIND}.json").exists()


def load_risk_bundle(home: Path, bundle_id: str) -> RiskChampion:
    """A bundle by id. Raises NotFound if it is not under `home`, BadInput if it is damaged or misses its golden rows."""
    path = home / "bundles" / bundle_id
    if not path.is_dir():
        raise NotFound(f"no bundle {bundle_id}", where=str(path), mend="restore the directory or train again")
    return _loaded(path)


def load_risk_champion(home: Path) -> RiskChampion:
    """The champion of enterprises as its pointer names it. Raises NotFound without one, BadInput on a damaged one."""
    return _loaded(pointed_at(home, pointers(home) / f"{KIND}.json", no_champion))


def no_champion() -> NotFound:
    mend = "run `forewarn train enterprise`, then `forewarn promote enterprise`"
    return NotFound("no champion for enterprises", where="champion", mend=mend)


class RiskChampions(Watched[RiskChampion]):
    """The champion of enterprises, or none."""

    def __init__(self, home: Path, *, retry_seconds: float = RETRY_SECONDS) -> None:
        super().__init__(pointers(home), lambda _: load_risk_champion(home), retry_seconds)

    def get(self) -> RiskChampion:
        """Raises NotFound without one."""
        found = self._current.get(KIND)
        if found is None:
            raise no_champion()
        return found


def _loaded(path: Path) -> RiskChampion:
    bundle = RiskBundle.load(path)
    bundle.check_golden()
    return RiskChampion(bundle, catalog())
