"""The page of a fitted tariff judged as a book: Gini, concentration curves, double lift, relativities with intervals."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from training import pages
from training.charts import Axis, Line, Periods, count_axis, interval_chart, line_chart, ratio_chart, share_axis
from training.intervals import Interval
from training.policy_tariff import KINDS, WORDS, FittedTariff
from training.relativities import Bands, Relativities
from training.report_figures import Figure
from training.report_words import Text
from training.tariff_figures import FLAT, OWN, REALLY, Judged, Ratio
from training.tariff_figures import WORDS as NAMES

TEMPLATE = "tariff.html.j2"
TITLE = Text("A fitted rulebook rated as a book", "拟合费率书的整本重新定价")
_STYLES = {OWN: "c0", REALLY: "c1", FLAT: "c2"}
_MARKS = (0.2, 0.33, 0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)


@dataclass(frozen=True)
class Page:
    """What the page is about: the year judged, tariff and figures, the rulebook's digest and file, sentences."""

    year: int
    fitted: FittedTariff
    judged: Judged
    digest: str
    rulebook: str
    verdict: Sequence[Text]
    notes: Sequence[Text]


def write(page: Page, path: Path) -> Path:
    """Write the page, whole or not at all."""
    return pages.write(path, Path(__file__).parent, TEMPLATE, context(page))


def context(page: Page) -> dict[str, Any]:
    """Everything the template shows, already in words and numbers."""
    fitted, weight = page.fitted, page.fitted.weight
    size = fitted.tariff.size
    return {
        "title": TITLE,
        "subject": Text(
            f"Property of local governments in Wisconsin: fitted to {fitted.span}, judged on {page.year}",
            f"威斯康星州地方政府财产保险：以{fitted.span}年拟合，以{page.year}年评判",
        ),
        "identity": {
            "rulebook 费率书": page.rulebook,
            "digest 摘要": page.digest[:16],
            "weight of the model 模型权重": f"{weight.weight:.2f} [{weight.low:.2f}, {weight.high:.2f}]",
            "weighed on 权重拟合年度": f"{fitted.origins[0]}-{fitted.origins[-1]}",
            "exponent of cover 保额指数": f"{size.exponent:.2f}",
        },
        "verdict": page.verdict,
        "rows": [_row(row) for row in page.judged.table],
        "curves": _curves(page.judged),
        "lift": _lift(page.judged.lift),
        "types": _types(page.judged.segments),
        "slices": _slices(size.edges, size.rates),
        "factors": [_factor(one) for one in fitted.tariff.factors],
        "notes": page.notes,
        "created_at": datetime.now(UTC),
    }


def levels(one: Relativities) -> list[str]:
    """The levels of a factor as they are written."""
    scale = one.scale
    if not isinstance(scale, Bands):
        return list(scale.codes)
    edges = [f"{edge:,g}" for edge in scale.edges]
    between = [f"{low} - <{high}" for low, high in itertools.pairwise(edges)]
    return [f"< {edges[0]}", *between, f">= {edges[-1]}"]


def _words(one: Relativities) -> list[Text]:
    """The levels in both languages."""
    flags = {"true": Text("yes", "是"), "false": Text("no", "否")}
    return [KINDS.get(name) or flags.get(name) or Text(name, "") for name in levels(one)]


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    def cell(name: str, *, signed: bool = False) -> tuple[str, str]:
        value = row[name]
        if not isinstance(value, Interval):
            return "", ""
        sign = "+" if signed else ""
        return f"{value.value:{sign}.3f}", f"{value.low:{sign}.3f} – {value.high:{sign}.3f}"

    gain = row["gain of ours"]
    tone = (
        "good" if isinstance(gain, Interval) and gain.low > 0 else "bad" if isinstance(gain, Interval) and gain.high < 0 else ""
    )
    return {
        "words": NAMES[row["forecast"]],
        "own": row["forecast"] == OWN,
        "tone": tone,
        "gini": cell("Gini"),
        "gain": cell("gain of ours", signed=True),
        "over": cell("Gini over charged"),
        "total": f"{row['total, USD m']:.2f}",
    }


