"""Spending on safety, per worker-year, and its change."""

from functools import partial

from features.enterprise.spec import EnterpriseSpec, days

FAMILY = "spending"
_S = partial(EnterpriseSpec, family=FAMILY)
_SPENT = partial(_S, table="spending", op="spread", column="amount", second="starts", hidden=True)


def specs() -> list[EnterpriseSpec]:
    """Spending of the last year as far as periods tell it, brought to a year, per worker."""
    return [
        _SPENT(name="_spent_365d", window_hours=days(365)),
        _SPENT(name="_spent_730d", window_hours=days(730)),
        *(
            _S(
                name=f"_spending_told_{w}d", table="spending", op="covered", second="starts", window_hours=days(w), hidden=True
            )
            for w in (365, 730)
        ),
        _S(
            name="_spent_a_year", table="", op="brought_to_a_year", hidden=True,
            of=("_spent_365d", "spending_age_days", "observed_days"),
        ),
        _S(
            name="spending_per_worker", table="", op="per", of=("_spent_a_year", "exposure_per_year"),
            unit="currency per worker", words_en="spending on safety a year per worker", words_zh="人均年安全投入",
        ),
        _S(
            name="spending_change", table="", op="change", unit="share",
            of=("_spent_365d", "_spending_told_365d", "_spent_730d", "_spending_told_730d"),
            words_en="spending on safety of the last year against the last two", words_zh="近一年安全投入相对近两年变化",
        ),
        _S(
            name="spending_age_days", table="spending", op="since", unit="d",
            words_en="time since the end of the latest period with spending", words_zh="距最近一期安全投入数据",
        ),
    ]  # fmt: skip
