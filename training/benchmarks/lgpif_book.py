"""LGPIF as a book: premiums of a fitted rulebook against those really charged, on a year not seen. Real, 2006 to 2009.

Protocol. A tariff of the years before is written as a rulebook, and every policy of the year is rated by the engine that quotes
(handed in: training knows nothing of it), with what a model of the years before says. A premium rests on rating data, which are
known when the year begins, and on the claims of years before it; never on what was really charged. Judged on the last year of
the folder; with a folder to predict, tariff and model of all training years rate each of its policy-years.

Figures are of losses with every SINGLE claim held at one million. Gini: policies by rising premium, each counting as one; twice
the area between the diagonal and the curve of the share of losses that the so-many lowest premiums have (concentration curve;
Frees, Meyers & Cummings 2011). Ordered by premium, not by rate: who brings most of the losses must pay most.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.documents import write_text
from features.settings import settings
from training import policy_tariff, policy_years, tariff_page
from training.benchmarks import lgpif
from training.benchmarks.result import Result, write_whole
from training.policy_losses import LIMIT
from training.policy_tariff import Book, FittedTariff
from training.policy_years import KEYS, Tables
from training.report_words import Text
from training.tariff_figures import Charged, Year, judge, over_years, over_years_words

NAME = "lgpif-book"
NEEDS = ("fitted_book",)
CAP = 1e6
LEAST_YEARS = 2
INTERVALS = 100  # refits on resampled policies, for the intervals of relativities
NOTES = (
    Text(
        "A premium rests on what is known when the year begins, rating data of the year and claims of the years before it; "
        "neither the tariff nor the model sees what was really charged.",
        "保费只用年初已知的信息：当年的承保资料和以往年度的赔案；费率和模型都看不到实收保费。",
    ),
    Text(
        "Every premium was made by the engine that quotes, from the rulebook as it is written.",
        "每张保单的保费都由报价引擎按写出的费率书逐步算出。",
    ),
    Text(
        "Gini: policies by rising premium (not premium rate), each counting as one, against losses with single claims held at "
        "USD 1,000,000; twice the area between the curve and the diagonal.",
        "基尼系数：按保费（而非费率）由低到高排列保单，每单计一；赔款以单次100万美元为限；为曲线与对角线之间面积的两倍。",
    ),
    Text(
        "How far claims are limited in the fit, and how the model's loss is made up, was compared on folds of policies of 2006 "
        "to 2008 and on rolling origins from 2007 on, 2009 among them: it flatters a little, later folders do not.",
        "拟合中的赔款限额以及模型的赔款合成方式，是在2006-2008年的保单分折和2007年起的滚动起点上比较后确定的，2009年也在其中："
        "该年的数字略偏乐观，以后年度不受影响。",
    ),
    Text("Intervals are of 95 %, over policies; gains are paired.", "区间为95%，以保单为单位重抽样；差值为配对比较。"),
)

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Booked(Protocol):
    """A rated book: the rulebook as written, its digest, premiums with the model and without it [n]."""

    @property
    def text(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def premiums(self) -> Sequence[Decimal]: ...
    @property
    def without(self) -> Sequence[Decimal]: ...


# Fitted tables, policies and the model's weight, all as plain values -> the rulebook and what it charges each policy.
Charger = Callable[[Mapping[str, Any], Sequence[Mapping[str, Any]], Mapping[str, Any]], Booked]


@dataclass(frozen=True)
class Told:
    """Of the rows asked: the fitted tariff, the rated book, and what the model says [asked]."""

    fitted: FittedTariff
    booked: Booked
    said: lgpif.Said


def run(train: Path, predict: Path | None, out: Path | None, progress: lgpif.Say, *, fitted_book: Charger) -> Result:
    """Fit on the folder's years; judge on its last one, or write a premium for every policy-year of `predict`."""
    progress(f"read {train}")
    tables = policy_years.read(train)
    if predict is None or out is None:
        return _judged(tables, fitted_book, progress)
    progress(f"read {predict}")
    other = policy_years.read(predict, asked=True)
    both = tables.before(other)
    panel, book = _book(both)
    asked, fitted = lgpif.among(panel.years, other.years), lgpif.among(panel.years, tables.years)
    told = _told(panel, book, fitted, asked, fitted_book, progress)
    keys = panel.years.loc[asked, KEYS]
    columns = {
        "premium": np.array([float(one) for one in told.booked.premiums]),
        "expected_loss": told.said.loss,
        "expected": told.said.expected[lgpif.OWN],
        "p_any": told.said.p_any,
    }
    write_whole(pa.table({**{name: keys[name].to_numpy() for name in KEYS}, **columns}), out)
    facts = _facts(told) | {"policy-years": int(asked.sum()), "rulebook file": str(_written(told))}
    return Result(NAME, [], predictions=out, notes=[one.en for one in NOTES], facts=facts)


def _book(tables: Tables) -> tuple[lgpif.Panel, Book]:
    """The panel without what was charged, and the same policy-years as a tariff sees them."""
    panel = lgpif.Panel.of(tables, premium=False)
    rows, years = panel.periods.rows, panel.years
    known = {name: rows.x[:, place].astype(np.float64) for place, name in enumerate(rows.names)}
    columns: dict[str, npt.NDArray[np.generic]] = {
        policy_tariff.COVER: years["BCcov"].to_numpy(np.float64),
        policy_tariff.KIND: np.array(policy_tariff.CODES)[known["kind"].astype(int)],
        "deductible": years["Deduct"].to_numpy(np.float64),
        "fire_protected": np.where(known["fire_class"] > 0, "true", "false"),
        "alarm_credit": known["alarm_credit"],
        "claims_a_year": known["mean_1"],
    }
    assert rows.loss is not None
    capped = policy_years.limited(tables, CAP)
    return panel, Book(columns, panel.periods.period, years["PolicyNum"].to_numpy(np.int64), rows.loss, panel.limited, capped)


