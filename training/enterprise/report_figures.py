"""The pictures of the page of enterprise scores: computed figures in, SVG out."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from features.enterprise.vocabulary import INDUSTRIES
from training.charts import Axis, Line, count_axis, interval_chart, line_chart, ratio_chart, share_axis
from training.enterprise import rivals
from training.enterprise.evaluation import AgainstTruth, Judged
from training.enterprise.parts import Floats
from training.enterprise.words import ALARM, NAMES, PRICE
from training.intervals import Interval
from training.labels import HORIZON_DAYS
from training.report_figures import Figure
from training.report_words import Text, number

STYLES = {PRICE: "c0", ALARM: "c1", rivals.GLM: "c2", rivals.BOOSTED: "c4", rivals.INDUSTRY: "c5", rivals.RATE: "c7"}
_RATIO, _DECILE = "came / expected 实际 / 预期", "decile of expected accidents, by rising rate 按风险率升序的十分位"
_FEWEST = 10  # accidents of a segment that is drawn
_UNKNOWN = Text("not known", "未知")
SEGMENT_WORDS: dict[str, Text] = {one.code: Text(one.words_en, one.words_zh) for one in INDUSTRIES} | {"unknown": _UNKNOWN}


def deciles(judged: Sequence[Judged], name: str) -> Figure:
    """Accidents that came over those expected, by decile of the expected number, horizons side by side."""
    groups = [_ratios(f"{one.days:g} d", one.deciles[name], f"h{place}") for place, one in enumerate(judged)]
    svg = _by_decile(groups, f"{NAMES[name].en}: came over expected by decile")
    return svg, [(f"h{place}", _days(one.days)) for place, one in enumerate(judged)]


def true_deciles(of: Sequence[AgainstTruth], name: str) -> Figure:
    """True over expected intensity by decile, horizons side by side."""
    groups = [_ratios(f"{days:g} d", one.deciles, f"h{place}") for place, (days, one) in enumerate(_with_days(of))]
    svg = _by_decile(groups, f"{NAMES[name].en}: true over expected intensity", "true / expected 真实 / 预期")
    return svg, [(f"h{place}", _days(days)) for place, days in enumerate(HORIZON_DAYS[: len(of)])]


def lorenz(judged: Judged) -> Figure:
    """Share of accidents in the riskiest share of the work: what a level of care per unit of exposure would find."""
    return _concentration(judged, judged.lorenz, "gini", "work, riskiest first 工时（风险率降序）", "Lorenz curves over work")


def visits(judged: Judged) -> Figure:
    """Share of accidents at the enterprises that could be visited."""
    return _concentration(judged, judged.visits, "top_visits", "enterprises visited 走访企业", "Accidents at those visited")


def double_lift(judged: Judged, rival: str) -> Figure:
    """Rows by rising price / rival: came over expected of both. The one that stays nearer to 1 is right where they differ."""
    bins = judged.lift[rival]
    x = np.arange(1.0, len(bins) + 1)
    told = {PRICE: np.array([one["ours"] for one in bins]), rival: np.array([one["rival"] for one in bins])}
    lines = [Line(NAMES[name].en, x, y, STYLES[name], dots=True) for name, y in told.items()]
    highest = max(1.5, float(max(y.max() for y in told.values())))
    across = _places("price / rival, fifths of the work 定价评分 / 对手，按工时五等分", len(bins))
    floor = (np.array([across.low, across.high]), np.ones(2))
    svg = line_chart(lines, across, count_axis(_RATIO, highest), f"Double lift against {NAMES[rival].en}", floor)
    return svg, [(STYLES[name], NAMES[name]) for name in told]


def segments(judged: Judged, sort: str) -> Figure:
    """Accidents that came over those that the price score expects, segment by segment; of those with enough accidents."""
    all_ = dict(sorted(judged.segments[sort].items(), key=lambda item: _place(item[0])))
    found = {name: one for name, one in all_.items() if one[0] >= _FEWEST} or all_
    words = [(segment_words(name), came) for name, (came, _) in found.items()]
    names = [f"{text.en if text.en == text.zh else f'{text.en} {text.zh}'} · {came:,}" for text, came in words]
    ratios = [one for _, one in found.values()]
    value, low, high = _edges(ratios)
    bound = (max(0.2, float(low.min(initial=1.0))), min(5.0, float(high.max(initial=1.0))))
    x = _factors(_RATIO, *bound)
    svg = interval_chart(names, Line(sort, value, value, "c0", low=low, high=high), x, f"Came over expected by {sort}")
    legend = [("c0", Text("price score, 95 % interval; accidents behind the name", "定价评分及 95 % 区间；名称后为事故数"))]
    few = [segment_words(name) for name in all_ if name not in found]
    if few:
        en, zh = ", ".join(text.en for text in few), "、".join(text.zh for text in few)
        legend.append(("ref", Text(f"fewer than {_FEWEST} accidents: {en}", f"事故不足 {_FEWEST} 次：{zh}")))
    return svg, legend


def segment_words(name: str) -> Text:
    """A segment's name: an industry, a band of worker-years, or a region, which goes by its code."""
    if name in SEGMENT_WORDS:
        return SEGMENT_WORDS[name]
    numbers = _numbers(name)
    if not numbers:
        return Text(name, name)
    if name.startswith("below"):
        return Text(name, f"{numbers[0]} 以下")
    return Text(name, f"{numbers[0]} 及以上" if len(numbers) == 1 else f"{numbers[0]} 至 {numbers[1]}")


