"""The page of a run of the enterprise scores: the verdict before the curves, both languages, no network needed.

`write` composes what `training.enterprise.evaluation` computed and `report_figures` drew; it computes nothing itself but which
features move the scores most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from features.enterprise.catalog import catalog
from training import pages
from training.enterprise import report_figures as figures
from training.enterprise import rivals
from training.enterprise.bundle import RiskBundle, RiskManifest
from training.enterprise.evaluation import AgainstTruth, Judged
from training.enterprise.fit import Training
from training.enterprise.model import SCORES
from training.enterprise.parts import Matrix
from training.enterprise.rows import moment
from training.enterprise.sequence_words import entry_of
from training.enterprise.words import ALARM, MEASURES, NAMES, PRICE, WITHOUT, name_of, verdict
from training.intervals import Interval
from training.report import gain_text
from training.report_notes import period
from training.report_words import Text, number, sign, span

TEMPLATE = "enterprise.html.j2"
TITLE = Text("Accidents of enterprises: price and alarm score", "企业事故风险：定价评分与预警评分")
_SHOWN, _SAMPLE = 15, 400  # features on the page; rows that they are weighed on


@dataclass(frozen=True)
class Moved:
    """How much a feature moves a score: mean distance that it moves the log of the expected number. sign: as it rises."""

    name: str
    words: Text
    size: float
    sign: int


@dataclass(frozen=True)
class Run:
    """Who the page is about. entry: what was decided of a sequence network, where one was tried."""

    manifest: RiskManifest
    identity: Mapping[str, str]
    parameters: Mapping[str, str]
    moved: Mapping[str, Sequence[Moved]]
    entry: tuple[Text, ...] = ()


def describe(bundle: RiskBundle, training: Training, judged: Sequence[Judged], parameters: Mapping[str, str]) -> Run:
    """What the page says of the run itself."""
    made, as_of = bundle.manifest, training.past.as_of[training.test]
    year = judged[-1]
    identity = {
        "Bundle 模型包": made.bundle_id,
        "Snapshot 特征快照": made.snapshot_id,
        "Feature catalog 特征目录": f"{made.catalog_hash} · {len(made.feature_names)}",
        "Trained on 训练": period(made.train_from, made.train_until),
        "Judged on 评估": period(moment(int(as_of.min())), moment(int(as_of.max()))),
        "Judged by 评估样本": f"{year.enterprises:,} enterprises 家企业 · {year.rows:,} rows 行",
        "Scores of machines by 设备评分来自": " · ".join(made.machine_bundles) or "–",
    }
    x = training.x[:: max(1, len(training.x) // _SAMPLE)]
    versions = {f"lake.{name}": str(version) for name, version in sorted(made.lake_versions.items())}
    moved: dict[str, Sequence[Moved]] = {which: strongest(bundle, which, x) for which in SCORES}
    return Run(made, identity, {**parameters, **versions}, moved, entry_of(training.learned.heard))


def strongest(bundle: RiskBundle, which: str, x: Matrix) -> list[Moved]:
    """The features that move a score most over rows x, with the way in which they move it (0: no one way)."""
    told = bundle.contributions(cast(Any, which), x)
    size = np.abs(told - told.mean(axis=0)).mean(axis=0)
    words = {spec.name: Text(spec.words_en, spec.words_zh) for spec in catalog().specs}
    order = [int(place) for place in np.argsort(-size, kind="stable")[:_SHOWN] if size[place] > 0]
    codes = set(catalog().categorical)
    return [
        Moved(name, words[name], float(size[place]), 0 if name in codes else _way(x[:, place], told[:, place]))
        for place in order
        for name in [bundle.names[place]]
    ]


def _way(value: Matrix, told: np.ndarray) -> int:
    """Whether the contribution rises (+1) or falls (-1) with the value; 0 where it does neither clearly."""
    known = ~np.isnan(value)
    if known.sum() < 3 or value[known].std() == 0 or told[known].std() == 0:
        return 0
    ranks = [np.argsort(np.argsort(one[known], kind="stable"), kind="stable") for one in (value, told)]
    together = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    return 0 if abs(together) < 0.5 else int(np.sign(together))


def write(run: Run, judged: Sequence[Judged], beside: Mapping[str, Sequence[AgainstTruth]], path: Path) -> Path:
    """Write the page, whole or not at all."""
    return pages.write(path, Path(__file__).parent, TEMPLATE, context(run, judged, beside))


def pictures(judged: Sequence[Judged]) -> dict[str, str]:
    """The main charts as stand-alone SVG files, name -> text, for the tracking server."""
    year = judged[-1]
    drawn = {
        "price_deciles": figures.deciles(judged, PRICE),
        "alarm_deciles": figures.deciles(judged, ALARM),
        "lorenz": figures.lorenz(year),
        "visits": figures.visits(year),
        "double_lift_glm": figures.double_lift(year, rivals.GLM),
    }
    style = f"<style>{pages.style()}</style>"
    return {f"{name}.svg": svg.replace(">", f">{style}", 1) for name, (svg, _) in drawn.items()}


def context(run: Run, judged: Sequence[Judged], beside: Mapping[str, Sequence[AgainstTruth]]) -> dict[str, Any]:
    """Everything the template shows, already in words and numbers."""
    year = judged[-1]
    without = [name for name in year.figures if name.startswith(WITHOUT)]
    return {
        "run": run,
        "title": TITLE,
        "verdict": [*verdict(year, beside), *run.entry],
        "tiles": [_tile(year, name, key) for name, key in _TILES],
        "tables": [_tables(one, name) for one in reversed(judged) for name in (PRICE, ALARM)],
        "deciles": [(NAMES[name], figures.deciles(judged, name)) for name in (PRICE, ALARM)],
        "lorenz": figures.lorenz(year),
        "visits": figures.visits(judged[1]),
        "visit_days": f"{judged[1].days:g}",
        "lifts": [(name_of(name), figures.double_lift(year, name)) for name in (rivals.GLM, rivals.BOOSTED)],
        "segments": [(_SEGMENTS[sort], figures.segments(year, sort)) for sort in year.segments],
        "ablations": _ablations(judged, without),
        "truth_figures": [(NAMES[name], figures.true_deciles(of, name)) for name, of in beside.items()],
        "truth_rows": [_truth_row(name, judged[place], one) for name, of in beside.items() for place, one in enumerate(of)],
        "moved": [(NAMES[which], moved, max((one.size for one in moved), default=1.0)) for which, moved in run.moved.items()],
        "notes": _notes(judged, bool(beside)),
    }


_TILES = (
    (PRICE, "explained"), (PRICE, "gini"), (PRICE, "over_expected"), (PRICE, "slope"), (ALARM, "top_visits"),
)  # fmt: skip
_SEGMENTS = {
    "industry": Text("By industry", "按行业"),
    "size": Text("By size: worker-years a year", "按规模：年用工量（人年）"),
    "region": Text("By region", "按地区"),
}


def _tile(judged: Judged, name: str, key: str) -> dict[str, Any]:
    figure, measure = judged.figures[name][key], MEASURES[key]
    words = Text(f"{NAMES[name].en}: {measure.words.en}", f"{NAMES[name].zh}：{measure.words.zh}")
    value, ends = number(figure.value, measure.percent), span(figure, measure.percent)
    return {"words": words, "value": value, "span": ends, "where": Text(f"{judged.days:g} d", f"{judged.days:g} 天")}


def _tables(judged: Judged, ours: str) -> dict[str, Any]:
    """Rows = a score and its rivals, columns = figures, in two halves; under a rival's figure the score's paired gain."""
    rivals_of = [rival for one, rival in judged.gains if one == ours and not rival.startswith(WITHOUT)]
    title = Text(f"{NAMES[ours].en}, {judged.days:g} days", f"{NAMES[ours].zh}，{judged.days:g} 天")
    size = Text(
        f"{judged.accidents:,.0f} accidents told by {judged.rows:,} rows of {judged.enterprises:,} enterprises",
        f"{judged.enterprises:,} 家企业的 {judged.rows:,} 行，共计 {judged.accidents:,.0f} 次事故（每行各计）",
    )
    parts = []
    for keys in _HALVES:
        heads = [{"words": MEASURES[key].words, "about": MEASURES[key].about} for key in keys]
        rows = [
            {"words": name_of(name), "own": name == ours, "cells": _cells(judged, name, ours, keys)}
            for name in (ours, *rivals_of)
        ]
        parts.append({"heads": heads, "rows": rows})
    return {"title": title, "size": size, "parts": parts}


_HALVES = ("deviance", "explained", "over_expected", "slope"), ("gini", "auc", "top_exposure", "top_visits")


def _cells(judged: Judged, name: str, ours: str, keys: Sequence[str]) -> list[dict[str, str]]:
    gains = judged.gains.get((ours, name), {})
    cells = []
    for key in keys:
        measure, figure = MEASURES[key], judged.figures[name][key]
        told = {"value": number(figure.value, measure.percent), "span": span(figure, measure.percent)}
        cells.append(told | {"gain": "", "tone": "plain"} | (_gain(gains[key], measure.percent) if key in gains else {}))
    return cells


def _gain(gain: Interval, percent: bool) -> dict[str, str]:
    return {"gain": gain_text(gain, percent), "tone": sign(gain, 1)}


def _ablations(judged: Sequence[Judged], names: Sequence[str]) -> list[dict[str, Any]]:
    """What the price score loses without some features: its paired gains over itself without them, by horizon."""
    keys = ("deviance", "explained", "gini", "top_exposure", "top_visits")
    return [
        {
            "words": name_of(name),
            "days": f"{one.days:g}",
            "cells": [
                _gain(one.gains[(PRICE, name)][key], MEASURES[key].percent) | {"words": MEASURES[key].words} for key in keys
            ],
        }
        for name in names
        for one in reversed(judged)
    ]


def _truth_row(name: str, judged: Judged, one: AgainstTruth) -> dict[str, Any]:
    cells = [(number(each.value), span(each)) for each in (one.slope, one.over_expected)]
    cells.append((number(one.gini_share.value, True), span(one.gini_share, True)))
    return {"words": NAMES[name], "days": f"{judged.days:g}", "cells": [*cells, (number(one.covered, True), "")]}


def _notes(judged: Sequence[Judged], simulated: bool) -> list[Text]:
    """What a sceptic should know of how the figures were made."""
    said = [
        Text(
            "Models, blend and level were fitted on rows and accidents recorded before the test period began, less the "
            "reporting lag; features see only what was recorded by as_of. Rivals were fitted on the same rows.",
            "模型、融合与水平校准只使用评估期开始前已记录的行与事故（扣除上报延迟）；特征只含截至 as_of 已记录的信息；"
            "对手模型在相同的行上训练。",
        ),
        Text(
            "Rows overlap: an enterprise is asked about again before the period of the row before is over, so an accident is "
            "told by several rows. Intervals resample enterprises, which takes that into account.",
            "各行的时段有重叠：同一企业在上一行的时段结束前再次被评估，因此一次事故会计入多行；区间按企业重抽样，已考虑这一点。",
        ),
        Text(
            "A window that had not ended when the data ended is judged by the part of it that was followed.",
            "数据截止时尚未结束的时段，只按已观察到的部分评判。",
        ),
    ]
    if judged[-1].enterprises < 200:
        told = judged[-1].enterprises
        said.append(Text(f"Only {told} enterprises: read the intervals.", f"仅有 {told} 家企业：请看区间。"))
    if simulated:
        said.append(Text(
            "These enterprises are simulated: the figures show that the machinery works, not what real ones would give.",
            "这些企业为模拟数据：数字只说明流程可用，不代表真实企业。",
        ))  # fmt: skip
    return said
