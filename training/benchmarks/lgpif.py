"""LGPIF: claims of Wisconsin's local governments in the coming policy year. Real, 2006 to 2009.

Protocol. A policy-year is predicted from its own rating data and the claims of the years before it. The last year (2009) is
judged by models of the years before; with a folder to predict, models of all training years say `expected`, `p_any` and
`expected_loss` of each of its policy-years. Earlier years of both folders feed the records of later ones; a year's own claims
nothing of it.

read -> rating and record -> prior, own record, boosters -> blend; chance of any; losses -> figures.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.settings import settings
from training import count_rivals, policy_years
from training.benchmarks.result import Result, write_whole
from training.chance import consistent, fit_chance
from training.count_metrics import Counted, actual_over_expected, gini, unit_deviance
from training.count_tables import calibration_facts, table, verdict
from training.experience import BASED, CREDIBILITY, FREE, ExperienceConfig, Periods, blended, fit_experience
from training.frequency import CountBoosterConfig
from training.glm import category, linear, log, spline
from training.intervals import Interval, draw, resample
from training.metrics import Statistic
from training.policy_losses import LIMIT, fit_losses, known, without
from training.policy_years import KEYS, Tables

NAME = "lgpif"
OWN = "blend"
LEAST_YEARS = 2
DESIGN = (*spline("log_cover"), *linear("log_premium", "log_deductible", "fire_class"), *category("kind", "alarm_credit"))
PREMIUM = ("log_premium", "log_rate")  # features that tell what was really charged
RECORD = (*log("came_1_ago", "mean_0.8"), *linear("any_0.8"))
_BOOSTERS = CountBoosterConfig(
    rounds=250, learning_rate=0.03, num_leaves=7, min_data_in_leaf=20, feature_fraction=0.6, bagging_fraction=0.8, l2=2.0,
    members=5,
)  # fmt: skip
CONFIG = ExperienceConfig(
    free=_BOOSTERS, based=_BOOSTERS.model_copy(update={"rounds": 60}), weights={CREDIBILITY: 2.0, FREE: 1.0, BASED: 1.0}
)
WORDS = {CREDIBILITY: "GLM, fading record", FREE: "boosters", BASED: "boosters on the record"}
NOTES = (
    "Rating data are those of the year asked about; claims are those of the years before it.",
    "p_any is a logistic regression's, since few policies have most claims; a number expected is never below it.",
    "Settings were compared on rolling origins from 2007 on, the year judged here among them: these figures flatter a little, "
    "those of later folders do not.",
    "Intervals are of 95 %, over policies; gains are paired.",
)

Say = Callable[[str], None]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Panel:
    """The policy-years of all folders, as published and in the same order with their features.

    limited [n]: what their claims cost, each held at LIMIT.
    """

    years: pd.DataFrame
    periods: Periods
    limited: Floats

    @classmethod
    def of(cls, tables: Tables, *, premium: bool = True) -> "Panel":
        """premium: whether models see what was really charged for the year, known when it begins."""
        periods = policy_years.panel(tables)
        if not premium:
            periods = replace(periods, rows=without(periods.rows, PREMIUM))
        return cls(policy_years.ordered(tables), periods, policy_years.limited(tables, LIMIT))


@dataclass(frozen=True)
class Said:
    """Of the rows asked: expected numbers by forecast (OWN and its parts), chance of any, expected loss [asked]."""

    expected: dict[str, Floats]
    p_any: Floats
    loss: Floats
    facts: dict[str, object]


def run(train: Path, predict: Path | None, out: Path | None, progress: Say) -> Result:
    """Train on the folder's years; judge on its last one, or write what is expected of every policy-year of `predict`."""
    progress(f"read {train}")
    tables = policy_years.read(train)
    if predict is None or out is None:
        return _judged(Panel.of(tables), progress)
    progress(f"read {predict}")
    other = policy_years.read(predict, asked=True)
    panel = Panel.of(tables.before(other))
    asked, fitted = among(panel.years, other.years), among(panel.years, tables.years)
    said = forecast(panel, fitted, asked, progress)
    keys = panel.years.loc[asked, KEYS]
    told = {"expected": said.expected[OWN], "p_any": said.p_any, "expected_loss": said.loss}
    write_whole(pa.table({**{name: keys[name].to_numpy() for name in KEYS}, **told}), out)
    return Result(NAME, [], predictions=out, notes=NOTES, facts=said.facts | {"policy-years": int(asked.sum())})


def forecast(panel: Panel, fitted: Mask, asked: Mask, say: Say) -> Said:
    """What models of the rows fitted say of the rows asked."""
    periods = panel.periods
    say(f"models of {int(periods.period[fitted].min())} to {int(periods.period[fitted].max())}")
    model = fit_experience(periods, fitted, known(DESIGN, periods.rows), CONFIG, threads=settings().threads)
    parts = model.said(periods, asked)
    columns = _columns(periods)
    recorded = _recorded(periods, fitted)
    chance = fit_chance(columns[recorded], periods.rows.count[recorded])
    p_any = chance.p_any(columns[asked])
    expected = consistent(blended(parts, CONFIG.weights), p_any)
    loss = fit_losses(periods, panel.limited, fitted).expected(expected, asked)
    facts: dict[str, object] = {"penalty": model.prior.penalty, **model.structure.model_dump()}
    return Said({OWN: expected, **{WORDS[name]: one for name, one in parts.items()}}, p_any, loss, facts)


