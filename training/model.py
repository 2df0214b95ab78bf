"""How boosters become cumulative scores: the part of the model that serving needs too."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from training.calibration import IDENTITY, Calibration
from training.hazard import INTERVAL_ENDS, Floats, held
from training.trees import Forest

Matrix = npt.NDArray[np.float32]
INTERVALS = len(INTERVAL_ENDS)
# Nodes and weights of Gauss-Legendre quadrature on [0, 1]: exact for the path integral to far below a visible digit.
_NODES, _WEIGHTS = (array / 2 for array in np.polynomial.legendre.leggauss(16))
_NODES = _NODES + 0.5


class Structure(BaseModel):
    """What the boosters see and say.

    intervals: `separate`: log-odds of the hazard of each interval; `shares`: log-odds of a failure within the whole horizon,
    then one score per interval whose softmax spreads it.
    views: for each component the feature columns of its own view, position by position the same quantity; the component's
    number is one column more. Without views the boosters see every column once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    intervals: Literal["separate", "shares"] = "separate"
    views: tuple[tuple[int, ...], ...] = ()

    @property
    def outputs(self) -> int:
        """Raw scores of one member."""
        return INTERVALS + (self.intervals == "shares")

    @property
    def leading(self) -> int:
        """How many of a member's raw scores decide the score of the longest horizon."""
        return 1 if self.intervals == "shares" else INTERVALS


def stacked(x: Matrix, views: tuple[tuple[int, ...], ...]) -> Matrix:
    """[n, features] to [views x n, columns + 1], one view's rows after another's; x itself without views."""
    if not views:
        return x
    parts = [np.column_stack([x[:, columns], np.full(len(x), v, dtype=np.float32)]) for v, columns in enumerate(views)]
    return np.ascontiguousarray(np.concatenate(parts), dtype=np.float32)


def pooled(scores: Floats, among: npt.NDArray[np.bool_] | None = None) -> Floats:
    """[n, members, 3] scores to [n, 3]: the score of the members' mean cumulative hazard.

    among [n, members]: where only some of a row's members are asked, at least one of each. The mean of the scores themselves
    would be too low where members disagree, and most so at the shortest horizon.
    """
    if among is None:
        return np.asarray(np.log(np.exp(scores).mean(axis=1)))
    return np.asarray(np.log((np.exp(scores) * among[..., None]).sum(axis=1) / among.sum(axis=1)[:, None]))


def _hazards(raw: Floats) -> Floats:
    """Log-odds [n, views, members, scores, ...] to the hazards [n, scores, ...]: summed over views, averaged over members."""
    return np.asarray(np.logaddexp(0.0, raw).sum(axis=1).mean(axis=1))


def _passed_on(hazards: Floats, calibration: Calibration) -> Floats:
    """[n, scores, nodes]: by how much the calibrated log of the sum grows with each hazard."""
    if calibration.on != "hazards":
        total = np.log(hazards.sum(axis=1, keepdims=True))
        return np.broadcast_to(calibration.slope(total) / np.exp(total), hazards.shape)
    mapped = np.exp(calibration.g(np.log(hazards)))
    return np.asarray(mapped * calibration.slope(np.log(hazards)) / hazards / mapped.sum(axis=1, keepdims=True))


class HazardModel:
    """Members on resampled machines and, where fitted, one model on all of them. Without it the members are pooled."""

    def __init__(self, structure: Structure, members: Forest, full: Forest | None) -> None:
        self.structure, self.members, self.full = structure, members, full

    def member_scores(self, x: Matrix, *, threads: int = 1) -> Floats:
        """[n, members, 3] cumulative cloglog scores."""
        return self._scores(self.members, x, threads)

    def point_scores(self, x: Matrix, *, threads: int = 1) -> Floats:
        """[n, 3] cumulative cloglog scores, not yet calibrated."""
        return pooled(self._scores(self.full or self.members, x, threads))

    def _scores(self, forest: Forest, x: Matrix, threads: int) -> Floats:
        raw = forest.raw(stacked(x, self.structure.views), threads=threads)
        views, each = max(1, len(self.structure.views)), self.structure.outputs
        raw = raw.reshape(views, len(x), forest.outputs // each, each)
        if self.structure.intervals == "separate":
            hazard = np.cumsum(np.logaddexp(0.0, raw), axis=3)
        else:
            spread = np.exp(raw[..., 1:] - raw[..., 1:].max(axis=3, keepdims=True))
            hazard = np.cumsum(spread, axis=3)
            hazard *= np.logaddexp(0.0, raw[..., :1]) / hazard[..., -1:]
        return held(np.log(hazard.sum(axis=0)))

    def contributions(self, x: Matrix, calibration: Calibration = IDENTITY, *, threads: int = 1) -> tuple[Floats, float]:
        """([n, features], base): what each feature adds to the calibrated score of the longest horizon; they add up to it.

        Tree SHAP on each booster's log-odds, carried through summing and calibrating along the straight line from the expected
        to the actual log-odds (Aumann-Shapley). What the quadrature leaves at the map's bends is spread by magnitude.
        """
        forest = self.full or self.members
        views = max(1, len(self.structure.views))
        each, leading = self.structure.outputs, self.structure.leading
        asked = [output for output in range(forest.outputs) if output % each < leading]
        found = forest.contributions(stacked(x, self.structure.views), asked, threads=threads)
        # [n, views, members, leading scores, columns + 1]
        found = found.reshape(views, len(x), -1, leading, found.shape[2])
        base, values = found[..., -1].swapaxes(0, 1), found[..., :-1].swapaxes(0, 1)
        moved = values.sum(axis=-1)
        at = base[..., None] + moved[..., None] * _NODES
        rate = 1.0 / (1.0 + np.exp(-at)) / at.shape[2] * _passed_on(_hazards(at), calibration)[:, None, None]
        effect = self._to_columns((values * (rate @ _WEIGHTS)[..., None]).sum(axis=(2, 3)), x.shape[1])
        start, end = (calibration.apply(np.log(np.cumsum(_hazards(raw), axis=1)))[:, -1] for raw in (base, base + moved))
        size = np.abs(effect) + 1e-12
        left = end - start - effect.sum(axis=1)
        return effect + size * (left / size.sum(axis=1))[:, None], float(start[0])

    def _to_columns(self, effect: Floats, features: int) -> Floats:
        """[n, views, columns] to [n, features]; which component it is counts with the view's first column."""
        if not self.structure.views:
            return np.asarray(effect[:, 0])
        result = np.zeros((len(effect), features))
        for v, columns in enumerate(self.structure.views):
            result[:, columns] += effect[:, v, :-1]
            result[:, columns[0]] += effect[:, v, -1]
        return result
