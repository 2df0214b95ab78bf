"""The report's pictures: computed figures in, SVG out."""

from collections.abc import Mapping

import numpy as np

from training.ceiling import Ceiling
from training.charts import Band, Line, count_axis, histogram, line_chart, log_axis, ratio_chart, share_axis
from training.evaluation import Calibration, Evaluation, Horizon, Segment
from training.report_words import Text, number

Figure = tuple[str, list[tuple[str, Text]]]
_COLOURS = 8
_PRECISION, _RECALL = "precision 精确率", "recall 召回率"


def styles(names: tuple[str, ...]) -> dict[str, str]:
    """A colour class per forecast; `c0` is the model under test."""
    return {name: f"c{index % _COLOURS}" for index, name in enumerate(names)}


def precision_recall(evaluation: Evaluation, horizon: Horizon, words: Mapping[str, Text]) -> Figure:
    """Precision over recall of every forecast, with the base rate as the dashed floor."""
    style = styles(evaluation.names)
    lines = [
        Line(f"{words[name].en} {words[name].zh}", np.r_[0.0, recall], np.r_[precision[0], precision], style[name])
        for name, (recall, precision) in horizon.curves.items()
    ]
    top = max(float(np.max(line.y[line.x > 0.02], initial=0.0)) for line in lines)
    y = share_axis(_PRECISION) if top > 0.4 else count_axis(_PRECISION, top)
    floor = (np.array([0.0, 1.0]), np.full(2, horizon.base_rate))
    svg = line_chart(lines, share_axis(_RECALL), y, f"Precision and recall, {horizon.name} h", floor)
    legend = [(style[name], _with(words[name], number(horizon.figures[name]["ap"].value))) for name in evaluation.names]
    return svg, legend


def reliability_curves(evaluation: Evaluation) -> Figure:
    """Observed rate over predicted probability, one curve per horizon, on log scales because failures are rare."""
    judged = [(one, one.calibration) for one in evaluation.horizons if one.calibration is not None]
    lines = []
    for index, (horizon, calibration) in enumerate(judged):
        band = calibration.ratio
        lines.append(
            Line(
                f"{horizon.name} h",
                calibration.predicted,
                calibration.observed,
                f"h{index}",
                dots=True,
                low=calibration.predicted * band.low,
                high=np.minimum(1.0, calibration.predicted * band.high),
            )
        )
    least = min(float(np.min(line.y[line.y > 0], initial=1.0)) for line in lines)
    least = max(1e-6, min(least, *(float(line.x.min()) for line in lines)))
    x, y = log_axis("predicted 预测概率", least, 1.0), log_axis("observed 实际频率", least, 1.0)
    diagonal = (np.array([x.low, 1.0]), np.array([x.low, 1.0]))
    svg = line_chart(lines, x, y, "Reliability by horizon", diagonal)
    return svg, [(f"h{index}", Text(f"{one.name} h", f"{one.name} 小时")) for index, (one, _) in enumerate(judged)]


def observed_over_expected(evaluation: Evaluation) -> Figure:
    """Observed over expected by bin of equal events, with simultaneous intervals, horizons side by side."""
    judged: list[tuple[Horizon, Calibration]] = [
        (one, one.calibration) for one in evaluation.horizons if one.calibration is not None
    ]
    groups = [
        Line(
            f"{one.name} h",
            np.arange(1.0, len(c.predicted) + 1),
            c.ratio.value,
            f"h{index}",
            low=c.ratio.low,
            high=c.ratio.high,
        )
        for index, (one, c) in enumerate(judged)
    ]
    bins = max(len(group.x) for group in groups)
    highest = max(2.0, min(4.0, max(float(np.max(np.asarray(group.high))) for group in groups)))
    x = count_axis("bin of equal events, by rising probability 等事件分箱", bins)
    x = type(x)(x.words, 0.4, bins + 0.6, tuple(float(k) for k in range(1, bins + 1)))
    svg = ratio_chart(groups, x, count_axis("observed / expected 实际 / 预期", highest), "Observed over expected by bin")
    return svg, [(f"h{index}", Text(f"{one.name} h", f"{one.name} 小时")) for index, (one, _) in enumerate(judged)]


