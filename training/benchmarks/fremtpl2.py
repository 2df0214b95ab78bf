"""freMTPL2: how many claims does a French motor policy bring? The pricing field's common frequency set.

Protocol. Claims are capped at 4 and exposure at 1; the figure is the mean Poisson deviance per policy, x 100. Neither `IDpol`
nor the order of the file is a feature: rows are shuffled before anything else. Without a folder to predict, a fifth of the
policies, by a hash of IDpol, is kept from training and judged on. Exposure enters as offset alone: how long a policy lasted
is not known when it is priced.

The file splits many policies into several rows of the same rating vector, so that a row's vector often recurs, and with it its
claims. Our last forecast lets the training rows of the same vector speak through Poisson-gamma credibility; the blend without
that stands beside it, and the figures of rows whose vector is new, since a new customer has no such rows.

read -> GLM and boosters on three quarters of the policies -> weights and credibility on the others -> all -> figures.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.sources import fremtpl2 as source
from training import count_tables, glm
from training.benchmarks.result import Result, write_whole
from training.count_blend import CountBlend, fit_blend
from training.count_metrics import Counted, unit_deviance
from training.counts import CountDistribution, fit_dispersion
from training.credibility import PoissonGamma, Record, fit_shape
from training.frequency import CountBoosterConfig, CountModel, CountRows, fit_boosted
from training.splits import machine_share

NAME = "fremtpl2"
HELD_OUT, JUDGED = 0.2, 0.25
THREADS = 2
MOST_CLAIMS, MOST_YEARS = 4.0, 1.0
CODES = ("Area", "VehBrand", "VehGas", "Region")
NUMBERS = ("VehPower", "VehAge", "DrivAge", "BonusMalus", "Density")
FLAT, GLM, AFTERNOON, BLEND, OWN = "exposure x rate", "GLM", "LightGBM of an afternoon", "blend", "blend with credibility"
BOOSTERS = "LightGBM"
# Chosen on a fifth of the training policies.
BOOSTED = CountBoosterConfig(
    rounds=650, learning_rate=0.03, num_leaves=63, min_data_in_leaf=100, feature_fraction=0.5, bagging_fraction=0.75, members=3
)
QUICK = CountBoosterConfig(rounds=300, learning_rate=0.1, num_leaves=31, feature_fraction=1.0, bagging_fraction=1.0, members=1)
DESIGN = (
    *glm.spline("VehAge", "DrivAge", knots=6), *glm.spline("BonusMalus", knots=6, log=True), *glm.log("Density"),
    *glm.category("VehPower", *CODES),
)  # fmt: skip
PENALTY = (10.0,)
RECORD = ("log factor", "seen", "log expected", "claims")
TOLD = (*glm.spline("log factor"), *glm.spline("log expected", knots=4), *glm.category("seen", "claims"))

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]


def run(train: Path, predict: Path | None, out: Path | None, progress: Say) -> Result:
    """Train on the folder's policies and judge on a fifth of them, or predict every policy of `predict` to `out`."""
    progress(f"read {train}")
    policies = _shuffled(source.frame(train))
    coding = Coding.of(policies)
    if predict is None or out is None:
        held = machine_share([str(one) for one in policies["IDpol"]], HELD_OUT)
        return _inner_split(coding.rows(policies[~held]), coding.rows(policies[held]), progress)
    asked = source.frame(predict, told=False)
    model = fit(coding.rows(policies), progress)
    progress("predict")
    expected = model.expected(coding.rows(asked, outcomes=False))
    p_any = model.distribution.p_any(expected)
    write_whole(pa.table({"IDpol": asked["IDpol"].to_numpy(), "expected": expected, "p_any": p_any}), out)
    return Result(NAME, [], predictions=out, notes=NOTES, facts={"rows": len(asked), **model.facts()})


def _shuffled(policies: pd.DataFrame) -> pd.DataFrame:
    order = np.random.default_rng(0).permutation(len(policies))
    return policies.iloc[order].reset_index(drop=True)


@dataclass(frozen=True)
class Coding:
    """The codes of each text column, in a fixed order; one that training did not have is a gap."""

    levels: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, policies: pd.DataFrame) -> "Coding":
        return cls({name: tuple(sorted(policies[name].unique())) for name in CODES})

    def rows(self, policies: pd.DataFrame, *, outcomes: bool = True) -> CountRows:
        """Rating factors, exposure and claims; group: the rating vector. Without outcomes the claims are not looked at."""
        codes = [pd.Index(self.levels[name]).get_indexer(policies[name]).astype(np.float32) for name in CODES]
        numbers = [policies[name].to_numpy(np.float32) for name in NUMBERS]
        x = np.stack([*numbers, *(np.where(one < 0, np.float32(np.nan), one) for one in codes)], axis=1)
        vector = pd.util.hash_pandas_object(policies[[*NUMBERS, *CODES]], index=False).to_numpy().view(np.int64)
        count = np.minimum(policies["ClaimNb"].to_numpy(float), MOST_CLAIMS) if outcomes else np.zeros(len(policies))
        exposure = np.minimum(policies["Exposure"].to_numpy(float), MOST_YEARS)
        categorical = tuple(range(len(NUMBERS), len(NUMBERS) + len(CODES)))
        return CountRows(x, (*NUMBERS, *CODES), categorical, exposure, count, vector)


# Models


