"""The report's sentences, English and Chinese: what the figures mean for the people who act on them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.ceiling import Ceiling
from training.evaluation import THIRD_DAY, Calibration, Evaluation
from training.intervals import Interval


@dataclass(frozen=True)
class Text:
    """The same sentence in both languages; tone: good, plain or bad."""

    en: str
    zh: str
    tone: str = "plain"


@dataclass(frozen=True)
class Measure:
    """How a figure is named and written. better: +1 if more is better, -1 if less is."""

    words: Text
    percent: bool
    better: int
    about: Text


MEASURES: dict[str, Measure] = {
    "ap": Measure(
        Text("Average precision", "平均精确率"), False, 1,
        Text("Precision averaged over recall; guessing gets the base rate.", "按召回率平均的精确率；随机猜测等于基准率。"),
    ),
    "auc": Measure(
        Text("ROC-AUC", "ROC 曲线下面积"), False, 1,
        Text("Chance that a row that fails outranks one that does not.", "故障行排在非故障行之前的概率。"),
    ),
    "brier_skill": Measure(
        Text("Brier skill", "布里尔技巧分"), False, 1,
        Text("Share of the base rate's squared error that is removed.", "相对基准率预测所消除的平方误差比例。"),
    ),
    "log_loss": Measure(
        Text("Log loss", "对数损失"), False, -1,
        Text("Mean negative log likelihood, in nats.", "平均负对数似然（纳特）。"),
    ),
    "event_recall": Measure(
        Text("Failures alarmed", "预警覆盖率"), True, 1,
        Text("Failures with an alarm in the 72 h before.", "故障前 72 小时内有预警的故障占比。"),
    ),
    "event_recall_ahead": Measure(
        Text("… at least {ahead:g} h ahead", "… 至少提前 {ahead:g} 小时"), True, 1,
        Text("Failures alarmed early enough to plan a stop.", "来得及安排停机检修的预警。"),
    ),
    "fresh_share": Measure(
        Text("First alarm ≤ {fresh:g} d before", "首次预警距故障 ≤ {fresh:g} 天"), True, 1,
        Text("Of the failures alarmed: not a chronic alarm.", "已预警故障中非长期误报的占比。"),
    ),
    "false_alarms": Measure(
        Text("False alarms per machine-month", "每台机器每月误报"), False, -1,
        Text("Alarmed observations with no failure in the next 72 h.", "其后 72 小时无故障的预警观测。"),
    ),
    "observed_over_expected": Measure(
        Text("Observed / expected", "实际 / 预期"), False, 0, Text("1 is calibrated.", "等于 1 即校准。"),
    ),
}  # fmt: skip

ROW_MEASURES = ("ap", "auc", "brier_skill", "log_loss")
ALARM_MEASURES = ("event_recall", "event_recall_ahead", "fresh_share", "false_alarms")


def number(value: float, percent: bool = False) -> str:
    """About three significant figures, more where a share is close to one; never scientific for what people read."""
    if not np.isfinite(value):
        return "–"
    if percent:
        return f"{_percent(100.0 * value)} %"
    size = abs(value)
    if size == 0 or size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 0.0995:
        return f"{value:.4f}" if 0.995 <= size < 1 else f"{value:.3f}"
    return f"{value:.4f}" if size >= 0.00095 else f"{value:.2g}"


def _percent(points: float) -> str:
    size = abs(points)
    if size >= 99.5 and size < 100:
        return f"{points:.2f}"
    if size >= 9.95 or size == 0:
        return f"{points:.0f}"
    return f"{points:.1f}" if size >= 0.95 else f"{points:.2g}"


def share_of(budget: float) -> str:
    """An alarm budget: `5 %`, `0.1 %`."""
    return f"{budget * 100:g} %"


def span(interval: Interval, percent: bool = False) -> str:
    """The bounds alone: `0.81–0.87`."""
    if not np.isfinite(interval.low):
        return "–"
    return f"{number(interval.low, percent)} … {number(interval.high, percent)}"


def sign(gain: Interval, better: int) -> str:
    """good, bad or plain: whether the paired interval of a gain lies on one side of zero."""
    if not np.isfinite(gain.low) or gain.low <= 0 <= gain.high:
        return "plain"
    return "good" if (gain.low > 0) == (better > 0) else "bad"


def verdict(evaluation: Evaluation, words: Mapping[str, Text]) -> list[Text]:
    """The run in a few sentences, the worst news not hidden: use, rivals, calibration."""
    sentences = [_use(evaluation)]
    if evaluation.rivals:
        sentences += _rivals(evaluation, words)
    sentences += _calibration(evaluation)
    return sentences if evaluation.ceiling is None else [*sentences, _beside_truth(evaluation.ceiling)]


def _use(evaluation: Evaluation) -> Text:
    budget = evaluation.budgets[0]
    own = budget.figures[evaluation.model]
    recall, early, false = own["event_recall"], own["event_recall_ahead"], own["false_alarms"]
    ahead, share = evaluation.settings.ahead_hours, share_of(budget.share)
    return Text(
        f"With alarms on {share} of the observations, {number(recall.value, True)} ({span(recall, True)}) of the "
        f"{evaluation.failures:,} failures are alarmed in the 72 hours before them, {number(early.value, True)} at least "
        f"{ahead:g} h ahead, at {number(false.value)} false alarms per machine-month.",
        f"若对 {share} 的观测发出预警，{evaluation.failures:,} 次故障中有 {number(recall.value, True)}（{span(recall, True)}）"
        f"在其前 72 小时内得到预警，{number(early.value, True)} 至少提前 {ahead:g} 小时，"
        f"每台机器每月误报 {number(false.value)} 次。",
    )


def _rivals(evaluation: Evaluation, words: Mapping[str, Text]) -> list[Text]:
    said = []
    for name, en, zh in (("72", "72 hours", "72 小时"), (THIRD_DAY, "the third day alone", "仅第三天")):
        found = [one for one in evaluation.horizons if one.name == name]
        if not found:
            continue
        horizon = found[0]
        best = max(evaluation.rivals, key=lambda rival: horizon.figures[rival]["ap"].value)
        gain = horizon.gains[best]["ap"]
        tone = sign(gain, 1)
        claim_en = {"good": "better than", "bad": "worse than", "plain": "not distinguishable from"}[tone]
        claim_zh = {"good": "优于", "bad": "劣于", "plain": "与之无显著差别："}[tone]
        own = horizon.figures[evaluation.model]["ap"]
        said.append(
            Text(
                f"At {en} the ranking is {claim_en} the strongest rival, {words[best].en}: average precision "
                f"{number(own.value)}, {gain.value:+.3f} ({gain.low:+.3f} … {gain.high:+.3f}), paired by machine.",
                f"{zh}的排序{claim_zh}最强对手“{words[best].zh}”：平均精确率 {number(own.value)}，"
                f"差值 {gain.value:+.3f}（{gain.low:+.3f} … {gain.high:+.3f}），按机器配对。",
                tone,
            )
        )
    return said


def _calibration(evaluation: Evaluation) -> list[Text]:
    """Whether to believe the probabilities: contradicted, not contradicted for want of failures, or confirmed."""
    judged = [(one.name, one.calibration) for one in evaluation.horizons if one.calibration is not None]
    if not judged:
        return []
    broken = [name for name, one in judged if not one.holds]
    off = [(name, one.overall) for name, one in judged if not one.overall.low <= 1.0 <= one.overall.high]
    said = []
    if broken:
        names = ", ".join(f"{name} h" for name in broken)
        said.append(
            Text(
                f"Take the probabilities with care at {names}: at least one bin of like scores saw more or fewer failures "
                "than announced.",
                f"以下预测期的概率须谨慎采信：{names}，至少一个分箱的实际故障数与预期不符。",
                "bad",
            )
        )
    if off:
        times = ", ".join(f"{name} h {number(one.value)} ({span(one)})" for name, one in off)
        said.append(
            Text(
                f"Over all rows, failures differ from those announced by a factor of: {times}.",
                f"总体上实际故障数为预期的倍数：{times}。",
                "bad" if any(abs(np.log(max(one.value, 1e-9))) > 0.1 for _, one in off) else "plain",
            )
        )
    return said or [_confirmed(judged[-1][1])]


def _confirmed(calibration: Calibration) -> Text:
    """No bin contradicts the probabilities; how much that says depends on how well the bins are known."""
    factor = float(np.median(np.sqrt(calibration.ratio.high / np.maximum(calibration.ratio.low, 1e-9))))
    if factor > 1.5:
        return Text(
            f"Nothing contradicts the probabilities, but there are few failures to test them by: a bin of like scores is known "
            f"to within a factor of {factor:.1f}.",
            f"没有证据与概率相悖，但可供检验的故障太少：每个分箱只能确定到约 {factor:.1f} 倍以内。",
        )
    return Text(
        "The probabilities can be taken at face value: in every bin of like scores, at every horizon, the failures "
        "that came agree with those announced.",
        "概率可以直接采信：在各预测期的每个分箱内，实际故障数与预期相符。",
        "good",
    )


def _beside_truth(ceiling: Ceiling) -> Text:
    """What only a simulated fleet can tell: how near the forecast comes to the true probabilities."""
    slope, bins, found = ceiling.slopes["72"], ceiling.bins, ceiling.windows
    said = f"{number(slope.value)} ({span(slope)})"
    en = f"The fleet is simulated, so the truth is known: calibration slope against the true probabilities {said}"
    zh = f"该机群为模拟数据，真实概率已知：对真实概率的校准斜率为 {said}"
    if len(bins.true):
        en += f", the truth within the 90 % range in {number(bins.coverage, True)} of {len(bins.true)} bins of like predictions"
        zh += f"，{len(bins.true)} 个相近预测分箱中 {number(bins.coverage, True)} 的真实概率落在 90 % 区间内"
    if found is not None:
        en += (
            f", and of the {found.failures:,} failures that sensors or codes announce {number(found.model.value, True)} are "
            f"alarmed where the oracle alarms {number(found.oracle.value, True)}"
        )
        zh += (
            f"；{found.failures:,} 次有传感器或代码征兆的故障中，本模型预警 {number(found.model.value, True)}，"
            f"理想预测预警 {number(found.oracle.value, True)}"
        )
    return Text(f"{en}.", f"{zh}。")
