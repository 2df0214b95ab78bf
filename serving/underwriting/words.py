"""What a worksheet says, in English and Chinese."""

from typing import NamedTuple


class Words(NamedTuple):
    """One text in both languages."""

    en: str
    zh: str


STEPS = {
    "model": Words("Model's relativity", "模型相对系数"),
    "product": Words("Floor and cap of the factors' product", "系数乘积上下限"),
    "loading": Words("Loading to the target loss ratio", "按目标赔付率附加"),
    "change": Words("Change against the expiring premium", "较上期保费变动限幅"),
    "minimum": Words("Minimum and maximum premium a year", "年最低与最高保费"),
    "pro_rata": Words("Pro rata of the period of cover", "按保险期间比例计收"),
    "rounding": Words("Rounding", "取整"),
}
STAGES = {
    "base": Words("Base", "基准"),
    "factors": Words("Floating factors", "浮动系数"),
    "model": Words("Model", "模型"),
    "incentives": Words("Incentives", "激励"),
    "product": Words("Limits", "限幅"),
    "loading": Words("Loading", "附加"),
    "change": Words("Limits", "限幅"),
    "minimum": Words("Premium", "保费"),
    "pro_rata": Words("Premium", "保费"),
    "rounding": Words("Premium", "保费"),
}
TERMS = {
    "starts": Words("First day of cover", "保险起期"),
    "ends": Words("Last day of cover", "保险止期"),
    "limit_per_person": Words("Limit per person", "每人责任限额"),
    "limit_per_accident": Words("Limit per accident", "每次事故责任限额"),
    "limit_aggregate": Words("Limit of the year", "累计责任限额"),
    "deductible": Words("Deductible per accident", "每次事故免赔额"),
    "headcount": Words("Persons covered", "投保人数"),
    "expiring_premium": Words("Expiring premium a year", "上期年保费"),
}
ROUNDING = {
    "half_up": Words("half up", "四舍五入"),
    "half_even": Words("half to even", "四舍六入五成双"),
    "up": Words("up", "向上取整"),
    "down": Words("down", "向下取整"),
}
STATUS = {
    "law": Words("law or national rule", "法律或国家规定"),
    "published": Words("published example", "公开示例"),
    "practice": Words("described practice", "实务做法"),
    "assumed": Words("assumed", "假设"),
}
HELD = {"floor": Words("raised to", "提高至"), "cap": Words("lowered to", "降低至"), "none": Words("within", "在限内")}
NOT_KNOWN = Words("not known", "不详")
NEUTRAL = Words("not known: neutral", "不详：按中性处理")
TAKEN = Words("not known: taken as {level}", "不详：按“{level}”处理")
UNRATED = Words("Not known, and so not rated on", "因不详而未据以计费")
NO_LIMIT = Words("none", "无")
NO_SCORE = Words("no score: the rulebook's factors alone", "无评分：仅按费率规则系数")
NO_RELATIVITY = Words(
    "no relativity is fitted for this rulebook and model: 1 is taken", "尚未对该费率规则与模型拟合相对系数：取 1"
)
NO_AMOUNT = Words("the amount is 0", "金额为零")
RELATIVITY = Words(
    "(insured loss {loss} ÷ ({level} × {amount})) to the power of {weight}, within {floor} to {cap}",
    "（预期赔款 {loss} ÷（{level} × {amount}））的 {weight} 次方，限于 {floor} 至 {cap}",
)
FLAGS = {True: Words("yes", "是"), False: Words("no", "否")}
REST = Words("Rounding and what cannot be told apart", "取整及无法分解部分")
FORMULAS = {
    "one rate": Words("one rate", "单一费率"),
    "by slice": Words("by slice", "分段累计"),
    "linear": Words("by formula", "按公式"),
    "credibility": Words("credibility formula", "信度公式"),
    "ncci": Words("experience modification", "经验修正公式"),
    "floor": Words("at its floor", "按下限"),
    "cap": Words("at its cap", "按上限"),
}
COVERED = Words("{starts} to {ends}, {days} days", "{starts} 至 {ends}，共 {days} 天")
FOLLOWS = "follows from what is changed"  # the evidence of such a fact
WHAT_IF = Words("what if", "假设")
WHY = {FOLLOWS: Words("follows", "随之变化")}
