"""What a backtest says in words, English and Chinese: its forecasts, its figures, its verdict, its caveats."""

import numpy as np

from training import rivals
from training.backtest import KEPT, Run
from training.comparison import Comparison
from training.network_words import NAMES
from training.over_time import CHAMPION, OverTime
from training.panel import BLENDED, SERVED
from training.report import gain_text
from training.report_notes import FLEET
from training.report_words import MEASURES, Measure, Text, number, share_of, sign, span

WORDS: dict[str, Text] = {
    SERVED: Text("Forewarn, retrained", "本模型（逐次重训）"),
    KEPT: Text("The first model, kept", "首个模型（不再重训）"),
    CHAMPION: Text("The champion of today", "现役模型"),
    **NAMES,
    BLENDED: Text("blend with networks", "与网络融合"),
    **{rival.name: rival.words for rival in rivals.RIVALS},
}
FIGURES: dict[str, Measure] = {
    **{name: MEASURES[name] for name in ("log_loss", "brier_skill", "ap", "event_recall")},
    "slope": Measure(
        Text("Calibration slope", "校准斜率"), False, 0,
        Text("1 is right; below 1 the model is too bold.", "1 为正确；小于 1 说明预测过于极端。"),
    ),
    "observed_over_expected": MEASURES["observed_over_expected"],
}  # fmt: skip


def verdict(run: Run, found: OverTime) -> list[Text]:
    """The backtest in a few sentences: use, what retraining is worth, rivals, calibration over time."""
    together = found.together
    own = together.figures[together.names[0]]
    recall = own["event_recall"]
    said = [
        Text(
            f"Retrained at {len(run.cutoffs)} cut-offs from {run.cutoffs[0].date} on, with alarms on "
            f"{share_of(together.budget)} of each period's observations, {number(recall.value, True)} ({span(recall, True)}) "
            f"of {together.failures:,} failures were alarmed in the 72 hours before them.",
            f"自 {run.cutoffs[0].date} 起在 {len(run.cutoffs)} 个时点重训，每个时段预警占 {share_of(together.budget)} 的观测："
            f"{together.failures:,} 次故障中有 {number(recall.value, True)}（{span(recall, True)}）在其前 72 小时内得到预警。",
        )
    ]
    if len(run.cutoffs) > 1:
        said.append(_against(together, KEPT, "the first model, kept without retraining", "不再重训的首个模型"))
    others = [name for name in together.names[2:] if any(one.low or one.high for one in together.gains[name].values())]
    said += [_against(together, name, WORDS[name].en, WORDS[name].zh) for name in others]  # not what is served by another name
    if found.of_champion is not None:
        said.append(_against(found.of_champion, CHAMPION, f"the champion ({found.champion})", f"现役模型（{found.champion}）"))
    return [*said, _calibration(run, found)]


def _against(compared: Comparison, rival: str, en: str, zh: str) -> Text:
    gain = compared.gains[rival]["log_loss"]
    tone = sign(gain, -1)
    claim_en = {"good": "better than", "bad": "worse than", "plain": "not distinguishable from"}[tone]
    claim_zh = {"good": "优于", "bad": "劣于", "plain": "与之无显著差别："}[tone]
    recall = compared.gains[rival]["event_recall"]
    return Text(
        f"The retrained model is {claim_en} {en}: log loss {gain_text(gain, False)}, failures alarmed "
        f"{gain_text(recall, True)} points, paired by machine.",
        f"逐次重训的模型{claim_zh}{zh}：对数损失差 {gain_text(gain, False)}，"
        f"预警覆盖率差 {gain_text(recall, True)} 个百分点，按机器配对。",
        tone,
    )


def _calibration(run: Run, found: OverTime) -> Text:
    """In which periods the failures that came contradict those announced."""
    own = found.together.names[0]
    off = [
        f"{cutoff.date} ({number(figure.value)}, {span(figure)})"
        for cutoff, one in zip(run.cutoffs, found.periods, strict=True)
        if one is not None
        for figure in [one.figures[own]["observed_over_expected"]]
        if np.isfinite(figure.low) and not figure.low <= 1.0 <= figure.high
    ]
    if not off:
        en = "In no period do the failures that came contradict the number that the probabilities announced."
        return Text(en, "没有任何时段的实际故障数与概率所预期的数目相悖。", "good")
    return Text(
        f"The failures that came differ from those announced (observed / expected) in the periods from: {'; '.join(off)}.",
        f"以下时段的实际故障数与预期不符（实际 / 预期）：{'；'.join(off)}。",
        "bad",
    )


def notes(found: OverTime, *, simulated: bool = False, left_out: str | None = None) -> list[Text]:
    """What a sceptic should know of how the figures were made. left_out: why the champion could not be asked."""
    said = [
        Text(
            "At each cut-off the model is fitted, calibrated and chosen by rows and labels recorded by then, less the "
            "reporting lag, with a gap of at least 72 h before each later period; features are those of one snapshot and see "
            "only what was recorded by as_of. Hyper-parameters are those of the experiment and were not chosen at the cut-off.",
            "每个时点的拟合、校准与取舍只使用当时已记录的行与标签（扣除上报延迟），各时段之间至少间隔 72 小时；"
            "特征取自同一快照，只含截至 as_of 已记录的信息。超参数取自实验文件，并非在该时点选定。",
        ),
        Text(
            "Observations count once their 72 hours and the reporting lag have passed. Intervals resample machines; those of "
            "single periods are wide where failures are few.",
            "观测在其 72 小时与上报延迟之后才计入；区间按机器重抽样，故障少的时段区间较宽。",
        ),
    ]
    if found.of_champion is not None:
        said.append(Text(
            "The champion is asked only about rows at least 72 h later than anything it was fitted or calibrated on.",
            "现役模型仅在晚于其训练与校准至少 72 小时的行上比较。",
        ))  # fmt: skip
    elif left_out is not None:
        en, zh = f"The champion could not be asked and is left out: {left_out}.", f"现役模型无法使用，未参与比较：{left_out}。"
        said.append(Text(en, zh))
    elif found.champion is not None:
        said.append(Text(
            f"The champion ({found.champion}) is left out: no failure was judged at least 72 h later than what it knew.",
            f"现役模型（{found.champion}）未参与比较：晚于其训练与校准至少 72 小时的行中没有故障。",
        ))  # fmt: skip
    if simulated:
        said.append(FLEET)
    return said
