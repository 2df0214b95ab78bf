"""The pointer to the champion of a kind: one file, moved in one step, that serving watches.

home/champion/machine/<kind>.json, and of enterprises home/champion/enterprise/enterprise.json, names the live bundle and those
before it. A bundle only has to be whole and to answer its golden rows to be pointed at; whether it deserves it is the question
of `training.promote`.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from features.enterprise.catalog import EVERY as ENTERPRISES
from features.errors import BadInput, Conflict, NotFound
from training.bundle import Bundle
from training.enterprise.bundle import RiskBundle, read_risk_manifest
from training.manifest import MANIFEST, read_manifest

_MOST = 50  # champions remembered; decisions keep them all


class Former(BaseModel):
    """A champion that was replaced. promoted_at: None where an earlier version of Forewarn did not keep it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str
    promoted_at: AwareDatetime | None = None


class Pointer(BaseModel):
    """The champion of a kind. path is relative to the home directory; previous is the bundle that a rollback returns to.

    earlier: the champions before it that can be returned to, the last one last; a promotion adds to them, a rollback takes the
    last one away, so that each further rollback goes one further back. decision: the document that says why; forced: the reason
    given for passing the gates by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str
    path: str
    promoted_at: AwareDatetime
    previous: str | None = None
    earlier: tuple[Former, ...] = ()
    decision: str | None = None
    forced: str | None = None

    @property
    def stack(self) -> tuple[Former, ...]:
        """`earlier`, also of a pointer that an earlier version wrote."""
        if self.earlier or self.previous is None:
            return self.earlier
        return (Former(bundle=self.previous),)


def entity_of(kind: str) -> str:
    """Whose scores a champion of this kind gives: those of enterprises go by one kind of their own."""
    return "enterprise" if kind == ENTERPRISES.name else "machine"


def pointer_path(home: Path, kind: str) -> Path:
    return home / "champion" / entity_of(kind) / f"{kind}.json"


def read_pointer(home: Path, kind: str) -> Pointer | None:
    """The current champion, or None before the first promotion. Raises BadInput on a damaged file."""
    path = pointer_path(home, kind)
    try:
        return Pointer.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValidationError, ValueError):
        raise BadInput("not a champion pointer", where=str(path), mend="remove it and promote again") from None


def newest_bundle(home: Path, kind: str, say: Callable[[str], None] | None = None) -> str:
    """The bundle of a kind that was made last. One whose manifest is damaged is passed over, and `say` is told.

    Raises NotFound without a bundle, BadInput if all are damaged.
    """
    of_machines = entity_of(kind) == "machine"
    found, damaged = [], []
    for path in sorted((home / "bundles").glob(f"{f'machine-{kind}' if of_machines else kind}-*/{MANIFEST}")):
        try:
            if not of_machines:
                made = read_risk_manifest(path.parent)
                found.append((made.created_at, made.bundle_id))
                continue
            manifest = read_manifest(path.parent)
        except BadInput as error:
            damaged.append(error)
            continue
        if manifest.kind.name == kind:
            found.append((manifest.created_at, manifest.bundle_id))
    if damaged and not found:
        raise damaged[0]
    for fault in damaged:
        if say:
            say(f"a bundle is passed over: {fault}")
    if not found:
        verb = f"forewarn train machine --kind {kind}" if of_machines else "forewarn train enterprise"
        raise NotFound(f"no bundle of kind {kind}", where=str(home / "bundles"), mend=f"run `{verb}`")
    return max(found)[1]


def whole_bundle(home: Path, kind: str, bundle_id: str) -> Bundle:
    """A bundle of machines that could be champion of the kind.

    Raises NotFound if it is not there; BadInput if it is damaged, of another kind, or answers its golden rows otherwise.
    """
    bundle = Bundle.load(_folder(home, bundle_id))
    bundle.check_golden()
    if bundle.manifest.kind.name != kind:
        raise BadInput(
            f"the bundle is of kind {bundle.manifest.kind.name}", where=bundle_id, mend=f"name a bundle of kind {kind}"
        )
    return bundle


def whole_risk_bundle(home: Path, bundle_id: str) -> RiskBundle:
    """A bundle of enterprise scores that could be champion. Raises as `whole_bundle` does."""
    bundle = RiskBundle.load(_folder(home, bundle_id))
    bundle.check_golden()
    return bundle


def check_whole(home: Path, kind: str, bundle_id: str) -> None:
    """Raises as `whole_bundle` does unless the bundle could be champion of the kind."""
    if entity_of(kind) == "machine":
        whole_bundle(home, kind, bundle_id)
    else:
        whole_risk_bundle(home, bundle_id)


def _folder(home: Path, bundle_id: str) -> Path:
    path = home / "bundles" / bundle_id
    if Path(bundle_id).name != bundle_id or not path.is_dir():
        raise NotFound(f"no bundle {bundle_id}", where=str(home / "bundles"), mend="train, or name an existing bundle")
    return path


@contextmanager
def deciding(home: Path, kind: str) -> Iterator[None]:
    """Hold the right to move the pointer of a kind (the system drops it with the process).

    Raises Conflict if somebody else is deciding: what they decide is what this one would have to be compared with.
    """
    folder = pointer_path(home, kind).parent
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}-{kind}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            mend = "wait until it has finished, then run this again"
            raise Conflict("another process decides on the champion", where=f"kind {kind}", mend=mend) from None
        yield


def advance(home: Path, kind: str, bundle_id: str, *, decision: str | None = None, forced: str | None = None) -> Pointer:
    """Point at a bundle, remember the one before, and return the new pointer. Pointing at the champion again changes nothing.

    Raises what `whole_bundle` raises, before anything has changed.
    """
    check_whole(home, kind, bundle_id)
    before = read_pointer(home, kind)
    if before is not None and before.bundle == bundle_id:
        return before
    earlier: tuple[Former, ...] = ()
    if before is not None:
        earlier = (*before.stack, Former(bundle=before.bundle, promoted_at=before.promoted_at))[-_MOST:]
    return _write(home, kind, bundle_id, earlier, decision, forced)


def step_back(home: Path, kind: str, *, decision: str | None = None) -> Pointer:
    """Point at the champion before, and return the new pointer; the one that is left is no longer among the earlier ones.

    Raises NotFound without a champion, Conflict without one before it, and what `whole_bundle` raises if that one cannot serve.
    """
    former = before(home, kind)
    check_whole(home, kind, former[-1].bundle)
    return _write(home, kind, former[-1].bundle, former[:-1], decision, None)


def before(home: Path, kind: str) -> tuple[Former, ...]:
    """The champions that can be returned to, at least one. Raises NotFound without a champion, Conflict without one before."""
    now = read_pointer(home, kind)
    if now is None:
        raise NotFound(f"no champion of kind {kind}", where=str(pointer_path(home, kind)), mend="promote a bundle")
    if not now.stack:
        mend = "promote another bundle with --bundle"
        raise Conflict(f"no champion before {now.bundle} to return to", where=f"kind {kind}", mend=mend)
    return now.stack


def _write(
    home: Path, kind: str, bundle_id: str, earlier: tuple[Former, ...], decision: str | None, forced: str | None
) -> Pointer:
    pointer = Pointer(
        bundle=bundle_id,
        path=f"bundles/{bundle_id}",
        promoted_at=datetime.now(UTC),
        previous=earlier[-1].bundle if earlier else None,
        earlier=earlier,
        decision=decision,
        forced=forced,
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