def _told(
    panel: lgpif.Panel, book: Book, fitted: Mask, asked: Mask, charger: Charger, say: lgpif.Say, *, intervals: int = INTERVALS
) -> Told:
    """Tariff, weight and model of the rows fitted, and the rows asked rated by them."""

    def model(before: Mask, now: Mask) -> Floats:
        return lgpif.forecast(panel, before, now, say).loss

    say("tariff, and the model's weight beside it on rolling origins")
    found = policy_tariff.fit(book, fitted, model, intervals=intervals)
    said = lgpif.forecast(panel, fitted, asked, say)
    years = book.year[asked].astype(int)
    say(f"rate {int(asked.sum())} policy-years")
    document = policy_tariff.document(found, int(years.min()), int(years.max()), LIMIT)
    rows = policy_tariff.policies(book, asked, said.expected[lgpif.OWN].tolist(), said.loss.tolist())
    weight = found.weight
    weighed = {
        "bundle_id": f"lgpif, models of {found.span}", "level": weight.level, "weight": weight.weight, "low": weight.low,
        "high": weight.high, "fitted_on": found.weighed_on,
    }  # fmt: skip
    return Told(found, charger(document, rows, weighed), said)


def _judged(tables: Tables, charger: Charger, say: lgpif.Say) -> Result:
    panel, book = _book(tables)
    last = int(book.year.max())
    fitted, asked = book.year < last, book.year == last
    if len(np.unique(book.year[fitted])) < LEAST_YEARS:
        note = f"The folder has too few years to judge on {last}: {LEAST_YEARS} before it are needed."
        return Result(NAME, [], notes=[note])
    if not book.capped[asked].any():
        return Result(NAME, [], notes=[f"No claim of {last} cost anything: nothing to judge by."])
    told = _told(panel, book, fitted, asked, charger, say)
    year = _year(panel, book, asked, fitted, told)
    say("figures and page")
    judged = judge(year)
    sentences = [_opening(tables, asked, last), *judged.verdict]
    facts = _facts(told) | judged.facts
    if earlier := _earlier(panel, book, last, charger, say):
        gain = over_years([*earlier.values(), year])
        sentences.append(over_years_words([*earlier, last], gain))
        facts["gain in mean Gini over years"] = gain
    rulebook = _written(told)
    page = tariff_page.Page(last, told.fitted, judged, told.booked.digest, str(rulebook), sentences, NOTES)
    path = tariff_page.write(page, settings().reports / f"{NAME}.html")
    notes = [one.en for one in (*sentences, *NOTES)]
    return Result(NAME, judged.table, report=path, notes=notes, facts=facts | {"rulebook file": str(rulebook)})


def _year(panel: lgpif.Panel, book: Book, asked: Mask, fitted: Mask, told: Told) -> Year:
    """The rows asked with all premiums to be compared."""
    really = panel.years["Premium"].to_numpy(np.float64)[asked]
    cover = np.asarray(book.columns[policy_tariff.COVER], dtype=np.float64)
    rate = float(book.capped[fitted].sum() / cover[fitted].sum())
    charged = Charged(
        own=np.array([float(one) for one in told.booked.premiums]),
        without=np.array([float(one) for one in told.booked.without]),
        really=np.maximum(really, 1.0),
        flat=rate * cover[asked],
        model=told.said.loss,
    )
    kind = np.asarray(book.columns[policy_tariff.KIND])[asked]
    return Year(charged, book.capped[asked], book.policy[asked], kind)


def _earlier(panel: lgpif.Panel, book: Book, last: int, charger: Charger, say: lgpif.Say) -> dict[int, Year]:
    """The same of years before the last one that have enough years before them and had a loss."""
    found = {}
    for year in np.unique(book.year[book.year < last])[LEAST_YEARS:].astype(int).tolist():
        fitted, asked = book.year < year, book.year == year
        if book.capped[asked].any():
            found[year] = _year(panel, book, asked, fitted, _told(panel, book, fitted, asked, charger, say, intervals=0))
    return found


def _opening(tables: Tables, asked: Mask, year: int) -> Text:
    """What the figures are of."""
    losses, full = (float(policy_years.limited(tables, limit)[asked].sum()) / 1e6 for limit in (CAP, np.inf))
    rows = int(asked.sum())
    return Text(
        f"Judged on {year}: {rows} policy-years, losses of USD {losses:.1f} million with single claims held at one million "
        f"({full:.1f} without).",
        f"以{year}年评判：{rows}个保单年度，单次赔款以100万美元为限的赔款合计{losses:.1f}百万美元（不设限为{full:.1f}百万）。",
    )


def _facts(told: Told) -> dict[str, object]:
    weight, tariff = told.fitted.weight, told.fitted.tariff
    return {
        "weight of the model": weight.weight,
        "weight, low": weight.low,
        "weight, high": weight.high,
        "weighed on": told.fitted.weighed_on,
        "exponent of cover": tariff.size.exponent,
        "relativities": {one.scale.fact: dict(zip(tariff_page.levels(one), one.values, strict=True)) for one in tariff.factors},
        "rulebook digest": told.booked.digest,
    }


def _written(told: Told) -> Path:
    """The rulebook beside the reports, where `forewarn rulebook check` can read it."""
    path = settings().reports / f"{NAME}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_text(path, told.booked.text)