def _recorded(periods: Periods, fitted: Mask) -> Mask:
    """The rows fitted without those of the first year, in which nobody's record is known; all, if there is no other."""
    later = fitted & (periods.period > periods.period.min())
    return later if later.any() else fitted


def _columns(periods: Periods) -> Floats:
    """What the chance of any is told by [n, k]: rating, size by kind, own record of numbers and of amounts."""
    x = periods.rows.x.astype(np.float64)
    name = {name: x[:, place] for place, name in enumerate(periods.rows.names)}
    kind = np.eye(6)[name["kind"].astype(int)]
    credit = np.stack([name["alarm_credit"] == one for one in (5, 10, 15)], axis=1)
    came, mean = name["came_0.8"], np.nan_to_num(name["mean_0.8"])
    seen = np.divide(came, mean, out=np.where(name["years_seen"] > 0, 1.0, 0.0), where=mean > 0)
    return np.column_stack([
        name["log_cover"], name["log_cover"] ** 2, *(name[one] for one in PREMIUM[:1] if one in name), name["log_deductible"],
        np.nan_to_num(name["fire_class"]), kind, kind * name["log_cover"][:, None], credit,
        name["years_seen"] == 0, np.log((came + 0.2) / (seen + 1.0)), came > 0, name["log_paid"],
    ])  # fmt: skip


def _judged(panel: Panel, say: Say) -> Result:
    periods = panel.periods
    last = int(periods.period.max())
    fitted, asked = periods.period < last, periods.period == last
    if len(np.unique(periods.period[fitted])) < LEAST_YEARS:
        note = f"The folder has too few years to judge on {last}: {LEAST_YEARS} before it are needed."
        return Result(NAME, [], notes=[note])
    said = forecast(panel, fitted, asked, say)
    say("rivals")
    cover = panel.years["BCcov"].to_numpy(np.float64)
    rivals = count_rivals.forecasts(periods, cover, fitted, asked, DESIGN, RECORD, threads=settings().threads)
    say("figures")
    rows = periods.rows.of(asked)
    counted = Counted.of(rows.count, cover[asked], rows.group)
    found = table(counted, said.expected | rivals, OWN, p_any={OWN: said.p_any})
    facts = said.facts | calibration_facts(counted, said.expected[OWN], said.p_any) | _loss(panel, said, rivals, fitted, asked)
    judged = f"Judged on {last}: {len(rows)} policy-years, {int(rows.count.sum())} claims."
    notes = [
        judged,
        _heaviest(counted, said.expected | rivals),
        *verdict([row for row in found if row["forecast"] in rivals], OWN),
        *NOTES,
    ]
    return Result(NAME, found, notes=notes, facts=facts)


def _heaviest(rows: Counted, expected: dict[str, Floats]) -> str:
    """How much of the deviance one policy is, and what the deviances are without it."""
    each = {name: unit_deviance(rows.count, one) for name, one in expected.items()}
    worst = int(each[OWN].argmax())
    others = ", ".join(f"{name} {np.delete(one, worst).mean():.3f}" for name, one in each.items())
    return (
        f"{each[OWN][worst] / each[OWN].sum():.0%} of the deviance is one policy with {int(rows.count[worst])} claims where "
        f"{expected[OWN][worst]:.1f} were expected; deviance without it: {others}."
    )


def _loss(panel: Panel, said: Said, rivals: dict[str, Floats], fitted: Mask, asked: Mask) -> dict[str, object]:
    """Gini of losses over premium, by expected loss and by each rival's number at the mean cost of a claim; actual/expected."""
    rows, years = panel.periods.rows, panel.years
    assert rows.loss is not None
    mean = float(rows.loss[fitted].sum() / rows.count[fitted].sum())
    premium = np.maximum(years["Premium"].to_numpy(np.float64)[asked], 1.0)
    lost = Counted.of(rows.loss[asked], premium, rows.group[asked])
    weights = resample(lost.groups, 400, seed=0)
    told = {OWN: said.loss} | {name: mean * one for name, one in rivals.items()}

    def figure(of: Callable[[Counted, Floats], Statistic]) -> dict[str, Interval]:
        return {name: draw(of(lost, one), weights).interval() for name, one in told.items()}

    return {"loss, Gini over premium": figure(gini), "loss, actual/expected": figure(actual_over_expected)}


def among(years: pd.DataFrame, wanted: pd.DataFrame) -> Mask:
    return np.asarray(pd.MultiIndex.from_frame(years[KEYS]).isin(pd.MultiIndex.from_frame(wanted[KEYS])))
