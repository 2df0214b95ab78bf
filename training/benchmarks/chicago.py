"""Chicago's food inspections: how much earlier would critical violations have been found in another order? Real, 2011-2014.

Protocol. Models learn from the rows marked `Train` (to April 2014); those marked `Test` (September and October 2014) are put
in the order of a score, as many a day as there really were, and the figure is how many days earlier than they were found
critical violations would have been found (training/visit_order.py). Published are 7.5 days, with the city's regression; the
file's `score` is a later model of the city's. Both know which group of inspectors came. Ours is shown with that and without.

The city's scores see a visit on the eve of its real day: the weather of the three days before, complaints and burglaries of the
ninety days before. On the morning of the plan nobody has them, so ours does without and sees nothing of the two months planned
(training/visit_record.py). With a folder to predict, all its rows are forecast the same way, two months at a time.

read -> settings by rolling origin in the training rows -> fit -> order -> figures, and the same on the rolling origins.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.errors import BadInput
from features.settings import settings
from features.sources import chicago as source
from features.sources.chicago import DAY
from training import visit_model, visit_page, visit_rival
from training.benchmarks.result import Result, write_whole
from training.intervals import Draws, Interval, draw, resample
from training.visit_model import Model, Origin, as_visits
from training.visit_order import Visits, days_earlier, days_earlier_of_each, found_before, found_by_day
from training.visit_record import plan_day
from training.visit_words import (
    CITY,
    CITY_BLIND,
    NOTES,
    OWN,
    OWN_BLIND,
    PERFECT,
    REAL,
    STORED,
    WORDS,
    gain_of_ours,
    opening,
    sentences,
)  # fmt: skip

NAME = "chicago"
PUBLISHED_DAYS = 7.5
REPLICATES = 1000
LEAST_ROWS, LEAST_FOUND = 50, 5

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Fitted:
    """Both models of ours, and the rows that their forecasts look back on."""

    known: Model
    blind: Model
    history: pd.DataFrame

    def odds(self, asked: pd.DataFrame) -> dict[str, Floats]:
        """Log odds [n] of a critical violation."""
        return {OWN: self.known.odds(asked, self.history), OWN_BLIND: self.blind.odds(asked, self.history)}


def run(train: Path, predict: Path | None, out: Path | None, progress: Say) -> Result:
    """Learn from the folder's training rows; judge on its test rows, or forecast every visit of `predict` to `out`."""
    progress(f"read {train}")
    visits = _outcomes(source.frame(train))
    learnt, asked = _split(visits, train)
    gap = max(0, int((asked[DAY].min() - learnt[DAY].max()) / pd.Timedelta(days=1))) if len(asked) else 0
    if predict is None or out is None:
        if len(asked) < LEAST_ROWS or asked["found"].sum() < LEAST_FOUND:
            what = f"{len(asked)} test rows with {asked['found'].sum():g} critical ones are too few to judge by"
            raise BadInput(what, where=str(train), mend="bring the publisher's whole file")
        return _judged(learnt, asked, gap, progress)
    other = _outcomes(source.frame(predict, told=False))
    fitted = _fitted(learnt, visit_model.origins(learnt, gap), _history(learnt, other), progress)
    progress(f"predict {len(other)} visits")
    p_any = {name: 1.0 / (1.0 + np.exp(-one)) for name, one in fitted.odds(other).items()}
    settled = other["Inspector_Assigned"].isin(list(fitted.known.rates.of["found"])).to_numpy()
    columns = {
        "Inspection_ID": other["Inspection_ID"].to_numpy(),
        "p_any": np.where(settled, p_any[OWN], p_any[OWN_BLIND]),
        "p_any_inspector_unknown": p_any[OWN_BLIND],
    }
    write_whole(pa.table(columns), out)
    return Result(NAME, [], predictions=out, notes=[one.en for one in NOTES], facts={"rows": len(other), **_chosen(fitted)})


