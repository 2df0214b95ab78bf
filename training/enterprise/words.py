"""The words of the enterprise scores in both languages: names of forecasts and figures, tables, and what they mean."""

from collections.abc import Mapping, Sequence

from training.enterprise import rivals
from training.enterprise.evaluation import AgainstTruth, Judged
from training.intervals import Interval
from training.report_words import Measure, Text

PRICE, ALARM = "price", "alarm"
# The alarm score of a bundle with a sequence network, asked without it.
MUTE = "alarm_without_network"
# A price score that was fitted without some features is named by them.
WITHOUT = "without_"
LEFT_OUT: dict[str, Text] = {
    "machines": Text("scores of machines", "设备评分"),
    "cases": Text("the case library", "事故案例库"),
}
NAMES: dict[str, Text] = {
    PRICE: Text("Price score", "定价评分"),
    ALARM: Text("Alarm score", "预警评分"),
    MUTE: Text("Alarm score without its network", "不含序列网络的预警评分"),
    **rivals.WORDS,
}
MEASURES: dict[str, Measure] = {
    "deviance": Measure(
        Text("deviance", "偏差"), False, -1, Text("Mean Poisson deviance of a row.", "每行的平均泊松偏差。"),
    ),
    "explained": Measure(
        Text("deviance explained", "解释的偏差"), True, 1,
        Text("Share of the deviance of work alone, at the rows' own rate, that is removed.",
             "相对仅按工时预测所消除的偏差比例。"),
    ),
    "over_expected": Measure(
        Text("came / expected", "实际/预期"), False, 0,
        Text("Accidents that came over those expected: 1 is right.", "实际事故数与预期之比，1 为准确。"),
    ),
    "slope": Measure(
        Text("slope", "校准斜率"), False, 0,
        Text("1 is right; below 1 the forecast is too bold.", "1 为正确；小于 1 说明预测过于极端。"),
    ),
    "gini": Measure(
        Text("Gini", "基尼系数"), False, 1,
        Text("Of accidents over work by rising rate: size alone gets 0.", "按风险率排序、以工时累计；仅凭规模为 0。"),
    ),
    "auc": Measure(
        Text("AUC any", "AUC（有无事故）"), False, 1,
        Text("Chance that a row with an accident outranks one without.", "有事故的行排在无事故的行之前的概率。"),
    ),
    "top_exposure": Measure(
        Text("in riskiest 10 % of work", "最险 10% 工时的事故占比"), True, 1,
        Text("Share of the accidents in the tenth of the work with the highest rates.", "风险率最高的 10% 工时中的事故占比。"),
    ),
    "top_visits": Measure(
        Text("in 10 % visited", "走访 10% 企业的事故占比"), True, 1,
        Text("Share of the accidents at the tenth of the enterprises with the highest expected numbers.",
             "预期事故数最高的 10% 企业中的事故占比。"),
    ),
}  # fmt: skip
FIGURES: dict[str, Text] = {name: one.words for name, one in MEASURES.items()}
Cell = Interval | float | int | str | None


def name_of(forecast: str) -> Text:
    """What a forecast is called."""
    if not forecast.startswith(WITHOUT):
        return NAMES[forecast]
    own = forecast.removeprefix(WITHOUT)
    left = LEFT_OUT.get(own, Text(own, own))
    return Text(f"Price without {left.en}", f"不含{left.zh}的定价评分")


def table(judged: Judged) -> list[dict[str, Cell]]:
    """One row per forecast with its figures; then one per rival of the price score's paired gain over it."""
    rows: list[dict[str, Cell]] = [
        {"forecast": name_of(name).en, **{FIGURES[key].en: of[key] for key in FIGURES}} for name, of in judged.figures.items()
    ]
    for (ours, rival), gain in judged.gains.items():
        cells = {FIGURES[key].en: gain[key] for key in FIGURES if key in gain}
        rows.append({"forecast": f"{name_of(ours).en} over {name_of(rival).en}", **cells})
    return rows


def verdict(judged: Judged, beside_truth: Mapping[str, Sequence[AgainstTruth]]) -> list[Text]:
    """A run in a few sentences, of its longest horizon."""
    return [
        *(_against(judged, one, rivals.GLM) for one in (PRICE, ALARM)),
        _against(judged, ALARM, PRICE),
        *(_against(judged, ALARM, one) for one in (MUTE,) if one in judged.figures),
        *(_against(judged, PRICE, name) for name in judged.figures if name.startswith(WITHOUT)),
        *(_truth(name, of[-1]) for name, of in beside_truth.items()),
    ]


def _against(judged: Judged, ours: str, rival: str) -> Text:
    gain, days = judged.gains[(ours, rival)]["deviance"], f"{judged.days:g}"
    en, zh = name_of(ours), name_of(rival)
    told = f"{gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}]"
    if gain.low > 0:
        tone, means, meant = "good", "better", "更优"
    elif gain.high < 0:
        tone, means, meant = "bad", "worse", "更差"
    else:
        tone, means, meant = "plain", "not told apart", "无显著差异"
    return Text(
        f"{en.en} and {zh.en}, {days} days: {means}, by a deviance of {told} per row",
        f"{en.zh}与{zh.zh}，{days} 天：{meant}，每行偏差改进 {told}",
        tone,
    )


def _truth(name: str, one: AgainstTruth) -> Text:
    words = NAMES[name]
    good = 0.95 <= one.slope.value <= 1.05 and 0.97 <= one.over_expected.value <= 1.03 and one.gini_share.value >= 0.85
    return Text(
        f"{words.en} beside the true intensities: slope {one.slope}, true over expected {one.over_expected}, "
        f"{one.gini_share.value:.0%} of the oracle's Gini, truth in the 90 % range of {one.covered:.0%} of the rows",
        f"{words.zh}与真实强度相比：斜率 {one.slope}，真实/预期 {one.over_expected}，"
        f"达到理想基尼系数的 {one.gini_share.value:.0%}，真值落入 90% 区间的比例为 {one.covered:.0%}",
        "good" if good else "plain",
    )