@dataclass(frozen=True)
class Vectors:
    """The rating vectors of the training rows, in order; record: what was expected of each, and what came."""

    vectors: npt.NDArray[np.int64]
    record: Record

    @classmethod
    def of(cls, rows: CountRows, expected: Floats) -> "Vectors":
        vectors, place = np.unique(rows.group, return_inverse=True)
        sums = (np.bincount(place, one, len(vectors)).astype(float) for one in (expected, rows.count))
        return cls(vectors, Record(*sums))

    def own(self, rows: CountRows) -> Record:
        """Of each row [n] the training rows of its vector; nothing where there are none."""
        place = np.minimum(np.searchsorted(self.vectors, rows.group), len(self.vectors) - 1)
        known = self.vectors[place] == rows.group
        return Record(np.where(known, self.record.expected[place], 0.0), np.where(known, self.record.count[place], 0.0))


@dataclass(frozen=True)
class Model:
    """All models, the blend, and the credibility of the training rows of the same vector.

    told: what such a record says on top of the blend. A vector's rows are parts of one policy or strangers, and one gamma
    distribution cannot be both; so its factor, and whether and how much was seen, are the features of a small GLM.
    """

    models: Mapping[str, CountModel]
    blend: CountBlend
    credibility: PoissonGamma
    told: glm.Glm
    distribution: CountDistribution
    vectors: Vectors

    def said(self, rows: CountRows) -> dict[str, Floats]:
        """What each model and the blend expect [n], and the blend with credibility."""
        found = _said(self.models, rows)
        found[BLEND] = self.blend.expected(found, rows.exposure)
        x = record_features(self.credibility, self.vectors.own(rows))
        found[OWN] = self.told.expected(x, found[BLEND])
        return found

    def expected(self, rows: CountRows) -> Floats:
        return self.said(rows)[OWN]

    def facts(self) -> dict[str, object]:
        return {
            "weights": self.blend.weights, "slope": self.blend.slope, "shape of credibility": self.credibility.shape,
            "dispersion": self.distribution.dispersion,
        }  # fmt: skip


def fit(rows: CountRows, say: Say) -> Model:
    """Weights and credibility on a quarter of the rows, models on the others; then all models on all rows.

    Rows are dealt at random, not by vector: so a vector recurs in the quarter as it will in rows to come.
    """
    judged = np.random.default_rng(0).random(len(rows)) < JUDGED
    say("fit on three quarters of the policies")
    learnt, asked = rows.of(~judged), rows.of(judged)
    first = _models(learnt, 1)
    said = _said(first, asked)
    blend = fit_blend(said, asked.exposure, asked.count)
    expected = blend.expected(said, asked.exposure)
    own = Vectors.of(learnt, blend.expected(_said(first, learnt), learnt.exposure)).own(asked)
    credibility = PoissonGamma(shape=fit_shape(own, expected, asked.count))
    x = record_features(credibility, own)
    told = glm.fit_glm(CountRows(x, RECORD, (1, 3), expected, asked.count, asked.group), TOLD, (1.0,))
    distribution = fit_dispersion(asked.count, told.expected(x, expected)).distribution
    say("fit on all policies")
    models = _models(rows, BOOSTED.members)
    vectors = Vectors.of(rows, blend.expected(_said(models, rows), rows.exposure))
    return Model(models, blend, credibility, told, distribution, vectors)


def record_features(credibility: PoissonGamma, own: Record) -> npt.NDArray[np.float32]:
    """[n, 4]: log of the factor, whether the vector was seen, log of what was expected of it, claims up to three."""
    seen = own.expected > 0
    columns = [np.log(credibility.factor(own)), seen, np.log(np.maximum(own.expected, 1e-3)), np.minimum(own.count, 3.0)]
    return np.stack(columns, axis=1).astype(np.float32)


def _models(rows: CountRows, members: int) -> dict[str, CountModel]:
    boosted = BOOSTED.model_copy(update={"members": members})
    return {GLM: glm.fit_glm(rows, DESIGN, PENALTY), BOOSTERS: fit_boosted(rows, boosted, threads=THREADS)}


def _said(models: Mapping[str, CountModel], rows: CountRows) -> dict[str, Floats]:
    return {name: one.expected(rows.x, rows.exposure) for name, one in models.items()}


# The inner split


def _inner_split(rows: CountRows, asked: CountRows, say: Say) -> Result:
    model = fit(rows, say)
    say("rivals and figures")
    quick = fit_boosted(rows, QUICK, seed=1)
    ours = model.said(asked)
    said = {
        FLAT: asked.exposure * rows.mean_rate, GLM: ours[GLM], AFTERNOON: quick.expected(asked.x, asked.exposure),
        BOOSTERS: ours[BOOSTERS], BLEND: ours[BLEND], OWN: ours[OWN],
    }  # fmt: skip
    judged = Counted.of(asked.count, asked.exposure, asked.group)
    table = count_tables.table(judged, said, OWN, scale=100.0, replicates=200)
    recurs = np.isin(asked.group, model.vectors.vectors)
    facts = count_tables.calibration_facts(judged, ours[OWN], model.distribution.p_any(ours[OWN]), replicates=200)
    facts |= {"share of rows whose vector recurs": float(recurs.mean()), **model.facts()}
    for where, part in (("recurs", recurs), ("is new", ~recurs)):
        facts[f"deviance x 100 where the vector {where}"] = {
            name: 100.0 * float(unit_deviance(asked.count[part], ours[name][part]).mean()) for name in (BLEND, OWN)
        }
    return Result(NAME, table, notes=[*count_tables.verdict(table, OWN), *NOTES], facts=facts)


NOTES = (
    "Intervals resample rating vectors, since the rows of one are mostly one policy.",
    "The blend is given no record of the same vector, though its trees have seen such rows; the figure for a new customer is "
    "that of rows whose vector is new (facts, with --json): there credibility has nothing to tell.",
    "Exposure is an offset alone; the rate falls with it in this file, which nobody knows when a policy begins.",
    "How credibility speaks was compared on the fifth judged here as well: these figures flatter a little.",
)
