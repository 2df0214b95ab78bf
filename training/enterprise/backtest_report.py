"""The page of a backtest of the enterprise scores: the verdict, figures by cut-off, tables with paired gains."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from training import pages
from training.backtest import KEPT
from training.backtest_report import over_cutoffs
from training.enterprise.backtest import OverTime, Run
from training.enterprise.evaluation import Judged
from training.enterprise.words import ALARM, MEASURES, NAMES, PRICE
from training.intervals import Interval
from training.report import gain_text
from training.report_figures import Figure
from training.report_words import Text, number, sign, span

TEMPLATE = "over_time.html.j2"
TITLE = Text("Backtest of the enterprise scores: learnt as it would have happened", "企业评分回测：按当时所知逐次重训")
WORDS: dict[str, Text] = {**NAMES, KEPT: Text("The first price score, kept", "首个定价评分（不再重训）")}
_REFERENCE = {"slope": 1.0, "over_expected": 1.0}
_SHOWN = ("deviance", "gini", "top_visits", "auc", "over_expected", "slope")
NOTES = (
    Text(
        "At each cut-off models, blend and level are fitted on rows and accidents recorded by then, less the reporting lag; "
        "features are those of one snapshot and see only what was recorded by as_of. Settings are those of the experiment and "
        "were not chosen at the cut-off.",
        "每个时点的模型、融合与水平只使用当时已记录的行与事故（扣除上报延迟）；特征取自同一快照，只含截至 as_of 已记录的信息。"
        "参数取自实验文件，并非在该时点选定。",
    ),
    Text(
        "A window that had not ended when the data ended is judged by the part of it that was followed. Rows overlap; "
        "intervals resample enterprises.",
        "数据截止时尚未结束的时段，只按已观察到的部分评判；各行时段有重叠，区间按企业重抽样。",
    ),
)


def verdict(run: Run, found: OverTime) -> list[Text]:
    """The backtest in a few sentences."""
    year = found.together[-1]
    return [_against(year, ours, rival) for ours, rival in year.gains if (ours, rival) != (PRICE, KEPT)
            or len(run.cutoffs) > 1] + [_level(run, found)]  # fmt: skip


def table(run: Run, found: OverTime) -> list[dict[str, Any]]:
    """A row for each forecast over all periods, one for each paired gain, one for each cut-off."""
    year = found.together[-1]
    rows = [_row(WORDS[name].en, of) for name, of in year.figures.items()]
    rows += [_row(f"{WORDS[ours].en} over {WORDS[rival].en}", gain) for (ours, rival), gain in year.gains.items()]
    periods = zip(run.cutoffs, found.periods, strict=True)
    return [*rows, *(_row(f"price from {cutoff.date}", one.figures[PRICE]) for cutoff, one in periods if one is not None)]


def write(
    run: Run, found: OverTime, identity: Mapping[str, str], parameters: Mapping[str, str], created_at: datetime, path: Path
) -> Path:
    """Write the page, whole or not at all."""
    told = {
        "title": TITLE, "identity": identity, "parameters": parameters, "created_at": created_at, "notes": NOTES,
        "verdict": verdict(run, found),
        "tables": [_whole(one, ours) for one in reversed(found.together) for ours in (PRICE, ALARM)],
        "charts": [(MEASURES[name].words, chart(name, run, found)) for name in _SHOWN],
        "heads": [{"words": MEASURES[name].words, "about": MEASURES[name].about} for name in _SHOWN],
        "periods": [
            {"date": cutoff.date, "facts": part.facts, "cells": [] if one is None else _cells(one, PRICE, PRICE),
             "accidents": 0 if one is None else one.accidents}
            for cutoff, part, one in zip(run.cutoffs, run.parts, found.periods, strict=True)
        ],
    }  # fmt: skip
    return pages.write(path, Path(__file__).parent, TEMPLATE, told)


def chart(name: str, run: Run, found: OverTime) -> Figure:
    """One figure over the cut-offs."""
    dates = [cutoff.date for cutoff in run.cutoffs]
    names = [one for one in WORDS if one in found.together[-1].figures]
    periods = [None if one is None else one.figures for one in found.periods]
    return over_cutoffs(name, MEASURES[name], dates, names, periods, WORDS, _REFERENCE.get(name))


def pictures(run: Run, found: OverTime) -> dict[str, str]:
    """The charts as stand-alone SVG files, name -> text, for the tracking server."""
    style = f"<style>{pages.style()}</style>"
    return {f"{name}.svg": chart(name, run, found)[0].replace(">", f">{style}", 1) for name in _SHOWN}


def _against(judged: Judged, ours: str, rival: str) -> Text:
    gain = judged.gains[(ours, rival)]["deviance"]
    tone = sign(gain, 1)
    claim_en = {"good": "better than", "bad": "worse than", "plain": "not distinguishable from"}[tone]
    claim_zh = {"good": "优于", "bad": "劣于", "plain": "与之无显著差别："}[tone]
    told, one, other = gain_text(gain, False), WORDS[ours], WORDS[rival]
    return Text(
        f"{one.en} is {claim_en} {other.en}: gain in deviance per row {told}, {judged.days:g} days, paired by enterprise.",
        f"{one.zh}{claim_zh}{other.zh}：每行偏差改进 {told}，{judged.days:g} 天，按企业配对。",
        tone,
    )


def _level(run: Run, found: OverTime) -> Text:
    """In which periods the accidents that came contradict those that the price score expected."""
    off = [
        f"{cutoff.date} ({number(figure.value)}, {span(figure)})"
        for cutoff, one in zip(run.cutoffs, found.periods, strict=True)
        if one is not None
        for figure in [one.figures[PRICE]["over_expected"]]
        if np.isfinite(figure.low) and not figure.low <= 1.0 <= figure.high
    ]
    if not off:
        en = "In no period do the accidents that came contradict the number that the price score expected."
        return Text(en, "没有任何时段的实际事故数与定价评分的预期相悖。", "good")
    return Text(
        f"Accidents that came differ from those the price score expected in the periods from: {'; '.join(off)}.",
        f"以下时段的实际事故数与定价评分的预期不符（实际 / 预期）：{'；'.join(off)}。",
        "bad",
    )


def _whole(judged: Judged, ours: str) -> dict[str, Any]:
    names = [ours, *(rival for one, rival in judged.gains if one == ours)]
    title = Text(f"{WORDS[ours].en}, {judged.days:g} days", f"{WORDS[ours].zh}，{judged.days:g} 天")
    rows = [{"words": WORDS[name], "own": name == ours, "cells": _cells(judged, name, ours)} for name in names]
    return {"title": title, "rows": rows, "heads": [{"words": MEASURES[k].words, "about": MEASURES[k].about} for k in _SHOWN]}


def _cells(judged: Judged, name: str, ours: str) -> list[dict[str, str]]:
    gains = judged.gains.get((ours, name), {})
    cells = []
    for key in _SHOWN:
        measure, figure = MEASURES[key], judged.figures[name][key]
        cell = {"value": number(figure.value, measure.percent), "span": span(figure, measure.percent), "gain": "", "tone": ""}
        if key in gains:
            cell |= {"gain": gain_text(gains[key], measure.percent), "tone": sign(gains[key], 1)}
        cells.append(cell)
    return cells


def _row(title: str, figures: Mapping[str, Interval]) -> dict[str, Any]:
    names: Sequence[str] = [name for name in _SHOWN if name in figures]
    return {"forecast": title, **{MEASURES[name].words.en: figures[name] for name in names}}
