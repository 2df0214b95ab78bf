"""The case library: how often accidents of the industry and the process are published, how grave they are, and how like an
enterprise is to those that they happened to; from the dated table `case_rates`.

An enterprise's profile is by what kinds of accident its own accidents happened and what kinds the hazards threaten that others
found at it, over three years. Its own reports are left out: reporting more of one kind would make it look more like others.
Its likeness to past cases is the cosine of that profile with the shares of the published cases of its process; weighed by how
often such cases were deadly in the second one. An enterprise without a profile has none.

The rate sets published cases against the worker-years that the industry's enterprises here have told, while cases come from
everywhere: it compares years and industries, and is no incidence.
"""

from functools import partial

from features.enterprise.published import CASE_RATES, INDUSTRY_RATES
from features.enterprise.spec import EnterpriseSpec, Whose, days, over_en, over_zh
from features.enterprise.vocabulary import CAUSE_GROUPS

FAMILY = "cases"
HOLDS_DAYS = 366
PROFILE_DAYS = 1095
_S = partial(EnterpriseSpec, family=FAMILY)
_OF = partial(_S, table="", hidden=True)
_ROWS = partial(_S, table=CASE_RATES.name, op="last", window_hours=days(HOLDS_DAYS))


def specs() -> list[EnterpriseSpec]:
    """Base rates of the industry and the process, what they were like, and the likeness of the enterprise to them."""
    return [
        *[_counted(years) for years in (1, 3, 5)],
        _ROWS(name="_case_process_count", column="count_3y", whose="process", hidden=True),
        _S(
            name="case_process_count_1095d", table="", op="known_or_0", of=("_case_process_count", "case_count_1095d"),
            unit="cases",
            words_en="published cases of the process, the last three years", words_zh="近三年工艺已公布事故案例数",
        ),
        _ROWS(
            name="case_recent", column="recent", whose="industry", unit="x",
            words_en="cases of the industry published in the last year against the last three",
            words_zh="行业近一年公布案例数相对近三年",
        ),
        _S(
            name="_case_exposure", table=INDUSTRY_RATES.name, op="last", column="exposure", whose="industry",
            window_hours=days(HOLDS_DAYS), hidden=True,
        ),
        _S(
            name="case_rate_1095d", table="", op="ratio", of=("case_count_1095d", "_case_exposure"),
            unit="cases per worker-year",
            words_en="published cases of the industry per worker-year of its enterprises here",
            words_zh="行业已公布案例数与本库人年之比",
        ),
        *_of_process("case_deadly", "deadly", "share of published cases with deaths", "已公布案例死亡占比"),
        *_of_process("case_grade", "grade", "mean grade of published cases", "已公布案例平均等级"),
        *[spec for group in CAUSE_GROUPS for spec in _profile(group)],
        _S(
            name="case_likeness", table="", op="likeness", of=(*_each("profile"), *_each("share")), unit="share",
            words_en="likeness of own accidents and hazards to published cases", words_zh="自身事故隐患与已公布案例的相似度",
        ),
        _S(
            name="case_likeness_deadly", table="", op="weighted_likeness",
            of=(*_each("profile"), *_each("share"), *_each("deadly")), unit="share",
            words_en="likeness of own accidents and hazards to published deadly cases",
            words_zh="自身事故隐患与已公布死亡案例的相似度",
        ),
        _S(
            name="case_like_days", table="", op="least_where", of=(*_each("profile"), *_each("age")), unit="d",
            words_en="time since the last published case like own accidents or hazards",
            words_zh="距最近同类已公布案例的时间",
        ),
    ]  # fmt: skip


def _counted(years: int) -> EnterpriseSpec:
    window = 365 * years
    en, zh = (over_en(window), over_zh(window)) if years < 5 else ("the last five years", "近五年")
    return _ROWS(
        name=f"case_count_{window}d", column=f"count_{years}y", whose="industry", unit="cases",
        words_en=f"published cases of the industry, {en}", words_zh=f"{zh}行业已公布事故案例数",
    )  # fmt: skip


def _of_process(name: str, column: str, en: str, zh: str) -> list[EnterpriseSpec]:
    """Of the process as far as it has cases, else of the industry."""
    told = _both(name, column)
    return [*told, _S(name=name, table="", op="first_of", of=_names(told), unit="", words_en=en, words_zh=zh)]


def _profile(group: str) -> list[EnterpriseSpec]:
    """Of a group of causes: the enterprise's own, and share, deadliness and age of the newest of published cases."""
    window = days(PROFILE_DAYS)
    found = _S(
        name=f"_case_hazards_{group}", table="hazards", op="count", select=f"external_{group}", window_hours=window, hidden=True
    )
    own = (f"accident_{group}_{PROFILE_DAYS}d", found.name)
    specs = [found, _OF(name=f"_case_profile_{group}", op="plus", of=own)]
    for part, column, op in (("share", "share", "last"), ("deadly", "deadly", "last"), ("age", "latest", "elapsed")):
        told = _both(f"case_{part}_{group}", f"{column}_{group}", op)
        specs += [*told, _OF(name=f"_case_{part}_{group}", op="first_of", of=_names(told))]
    return specs


def _both(name: str, column: str, op: str = "last") -> list[EnterpriseSpec]:
    whose: tuple[Whose, ...] = ("process", "industry")
    return [_ROWS(name=f"_{one}_{name}", column=column, op=op, whose=one, hidden=True) for one in whose]


def _each(part: str) -> list[str]:
    return [f"_case_{part}_{group}" for group in CAUSE_GROUPS]


def _names(specs: list[EnterpriseSpec]) -> tuple[str, ...]:
    return tuple(spec.name for spec in specs)
