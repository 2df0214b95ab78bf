"""Panels whose entities recur: what is expected of the likes of them, their own record on top, and boosters on both.

    prior        ridge GLM of what is known of an entity beside its record
    credibility  prior x Poisson-gamma factor of the entity's own earlier periods, older ones counting less (credibility.py)
    free         LightGBM over all features and what the first two say
    based        LightGBM likewise, as a relativity on top of `credibility`: it can say more than any number it was shown

A forecast is their geometric mean (log scale). A row's own outcome enters none of them: records hold EARLIER periods alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from training.credibility import PoissonGamma, Record, earlier, fit_poisson_gamma
from training.frequency import Boosted, CountBoosterConfig, CountRows, fit_boosted, grouped, out_of_fold
from training.glm import Glm, Term, fit_glm

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
CREDIBILITY, FREE, BASED = "credibility", "free", "based"
_FOLDS = 5


@dataclass(frozen=True)
class Past:
    """Periods known by their outcome alone: entity code, period, count [m]; like [m]: the row whose prior they are given."""

    entity: Whole
    period: Floats
    count: Floats
    like: Whole


NO_PAST = Past(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int64))


@dataclass(frozen=True)
class Periods:
    """A panel: rows (group = entity) with the period of each [n], a year as a rule, and what is known of further periods.

    Features of a row are those known before its period. Its count is read for fitting and for LATER rows' records.
    """

    rows: CountRows
    period: Floats
    past: Past = NO_PAST

    def record(self, expected: Floats, decay: float) -> Record:
        """The own record of each row [n] before its period, given what was expected of every row [n]."""
        entity, period, priors, count = self._with_past(expected)
        found = earlier(entity, period, priors, count, decay)
        return Record(found.expected[: len(self.rows)], found.count[: len(self.rows)])

    def structure(self, expected: Floats, fitted: Mask) -> PoissonGamma:
        """Shape and decay, fitted on the rows chosen and what is known of earlier periods. expected [n]: NaN where unasked."""
        entity, period, priors, count = self._with_past(expected)
        known = np.concatenate([fitted, fitted[self.past.like]]) & np.isfinite(priors)
        return fit_poisson_gamma(entity[known], period[known], priors[known], count[known])

    def _with_past(self, expected: Floats) -> tuple[Whole, Floats, Floats, Floats]:
        past, rows = self.past, self.rows
        return (
            np.concatenate([rows.group, past.entity]),
            np.concatenate([self.period, past.period]),
            np.concatenate([expected, expected[past.like]]),
            np.concatenate([rows.count, past.count]),
        )


class ExperienceConfig(BaseModel):
    """How a panel is rated. decays: of the records that the boosters see beside the fitted one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    penalties: tuple[float, ...] = (30.0, 100.0, 300.0)
    decays: tuple[float, ...] = (0.2, 0.5, 0.8, 1.0)
    free: CountBoosterConfig = CountBoosterConfig()
    based: CountBoosterConfig = CountBoosterConfig()
    weights: dict[str, float] = Field(default={CREDIBILITY: 1.0, FREE: 1.0, BASED: 1.0})


@dataclass(frozen=True)
class Experience:
    """A fitted rating of a panel."""

    config: ExperienceConfig
    prior: Glm
    structure: PoissonGamma
    boosters: Mapping[str, Boosted]

    def said(self, panel: Periods, asked: Mask) -> dict[str, Floats]:
        """Expected number by model, of the rows asked [asked]."""
        rows, rated = _rated(panel, self.prior, self.structure, self.config.decays)
        rows, base = rows.of(asked), rated[asked]
        free, based = (self.boosters[name] for name in (FREE, BASED))
        return {
            CREDIBILITY: base,
            FREE: free.expected(rows.x, rows.exposure),
            BASED: based.expected(rows.x, base),
        }

    def expected(self, panel: Periods, asked: Mask) -> Floats:
        """The blend [asked]."""
        return blended(self.said(panel, asked), self.config.weights)


def blended(said: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """Weighted geometric mean [n] of what the models named in `weights` expect."""
    total = sum(weights.values())
    return np.asarray(np.exp(sum(weight / total * np.log(said[name]) for name, weight in weights.items())))


def fit_experience(
    panel: Periods, fitted: Mask, design: Sequence[Term], config: ExperienceConfig, *, seed: int = 0, threads: int = 1
) -> Experience:
    """Fit all parts on the rows chosen. design: how features other than the own record enter the prior.

    The structure of the record is fitted on priors of folds that had not seen the entity. Raises BadInput without an accident.
    """
    train = panel.rows.of(fitted)
    prior = fit_glm(train, design, config.penalties, folds=_FOLDS, seed=seed)
    unseen = np.full(len(panel.rows), np.nan)
    fold = grouped(train.group, min(_FOLDS, len(np.unique(train.group))), seed)
    unseen[fitted] = out_of_fold(lambda part: fit_glm(part, design, (prior.penalty,)), train, fold)
    structure = panel.structure(unseen, fitted)
    rows, rated = _rated(panel, prior, structure, config.decays)
    seen = rows.of(fitted)
    boosters = {
        FREE: fit_boosted(seen, config.free, seed=seed, threads=threads),
        BASED: fit_boosted(replace(seen, exposure=rated[fitted]), config.based, seed=seed + 1, threads=threads),
    }
    return Experience(config, prior, structure, boosters)


def _rated(panel: Periods, prior: Glm, structure: PoissonGamma, decays: Sequence[float]) -> tuple[CountRows, Floats]:
    """The rows with what prior and own record say as further features, and prior x factor of the record [n]."""
    rows = panel.rows
    expected = prior.expected(rows.x, rows.exposure)
    rated = expected * structure.factor(panel.record(expected, structure.decay))
    columns = {"log prior": np.log(expected), "log rated": np.log(rated)}
    for decay in decays:
        own = structure.model_copy(update={"decay": decay}).factor(panel.record(expected, decay))
        columns[f"log record {decay:g}"] = np.log(own)
    x = np.column_stack([rows.x, *columns.values()]).astype(np.float32)
    return replace(rows, x=x, names=(*rows.names, *columns)), rated


def drifting(expected: Floats, count: Floats, period: Floats, worth: float, decay: float) -> Floats:
    """Expected numbers [n] at the level of the EARLIER periods among them: a Poisson-gamma of all entities together.

    worth: the expected number that the present level is worth; decay: what a period's deviation keeps a period later. A
    period's own outcomes, and later ones, do not enter; the first period is left as it is.
    """
    alike = np.zeros(len(expected), np.int64)
    return np.asarray(expected * PoissonGamma(shape=worth, decay=decay).factor(earlier(alike, period, expected, count, decay)))