def _curves(judged: Judged) -> Figure:
    """Share of losses that the policies with the highest premiums have."""
    lines = [Line(NAMES[name].en, x, y, _STYLES[name]) for name, (x, y) in judged.curves.items()]
    x = share_axis("policies, the highest premium first 保单（保费由高到低）")
    svg = line_chart(
        lines, x, share_axis("losses 赔款"), "Concentration of losses", (np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    )
    return svg, [(_STYLES[name], NAMES[name]) for name in judged.curves]


def _lift(bins: Sequence[Ratio]) -> Figure:
    """Loss ratios of both premiums by rising ratio of ours to those really charged."""
    ticks = tuple(float(place) for place in range(1, len(bins) + 1))
    words = "ours / really charged, bins of equal premium 拟合 / 实收，按实收保费等分"
    x = Periods(words, 0.4, len(bins) + 0.6, ticks, dates=tuple(one.name for one in bins))
    groups = _pair(bins, np.array(ticks))
    svg = ratio_chart(groups, x, count_axis("loss ratio / the book's 赔付率 / 全部", _highest(groups)), "Double lift")
    return svg, [(_STYLES[name], NAMES[name]) for name in (OWN, REALLY)]


def _types(found: Sequence[Ratio]) -> Figure:
    """The same by type of government."""
    ticks = tuple(float(place) for place in range(1, len(found) + 1))
    x = Periods(
        "type of government 政府类型", 0.4, len(found) + 0.6, ticks,
        dates=tuple(KINDS[one.name].zh + " " + one.name if one.name in KINDS else one.name for one in found),
    )  # fmt: skip
    groups = _pair(found, np.array(ticks))
    svg = ratio_chart(groups, x, count_axis("loss ratio / the book's 赔付率 / 全部", _highest(groups)), "Loss ratio by type")
    return svg, [(_STYLES[name], NAMES[name]) for name in (OWN, REALLY)]


def _pair(found: Sequence[Ratio], at: np.ndarray[Any, Any]) -> list[Line]:
    groups = []
    for name, side in ((REALLY, "really"), (OWN, "own")):
        told = [getattr(one, side) for one in found]
        value, low, high = (np.nan_to_num([getattr(one, key) for one in told]) for key in ("value", "low", "high"))
        groups.append(Line(NAMES[name].en, at, value, _STYLES[name], low=low, high=high))
    return groups


def _highest(groups: Sequence[Line]) -> float:
    return max(1.5, min(4.0, max(float(np.max(np.asarray(group.high))) for group in groups)))


def _slices(edges: Sequence[float], rates: Sequence[float]) -> list[tuple[str, str]]:
    ends = [f"{edge / 1e6:g}" for edge in edges]
    names = [f"{low} – {high}" for low, high in itertools.pairwise(ends)]
    return list(zip([*names, f"> {ends[-1]}"], [f"{rate:.4g}" for rate in rates], strict=True))


def _factor(one: Relativities) -> dict[str, Any]:
    words = _words(one)
    values = np.array(one.values)
    low, high = (np.array(side) if side else values for side in (one.low, one.high))
    bottom, top = min(0.67, float(low.min())), max(1.5, float(high.max()))
    least = max((mark for mark in _MARKS if mark <= bottom), default=_MARKS[0])
    most = min((mark for mark in _MARKS if mark >= top), default=_MARKS[-1])
    x = Axis("relativity 系数", least, most, tuple(mark for mark in _MARKS if least <= mark <= most), log=True)
    line = Line("relativity", values, values, "c0", low=low, high=high)
    name, unit = WORDS[one.scale.fact]
    shown = [f"{word.en} {word.zh} ({rows:,})" for word, rows in zip(words, one.rows, strict=True)]
    return {
        "words": Text(f"{name.en}, {unit}" if unit else name.en, name.zh),
        "figure": (
            interval_chart(shown, line, x, name.en),
            [("c0", Text("95 % interval; policy-years", "95%区间；括号内为保单年度数"))],
        ),
    }
