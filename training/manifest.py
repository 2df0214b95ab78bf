"""The manifest of a bundle: what it is, what it was made from, and the seals that show damage."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from features.errors import BadInput, NotFound
from features.kinds import MachineKind
from training.model import Structure
from training.window_model import WindowFacts

FORMAT = 2
READ = (1, 2)  # 1 knew no networks
MANIFEST = "manifest.json"


class Golden(BaseModel):
    """Rows with the answers that the bundle gave when it was made; None = missing value.

    p, low, high: of the boosters alone. blended: the blend's (p, low, high) of the first rows, whose windows lie beside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: tuple[tuple[float | None, ...], ...]
    p: tuple[tuple[float | None, ...], ...]
    low: tuple[tuple[float | None, ...], ...]
    high: tuple[tuple[float | None, ...], ...]
    blended: tuple[tuple[tuple[float | None, ...], ...], ...] = ()


class Manifest(BaseModel):
    """What a bundle is. kinds: whose machines it learnt from; train_from and train_until bound the as_of of its rows.

    windows: what its networks read; None without networks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1, 2] = 2
    bundle_id: str
    created_at: AwareDatetime
    entity: Literal["machine"] = "machine"
    kind: MachineKind
    kinds: tuple[str, ...] = ()
    catalog_hash: str
    feature_names: tuple[str, ...]
    snapshot_id: str
    lake_versions: dict[str, int]
    train_from: AwareDatetime
    train_until: AwareDatetime
    calibrated_until: AwareDatetime
    params: dict[str, Any]
    structure: Structure
    windows: WindowFacts | None = None
    metrics: dict[str, float] = {}
    golden: Golden
    files: dict[str, str]
    seal: str = ""

    def sealed(self) -> "Manifest":
        return self.model_copy(update={"seal": self.expected_seal()})

    def expected_seal(self) -> str:
        """sha256 over everything in the manifest but the seal."""
        return seal_of(self.model_dump(mode="json"))


@dataclass(frozen=True)
class Facts:
    """Where a model comes from: the part of the manifest that is not computed."""

    kind: MachineKind
    snapshot_id: str
    lake_versions: Mapping[str, int]
    train_from: datetime
    train_until: datetime
    calibrated_until: datetime
    created_at: datetime
    params: Mapping[str, Any]
    kinds: tuple[str, ...] = ()


def read_manifest(path: Path) -> Manifest:
    """Read and check the manifest of a bundle directory. Raises NotFound without one, BadInput on damage or another format."""
    where = str(path / MANIFEST)
    try:
        document = json.loads((path / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("no bundle there", where=str(path), mend="train and promote one") from None
    except ValueError:
        raise BadInput("manifest is not readable as JSON", where=where, mend="copy the bundle again") from None
    if not isinstance(document, dict) or document.get("format") not in READ:
        found = document.get("format") if isinstance(document, dict) else None
        raise BadInput(f"bundle format {found}, expected one of {READ}", where=where, mend="use a matching version of forewarn")
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{field}: {first['msg']}", where=where, mend="copy the bundle again") from None
    if manifest.seal != seal_of(document):
        raise BadInput("manifest was changed after it was sealed", where=where, mend="copy the bundle again")
    return manifest


def seal_of(document: Mapping[str, Any]) -> str:
    """The seal of a manifest as it stands in its file, whatever this version would make of it."""
    return sha256(canonical({name: value for name, value in document.items() if name != "seal"}))


def canonical(document: Any) -> bytes:
    """A JSON document as bytes that do not depend on the order of its keys."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), default=str).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
