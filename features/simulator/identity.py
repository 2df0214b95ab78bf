"""Which simulated world a lake holds: rows of another world, seed or grid would pass for corrections of the same machines."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from features.errors import Conflict
from features.lake import Lake
from features.simulator.fleet import Fleet
from features.sources.reader import Batch, Source

_FILE = "simulated.json"
NOBODY: Mapping[str, object] = MappingProxyType({})


def guarded(source: Source, lake: Lake, fleet: Fleet, portfolio: Mapping[str, object] = NOBODY) -> Source:
    """`source`, which notes its world in the lake under the writer's lock before its first row.

    Raises Conflict if the lake holds readings of the same kinds from anything but this world, seed and grid of readings. More
    machines or more days of the same world are welcome: they continue what is there. Fewer are refused: they would add no row,
    and leave their truth in the place of the larger fleet's. portfolio: what enterprises are made from, where there are any.
    """
    check(lake, fleet, portfolio)

    def batches() -> Iterator[Batch]:
        check(lake, fleet, portfolio)
        draft = _path(lake).with_suffix(".draft")
        about = _identity(fleet, portfolio) | {"machines": fleet.machines, "days": fleet.days}
        draft.write_text(json.dumps(about, indent=1), encoding="utf-8")
        draft.replace(_path(lake))
        yield from source.batches()

    return dataclasses.replace(source, batches=batches)


def check(lake: Lake, fleet: Fleet, portfolio: Mapping[str, object] = NOBODY) -> None:
    """Raise Conflict unless the fleet, and the enterprises it belongs to, may enter the lake."""
    found, wanted = _read(_path(lake)), _identity(fleet, portfolio)
    held = {*lake.tables()} & {f"readings_{kind.name}" for kind in fleet.world.kinds}
    if portfolio or (found or {}).get("enterprises"):
        held |= {*lake.tables()} & {"enterprises"}
    if not held:
        return
    if found is None:
        what = f"this lake holds {min(held)} that no simulation of this version made"
    elif all(found.get(key, 0) == value for key, value in wanted.items()):
        _check_size(found, fleet, lake)
        return
    else:
        differs = ", ".join(
            f"{key} {found.get(key)}, not {value}" for key, value in wanted.items() if found.get(key, 0) != value
        )
        what = f"this lake holds another simulated fleet: {differs}"
    raise Conflict(
        what, where=str(lake.root), mend="simulate into another FOREWARN_HOME, or with the same world, seed and --every"
    )


def _check_size(found: Mapping[str, Any], fleet: Fleet, lake: Lake) -> None:
    machines, days = int(found.get("machines", 0)), int(found.get("days", 0))
    if fleet.machines < machines or fleet.days < days:
        wanted = f"{fleet.machines:,} over {fleet.days:,}"
        what = f"this lake holds {machines:,} simulated machines over {days:,} days, more than {wanted}"
        mend = "ask for at least as many of both, or simulate into another FOREWARN_HOME"
        raise Conflict(what, where=str(lake.root), mend=mend)


def _identity(fleet: Fleet, portfolio: Mapping[str, object]) -> dict[str, object]:
    about = {"world": fleet.world.digest, "seed": fleet.seed, "every_hours": fleet.every_hours}
    return about | {"enterprises": 0} | dict(portfolio)


def _path(lake: Lake) -> Path:
    return lake.root / _FILE


def _read(path: Path) -> dict[str, object] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
