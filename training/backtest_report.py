"""The page of a backtest: the verdict, how each figure moves from one retraining to the next, tables with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from training import pages
from training.backtest import KEPT, RIVAL, Run
from training.backtest_words import FIGURES, WORDS, notes, verdict
from training.charts import Axis, Line, line_chart, period_axis, span_axis
from training.comparison import Comparison
from training.intervals import Interval
from training.over_time import CHAMPION, OverTime
from training.report import gain_text
from training.report_figures import Figure, styles
from training.report_words import Measure, Text, number, share_of, sign, span

TEMPLATE = "backtest.html.j2"
TITLE = Text("Backtest: retrained as it would have happened", "回测：按当时所知逐次重训")
_REFERENCE = {"slope": 1.0, "observed_over_expected": 1.0, "brier_skill": 0.0}


@dataclass(frozen=True)
class Page:
    """Who the page is about: kind, identity as shown, parameters of the experiment; why the champion could not be asked."""

    subject: Text
    created_at: datetime
    identity: Mapping[str, str]
    parameters: Mapping[str, str]
    simulated: bool
    left_out: str | None = None


def write(page: Page, run: Run, found: OverTime, path: Path) -> Path:
    """Write the page, whole or not at all."""
    return pages.write(path, Path(__file__).parent, TEMPLATE, context(page, run, found))


def context(page: Page, run: Run, found: OverTime) -> dict[str, Any]:
    """Everything the template shows, already in words and numbers."""
    dates = [cutoff.date for cutoff in run.cutoffs]
    own, others = found.names[0], [name for name in found.names if name in (KEPT, RIVAL.name, CHAMPION)]
    tables = [_table(found.together, Text("The retrained model and its rivals", "重训模型与对手"))]
    if found.of_champion is not None:
        tables.append(_table(found.of_champion, Text("Where the champion may be asked", "可与现役模型比较的部分")))
    return {
        "title": TITLE,
        "subject": page.subject,
        "identity": page.identity,
        "created_at": page.created_at,
        "parameters": page.parameters,
        "verdict": verdict(run, found),
        "tiles": [
            _tile(name, found.together) for name in ("event_recall", "ap", "brier_skill", "slope", "observed_over_expected")
        ],
        "charts": [(_words(name, found.together), chart(name, dates, found)) for name in FIGURES],
        "tables": tables,
        "period_heads": [{"words": _words(name, found.together), "about": one.about} for name, one in FIGURES.items()],
        "period_rows": [
            _period_row(date, one, own, others) for date, one in zip(dates, found.periods, strict=True) if one is not None
        ],
        "gains_legend": _legend(others),
        "learnt": [(date, part.facts) for date, part in zip(dates, run.parts, strict=True)],
        "notes": notes(found, simulated=page.simulated, left_out=page.left_out),
    }


def pictures(run: Run, found: OverTime) -> dict[str, str]:
    """The charts as stand-alone SVG files, name -> text, for the tracking server."""
    style = f"<style>{pages.style()}</style>"
    dates = [cutoff.date for cutoff in run.cutoffs]
    return {f"{name}.svg": chart(name, dates, found)[0].replace(">", f">{style}", 1) for name in FIGURES}


def chart(name: str, dates: Sequence[str], found: OverTime) -> Figure:
    """One figure over the cut-offs, every forecast a line; the first with whiskers."""
    periods = [None if one is None else one.figures for one in found.periods]
    return over_cutoffs(name, FIGURES[name], dates, found.names, periods, WORDS, _REFERENCE.get(name))


def over_cutoffs(
    name: str,
    measure: Measure,
    dates: Sequence[str],
    names: Sequence[str],
    periods: Sequence[Mapping[str, Mapping[str, Interval]] | None],
    words: Mapping[str, Text],
    reference: float | None,
) -> Figure:
    """The figure `name` of forecasts by cut-off; periods: figures by forecast, None where there was nothing to judge by.

    The first forecast has whiskers; reference: where a dashed line is drawn.
    """
    style = styles(tuple(names))
    lines, seen = [], []
    for forecast in names:
        points = [
            (place, one[forecast][name])
            for place, one in enumerate(periods, start=1)
            if one is not None and forecast in one and np.isfinite(one[forecast][name].value)
        ]
        if not points:
            continue
        seen.append(forecast)
        x, y = np.array([float(place) for place, _ in points]), np.array([figure.value for _, figure in points])
        low, high = (np.array([_edge(figure, end) for _, figure in points]) for end in ("low", "high"))
        whiskers = (low, high) if forecast == names[0] else (None, None)
        lines.append(Line(f"{words[forecast].en} {words[forecast].zh}", x, y, style[forecast], True, True, *whiskers))
    x_axis = period_axis("cut-off 重训时点", dates)
    dashed = None if reference is None else (np.array([x_axis.low, x_axis.high]), np.full(2, reference))
    svg = line_chart(lines, x_axis, _y_axis(measure, lines, reference), f"{measure.words.en} by cut-off", dashed)
    return svg, [(style[forecast], words[forecast]) for forecast in seen]


def _edge(figure: Interval, end: str) -> float:
    edge = float(getattr(figure, end))
    return edge if np.isfinite(edge) else float(figure.value)


def _y_axis(measure: Measure, lines: Sequence[Line], reference: float | None) -> Axis:
    """All points and the reference; whiskers as far as they are not absurd."""
    values = np.concatenate([line.y for line in lines] or [np.zeros(1)])
    low, high = float(values.min()), float(values.max())
    reach = max(high - low, 0.1 * abs(high), 1e-3)
    for line in lines:
        if line.low is not None and line.high is not None:
            low, high = (
                min(low, max(float(line.low.min()), low - 2 * reach)),
                max(high, min(float(line.high.max()), high + 2 * reach)),
            )
    if reference is not None:
        low, high = min(low, reference), max(high, reference)
    if measure.percent:
        low, high = max(low, 0.0), min(high, 1.0)
    return span_axis(f"{measure.words.en} {measure.words.zh}", low, high, measure.percent)


def _words(name: str, compared: Comparison) -> Text:
    words = FIGURES[name].words
    if name != "event_recall":
        return words
    share = share_of(compared.budget)
    return Text(f"{words.en}, alarms on {share}", f"{words.zh}（预警占 {share}）")


def _tile(name: str, compared: Comparison) -> dict[str, Any]:
    figure, percent = compared.figures[compared.names[0]][name], FIGURES[name].percent
    return {"words": _words(name, compared), "value": number(figure.value, percent), "span": span(figure, percent)}


def _table(compared: Comparison, title: Text) -> dict[str, Any]:
    """Rows = forecasts, columns = figures; under a rival's figure the paired gain over it."""
    rows = []
    for name in compared.names:
        cells = []
        for key, measure in FIGURES.items():
            figure, gain = compared.figures[name][key], compared.gains.get(name, {}).get(key)
            cells.append({
                "value": number(figure.value, measure.percent), "span": span(figure, measure.percent),
                **_gain(gain, measure),
            })  # fmt: skip
        rows.append({"words": WORDS[name], "own": name == compared.names[0], "cells": cells})
    size = Text(
        f"{compared.rows:,} rows of {compared.machines:,} machines, {compared.failures:,} failures, "
        f"{compared.first:%Y-%m-%d} … {compared.last:%Y-%m-%d}",
        f"{compared.machines:,} 台机器的 {compared.rows:,} 行，{compared.failures:,} 次故障",
    )
    heads = [{"words": _words(key, compared), "about": one.about} for key, one in FIGURES.items()]
    return {"title": title, "size": size, "heads": heads, "rows": rows}


def _period_row(date: str, compared: Comparison, own: str, others: Sequence[str]) -> dict[str, Any]:
    cells = []
    for key, measure in FIGURES.items():
        figure = compared.figures[own][key]
        gains = [compared.gains[name][key] for name in others if name in compared.gains and key in compared.gains[name]]
        told = [_gain(gain, measure) for gain in gains]
        cells.append({"value": number(figure.value, measure.percent), "span": span(figure, measure.percent), "gains": told})
    return {"date": date, "rows": f"{compared.rows:,}", "failures": compared.failures, "cells": cells}


def _gain(gain: Interval | None, measure: Measure) -> dict[str, str]:
    if gain is None or not np.isfinite(gain.value):
        return {"gain": "", "tone": "plain"}
    return {"gain": gain_text(gain, measure.percent), "tone": sign(gain, measure.better)}


def _legend(others: Sequence[str]) -> Text:
    named_en, named_zh = ", ".join(WORDS[name].en for name in others), "、".join(WORDS[name].zh for name in others)
    return Text(f"Δ in this order, each where it was asked: {named_en}", f"Δ 依次为（如有）：{named_zh}")
