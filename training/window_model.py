"""The networks of a bundle as serving runs them: windows of readings to logs of interval hazards, through ONNX. No torch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from features.errors import BadInput
from training.blend import logs_of_odds
from training.hazard import INTERVAL_ENDS, Floats

if TYPE_CHECKING:
    from features.sequences import Batch, Layout

Steps = npt.NDArray[np.float32]
# A channel that at least this share of the training windows knew is one that a network was never taught to do without.
ALWAYS = 0.99
SENSOR = "sensor:"


class WindowFacts(BaseModel):
    """What a bundle's networks read. names, static, steps, hash: of the layout of windows; hours: how far one reaches back.

    heard: channels that are sensors; a window with a reading at fewer than `fewest_steps` steps is too short. needed: channels
    that training windows always knew; a window that never knows one of them is left to the boosters. seeds: networks by family.
    apart: the outputs that say what single components do over the horizon of the three intervals, where networks learn that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...]
    static: tuple[str, ...]
    steps: int = Field(gt=0)
    hash: str
    hours: float = Field(gt=0)
    heard: tuple[int, ...]
    needed: tuple[int, ...]
    fewest_steps: int = Field(ge=1)
    seeds: dict[str, int]
    apart: tuple[int, ...] = ()

    @property
    def files(self) -> dict[str, list[str]]:
        """The names of the networks' files by family."""
        return {name: [f"network-{name}-{number}.onnx" for number in range(count)] for name, count in self.seeds.items()}

    def enough(self, steps: Steps) -> npt.NDArray[np.bool_]:
        """bool[n]: which windows [n, steps, channels] hold what the networks need."""
        known = np.isfinite(steps)
        heard = known[:, :, list(self.heard)].any(axis=2).sum(axis=1)
        return np.asarray((heard >= self.fewest_steps) & np.all(known[:, :, list(self.needed)].any(axis=1), axis=1))

    def why_not(self, steps: Steps) -> str | None:
        """One window's [steps, channels] fault in a few words; None where it is good enough."""
        known = np.isfinite(steps)
        heard = int(known[:, list(self.heard)].any(axis=1).sum())
        if heard < self.fewest_steps:
            return f"{heard} of at least {self.fewest_steps} readings in the last {self.hours:g} h"
        absent = [self.names[place] for place in self.needed if not known[:, place].any()]
        return f"no {absent[0]} known in the last {self.hours:g} h" if absent else None


def facts_of(
    layout: "Layout", training: Steps, fewest_steps: int, seeds: Mapping[str, int], apart: Sequence[int] = ()
) -> WindowFacts:
    """What to keep of the windows that networks were trained on: training float32[m, steps, channels], some of them."""
    always = np.isfinite(training).any(axis=1).mean(axis=0) >= ALWAYS
    return WindowFacts(
        names=layout.names,
        static=layout.static,
        steps=layout.steps,
        hash=layout.hash,
        hours=layout.window_hours,
        heard=tuple(place for place, name in enumerate(layout.names) if name.startswith(SENSOR)),
        needed=tuple(np.flatnonzero(always).tolist()),
        fewest_steps=fewest_steps,
        seeds=dict(seeds),
        apart=tuple(apart),
    )


class WindowModel:
    """Networks by family, `seeds` of each: `data` holds their ONNX files.

    Raises ImportError without onnxruntime, BadInput on a network of another layout of windows than the facts tell.
    """

    def __init__(self, facts: WindowFacts, data: Mapping[str, Sequence[bytes]]) -> None:
        from training.onnx_model import OnnxNetwork

        self.facts, self.data = facts, {name: tuple(parts) for name, parts in data.items()}
        self._networks = {name: [OnnxNetwork(one) for one in parts] for name, parts in self.data.items()}
        for name, networks in self._networks.items():
            for one in networks:
                if one.layout_hash != facts.hash:
                    what = f"a network of layout {one.layout_hash} among windows of layout {facts.hash}"
                    raise BadInput(what, where=f"network {name}", mend="train again")

    def logs(self, windows: "Batch") -> dict[str, Floats]:
        """By family [n, seeds, 3 + apart]: logs of hazards, of the intervals, then of what is told apart.

        A row's answer does not depend on the others.
        """
        said = [*range(len(INTERVAL_ENDS)), *self.facts.apart]
        return {
            name: np.stack([logs_of_odds(one.raw(*windows)[:, said]) for one in networks], axis=1)
            for name, networks in self._networks.items()
        }

    @property
    def files(self) -> dict[str, bytes]:
        names = self.facts.files
        return {file: one for name, parts in self.data.items() for file, one in zip(names[name], parts, strict=True)}


def together(logs: Floats) -> Floats:
    """[n, seeds, k] to [n, k]: the log of the mean hazard."""
    return np.asarray(np.log(np.exp(logs).mean(axis=1)))