def _place(name: str) -> tuple[float, str]:
    """Bands of worker-years from the smallest on, industries and regions by name."""
    numbers = _numbers(name)
    return (0.0 if name.startswith("below") or not numbers else float(numbers[0]), name)


def _numbers(name: str) -> list[str]:
    """The numbers of a band; none of what is no band."""
    band = re.fullmatch(r"below ([\d.]+)|([\d.]+) to ([\d.]+)|([\d.]+) and more", name)
    return [one for one in band.groups() if one] if band else []


def _concentration(judged: Judged, curves: Mapping[str, tuple[Floats, Floats]], figure: str, words: str, label: str) -> Figure:
    shown = [name for name in STYLES if name in curves]
    lines = [Line(NAMES[name].en, *curves[name], STYLES[name]) for name in shown]
    x, y = share_axis(words), share_axis("accidents 事故占比")
    svg = line_chart(lines, x, y, label, (np.array([0.0, 1.0]), np.array([0.0, 1.0])))
    percent = figure == "top_visits"
    told = {name: number(judged.figures[name][figure].value, percent) for name in shown}
    return svg, [(STYLES[name], Text(f"{NAMES[name].en} {told[name]}", NAMES[name].zh)) for name in shown]


def _by_decile(groups: Sequence[Line], label: str, words: str = _RATIO) -> str:
    bins = max(len(group.x) for group in groups)
    highest = max(2.0, min(3.0, max(float(np.max(np.asarray(group.high))) for group in groups)))
    return ratio_chart(groups, _places(_DECILE, bins), count_axis(words, highest), label)


def _places(words: str, count: int) -> Axis:
    return Axis(words, 0.4, count + 0.6, tuple(float(place) for place in range(1, count + 1)))


def _factors(words: str, low: float, high: float) -> Axis:
    """A logarithmic axis on which twice as many lies as far from 1 as half as many."""
    marks = (0.2, 0.33, 0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
    least = max((one for one in marks if one <= min(low, 0.8)), default=marks[0])
    most = min((one for one in marks if one >= max(high, 1.25)), default=marks[-1])
    inside = tuple(one for one in marks if least <= one <= most)
    kept = inside if len(inside) <= 7 else tuple(one for one in inside if one in (0.2, 0.33, 0.5, 1.0, 2.0, 3.0, 5.0))
    return Axis(words, least, most, kept, log=True)


def _ratios(name: str, ratios: Sequence[Interval], style: str) -> Line:
    value, low, high = _edges(ratios)
    return Line(name, np.arange(1.0, len(ratios) + 1), value, style, low=low, high=high)


def _edges(ratios: Sequence[Interval]) -> tuple[Floats, Floats, Floats]:
    """Values and both ends; where an end is not known, the value itself."""
    value = np.array([one.value for one in ratios])
    low, high = (np.array([getattr(one, end) for one in ratios]) for end in ("low", "high"))
    value = np.where(np.isfinite(value), value, 1.0)
    return value, np.where(np.isfinite(low), low, value), np.where(np.isfinite(high), high, value)


def _with_days(of: Sequence[AgainstTruth]) -> list[tuple[float, AgainstTruth]]:
    return list(zip(HORIZON_DAYS, of, strict=True))


def _days(days: float) -> Text:
    return Text(f"{days:g} d", f"{days:g} 天")
