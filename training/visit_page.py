"""The page of visits in another order: days earlier, the share found by each day, the same on every rolling origin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training import pages
from training.charts import Line, line_chart, period_axis, share_axis, span_axis
from training.intervals import Interval
from training.report_figures import Figure
from training.report_words import Text

Floats = npt.NDArray[np.float64]
TEMPLATE = "visits.html.j2"
TITLE = Text("Food inspections in another order", "重新排序后的食品安全检查")
SUBJECT = Text("Chicago: when critical violations would have been found", "芝加哥：严重违规可提前多久发现")
_COLUMNS = ("days earlier", "gain of ours", "each group keeping its days", "found in the first half")


@dataclass(frozen=True)
class Page:
    """What the page shows.

    rows: the table as the benchmark prints it; words: of each forecast; own: those of ours; curves: days from the first, and
    the share found by their end; starts and origins: days earlier on each rolling origin, by forecast.
    """

    opening: Text
    verdict: Sequence[Text]
    rows: Sequence[Mapping[str, Any]]
    words: Mapping[str, Text]
    own: Sequence[str]
    notes: Sequence[Text]
    curves: Mapping[str, tuple[Floats, Floats]]
    starts: Sequence[str]
    origins: Mapping[str, Sequence[float]]


def write(page: Page, path: Path) -> Path:
    """Write the page, whole or not at all."""
    return pages.write(path, Path(__file__).parent, TEMPLATE, context(page))


def context(page: Page) -> dict[str, Any]:
    """Everything the template shows, already in words and numbers."""
    return {
        "title": TITLE,
        "subject": SUBJECT,
        "opening": page.opening,
        "verdict": page.verdict,
        "rows": [_row(page, row) for row in page.rows],
        "curves": _curves(page),
        "origins": _origins(page) if page.origins else None,
        "notes": page.notes,
        "created_at": datetime.now(UTC),
    }


def _row(page: Page, row: Mapping[str, Any]) -> dict[str, Any]:
    cells = []
    for name in _COLUMNS:
        value, share = row[name], name == "found in the first half"
        if not isinstance(value, Interval):
            cells.append(("", "", ""))
            continue
        scale, form = (100.0, ".0f") if share else (1.0, "+.2f" if name == "gain of ours" else ".2f")
        shown = [f"{scale * one + 0.0:{form}}" for one in (value.value, value.low, value.high)]
        tone = ("good" if value.low > 0 else "bad" if value.high < 0 else "") if name == "gain of ours" else ""
        cells.append((f"{shown[0]} %" if share else shown[0], f"{shown[1]} – {shown[2]}", tone))
    return {"words": page.words[row["forecast"]], "own": row["forecast"] in page.own, "cells": cells}


def _styles(page: Page) -> dict[str, str]:
    """A colour for each forecast, the same in both charts."""
    return {name: f"c{place}" for place, name in enumerate(page.words)}


def _curves(page: Page) -> Figure:
    """The share of critical violations found by each day."""
    styles = _styles(page)
    lines = [Line(page.words[name].en, x, y, styles[name]) for name, (x, y) in page.curves.items()]
    last = max(float(x[-1]) for x, _ in page.curves.values())
    x_axis = span_axis("days since the first 距首日天数", 0.0, last)
    svg = line_chart(
        lines, x_axis, share_axis("critical violations found 已发现的严重违规"), "Critical violations found by day"
    )
    return svg, [(styles[name], page.words[name]) for name in page.curves]


def _origins(page: Page) -> Figure:
    """Days earlier on each rolling origin."""
    places = np.arange(1.0, len(page.starts) + 1.0)
    styles = _styles(page)
    lines = [Line(page.words[name].en, places, np.array(days), styles[name], dots=True) for name, days in page.origins.items()]
    every = np.concatenate([line.y for line in lines])
    y_axis = span_axis("days earlier 提前天数", min(0.0, float(every.min())), float(every.max()))
    svg = line_chart(lines, period_axis("two months planned from 计划的两个月起始", page.starts), y_axis, "Rolling origins")
    return svg, [(styles[name], page.words[name]) for name in page.origins]
