"""What is known of the industry, the process and the region, from the dated table `industry_rates`.

Rates hold for a year after the row that tells them; without any later row they are missing.
"""

from functools import partial

from features.enterprise.published import INDUSTRY_RATES
from features.enterprise.spec import EnterpriseSpec, days

FAMILY = "industry"
HOLDS_DAYS = 366
_S = partial(EnterpriseSpec, family=FAMILY, table=INDUSTRY_RATES.name, op="last", window_hours=days(HOLDS_DAYS))


def specs() -> list[EnterpriseSpec]:
    """Base rates as they were known then."""
    return [
        _S(name="_all_rate", column="rate", whose="all", hidden=True),
        _S(name="_all_size", column="size", whose="all", hidden=True),
        _S(name="_all_shape", column="shape", whose="all", hidden=True),
        _S(name="_own_industry_rate", column="rate", whose="industry", hidden=True),
        _S(name="_own_industry_size", column="size", whose="industry", hidden=True),
        _S(name="_own_industry_shape", column="shape", whose="industry", hidden=True),
        _S(name="_own_process_rate", column="rate", whose="process", hidden=True),
        _of("_industry_size", "_own_industry_size", "_all_size"),
        _of("_industry_shape", "_own_industry_shape", "_all_shape"),
        _of(
            "industry_rate", "_own_industry_rate", "_all_rate",
            unit="accidents per worker-year", words_en="accidents of the industry", words_zh="行业事故率",
        ),
        _of(
            "process_rate", "_own_process_rate", "_own_industry_rate", "_all_rate",
            unit="accidents per worker-year", words_en="accidents of the industry's process", words_zh="行业工艺事故率",
        ),
        _S(
            name="industry_recent", column="recent", whose="industry", unit="x",
            words_en="accidents of the industry in the last year against the last three", words_zh="行业近一年事故相对近三年",
        ),
        _S(
            name="industry_deaths", column="deaths", whose="industry", unit="persons per accident",
            words_en="deaths per accident in the industry", words_zh="行业每起事故死亡人数",
        ),
        _S(
            name="industry_loss", column="loss", whose="industry", unit="currency per accident",
            words_en="direct loss per accident in the industry", words_zh="行业每起事故直接损失",
        ),
        _S(
            name="region_relativity", column="relativity", whose="region", unit="x",
            words_en="accidents of the region against what its industries let expect", words_zh="地区事故相对行业预期",
        ),
    ]  # fmt: skip


def _of(name: str, *of: str, unit: str = "", words_en: str = "", words_zh: str = "") -> EnterpriseSpec:
    """The first of several that is known."""
    return EnterpriseSpec(
        name, FAMILY, "", "first_of", of=of, hidden=name.startswith("_"), unit=unit, words_en=words_en, words_zh=words_zh
    )
