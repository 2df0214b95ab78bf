"""The sequence network of an alarm score as serving runs it: windows of earlier moments to factors, through ONNX. No torch."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from features.errors import BadInput
from training.bundle_files import document_of
from training.enterprise.parts import STRETCHES, Floats, Matrix
from training.onnx_model import OnnxNetwork

NETWORK_FILE, SEQUENCE_FILE = "network.onnx", "sequence.json"
_FARTHEST = 3.0  # the network's log factor counts no further: twenty times as many, or a twentieth


class SequenceLayout(BaseModel):
    """names: the features of a step; steps: how many, `every_days` apart, the newest at as_of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...]
    steps: int = Field(ge=1)
    every_days: float = Field(gt=0)

    @property
    def static(self) -> tuple[str, ...]:
        return ()

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(repr((self.names, self.steps, self.every_days)).encode()).hexdigest()[:16]


class SequenceGolden(BaseModel):
    """Windows with what the network answered when it was made; None = missing value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    windows: tuple[tuple[tuple[float | None, ...], ...], ...] = ()
    said: tuple[tuple[float, ...], ...] = ()


class SequenceFacts(BaseModel):
    """What the network reads, and its say: log factor of the alarm = level + weight x what it answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: SequenceLayout
    weight: float = Field(ge=0)
    level: float = 0.0
    golden: SequenceGolden = SequenceGolden()


class SequenceModel:
    """A network beside a score. Raises ImportError without onnxruntime, BadInput on a network of another layout."""

    def __init__(self, facts: SequenceFacts, content: bytes) -> None:
        self.facts, self.content = facts, content
        self._network = OnnxNetwork(content, where=NETWORK_FILE)
        if self._network.layout_hash != facts.layout.hash or self._network.outputs != STRETCHES:
            what = f"a network of layout {self._network.layout_hash} among windows of layout {facts.layout.hash}"
            raise BadInput(what, where=NETWORK_FILE, mend="train again")

    def raw(self, windows: Matrix) -> Floats:
        """[n, 3]: by how much, on the log scale, more comes on each stretch than the price score says; 0 without the newest
        step. windows: float32[n, steps, channels], newest last, NaN = missing. A row's answer does not depend on the others.

        Raises BadInput on another shape of window.
        """
        said = self._network.raw(windows, np.empty((len(windows), self._network.static), dtype=np.float32))
        known = np.asarray(np.isfinite(windows[:, -1]).any(axis=1))
        return np.where(known[:, None], np.clip(said, -_FARTHEST, _FARTHEST), 0.0)

    def factor(self, windows: Matrix) -> Floats:
        """[n, 3]: what the rates of the alarm score are multiplied by; 1 where the network has nothing to go by."""
        known = np.asarray(np.isfinite(windows[:, -1]).any(axis=1))
        told = np.exp(self.facts.level + self.facts.weight * self.raw(windows))
        return np.where(known[:, None], told, 1.0)

    def weighed(self, weight: float, level: float) -> "SequenceModel":
        """The same network with another say."""
        return SequenceModel(self.facts.model_copy(update={"weight": weight, "level": level}), self.content)

    def remembering(self, windows: Matrix) -> "SequenceModel":
        """The same network with what it answers windows now, to be checked against later."""
        told = [[[None if np.isnan(one) else float(one) for one in step] for step in window] for window in windows]
        golden = SequenceGolden.model_validate({"windows": told, "said": self.raw(windows).tolist()})
        return SequenceModel(self.facts.model_copy(update={"golden": golden}), self.content)

    @property
    def as_ever(self) -> bool:
        """Whether its golden windows are answered as when it was made."""
        if not self.facts.golden.windows:
            return True
        windows = np.array(self.facts.golden.windows, dtype=np.float32)
        return np.allclose(self.raw(windows), np.array(self.facts.golden.said), rtol=1e-5, atol=1e-5)

    @property
    def files(self) -> dict[str, bytes]:
        return {NETWORK_FILE: self.content, SEQUENCE_FILE: self.facts.model_dump_json(indent=1).encode()}


def sequence_model(data: Mapping[str, bytes], path: Path) -> SequenceModel | None:
    """The network among a bundle's files, None where there is none. path: of the bundle."""
    if NETWORK_FILE not in data:
        return None
    return SequenceModel(document_of(SequenceFacts, data[SEQUENCE_FILE], path / SEQUENCE_FILE), data[NETWORK_FILE])
