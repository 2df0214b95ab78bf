"""What an enterprise is: industry, age, sites, cover; and the season."""

from functools import partial

from features.enterprise.spec import EnterpriseSpec
from features.enterprise.vocabulary import INDUSTRIES

FAMILY = "static"
_S = partial(EnterpriseSpec, family=FAMILY)


def specs() -> list[EnterpriseSpec]:
    """Facts of the enterprise in the version known at `as_of`, and the calendar."""
    return [
        _S(
            name="industry", table="enterprises", op="last", column="industry", categorical=True,
            levels_en=tuple(one.words_en for one in INDUSTRIES), levels_zh=tuple(one.words_zh for one in INDUSTRIES),
            words_en="industry", words_zh="行业",
        ),
        _S(
            name="high_risk", table="enterprises", op="last", column="high_risk",
            words_en="high-risk industry that must insure", words_zh="须投保的高危行业",
        ),
        _S(
            name="other_currency", table="enterprises", op="last", column="other_currency",
            words_en="amounts in another currency than CNY", words_zh="金额非人民币",
        ),
        _S(
            name="age_days", table="enterprises", op="elapsed", column="founded", unit="d",
            words_en="age of the enterprise", words_zh="企业成立时间",
        ),
        _S(
            name="observed_days", table="enterprises", op="since", unit="d",
            words_en="time under observation", words_zh="纳入观察时间",
        ),
        _S(name="sites", table="sites", op="count", newest=True, words_en="sites", words_zh="场所数"),
        _S(
            name="major_hazard_sites", table="sites", op="sum", column="major_hazard", newest=True,
            words_en="sites with a major hazard source", words_zh="重大危险源场所数",
        ),
        _S(
            name="policies_standing", table="policies", op="standing", second="ends", newest=True,
            words_en="policies in force", words_zh="有效保单数",
        ),
        _S(
            name="insured_days", table="policies", op="since_first", unit="d",
            words_en="time since the first policy", words_zh="首次投保至今",
        ),
        _S(name="day_of_year", table="", op="day_of_year", unit="d", words_en="day of the year", words_zh="一年中的第几天"),
    ]  # fmt: skip
