"""Violations and penalties, permits, credit and its repair."""

from functools import partial

from features.enterprise.spec import EnterpriseSpec, over

FAMILY = "violations"
_S = partial(EnterpriseSpec, family=FAMILY)
_ROWS = partial(_S, table="violations")
_CREDIT = partial(_S, table="credit", op="last")
_PERMITS = partial(_S, table="permits", newest=True)


def specs() -> list[EnterpriseSpec]:
    """Counts and penalties over windows; permits that do not stand; the latest credit."""
    return [
        *over(_ROWS(name="violations", op="count", words_en="violations", words_zh="违法违规次数"), 90, 365, 1095),
        *over(
            _ROWS(name="penalties", op="sum", column="penalty", unit="currency", words_en="penalties", words_zh="罚款金额"),
            365, 1095,
        ),
        _ROWS(name="_violation_since", op="since", hidden=True),
        _S(
            name="violation_free_days", table="", op="first_of", of=("_violation_since", "observed_days"), unit="d",
            words_en="time without a violation", words_zh="无违法违规时间",
        ),
        _PERMITS(
            name="permits_withdrawn", op="count", select="withdrawn",
            words_en="permits suspended or revoked", words_zh="被暂扣或吊销的许可证数",
        ),
        _PERMITS(name="_permits_expired", op="count", select="expired", hidden=True),
        _PERMITS(name="_permits_over", op="standing", column="expires", select="granted", hidden=True),
        _S(
            name="permits_expired", table="", op="plus", of=("_permits_expired", "_permits_over"),
            words_en="permits expired", words_zh="过期许可证数",
        ),
        _CREDIT(
            name="credit_rating", column="rating", unit="0 = AA to 4 = bad",
            words_en="credit rating", words_zh="信用等级（0 最好）",
        ),
        _CREDIT(name="credit_blacklisted", column="blacklisted", words_en="blacklisted", words_zh="列入黑名单"),
        _CREDIT(name="credit_repaired", column="repaired", words_en="credit repaired", words_zh="信用已修复"),
    ]  # fmt: skip
