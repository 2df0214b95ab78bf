"""The pictures of the page of a book: figures in, SVG out."""

from collections.abc import Sequence
from datetime import date
from itertools import compress

import numpy as np
import numpy.typing as npt

from serving.books.claims import Told
from serving.underwriting.development import Developed, Triangle
from serving.underwriting.experience import Level, Ratio, Segment
from training.charts import (
    Axis,
    Line,
    Periods,
    count_axis,
    histogram,
    interval_chart,
    line_chart,
    period_axis,
    ratio_chart,
    span_axis,
)
from training.report_words import Text

Floats = npt.NDArray[np.float64]
Figure = tuple[str, list[tuple[str, Text]]]
RATED, CHARGED = Text("as rated", "重新定价"), Text("as charged", "原收保费")
_MARKS = (0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
_FEWEST = 5  # claims of a segment that is drawn


def changes(before: Floats, after: Floats) -> Figure:
    """How many policies' premiums change by how much."""
    change = np.clip(np.divide(after, before, out=np.ones_like(after), where=before > 0) - 1.0, -0.75, 0.999) * 100
    edges = np.arange(-80.0, 101.0, 10.0)
    counts = np.histogram(change, edges)[0].astype(np.float64)
    x = Axis(
        "change of premium, % 保费变动（%）", -80.0, 100.0, (-80.0, -60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0, 80.0, 100.0)
    )
    y = count_axis("policies 保单数", float(counts.max(initial=1.0)))
    return histogram(edges, counts, x, y, "Change of premium"), [
        ("bar", Text("policies; the ends hold all beyond", "保单数；两端含超出者"))
    ]


def lift(bins: Sequence[tuple[float, Ratio, Ratio]], before: Text, after: Text) -> Figure:
    """Loss ratios of two premiums by rising ratio of the two; the one that stays nearer to 1 tells losses apart better."""
    sides: list[list[Ratio]] = [[one for _, one, _ in bins], [one for _, _, one in bins]]
    groups = [_ratios(words.en, told, style) for words, told, style in zip((before, after), sides, ("c1", "c0"), strict=True)]
    words = tuple(f"{mean:.2f}" for mean, _, _ in bins)
    ticks = tuple(float(place) for place in range(1, len(bins) + 1))
    x = Periods("after / before, bins of equal premium 后 / 前，按保费等分", 0.4, len(bins) + 0.6, ticks, dates=words)
    highest = max(1.5, min(4.0, max(float(np.max(np.asarray(group.high))) for group in groups)))
    svg = ratio_chart(groups, x, count_axis("loss ratio / the book's 赔付率 / 全部", highest), "Double lift")
    return svg, [("c1", before), ("c0", after)]


def against(found: Sequence[Segment], names: Sequence[str], words: Text, of: str, whole: float = 1.0) -> Figure | None:
    """A ratio of each segment over `whole` with its interval; None where none can be told.

    of: frequency, loss, by_charged or by_rated.
    """
    kept = [
        (name, getattr(one, of)) for name, one in zip(names, found, strict=True)
        if one.claims >= _FEWEST and getattr(one, of).value > 0
    ]  # fmt: skip
    if not kept or not whole > 0:
        return None
    value, low, high = (ends / whole for ends in _ends([told for _, told in kept]))
    x = _factors(f"{words.en} {words.zh}", float(low.min()), float(high.max()))
    line = Line(words.en, value, value, "c0", low=np.maximum(low, x.low), high=high)
    legend = Text(f"95 % interval; segments with {_FEWEST} claims or more", f"95% 区间；仅列赔案不少于 {_FEWEST} 件者")
    return interval_chart([name for name, _ in kept], line, x, words.en), [("c0", legend)]


def relativity(name: Text, names: Sequence[str], found: Sequence[Level]) -> Figure | None:
    """A factor's values beside what the book's own claims indicate, level by level; None where nothing is indicated."""
    kept = [bool(np.isfinite(one.indicated.value)) and one.segment.claims >= _FEWEST for one in found]
    told = list(compress(found, kept))
    if not told:
        return None
    ticks = tuple(float(place) for place in range(1, len(told) + 1))
    x = Periods("level 档次", 0.4, len(told) + 0.6, ticks, dates=tuple(map(_short, compress(names, kept))))
    value = np.array([one.value for one in told])
    own = Line("rulebook 规则书", np.array(ticks), value, "c0", low=value, high=value)
    shown = _ratios("indicated by the claims 赔案所示", [one.indicated for one in told], "c1")
    highest = max(1.5, min(5.0, float(np.max(np.r_[value, np.asarray(shown.high)]))))
    svg = ratio_chart([own, shown], x, count_axis("relativity 系数", highest), name.en)
    legend = [("c0", Text("rulebook", "规则书")), ("c1", Text("indicated by the claims, 95 %", "赔案所示，95% 区间"))]
    return svg, legend


def growth(cells: Triangle, developed: Developed) -> Figure:
    """Each period's incurred claims by age, as a share of its ultimate amount; the factors' own curve beside them."""
    count = cells.amounts.shape[1]
    ages = np.arange(1.0, count + 1)
    pattern = 1.0 / np.cumprod(np.r_[developed.factors, 1.0][::-1])[::-1]
    lines = [Line("chain ladder", ages, pattern, "c0", dots=True)]
    for row, end in enumerate(cells.ends):
        known = ~np.isnan(cells.amounts[row])
        if known.sum() > 1 and developed.ultimate[row] > 0:
            lines.append(Line(str(end), ages[known], cells.amounts[row][known] / developed.ultimate[row], "c7"))
    top = max(1.1, min(2.0, max(float(np.nanmax(line.y)) for line in lines)))
    x = Axis("years since the period began 期初起年数", 0.8, count + 0.2, tuple(ages.tolist()))
    svg = line_chart(lines, x, span_axis("share of ultimate 占最终赔款", 0.0, top, percent=True), "Development of claims")
    return svg, [("c0", Text("chain ladder", "链梯法")), ("c7", Text("periods of twelve months", "各年度"))]


def periods(told: Told) -> Figure:
    """Ultimate loss ratio of each period at charged and at rated premium, with Mack's standard error twice either way."""
    lines = []
    for words, style, of in ((CHARGED, "c1", "charged"), (RATED, "c0", "rated")):
        kept = [(place, one) for place, one in enumerate(told.periods, start=1) if getattr(one, of) > 0]
        x = np.array([place for place, _ in kept], dtype=np.float64) + (0.06 if of == "rated" else -0.06)
        y, error = (np.array([getattr(one, key) / getattr(one, of) for _, one in kept]) for key in ("ultimate", "error"))
        lines.append(Line(words.en, x, y, style, dots=True, low=np.maximum(y - 2 * error, 0.0), high=y + 2 * error))
    x_axis = period_axis("twelve months to 截至", [str(one.ends) for one in told.periods])
    highest = max((float(np.max(np.asarray(line.high), initial=0.1)) for line in lines), default=1.0)
    svg = line_chart(
        lines, x_axis, span_axis("ultimate loss ratio 最终赔付率", 0.0, highest, percent=True), "Loss ratio by period"
    )
    return svg, [("c1", CHARGED), ("c0", RATED)]


def valuations(days: Sequence[date], ratio: Floats) -> Figure:
    """Loss ratio by valuation date: what was incurred and what was earned by then."""
    line = Line("incurred / earned", np.arange(1.0, len(days) + 1), ratio, "c0", dots=True)
    x = period_axis("valuation date 估值日期", [str(day) for day in days])
    y = span_axis("incurred / earned premium 已发生赔款 / 已赚保费", 0.0, float(ratio.max(initial=0.1)), percent=True)
    return line_chart([line], x, y, "Loss ratio by valuation date"), [
        ("c0", Text("as charged, not developed", "原收保费，未发展"))
    ]


def _factors(words: str, low: float, high: float) -> Axis:
    """A logarithmic axis on which twice as much lies as far from 1 as half as much."""
    least = max((one for one in _MARKS if one <= min(low, 0.8)), default=_MARKS[0])
    most = min((one for one in _MARKS if one >= max(high, 1.25)), default=_MARKS[-1])
    inside = tuple(one for one in _MARKS if least <= one <= most)
    kept = inside if len(inside) <= 7 else tuple(one for one in inside if one in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0))
    return Axis(words, least, most, kept, log=True)


def _ratios(name: str, told: Sequence[Ratio], style: str) -> Line:
    value, low, high = _ends(told)
    return Line(name, np.arange(1.0, len(told) + 1), value, style, low=low, high=high)


def _ends(told: Sequence[Ratio]) -> tuple[Floats, Floats, Floats]:
    found = np.array([(one.value, one.low, one.high) for one in told]).T
    value = np.where(np.isfinite(found[0]), found[0], 1.0)
    return value, np.where(np.isfinite(found[1]), found[1], value), np.where(np.isfinite(found[2]), found[2], value)


def _short(level: str) -> str:
    return level if len(level) <= 18 else f"{level[:17]}…"
