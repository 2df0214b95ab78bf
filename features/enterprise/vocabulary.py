"""What enterprises are coded with: industries, kinds of accident, bases of exposure; each with its words.

The industries are a closed vocabulary: base rates are kept by it. Causes are an open one: a publisher's own code stays what it
is; whoever can should use these, since the case library is searched by them.
"""

from features.kinds import Term


class Industry(Term):
    """high_risk: work-safety liability insurance is compulsory there; source: which rule says so."""

    high_risk: bool = False
    source: str = ""


# Measures for implementing work-safety liability insurance, 应急〔2025〕27号, art. 2: the eight that must insure.
_COMPULSORY = "应急〔2025〕27号 art. 2"


def _high(code: str, words_en: str, words_zh: str) -> Industry:
    return Industry(code=code, words_en=words_en, words_zh=words_zh, high_risk=True, source=_COMPULSORY)


def _ordinary(code: str, words_en: str, words_zh: str) -> Industry:
    return Industry(code=code, words_en=words_en, words_zh=words_zh)


INDUSTRIES: tuple[Industry, ...] = (
    _high("mining", "mining", "矿山"),
    _high("hazardous_chemicals", "hazardous chemicals", "危险化学品"),
    _high("fireworks", "fireworks", "烟花爆竹"),
    _high("transport", "transport", "交通运输"),
    _high("construction", "construction", "建筑施工"),
    _high("civil_explosives", "civil explosives", "民用爆炸物品"),
    _high("metal_smelting", "metal smelting", "金属冶炼"),
    _high("fishery", "fishery", "渔业生产"),
    _ordinary("food", "food processing", "食品加工"),
    _ordinary("textile", "textiles", "纺织"),
    _ordinary("wood", "wood and furniture", "木材家具"),
    _ordinary("machinery", "machinery", "机械制造"),
    _ordinary("electronics", "electronics", "电子"),
    _ordinary("power", "power and utilities", "电力及公用事业"),
    _ordinary("pipelines", "oil and gas pipelines", "油气管道"),
    _ordinary("warehousing", "warehousing", "仓储"),
    _ordinary("services", "services", "服务业"),
    _ordinary("public_services", "public services", "公共服务"),
    _ordinary("motoring", "private motoring", "私家车"),
    _ordinary("other", "other industries", "其他行业"),
)
INDUSTRY_CODES: tuple[str, ...] = tuple(industry.code for industry in INDUSTRIES)
HIGH_RISK: frozenset[str] = frozenset(industry.code for industry in INDUSTRIES if industry.high_risk)


def _term(code: str, words_en: str, words_zh: str) -> Term:
    return Term(code=code, words_en=words_en, words_zh=words_zh)


# The twenty kinds of accident of GB 6441-1986, classification of casualty accidents of enterprise staff.
CAUSES: tuple[Term, ...] = (
    _term("struck_by_object", "struck by an object", "物体打击"),
    _term("vehicle", "vehicle injury", "车辆伤害"),
    _term("machinery", "machinery injury", "机械伤害"),
    _term("lifting", "lifting injury", "起重伤害"),
    _term("electric_shock", "electric shock", "触电"),
    _term("drowning", "drowning", "淹溺"),
    _term("burns", "burns and scalds", "灼烫"),
    _term("fire", "fire", "火灾"),
    _term("fall_from_height", "fall from height", "高处坠落"),
    _term("collapse", "collapse", "坍塌"),
    _term("roof_fall", "roof fall", "冒顶片帮"),
    _term("water_inrush", "water inrush", "透水"),
    _term("blasting", "blasting", "放炮"),
    _term("powder_explosion", "explosion of explosives", "火药爆炸"),
    _term("gas_explosion", "gas explosion", "瓦斯爆炸"),
    _term("boiler_explosion", "boiler explosion", "锅炉爆炸"),
    _term("vessel_explosion", "pressure vessel explosion", "容器爆炸"),
    _term("other_explosion", "other explosion", "其它爆炸"),
    _term("poisoning", "poisoning and suffocation", "中毒和窒息"),
    _term("other", "other injury", "其它伤害"),
)

# The kinds of accident of GB 6441-1986, put together by what prevents them.
CAUSE_GROUPS: dict[str, tuple[str, ...]] = {
    "mechanical": ("struck_by_object", "machinery", "lifting"),
    "vehicle": ("vehicle",),
    "falling": ("fall_from_height", "collapse", "roof_fall", "water_inrush"),
    "fire_explosion": (
        "fire", "blasting", "powder_explosion", "gas_explosion", "boiler_explosion", "vessel_explosion", "other_explosion",
    ),
    "exposure": ("electric_shock", "drowning", "burns", "poisoning"),
}  # fmt: skip

# What a number of accidents is set against, with the unit of its amount.
EXPOSURE_BASES: dict[str, str] = {
    "hours_worked": "h",
    "headcount": "persons",
    "payroll": "currency",
    "miles": "miles",
    "vehicle_years": "vehicle years",
    "insured_value": "currency",
    "revenue": "currency",
    "project_cost": "currency",
}
PURPOSES = ("score", "train", "share")
# An enterprise that names no currency keeps its amounts in this one.
CURRENCY = "CNY"
