"""Make a bundle the champion that serving reads: check it, then move one pointer file in one step.

home/champion/machine/<kind>.json names the live bundle and the one before it; serving watches the file. Whether a challenger
deserves it is another question: here a bundle only has to be whole and to answer its golden rows.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from features.errors import BadInput, NotFound
from training.bundle import Bundle


class Pointer(BaseModel):
    """The champion of a kind. path is relative to the home directory; previous is the bundle it replaced."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str
    path: str
    promoted_at: AwareDatetime
    previous: str | None = None


def pointer_path(home: Path, kind: str) -> Path:
    return home / "champion" / "machine" / f"{kind}.json"


def read_pointer(home: Path, kind: str) -> Pointer | None:
    """The current champion, or None before the first promotion. Raises BadInput on a damaged file."""
    path = pointer_path(home, kind)
    try:
        return Pointer.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValidationError, ValueError):
        raise BadInput("not a champion pointer", where=str(path), mend="remove it and promote again") from None


def newest_bundle(home: Path, kind: str) -> str:
    """The bundle of a kind that was made last. Raises NotFound without one."""
    from training.manifest import MANIFEST, read_manifest

    found = []
    for path in sorted((home / "bundles").glob(f"machine-{kind}-*/{MANIFEST}")):
        manifest = read_manifest(path.parent)
        if manifest.kind.name == kind:
            found.append((manifest.created_at, manifest.bundle_id))
    if not found:
        raise NotFound(
            f"no bundle of kind {kind}", where=str(home / "bundles"), mend=f"run `forewarn train machine --kind {kind}`"
        )
    return max(found)[1]


def promote(home: Path, kind: str, bundle_id: str | None = None) -> Pointer:
    """Point serving at a bundle (the newest of the kind by default) and return the new pointer.

    Promoting the champion again changes nothing. Raises NotFound if the bundle is not there; BadInput if it is damaged, of
    another kind, or does not give its golden rows their answers.
    """
    bundle_id = bundle_id or newest_bundle(home, kind)
    path = home / "bundles" / bundle_id
    if Path(bundle_id).name != bundle_id or not path.is_dir():
        raise NotFound(f"no bundle {bundle_id}", where=str(home / "bundles"), mend="train, or name an existing bundle")
    bundle = Bundle.load(path)
    bundle.check_golden()
    if bundle.manifest.kind.name != kind:
        raise BadInput(
            f"the bundle is of kind {bundle.manifest.kind.name}", where=bundle_id, mend=f"name a bundle of kind {kind}"
        )
    before = read_pointer(home, kind)
    if before is not None and before.bundle == bundle_id:
        return before
    pointer = Pointer(
        bundle=bundle_id,
        path=f"bundles/{bundle_id}",
        promoted_at=datetime.now(UTC),
        previous=before.bundle if before else None,
    )
    _replace(pointer_path(home, kind), pointer)
    return pointer


def _replace(path: Path, pointer: Pointer) -> None:
    """Write beside, sync, rename: a reader sees the old pointer or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(pointer.model_dump(mode="json"), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
