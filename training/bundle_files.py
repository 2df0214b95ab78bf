"""The files of a bundle as bytes: what each part is written as, and read again with its checksum."""

import io
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from features.errors import BadInput, Conflict
from training.blend import Blend
from training.calibration import Calibration
from training.manifest import Manifest, sha256
from training.model import HazardModel
from training.window_model import Steps, WindowModel

MEMBERS, FULL, CALIBRATION, BLEND = "members.txt", "full.txt", "calibration.json", "blend.json"
GOLDEN_WINDOWS = ("golden-steps.npy", "golden-static.npy")
_Document = TypeVar("_Document", bound=BaseModel)


@dataclass(frozen=True)
class Networks:
    """Networks that have entered: the models, the blend, and windows of some of the golden rows."""

    model: WindowModel
    blend: Blend
    golden: tuple[Steps, Steps]


def files_of(model: HazardModel, calibration: Calibration, networks: Networks | None) -> dict[str, bytes]:
    """What a bundle is written as, but for its manifest."""
    files = {MEMBERS: model.members.text.encode(), CALIBRATION: calibration.model_dump_json(indent=1).encode()}
    if model.full:
        files[FULL] = model.full.text.encode()
    if networks:
        files |= networks.model.files | {BLEND: networks.blend.model_dump_json(indent=1).encode()}
        files |= {name: _npy(part) for name, part in zip(GOLDEN_WINDOWS, networks.golden, strict=True)}
    return files


def networks_of(manifest: Manifest, data: Mapping[str, bytes], path: Path) -> tuple[Networks | None, str | None]:
    """The networks of a bundle, or why they cannot run here. Raises BadInput on a damaged blend."""
    assert manifest.windows is not None
    blend = document_of(Blend, data[BLEND], path / BLEND)
    golden = tuple(np.load(io.BytesIO(data[name]), allow_pickle=False) for name in GOLDEN_WINDOWS)
    try:
        parts = {name: [data[file] for file in files] for name, files in manifest.windows.files.items()}
        return Networks(WindowModel(manifest.windows, parts), blend, (golden[0], golden[1])), None
    except ImportError:
        return None, "onnxruntime is not installed"


def document_of(form: type[_Document], data: bytes, where: Path) -> _Document:
    """A JSON file of the bundle. Raises BadInput."""
    try:
        return form.model_validate_json(data)
    except ValidationError as error:
        what = f"not a {form.__name__.lower()}: {error.errors()[0]['msg']}"
        raise BadInput(what, where=str(where), mend="copy the bundle again") from None


def _npy(values: Steps) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    return file.getvalue()


def read_checked(path: Path, expected: str) -> bytes:
    """A file whose sha256 is the expected one. Raises BadInput."""
    try:
        data = path.read_bytes()
    except OSError:
        raise BadInput("a file of the bundle is missing", where=str(path), mend="copy the bundle again") from None
    if sha256(data) != expected:
        raise BadInput("damaged: its checksum is not the manifest's", where=str(path), mend="copy the bundle again")
    return data


def save_whole(path: Path, files: Mapping[str, bytes], bundle_id: str, id_of: Callable[[Path], str]) -> Path:
    """Write a bundle's directory in one step: it is there whole or not at all. The same bundle is mended file by file.

    id_of: the id of the bundle that is there. Raises Conflict if that is another one.
    """
    if path.exists():
        if id_of(path) != bundle_id:
            raise Conflict("another bundle is there", where=str(path), mend="save to a directory named by the bundle's id")
        for name, data in files.items():
            write(path / f".{name}", data).replace(path / name)
        return path
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, data in files.items():
        write(beside / name, data)
    beside.rename(path)
    return path


def write(path: Path, data: bytes) -> Path:
    """Write a file through to the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return path
