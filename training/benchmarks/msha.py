"""MSHA: how many injuries does a mine of the USA have in a year? Hours worked are the exposure.

Protocol. Years are the split: without a folder to predict, the last year is judged on and the years before it are trained on.
Every row is predicted, `row` is its place in the order of the file, from 0. `MINE_STATUS`, the status when the file was drawn,
is not read. Figures are per mine-year.

Mines have no name in this file. What last year's rows of the same state, mineral and type tell about a row enters by likeness
of size and of the shares of hours (training.likeness), and never from the row's own year. The level is that of the last year
on record: the industry's rate falls over the years, and a mean of the past would lag behind.

read -> models of the years before the last, asked for the last -> weights, likeness -> models of all years -> figures.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.errors import BadInput
from features.sources import msha as source
from training import count_tables, glm
from training.benchmarks.result import Result, write_whole
from training.count_blend import CountBlend, fit_blend
from training.count_metrics import Counted
from training.counts import CountDistribution, fit_dispersion
from training.frequency import CountBoosterConfig, CountModel, CountRows, fit_boosted, grouped, out_of_fold
from training.likeness import Likeness, Places, fit_likeness, links

NAME = "msha"
HOURS = 200_000.0  # of a hundred full-time workers in a year: the unit of exposure (MSHA's own incidence rate)
CODES = ("US_STATE", "COMMODITY", "PRIMARY", "TYPE_OF_MINE")
NUMBERS = ("log hours", "log people", "log hours per person", "seam", *source.SHARES)
FLAT, GLM, AFTERNOON, BLEND, OWN = "hours x rate", "GLM", "LightGBM of an afternoon", "blend", "blend with likeness"
BOOSTERS, CROSSED = "LightGBM", "GLM with crossed codes"
THREADS = 2
# Chosen by 2013 -> 2014.
BOOSTED = CountBoosterConfig(
    rounds=500, learning_rate=0.03, num_leaves=48, min_data_in_leaf=30, categorical_smooth=2.0, categorical_l2=2.0, members=3
)
LIGHT = BOOSTED.model_copy(update={"rounds": 250, "learning_rate": 0.06, "num_leaves": 31, "members": 1})
QUICK = CountBoosterConfig(rounds=300, learning_rate=0.05, num_leaves=31, feature_fraction=1.0, bagging_fraction=1.0, members=1)
DESIGN = (
    *glm.spline("log hours", "log hours per person"), *glm.spline("seam", log=True),
    *glm.linear("log people", *source.SHARES[:-1]), *glm.category(*CODES),
)  # fmt: skip
PENALTY = (10.0,)
CROSS = (
    *DESIGN, glm.crossed("US_STATE", "COMMODITY", "TYPE_OF_MINE", least=5), glm.crossed("US_STATE", "PRIMARY", least=5),
    glm.crossed("PRIMARY", "TYPE_OF_MINE", least=5),
)  # fmt: skip
REACH = (1.0, 1.0, 0.55, 2.0)  # of log hours, log people, roots of the shares, log seam
FOLDS = 4

Floats = npt.NDArray[np.float64]
Years = npt.NDArray[np.int64]
Say = Callable[[str], None]


def run(train: Path, predict: Path | None, out: Path | None, progress: Say) -> Result:
    """Train on the folder's years and judge on its last, or predict every row of `predict` to `out`."""
    progress(f"read {train}")
    mines = source.frame(train)
    years = np.unique(mines["YEAR"].to_numpy())
    if len(years) < (3 if predict is None else 2):
        need = "three years, the last to be judged on" if predict is None else "two years"
        raise BadInput(f"only {len(years)} year(s)", where=str(train), mend=f"bring a file of {need}")
    coding = Coding.of(mines)
    if predict is None or out is None:
        last = (mines["YEAR"] == years[-1]).to_numpy()
        return _inner_split(coding.mines(mines[~last]), coding.mines(mines[last]), progress)
    asked = source.frame(predict, told=False)
    model = fit(coding.mines(mines), progress)
    progress("predict")
    expected = model.said(coding.mines(asked, outcomes=False))[OWN]
    rows = pa.table({"row": np.arange(len(asked)), "expected": expected, "p_any": model.distribution.p_any(expected)})
    write_whole(rows, out)
    return Result(NAME, [], predictions=out, notes=NOTES, facts={"rows": len(asked), **model.facts()})


