"""One self-contained HTML page per run: it needs no network, prints, and says the verdict before the curves.

`render` composes what `training.evaluation` computed and `training.report_figures` drew; it computes nothing itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from training import pages
from training import report_figures as figures
from training.ceiling import ORACLE, Ceiling
from training.evaluation import THIRD_DAY, Evaluation
from training.report_words import ALARM_MEASURES, MEASURES, ROW_MEASURES, Text, number, share_of, sign, span, verdict

TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class Importance:
    """A feature's share of the boosters' total gain, with the catalog's words."""

    name: str
    share: float
    words: Text


@dataclass(frozen=True)
class Run:
    """Who this report is about. identity: label -> value as shown (bundle, snapshot, lake versions, dates); modes: the words of
    each component."""

    title: Text
    subject: Text
    created_at: datetime
    identity: Mapping[str, str]
    words: Mapping[str, Text]
    importance: Sequence[Importance] = ()
    notes: Sequence[Text] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    modes: Mapping[str, Text] = field(default_factory=dict)


def render(run: Run, evaluation: Evaluation) -> str:
    """The page as text."""
    return pages.render(Path(__file__).parent, TEMPLATE, context(run, evaluation))


def write(run: Run, evaluation: Evaluation, path: Path) -> Path:
    """Write the page, whole or not at all."""
    return pages.write(path, Path(__file__).parent, TEMPLATE, context(run, evaluation))


def pictures(run: Run, evaluation: Evaluation) -> dict[str, str]:
    """The main charts as stand-alone SVG files, name -> text, for the tracking server."""
    drawn = {
        "precision_recall_72h": figures.precision_recall(evaluation, evaluation.horizon("72"), run.words)[0],
        "reliability": figures.reliability_curves(evaluation)[0],
        "observed_over_expected": figures.observed_over_expected(evaluation)[0],
        "alarms": figures.alarm_curves(evaluation, run.words)[0],
        "lead_times": figures.lead_times(evaluation)[0],
    }
    style = f"<style>{pages.style()}</style>"
    return {f"{name}.svg": svg.replace(">", f">{style}", 1) for name, svg in drawn.items()}


def context(run: Run, evaluation: Evaluation) -> dict[str, Any]:
    """Everything the template shows, already in words and numbers."""
    by_name = {one.name: one for one in evaluation.horizons}
    shown = [by_name[name] for name in ("72", THIRD_DAY) if name in by_name]
    return {
        "run": run,
        "evaluation": evaluation,
        "verdict": verdict(evaluation, run.words),
        "tiles": tiles(evaluation),
        "curves": [(horizon_words(one.name), figures.precision_recall(evaluation, one, run.words)) for one in shown],
        "reliability": figures.reliability_curves(evaluation),
        "ratios": figures.observed_over_expected(evaluation),
        "alarm_figure": figures.alarm_curves(evaluation, run.words),
        "lead_figure": figures.lead_times(evaluation),
        "segment_figures": figures.segment_curves(evaluation.segments) if len(evaluation.segments) > 1 else (),
        "row_tables": [row_table(evaluation, name, run.words) for name in ("72", THIRD_DAY, "48", "24") if name in by_name],
        "alarm_tables": [alarm_table(evaluation, index, run.words) for index in range(len(evaluation.budgets))],
        "calibration": calibration_table(evaluation),
        "lists": list_table(evaluation, run.words),
        "segments": segment_table(evaluation),
        "ceiling": evaluation.ceiling,
        "mode_rows": [] if evaluation.ceiling is None else mode_rows(evaluation.ceiling, run.modes),
        "rescued": evaluation.ceiling is not None and any(one.found is not None for one in evaluation.ceiling.modes),
        "truth_figure": None if evaluation.ceiling is None else truth_figure(evaluation.ceiling),
        "share_of": share_of,
        "number": number,
        "span": span,
    }


def horizon_words(name: str) -> Text:
    if name == THIRD_DAY:
        return Text("Third day alone: 48–72 h, rows failing earlier left out", "仅第三天：48–72 小时（剔除更早故障的行）")
    return Text(f"Within {name} hours", f"{name} 小时内")


def tiles(evaluation: Evaluation) -> list[dict[str, Any]]:
    """The five figures that a reader takes away."""
    own = evaluation.horizon("72").figures[evaluation.model]
    budget = evaluation.budgets[0]
    alarm = budget.figures[evaluation.model]
    share = share_of(budget.share)
    picked = [
        (own["ap"], "ap", Text("72 h", "72 小时")),
        (own["brier_skill"], "brier_skill", Text("72 h", "72 小时")),
        (alarm["event_recall"], "event_recall", Text(f"alarms on {share}", f"预警占 {share}")),
        (alarm["event_recall_ahead"], "event_recall_ahead", Text(f"alarms on {share}", f"预警占 {share}")),
        (alarm["false_alarms"], "false_alarms", Text(f"alarms on {share}", f"预警占 {share}")),
    ]
    return [
        {
            "words": worded(key, evaluation),
            "value": number(figure.value, MEASURES[key].percent),
            "span": span(figure, MEASURES[key].percent),
            "where": where,
        }
        for figure, key, where in picked
    ]


