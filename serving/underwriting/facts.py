"""What a rulebook may ask about an enterprise, as of a moment: each fact with its kind, its words and where it was read.

Facts of the lake are computed by features/enterprise/facts.py; a prospect states its own. What is not known is not there: a
rulebook says what then. All amounts are a year's, in the currency of the enterprise.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from features.enterprise.vocabulary import INDUSTRY_CODES

Value = Decimal | str | bool | date
Sort = Literal["number", "code", "flag", "date"]
Better = Literal["lower", "higher"]
# No number that is stated reaches it: products of such numbers keep within the digits that money is reckoned with.
MOST = Decimal(10) ** 15


@dataclass(frozen=True)
class Fact:
    """One thing known. evidence: the rows, the line of a file or the word of the person that it rests on."""

    name: str
    value: Value
    evidence: str = ""


@dataclass(frozen=True)
class Facts(Mapping[str, Fact]):
    """Everything known of one enterprise at a moment, by name."""

    as_of: date
    currency: str
    known: Mapping[str, Fact] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Fact:
        return self.known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)

    def value(self, name: str) -> Value | None:
        """The value of a fact; None where it is not known."""
        found = self.known.get(name)
        return None if found is None else found.value


@dataclass(frozen=True)
class FactKind:
    """What a fact is. codes: of a code, the worst first where one side is better; better: which way it improves (of a code:
    the later codes are `higher`), None where neither way; origin: whether the lake can tell it, or it is only ever stated."""

    name: str
    kind: Sort
    words_en: str
    words_zh: str
    unit: str = ""
    codes: tuple[str, ...] = ()
    least: Decimal | None = Decimal(0)
    most: Decimal | None = None
    better: Better | None = None
    whole: bool = False
    origin: Literal["lake", "stated"] = "lake"


def _number(name: str, words_en: str, words_zh: str, unit: str = "", **more: Any) -> FactKind:
    return FactKind(name, "number", words_en, words_zh, unit, **more)


def _count(name: str, words_en: str, words_zh: str, **more: Any) -> FactKind:
    return _number(name, words_en, words_zh, whole=True, **more)


def _amount(name: str, words_en: str, words_zh: str) -> FactKind:
    return _number(name, words_en, words_zh, "currency a year")


def _share(name: str, words_en: str, words_zh: str, **more: Any) -> FactKind:
    return _number(name, words_en, words_zh, "share", most=Decimal(1), **more)


def _flag(name: str, words_en: str, words_zh: str) -> FactKind:
    return FactKind(name, "flag", words_en, words_zh, better="lower")


def _code(name: str, words_en: str, words_zh: str, codes: tuple[str, ...] = (), better: Better | None = None) -> FactKind:
    return FactKind(name, "code", words_en, words_zh, codes=codes, better=better)


_KINDS = (
    _code("industry", "industry", "行业", INDUSTRY_CODES),
    _code("process", "process", "工艺"),
    _code("region", "region", "地区"),
    FactKind("founded", "date", "founded on", "成立日期"),
    _number("headcount", "headcount", "从业人数", "persons"),
    _amount("payroll", "payroll", "工资总额"),
    _amount("project_cost", "project cost", "工程造价"),
    _amount("revenue", "revenue", "营业收入"),
    _amount("insured_value", "insured value", "保险价值"),
    _number("hours_worked", "hours worked a year", "年工时", "h"),
    _count("accidents_1y", "accidents of the last year", "近一年事故数", better="lower"),
    _count("accidents_ordinary_1y", "ordinary accidents of the last year", "近一年一般事故数", better="lower"),
    _count("accidents_larger_1y", "larger accidents of the last year", "近一年较大事故数", better="lower"),
    _count("accidents_major_1y", "major or graver accidents of the last year", "近一年重大及以上事故数", better="lower"),
    _count("accidents_3y", "accidents of the last three years", "近三年事故数", better="lower"),
    _count("clean_years", "whole years without an accident", "连续无事故整年数", better="higher"),
    _number("record_years", "years on record", "有记录年数", "y"),
    _number(
        "accident_rate_change_1y",
        "accident rate of the last year against the year before",
        "近一年事故率较上年变化",
        "share",
        least=Decimal(-1),
        better="lower",
    ),
    _number(
        "accident_rate_change_2y",
        "accident rate of the year before against the one before it",
        "上年事故率较前年变化",
        "share",
        least=Decimal(-1),
        better="lower",
    ),
    _count("claims_3y", "claims of the last three years", "近三年理赔件数", better="lower"),
    _number(
        "incurred_3y", "claims paid and reserved, the last three years", "近三年理赔已付和准备金", "currency", better="lower"
    ),
    _code("standardisation", "standardisation level", "安全生产标准化等级", ("none", "3", "2", "1"), "higher"),
    _share(
        "rectification_rate",
        "share rectified of the hazards found by others and due, 1 where none was",
        "外部发现到期隐患整改率（无到期隐患记为1）",
        better="higher",
    ),
    _count("overdue_hazards", "hazards overdue", "逾期未整改隐患数", better="lower"),
    _count("overdue_major_hazards", "major hazards overdue", "逾期未整改重大隐患数", better="lower"),
    _flag("supervised_open", "a supervised hazard stands open", "挂牌督办隐患未销号"),
    _code("credit", "credit rating", "信用等级", ("bad", "C", "B", "A", "AA"), "higher"),
    _flag("blacklisted", "blacklisted", "列入失信黑名单"),
    _count("permits_withdrawn", "permits suspended or revoked", "暂扣或吊销的许可数", better="lower"),
    _count("violations_1y", "violations of the last year", "近一年违法违规数", better="lower"),
    _count("refused_visits_1y", "visits refused in the last year", "近一年拒绝检查次数", better="lower"),
    _share("training_coverage", "share of required training attended, the last year", "近一年应训人员参训率", better="higher"),
    _share("certificate_coverage", "share of required certificates held", "持证上岗率", better="higher"),
    _count("drills_1y", "drills of the last year", "近一年应急演练次数", better="higher"),
    _count("services_1y", "prevention services of the last year", "近一年事故预防服务次数"),
    _count("self_reports_1y", "hazards reported by the enterprise itself, the last year", "近一年自查隐患数", better="higher"),
    _number("subcontracting_depth", "levels of subcontracting", "分包层级", better="lower"),
    FactKind(
        "award",
        "code",
        "award for work safety",
        "安全生产表彰",
        codes=("none", "city", "province"),
        better="higher",
        origin="stated",
    ),
)
VOCABULARY: dict[str, FactKind] = {kind.name: kind for kind in _KINDS}
