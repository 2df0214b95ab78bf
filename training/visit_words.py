"""What is said of Chicago's inspections in another order: names of the forecasts, sentences, notes; English and Chinese."""

from collections.abc import Mapping

import pandas as pd

from features.sources.chicago import DAY
from training.intervals import Draws, Interval
from training.report_words import Text

OWN, OWN_BLIND = "ours", "ours, inspector not known"
STORED, CITY, CITY_BLIND = "the city's stored score", "the city's regression, refitted", "the same, inspector not known"
REAL, PERFECT = "order of the visits made", "whoever knows what will be found"
WORDS = {
    OWN: Text("ours, inspector known", "本模型，已知检查员"),
    OWN_BLIND: Text("ours, inspector not known", "本模型，未知检查员"),
    STORED: Text("the city's stored score (knows the inspector)", "市政府存档评分（已知检查员）"),
    CITY: Text(
        "the city's published regression, refitted (knows the inspector)", "市政府公布的回归模型，重新拟合（已知检查员）"
    ),
    CITY_BLIND: Text("the same regression, inspector not known", "同一回归模型，未知检查员"),
    REAL: Text("the visits in the order they were made", "实际检查顺序"),
    PERFECT: Text("whoever knows what will be found", "事先知道结果的排序"),
}


def counterpart(name: str) -> str:
    """Which of ours knows as much as a forecast does."""
    return OWN_BLIND if name in (CITY_BLIND, REAL, OWN_BLIND) else OWN


def opening(asked: pd.DataFrame) -> Text:
    """What the figures are of."""
    first, last = asked[DAY].min().date(), asked[DAY].max().date()
    return Text(
        f"{len(asked):,} inspections of {first} to {last}, {int(asked['found'].sum())} with a critical violation, "
        f"at as many a day as there really were.",
        f"{first}至{last}的{len(asked):,}次检查，其中{int(asked['found'].sum())}次发现严重违规；每日检查数与实际相同。",
    )


def sentences(drawn: Mapping[str, Draws], apart: Mapping[str, Draws], over: Mapping[str, Interval], origins: int) -> list[Text]:
    """What was found on the test rows.

    apart: the same where each group of inspectors keeps its days; over: gains of ours in the mean of so many rolling origins.
    """
    rivals = [name for name in (STORED, CITY, CITY_BLIND) if name in drawn]
    kept = (" where each group keeps its own days", "（各组保持自身工作日）")
    mean = (f" in the mean of {origins} rolling origins", f"（{origins}个滚动起点平均）")
    return [
        _told(OWN, drawn),
        _told(OWN_BLIND, drawn),
        *(_against(name, gain_of_ours(name, drawn)) for name in rivals),
        *(_against(name, gain_of_ours(name, apart), *kept) for name in rivals if name != CITY_BLIND),
        *(_against(name, gain, *mean) for name, gain in over.items()),
    ]


def gain_of_ours(rival: str, drawn: Mapping[str, Draws]) -> Interval:
    """What whichever of ours knows as much has over a rival, paired."""
    return drawn[counterpart(rival)].minus(drawn[rival]).interval()


def _told(name: str, drawn: Mapping[str, Draws]) -> Text:
    days = drawn[name].interval()
    told = f"{days.value:.2f} [{days.low:.2f}, {days.high:.2f}]"
    return Text(
        f"In the order of {WORDS[name].en}, critical violations are found {told} days earlier.",
        f"按{WORDS[name].zh}排序，严重违规平均提前{told}天发现。",
        "good" if days.low > 0 else "plain",
    )


def _against(rival: str, gain: Interval, where_en: str = "", where_zh: str = "") -> Text:
    if gain.low > 0:
        english, chinese, tone = "ahead of", "优于", "good"
    elif gain.high < 0:
        english, chinese, tone = "behind", "劣于", "bad"
    else:
        english, chinese, tone = "not told apart from", "尚不能区分于", "plain"
    own, told = WORDS[counterpart(rival)], f"{gain.value:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]"
    return Text(
        f"{own.en[0].upper()}{own.en[1:]}: {english} {WORDS[rival].en}{where_en}, {told} days.",
        f"{own.zh}{chinese}{WORDS[rival].zh}{where_zh}：{told}天。",
        tone,
    )


NOTES = (
    Text(
        "Ours knows nothing that happened in the two months planned, be it weather, complaints or earlier visits; licences and "
        "the kind of place stand as of the visit. The city's scores know a visit's own day up to the eve, which nobody has on "
        "the morning of the plan.",
        "本模型不使用所排两个月内发生的任何信息（天气、投诉、期内检查），许可证与场所类型取检查时的状态；市政府的评分用到了每次检查"
        "当天之前的信息，而排计划时尚无。",
    ),
    Text(
        "Settings were chosen on rolling origins inside the training rows, the form of the model too; the means over these "
        "origins therefore flatter ours a little. Nothing was chosen on the test months; their figures were seen meanwhile.",
        "参数与模型形式均在训练数据内以滚动起点选定，因此滚动起点上的平均略偏乐观；没有任何选择依据测试月份，但开发期间看到过其结果。",
    ),
    Text(
        "Groups of inspectors are the publisher's, made by what they usually find; how they were drawn, and from which months, "
        "is not published. Knowing the group mostly sends those first who find most, and they cannot be everywhere in the "
        "first week: the figure where each group keeps its own days is the one that a plan can reach.",
        "检查员分组由发布方按其通常发现率划定，划定方法与所用月份未公布。已知分组时，排序主要是让发现率高者先去，而其人力有限；"
        "各组保持自身工作日的数字才是计划可达到的。",
    ),
    Text(
        "A violation is taken to be there on whichever day of the two months the visit falls (assumption of the published "
        "simulation).",
        "假定无论在两个月内哪一天检查，违规均已存在（沿用公布的模拟假设）。",
    ),
    Text("Intervals are of 95 %, over licences; gains are paired.", "区间为95%，以许可证为单位重抽样；差值为配对比较。"),
)