def _outcomes(visits: pd.DataFrame) -> pd.DataFrame:
    """With `found`, whether a critical violation was; missing, as other outcomes and the inspector, where nobody tells."""
    untold = {name: np.nan for name in (*source.FOUND, "fail_flag") if name not in visits}
    visits = visits.assign(**untold)
    if "Inspector_Assigned" not in visits:
        visits = visits.assign(Inspector_Assigned=pd.Series(None, index=visits.index, dtype="str"))
    counts = visits["criticalCount"]
    return visits.assign(found=(counts > 0).astype(np.float64).where(counts.notna()))


def _split(visits: pd.DataFrame, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to learn from and those to judge on: as the file marks them, else its last two months are judged on."""
    if "Train" in visits:
        learnt = visits[visits["Train"]]
        asked = visits[visits["Test"]] if "Test" in visits else visits[~visits["Train"]]
    else:
        last = plan_day(visits[DAY])
        learnt, asked = visits[last < last.max()], visits[last == last.max()]
    if len(learnt) < LEAST_ROWS or not 0 < learnt["found"].sum() < len(learnt):
        raise BadInput("too few rows to learn from, or all of one outcome", where=str(folder), mend="bring the whole file")
    return learnt, asked


def _history(learnt: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """What the features of another folder's rows may look back on: its own told rows and the training rows, each visit once."""
    told = other.dropna(subset=[*source.FOUND, "fail_flag"])
    return pd.concat([learnt, told]).drop_duplicates("Inspection_ID", ignore_index=True)


def _fitted(learnt: pd.DataFrame, origins: Sequence[Origin], history: pd.DataFrame, say: Say) -> Fitted:
    say(f"settings by {len(origins)} rolling origins")
    models = [visit_model.fit(learnt, visit_model.choose(origins, who)) for who in (True, False)]
    return Fitted(models[0], models[1], history)


def _chosen(fitted: Fitted) -> dict[str, object]:
    return {f"settings, {name}": asdict(one.settings) for name, one in ((OWN, fitted.known), (OWN_BLIND, fitted.blind))}


# Figures


def _judged(learnt: pd.DataFrame, asked: pd.DataFrame, gap: int, say: Say) -> Result:
    origins = visit_model.origins(learnt, gap)
    fitted = _fitted(learnt, origins, learnt, say)
    scores = {REAL: -asked[DAY].to_numpy("datetime64[D]").astype(np.float64), **fitted.odds(asked)}
    if "score" in asked and asked["score"].notna().all():
        scores[STORED] = asked["score"].to_numpy(np.float64)
    if city := visit_rival.told(learnt) and visit_rival.told(asked):
        scores |= {name: visit_rival.city(learnt, asked, who=who) for name, who in ((CITY, True), (CITY_BLIND, False))}
    scores[PERFECT] = asked["found"].to_numpy(np.float64)
    say("figures")
    visits = as_visits(asked)
    table, drawn, apart = _table(visits, scores)
    say("the same on the rolling origins")
    over = _over_origins(origins, fitted, city)
    said = sentences(drawn, apart, over.gain, len(origins))
    middle, by_day = float(np.median(visits.day)), _by_day(visits, scores)
    page = visit_page.Page(
        opening=opening(asked), verdict=said, rows=table, words=WORDS, own=(OWN, OWN_BLIND), notes=NOTES,
        curves={name: found_by_day(visits, one) for name, one in scores.items() if name not in (CITY, CITY_BLIND)},
        starts=[str(one.start.date()) for one in origins], origins=over.each,
    )  # fmt: skip
    path = visit_page.write(page, settings().reports / f"{NAME}.html")
    facts = {
        "test rows": len(asked), "with a critical violation": int(visits.found.sum()), "training rows": len(learnt),
        "published, days": PUBLISHED_DAYS, "gap, days": gap, "middle of the visits, days": middle - float(visits.day.min()),
        "days earlier, resampled by day": by_day,
        "over rolling origins, days earlier": over.mean, "over rolling origins, gain of ours": over.gain,
        "each rolling origin": {name: dict(zip(page.starts, one, strict=True)) for name, one in over.each.items()},
        **_chosen(fitted),
    }  # fmt: skip
    notes = [one.en for one in (page.opening, *said, *NOTES)]
    return Result(NAME, table, report=path, notes=notes, facts=facts)


def _table(visits: Visits, scores: Mapping[str, Floats]) -> tuple[list[dict[str, Any]], dict[str, Draws], dict[str, Draws]]:
    """The rows as printed; days earlier of each score on the same resamples of licences, and with each group's days kept."""
    weights = resample(visits.units, REPLICATES, seed=0)
    middle = float(np.median(visits.day))
    drawn = {name: draw(days_earlier(visits, one), weights) for name, one in scores.items()}
    apart = {name: draw(days_earlier_of_each(visits, one), weights[: REPLICATES // 2]) for name, one in scores.items()}
    table = []
    for name in (OWN, STORED, CITY, OWN_BLIND, CITY_BLIND, REAL, PERFECT):
        if name not in scores:
            continue
        rival = name not in (OWN, OWN_BLIND, REAL, PERFECT)
        table.append({
            "forecast": name,
            "days earlier": drawn[name].interval(),
            "gain of ours": gain_of_ours(name, drawn) if rival else None,
            "each group keeping its days": apart[name].interval(),
            "found in the first half": draw(found_before(visits, scores[name], middle), weights).interval(),
        })  # fmt: skip
    return table, drawn, apart


def _by_day(visits: Visits, scores: Mapping[str, Floats]) -> dict[str, Interval]:
    """Days earlier, and what ours gains over the stored score, where whole days of visits are drawn."""
    days = Visits(visits.day, visits.found, np.unique(visits.day, return_inverse=True)[1].astype(np.int64), visits.inspector)
    weights = resample(days.units, REPLICATES, seed=1)
    drawn = {name: draw(days_earlier(days, scores[name]), weights) for name in (OWN, OWN_BLIND, STORED) if name in scores}
    found = {name: one.interval() for name, one in drawn.items()}
    if STORED in drawn:
        found[f"{OWN} less {STORED}"] = drawn[OWN].minus(drawn[STORED]).interval()
    return found


@dataclass(frozen=True)
class Origins:
    """Days earlier on each rolling origin, their mean, and the gain of ours in it over the city's regression."""

    each: Mapping[str, list[float]]
    mean: Mapping[str, Interval]
    gain: Mapping[str, Interval]


def _over_origins(origins: Sequence[Origin], fitted: Fitted, city: bool) -> Origins:
    """All months that could be planned in the training rows; a licence is drawn with all its visits."""
    if not origins:
        return Origins({}, {}, {})
    licences = pd.Index(np.unique(np.concatenate([one.asked["License"] for one in origins])))
    weights = resample(len(licences), REPLICATES // 2, seed=0)
    drawn: dict[str, list[Draws]] = {}
    for one in origins:
        ours = ((OWN, fitted.known), (OWN_BLIND, fitted.blind))
        said = {name: visit_model.fit(one.known, model.settings, members=2).odds(one.asked, one.known) for name, model in ours}
        if city:
            said |= {name: visit_rival.city(one.known, one.asked, who=who) for name, who in ((CITY, True), (CITY_BLIND, False))}
        visits = replace(as_visits(one.asked), unit=licences.get_indexer(one.asked["License"]).astype(np.int64))
        for name, score in said.items():
            drawn.setdefault(name, []).append(draw(days_earlier(visits, score), weights))
    mean = {
        name: Draws(float(np.mean([one.value for one in every])), np.mean([one.drawn for one in every], axis=0))
        for name, every in drawn.items()
    }
    gain = {name: gain_of_ours(name, mean) for name in (CITY, CITY_BLIND) if name in mean}
    each = {name: [one.value for one in every] for name, every in drawn.items()}
    return Origins(each, {name: one.interval() for name, one in mean.items()}, gain)
