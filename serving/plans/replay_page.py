"""The page of a replay: what each planner averts week by week, and its figures; both languages, no network needed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from serving.inspection.replayed import Planner
from serving.plans.replay_document import WORDS
from training import charts, pages
from training.report_words import Text

TEMPLATE = "replay.html.j2"
_STYLES = ("c0", "c1", "c2", "c3", "c4", "c5")


def write(path: Path, found: Mapping[str, Any]) -> Path:
    """Write the page of a replay's document, whole or not at all."""
    return pages.write(path, Path(__file__).parent, TEMPLATE, context(found))


def context(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows."""
    return {
        "identity": _identity(found), "verdict": _verdict(found), "averted": _averted(found), "rows": _rows(found),
        "currency": found["currency"],
    }  # fmt: skip


def _identity(found: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Weeks 周数": f"{found['weeks']} (+ {found['warm_up']} before 此前), {found['first']} – {found['last']}",
        "Inspectors 检查员": f"{found['inspectors']}", "Sites 场所": f"{found['sites']:,}",
        "Out of reach 当日无法往返": f"{found['out_of_reach']:,}",
        "Expected loss a year 年预期损失": f"{found['currency']} {found['loss_a_year']:,.0f}", "Model 模型": found["champion"],
    }  # fmt: skip


def _verdict(found: Mapping[str, Any]) -> list[dict[str, str]]:
    model = next((one for one in found["planners"] if one["planner"] == Planner.MODEL), None)
    if model is None:
        return []
    said = []
    for name, en, zh in (
        ("of_rotation", "what business as usual averts with the same inspectors", "同样人员常规轮检所避免损失"),
        ("of_round", "what the rotation averts that uses all hours", "用满工时的轮检所避免损失"),
        ("of_truth", "what a planner averts that knows the truth", "已知真实强度的计划所避免损失"),
    ):
        if name in model:
            value, span = f"{model[name]['value']:.2f}", f"[{model[name]['low']:.2f}, {model[name]['high']:.2f}]"
            said.append({
                "en": f"Model and planner avert {value} {span} times {en}.",
                "zh": f"模型与计划所避免损失为{zh}的 {value} {span} 倍。",
                "tone": "good" if model[name]["low"] > 1.0 or name == "of_truth" else "bad",
            })  # fmt: skip
    days = model["days_earlier"]
    said.append({
        "en": f"A danger waits {days:.1f} days less for the next visit than under business as usual; {model['kept']:.0%} of "
        "the visits that were owed took place in the week in which they were.",
        "zh": f"隐患等待下次检查的时间比常规轮检少 {days:.1f} 天；应检场所按期检查率 {model['kept']:.0%}。", "tone": "good",
    })  # fmt: skip
    return said


def _averted(found: Mapping[str, Any]) -> tuple[str, list[tuple[str, Text]]]:
    lines, legend = [], []
    weeks = np.arange(1.0, found["weeks"] + 1.0)
    for style, (planner, weekly) in zip(_STYLES, found["weekly"].items(), strict=False):
        lines.append(charts.Line(WORDS[Planner(planner)].en, weeks, np.cumsum(weekly) / 1e6, style))
        legend.append((style, WORDS[Planner(planner)]))
    x = charts.span_axis("week 周", 0.0, float(found["weeks"]))
    highest = max(float(np.sum(weekly)) for weekly in found["weekly"].values()) / 1e6
    y = charts.count_axis(f"million {found['currency']} 百万", highest)
    return charts.line_chart(lines, x, y, "Loss averted"), legend


def _rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "words": WORDS[Planner(one["planner"])], "own": one["planner"] == Planner.MODEL,
            "averted": f"{one['averted']:,.0f}", "spare": f"{one['averted_spare']:,.0f}",
            "beside": [_span(one.get(name)) for name in ("of_truth", "of_rotation", "of_round")],
            "visits": f"{one['visits']:,}", "kept": f"{one['kept']:.1%}", "late": f"{one['late_days']:,.0f}",
            "earlier": f"{one['days_earlier']:+.1f}", "travel": f"{one['travel']:.0f}", "faults": str(one["faults"]),
        }
        for one in found["planners"]
    ]  # fmt: skip


def _span(told: Mapping[str, float] | None) -> tuple[str, str]:
    return ("–", "") if told is None else (f"{told['value']:.2f}", f"{told['low']:.2f} – {told['high']:.2f}")
