"""The risk of the enterprise's machines, from the dated table `machine_risk`.

Of the risk now a row counts for 30 days, as a score does in it (features/enterprise/machine_risk.py): older ones tell nothing
any more, and their features are missing. How old the oldest score is that counts stands beside them. What machines usually are
like is the mean over the rows of a quarter, a year.
"""

from functools import partial

from features.enterprise.published import MACHINE_RISK
from features.enterprise.spec import EnterpriseSpec, days, over

FAMILY = "machine"
HOLDS_DAYS = 30
_S = partial(EnterpriseSpec, family=FAMILY, table=MACHINE_RISK.name)
_LAST = partial(_S, op="last", window_hours=days(HOLDS_DAYS))
_P_EN, _P_ZH = "probability of failure within 72 h", "72 小时故障概率"


def specs() -> list[EnterpriseSpec]:
    """Machines, how many are scored, their chances together, and how fresh these are."""
    return [
        _S(name="machines", op="last", column="machines", words_en="machines", words_zh="设备数"),
        _LAST(name="_scored", column="scored", hidden=True),
        _S(
            name="machines_scored", table="", op="ratio", of=("_scored", "machines"), unit="share",
            words_en="share of machines with a score of the last 30 d", words_zh="近 30 天有评分的设备比例",
        ),
        _LAST(
            name="machine_risk_sum", column="p72_sum",
            words_en=f"{_P_EN}, added up over machines", words_zh=f"各设备{_P_ZH}合计",
        ),
        _LAST(
            name="machine_risk_max", column="p72_max",
            words_en=f"{_P_EN}, the worst machine's", words_zh=f"最差设备的{_P_ZH}",
        ),
        _LAST(
            name="machine_risk_mean", column="p72_mean",
            words_en=f"{_P_EN}, mean of machines", words_zh=f"设备平均{_P_ZH}",
        ),
        *over(
            _S(
                name="machine_risk_usual_sum", op="mean", column="p72_sum",
                words_en=f"{_P_EN}, added up over machines, mean", words_zh=f"各设备{_P_ZH}合计均值",
            ),
            90, 365,
        ),
        *over(
            _S(
                name="machine_risk_usual_mean", op="mean", column="p72_mean",
                words_en=f"{_P_EN}, mean of machines", words_zh=f"设备平均{_P_ZH}",
            ),
            365,
        ),
        _LAST(
            name="machine_risk_above_05", column="above_05", unit="share",
            words_en=f"share of machines with a {_P_EN} above 5 %", words_zh=f"{_P_ZH}高于 5% 的设备比例",
        ),
        _LAST(
            name="machine_risk_above_20", column="above_20", unit="share",
            words_en=f"share of machines with a {_P_EN} above 20 %", words_zh=f"{_P_ZH}高于 20% 的设备比例",
        ),
        _S(
            name="machine_risk_per_worker", table="", op="per", of=("machine_risk_sum", "exposure_per_year"),
            words_en=f"{_P_EN}, added up, per worker", words_zh=f"人均设备{_P_ZH}合计",
        ),
        _S(name="_risk_since", op="since", select="scored", hidden=True),
        _S(name="_oldest_days", op="last", column="oldest_days", hidden=True),
        _S(
            name="machine_risk_age_days", table="", op="plus", of=("_risk_since", "_oldest_days"), unit="d",
            words_en="age of the oldest machine score that counts", words_zh="最旧设备评分距今",
        ),
        _LAST(
            name="machine_risk_reconstructed", column="reconstructed", unit="share",
            words_en="share of machine scores that were reconstructed", words_zh="重建的设备评分比例",
        ),
    ]  # fmt: skip