@dataclass(frozen=True)
class Mines:
    """Mine-years: year [n], rows for the models, and where they stand for likeness."""

    year: Years
    rows: CountRows
    places: Places

    def of(self, chosen: npt.NDArray[np.bool_]) -> "Mines":
        return Mines(self.year[chosen], self.rows.of(chosen), self.places.of(chosen))


@dataclass(frozen=True)
class Coding:
    """The codes of each text column, in a fixed order; one that training did not have is a gap."""

    levels: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, mines: pd.DataFrame) -> "Coding":
        return cls({name: tuple(sorted(mines[name].dropna().unique())) for name in CODES})

    def mines(self, frame: pd.DataFrame, *, outcomes: bool = True) -> Mines:
        """Without outcomes the injuries are not looked at. Raises BadInput on a mine-year without hours."""
        hours, people = frame["EMP_HRS_TOTAL"].to_numpy(float), frame["AVG_EMP_TOTAL"].to_numpy(float)
        codes = np.stack([pd.Index(self.levels[name]).get_indexer(frame[name]) for name in CODES], axis=1).astype(np.float32)
        seam = frame["SEAM_HEIGHT"].to_numpy(float)
        shares = frame[list(source.SHARES)].fillna(0.0).to_numpy(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            size, crew = np.log(hours), np.log(np.maximum(people, 0.5))
        numbers = np.column_stack([size, crew, size - crew, np.where(seam > 900, 0.0, seam), shares])
        x = np.concatenate([numbers, np.where(codes < 0, np.nan, codes)], axis=1).astype(np.float32)
        count = frame["NUM_INJURIES"].to_numpy(float) if outcomes else np.zeros(len(frame))
        categorical = tuple(range(len(NUMBERS), len(NUMBERS) + len(CODES)))
        # Whose row it is nobody knows: each is its own group.
        rows = CountRows(x, (*NUMBERS, *CODES), categorical, hours / HOURS, count, np.arange(len(frame)))
        cell = pd.util.hash_pandas_object(frame[["US_STATE", "PRIMARY"]].astype(str), index=False).to_numpy().view(np.int64)
        year = frame["YEAR"].to_numpy(np.int64)
        traits = (size[:, None], crew[:, None], np.sqrt(np.clip(shares, 0, 1)), np.log1p(numbers[:, 3:4]))
        return Mines(year, rows, Places(cell, year.astype(float), traits, REACH))


# Models


@dataclass(frozen=True)
class Model:
    """Models of all years at the level of the last, their blend, and the likeness to earlier rows.

    past: the training rows; expected: what models that did not see a row's own outcome expected of it [n].
    """

    models: Mapping[str, CountModel]
    blend: CountBlend
    likeness: Likeness
    distribution: CountDistribution
    past: Mines
    expected: Floats

    def said(self, asked: Mines) -> dict[str, Floats]:
        """What each model and the blend expect [n], and the blend with the word of earlier rows."""
        rows = asked.rows
        found = {name: one.expected(rows.x, rows.exposure) for name, one in self.models.items()}
        found[BLEND] = self.blend.expected(found, rows.exposure)
        pairs = links(asked.places, self.past.places)
        found[OWN] = found[BLEND] * self.likeness.factor(pairs, self.expected, self.past.rows.count)
        return found

    def facts(self) -> dict[str, object]:
        return {
            "weights": self.blend.weights, "slope": self.blend.slope, "shape of likeness": self.likeness.shape,
            "dispersion": self.distribution.dispersion,
        }  # fmt: skip


def fit(past: Mines, say: Say) -> Model:
    """Weights and likeness by the last year, asked of models of the years before it; then models of all years."""
    last = past.year == past.year.max()
    before, then = past.of(~last), past.of(last)
    say(f"fit on the years before {past.year.max()}, asked for it")
    # Where there is one year before the last, it stands for those before it.
    first = _models(before, 1)
    said = {name: one.expected(then.rows.x, then.rows.exposure) for name, one in first.items()}
    blend = fit_blend(said, then.rows.exposure, then.rows.count)
    expected = blend.expected(said, then.rows.exposure)
    say("what was expected of earlier rows, and how alike rows are")
    unseen = _unseen(past)
    pairs = links(then.places, before.places)
    likeness = fit_likeness(pairs, expected, then.rows.count, unseen[~last], before.rows.count)
    factor = likeness.factor(pairs, unseen[~last], before.rows.count)
    dispersion = fit_dispersion(then.rows.count, expected * factor).distribution
    say("fit on all years")
    models = _models(past, BOOSTED.members)
    # The drift into the last year is in the models now; what the next one will bring nobody knows.
    found = {name: one.expected(then.rows.x, then.rows.exposure) for name, one in models.items()}
    level = blend.level + np.log(then.rows.count.sum() / (factor @ blend.expected(found, then.rows.exposure)))
    return Model(models, blend.model_copy(update={"level": float(level)}), likeness, dispersion, past, unseen)


def _models(mines: Mines, members: int) -> dict[str, CountModel]:
    rows = levelled(mines)
    boosted = BOOSTED.model_copy(update={"members": members})
    return {BOOSTERS: fit_boosted(rows, boosted, threads=THREADS), CROSSED: glm.fit_glm(rows, CROSS, PENALTY)}


def levelled(mines: Mines) -> CountRows:
    """Exposures times each year's rate over the last year's, so that a model of them has the level of the last year."""
    rows, rate = mines.rows, np.ones(len(mines.year))
    rates = {year: rows.of(mines.year == year).mean_rate for year in np.unique(mines.year)}
    for year, own in rates.items():
        rate[mines.year == year] = own / rates[max(rates)]
    return replace(rows, exposure=rows.exposure * rate)


def _unseen(mines: Mines) -> Floats:
    """What boosters of the same year's other rows expect of each row [n]."""
    found = np.empty(len(mines.year))
    for year in np.unique(mines.year):
        own = mines.year == year
        rows = mines.rows.of(own)
        found[own] = out_of_fold(partial(fit_boosted, config=LIGHT), rows, grouped(rows.group, FOLDS), threads=THREADS)
    return found


# The inner split


def _inner_split(past: Mines, asked: Mines, say: Say) -> Result:
    model = fit(past, say)
    say("rivals and figures")
    rows, judged = past.rows, asked.rows
    rivals: dict[str, CountModel] = {GLM: glm.fit_glm(rows, DESIGN, PENALTY), AFTERNOON: fit_boosted(rows, QUICK, seed=1)}
    ours = model.said(asked)
    said = {FLAT: judged.exposure * rows.mean_rate}
    said |= {name: one.expected(judged.x, judged.exposure) for name, one in rivals.items()} | ours
    counted = Counted.of(judged.count, judged.exposure, judged.group)
    table = count_tables.table(counted, said, OWN, replicates=1000)
    facts = count_tables.calibration_facts(counted, ours[OWN], model.distribution.p_any(ours[OWN]))
    facts |= {"judged year": int(asked.year.max()), **model.facts()}
    return Result(NAME, table, notes=[*count_tables.verdict(table, OWN), *NOTES], facts=facts)


NOTES = (
    "Intervals resample rows: in one year a mine has one row.",
    "The level is that of the last year of training; actual over expected tells how the rate moved after it.",
    "Settings, of the likeness above all, were compared on 2014 and on the year judged here: these figures flatter a little.",
)