def alarm_curves(evaluation: Evaluation, words: Mapping[str, Text]) -> Figure:
    """Event recall over false alarms per machine-month: what one more alarm buys."""
    style = styles(evaluation.names)
    curves = evaluation.alarm_curves
    rates = np.concatenate([curve.false_alarms[curve.false_alarms > 0] for curve in curves.values()])
    least = max(float(np.min(rates, initial=1.0)), 30.0 / evaluation.machine_months / 100.0, 1e-3)
    x = log_axis("false alarms per machine-month 每台机器每月误报", least, max(10 * least, float(np.max(rates, initial=1.0))))
    lines = [
        Line(f"{words[name].en} {words[name].zh}", np.maximum(curve.false_alarms, x.low), curve.recall, style[name])
        for name, curve in curves.items()
    ]
    svg = line_chart(lines, x, share_axis("failures alarmed 预警覆盖率"), "Event recall against false alarms per machine-month")
    return svg, [(style[name], words[name]) for name in evaluation.names]


def lead_times(evaluation: Evaluation) -> Figure:
    """Hours from the first alarm inside the 72 h window to the failure, at the leading budget."""
    budget = evaluation.budgets[0]
    edges = np.arange(0.0, 73.0, 6.0)
    found = budget.lead_hours[~np.isnan(budget.lead_hours)]
    counts = np.histogram(np.clip(found, 0.0, 71.999), edges)[0].astype(np.float64)
    x = count_axis("hours from first alarm to failure 首次预警到故障的小时数", 72.0)
    x = type(x)(x.words, 0.0, 72.0, tuple(float(k) for k in range(0, 73, 12)))
    svg = histogram(edges, counts, x, count_axis("failures 故障数", max(1.0, float(counts.max()) * 1.1)), "Lead times")
    missed = int(np.isnan(budget.lead_hours).sum())
    return svg, [("bar", Text(f"alarmed {len(found)}, missed {missed}", f"已预警 {len(found)}，漏报 {missed}"))]


def true_against_predicted(ceiling: Ceiling) -> Figure:
    """Mean true probability over mean prediction in bins of like predictions, on the band of their mean 90 % range."""
    bins, inside = ceiling.bins, ceiling.bins.inside
    least = float(min(bins.low.min(), bins.predicted.min(), bins.true[bins.true > 0].min(initial=1.0)))
    x, y = (log_axis(words, max(1e-6, least), 1.0) for words in ("predicted 预测概率", "true 真实概率"))
    dots = [
        Line("true 真实概率", bins.predicted[part], bins.true[part], style, curve=False, dots=True)
        for style, part in (("c0", inside), ("c3", ~inside))
    ]
    band = Band(bins.predicted, bins.low, bins.high)
    diagonal = (np.array([x.low, 1.0]), np.array([x.low, 1.0]))
    svg = line_chart(dots, x, y, "True probability against prediction, 72 h", diagonal, band)
    legend = [
        ("c0", Text(f"within the range: {inside.sum()} bins", f"在区间内：{inside.sum()} 个分箱")),
        ("c3", Text(f"outside: {(~inside).sum()}", f"区间外：{(~inside).sum()}")),
        ("band", Text("mean 90 % range", "90 % 区间均值")),
    ]
    return svg, legend


def segment_curves(segments: tuple[Segment, ...]) -> tuple[Figure, Figure]:
    """Precision-recall and reliability by machine model."""
    style = {one.name: f"s{index % _COLOURS}" for index, one in enumerate(segments)}
    curves = [
        Line(one.name, np.r_[0.0, one.curve[0]], np.r_[one.curve[1][0], one.curve[1]], style[one.name]) for one in segments
    ]
    top = max(float(np.max(line.y[line.x > 0.02], initial=0.0)) for line in curves)
    y = share_axis(_PRECISION) if top > 0.4 else count_axis(_PRECISION, top)
    legend = [(style[one.name], Text(one.name, "")) for one in segments]
    least = min(min(float(one.reliability[0].min()), float(one.reliability[1].min())) for one in segments)
    axis = (max(1e-6, least), 1.0)
    x_log, y_log = log_axis("predicted 预测概率", *axis), log_axis("observed 实际频率", *axis)
    agreed = [Line(one.name, *one.reliability, style=style[one.name], dots=True) for one in segments]
    diagonal = (np.array([x_log.low, 1.0]), np.array([x_log.low, 1.0]))
    return (
        (line_chart(curves, share_axis(_RECALL), y, "Precision and recall by machine model"), legend),
        (line_chart(agreed, x_log, y_log, "Reliability by machine model", diagonal), legend),
    )


def _with(text: Text, figure: str) -> Text:
    return Text(f"{text.en} {figure}", text.zh)