def worded(key: str, evaluation: Evaluation) -> Text:
    """A measure's name with this evaluation's hours and days filled in."""
    fill = {"ahead": evaluation.settings.ahead_hours, "fresh": evaluation.settings.fresh_days}
    words = MEASURES[key].words
    return Text(words.en.format(**fill), words.zh.format(**fill))


def _table(
    evaluation: Evaluation, keys: Sequence[str], own: Mapping[str, Any], gains: Mapping[str, Any], words: Mapping[str, Text]
) -> dict[str, Any]:
    """Rows = forecasts, columns = measures; under a rival's figure, the model's paired gain over it."""
    rows = []
    for name in evaluation.names:
        cells = []
        for key in keys:
            measure, figure = MEASURES[key], own[name][key]
            cell = {
                "value": number(figure.value, measure.percent),
                "span": span(figure, measure.percent),
                "gain": "",
                "tone": "plain",
            }
            if name in gains:
                gain = gains[name][key]
                tone = "plain" if name == ORACLE else sign(gain, measure.better)  # below a ceiling is no defeat
                cell |= {"gain": gain_text(gain, measure.percent), "tone": tone}
            cells.append(cell)
        rows.append({"words": words[name], "own": name == evaluation.model, "cells": cells})
    heads = [{"words": worded(key, evaluation), "about": MEASURES[key].about} for key in keys]
    return {"heads": heads, "rows": rows}


def gain_text(gain: Any, percent: bool) -> str:
    """A paired difference, signed: `+0.018 (+0.006 … +0.030)`; points of a percentage where the figure is one."""
    if gain.value == gain.low == gain.high == 0:
        return "0"
    scale, form = (100.0, "+.1f") if percent else (1.0, "+.4f" if abs(gain.value) < 0.01 else "+.3f")
    if gain.low != gain.low:
        return f"{gain.value * scale:{form}}"
    return f"{gain.value * scale:{form}} ({gain.low * scale:{form}} … {gain.high * scale:{form}})"


def row_table(evaluation: Evaluation, name: str, words: Mapping[str, Text]) -> dict[str, Any]:
    horizon = evaluation.horizon(name)
    size = Text(
        f"{horizon.rows:,} rows, {horizon.events:,} before a failure, base rate {number(horizon.base_rate, True)}",
        f"{horizon.rows:,} 行，其中 {horizon.events:,} 行在故障前，基准率 {number(horizon.base_rate, True)}",
    )
    table = _table(evaluation, ROW_MEASURES, horizon.figures, horizon.gains, words)
    return {"title": horizon_words(name), "size": size, **table}


def alarm_table(evaluation: Evaluation, index: int, words: Mapping[str, Text]) -> dict[str, Any]:
    budget = evaluation.budgets[index]
    share = share_of(budget.share)
    title = Text(f"Alarms on {share} of the observations", f"预警占观测的 {share}")
    return {"title": title, **_table(evaluation, ALARM_MEASURES, budget.figures, budget.gains, words)}


def calibration_table(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "words": horizon_words(one.name),
            "holds": one.calibration.holds,
            "overall": one.calibration.overall,
            "slope": one.calibration.slope,
            "intercept": one.calibration.intercept,
            "bins": [
                {"predicted": p, "observed": o, "events": n, "expected": e, "ratio": r, "low": low, "high": high}
                for p, o, n, e, r, low, high in zip(
                    one.calibration.predicted, one.calibration.observed, one.calibration.events, one.calibration.expected,
                    one.calibration.ratio.value, one.calibration.ratio.low, one.calibration.ratio.high, strict=True,
                )
            ],
        }
        for one in reversed(evaluation.horizons)
        if one.calibration is not None
    ]  # fmt: skip


def list_table(evaluation: Evaluation, words: Mapping[str, Text]) -> dict[str, Any]:
    sizes = evaluation.lists[evaluation.model]
    rows = [
        {"words": words[name], "own": name == evaluation.model, "lists": evaluation.lists[name]} for name in evaluation.names
    ]
    return {"sizes": sizes, "rows": rows}


def segment_table(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {"segment": one, "figures": [one.figures[key] for key in ("ap", "auc", "observed_over_expected")]}
        for one in evaluation.segments
    ]


SIGNS = {
    "windows": Text("sensors and codes", "传感器与代码"),
    "order": Text("only the order of readings", "仅读数的先后次序"),
    "none": Text("nothing", "无征兆"),
}
ANNOUNCED = Text("All that sensors and codes announce", "全部有传感器或代码征兆的故障")


def mode_rows(ceiling: Ceiling, words: Mapping[str, Text]) -> list[dict[str, Any]]:
    """One row per failure mode, then those together that windows of sensors and codes announce."""
    named = [(words.get(one.name, Text(one.name, "")), one) for one in ceiling.modes]
    if ceiling.windows is not None:
        named.append((ANNOUNCED, ceiling.windows))
    return [
        {
            "words": text, "signs": SIGNS[one.signs], "mode": one, "sum": one is ceiling.windows,
            "figures": (one.model, *one.singles.values(), one.oracle),
        }
        for text, one in named
    ]  # fmt: skip


def truth_figure(ceiling: Ceiling) -> figures.Figure | None:
    """Truth against prediction; None for a test period that is too small for a few bins."""
    return figures.true_against_predicted(ceiling) if len(ceiling.bins.true) > 1 else None
