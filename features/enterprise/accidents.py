"""An enterprise's own accidents and claims, by themselves and against what its industry lets expect.

The number of accidents is set against the expectation mu = the process' rate x own worker-years with the credibility of a
Poisson number with gamma-distributed risk (Buhlmann and Gisler, A Course in Credibility Theory, 2005, chapter 2): the posterior
relativity is (a + n) / (a + mu), a the shape that the industry's own spread between enterprises suggests.
"""

from functools import partial

from features.enterprise.spec import EnterpriseSpec, days, over, over_en, over_zh
from features.enterprise.vocabulary import CAUSE_GROUPS

FAMILY = "accidents"
_S = partial(EnterpriseSpec, family=FAMILY)
_ROWS = partial(_S, table="accidents")
_CAUSE_WORDS = {
    "mechanical": ("struck, caught or lifted", "物体打击、机械和起重"),
    "vehicle": ("vehicle", "车辆"),
    "falling": ("fall, collapse or inrush", "坠落、坍塌和透水"),
    "fire_explosion": ("fire or explosion", "火灾和爆炸"),
    "exposure": ("electricity, burns, drowning or poisoning", "触电、灼烫、淹溺和中毒"),
}


def specs() -> list[EnterpriseSpec]:
    """Counts, deaths, injuries and losses over windows, by grade and cause; against expectation; claims."""
    return [
        *over(_ROWS(name="accident_count", op="count", words_en="accidents", words_zh="事故数"), 90, 365, 1095),
        *over(_ROWS(name="accident_deaths", op="sum", column="deaths", words_en="deaths", words_zh="死亡人数"), 365, 1095),
        *over(
            _ROWS(name="accident_injuries", op="sum", column="injuries", words_en="serious injuries", words_zh="重伤人数"),
            365, 1095,
        ),
        *over(
            _ROWS(
                name="accident_loss", op="sum", column="direct_loss", unit="currency",
                words_en="direct loss of accidents", words_zh="事故直接损失",
            ),
            365, 1095,
        ),
        *over(
            _ROWS(name="accident_fatal", op="count", select="fatal", words_en="fatal accidents", words_zh="死亡事故数"), 1095
        ),
        *over(
            _ROWS(
                name="accident_larger", op="count", select="larger",
                words_en="accidents of larger grade or above", words_zh="较大及以上事故数",
            ),
            1095,
        ),
        *[one for group in CAUSE_GROUPS for one in _by_cause(group)],
        _ROWS(name="_accident_since", op="since", hidden=True),
        _S(
            name="accident_free_days", table="", op="first_of", of=("_accident_since", "observed_days"), unit="d",
            words_en="time without an accident", words_zh="无事故时间",
        ),
        *[one for w in (365, 1095) for one in _against(w)],
        _S(
            name="expected_1y", table="", op="product", of=("process_rate", "exposure_per_year"), unit="accidents",
            words_en="accidents a year by the industry's rate", words_zh="按行业事故率的年预期事故数",
        ),
        _S(
            name="accident_rate", table="", op="product", of=("accident_relativity_1095d", "process_rate"),
            unit="accidents per worker-year",
            words_en="own rate of accidents, as far as it is credible", words_zh="可信自身事故率",
        ),
        *over(
            _S(name="claim_count", table="claims", op="count", newest=True, words_en="claims", words_zh="理赔件数"), 365, 1095
        ),
        *[one for part in ("paid", "reserved") for one in _claimed(part)],
        _S(
            name="claim_incurred_1095d", table="", op="plus", of=("_claim_paid_1095d", "_claim_reserved_1095d"),
            unit="currency", words_en="claims paid and reserved, the last three years", words_zh="近三年理赔已付和准备金",
        ),
    ]  # fmt: skip


def _by_cause(group: str) -> list[EnterpriseSpec]:
    en, zh = _CAUSE_WORDS[group]
    spec = _ROWS(
        name=f"accident_{group}", op="count", select=group, words_en=f"accidents by {en}", words_zh=f"{zh}事故数"
    )  # fmt: skip
    return over(spec, 1095)


def _against(window: int) -> list[EnterpriseSpec]:
    """Expected number and posterior relativity of a window."""
    return [
        _S(
            name=f"_expected_{window}d", table="", op="product", of=("process_rate", f"exposure_{window // 365}y"), hidden=True
        ),
        _S(
            name=f"accident_relativity_{window}d", table="", op="credible",
            of=(f"accident_count_{window}d", f"_expected_{window}d", "_industry_shape"), unit="x",
            words_en=f"accidents against the industry's, as far as they are credible, {over_en(window)}",
            words_zh=f"{over_zh(window)}事故数相对行业预期（可信度加权）",
        ),
    ]  # fmt: skip


def _claimed(part: str) -> list[EnterpriseSpec]:
    return [
        _S(
            name=f"_claim_{part}_1095d",
            table="claims",
            op="sum",
            column=part,
            newest=True,
            window_hours=days(1095),
            hidden=True,
        )
    ]
