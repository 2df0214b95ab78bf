"""Visits: done, partial, refused, what they found.

Who is visited was chosen by somebody, and a visit is a service: the number of visits informs the alarm, never a
price. Refusing one may.
"""

from functools import partial

from features.enterprise.spec import EnterpriseSpec, days, over

FAMILY = "inspections"
_S = partial(EnterpriseSpec, family=FAMILY)
_ROWS = partial(_S, table="inspections")


def specs() -> list[EnterpriseSpec]:
    """Visits by outcome and mode, findings per visit, time since; services delivered."""
    return [
        *over(
            _ROWS(name="visits_done", op="count", select="done", words_en="visits done", words_zh="完成检查次数"), 30, 90, 365
        ),
        *over(
            _ROWS(name="visits_partial", op="count", select="partial", words_en="partial visits", words_zh="部分检查次数"), 365
        ),
        *over(
            _ROWS(name="visits_refused", op="count", select="refused", words_en="visits refused", words_zh="拒绝检查次数"),
            365, 1095,
        ),
        *over(
            _ROWS(
                name="visits_unannounced", op="count", select="unannounced",
                words_en="unannounced visits", words_zh="四不两直检查次数",
            ),
            365,
        ),
        *over(_ROWS(name="visits_remote", op="count", select="remote", words_en="remote visits", words_zh="远程检查次数"), 365),
        _ROWS(
            name="visit_since", op="since", select="entered", unit="d",
            words_en="time since somebody was let in", words_zh="距上次进场检查",
        ),
        _ROWS(
            name="visit_findings_365d", op="mean", column="findings", select="entered", window_hours=days(365),
            words_en="findings per visit, the last year", words_zh="近一年每次检查发现问题数",
        ),
        _ROWS(
            name="visit_findings_by_lot_1095d", op="mean", column="findings", select="entered_by_lot", window_hours=days(1095),
            words_en="findings per visit drawn by lot, the last three years", words_zh="近三年双随机检查每次发现问题数",
        ),
        _ROWS(
            name="visit_findings_last", op="last", column="findings", select="entered",
            words_en="findings of the latest visit", words_zh="最近一次检查发现问题数",
        ),
        *over(_S(name="services", table="services", op="count", words_en="services delivered", words_zh="服务次数"), 365),
        *over(
            _S(
                name="service_hours", table="services", op="sum", column="hours", unit="h",
                words_en="hours of service", words_zh="服务时长",
            ),
            365,
        ),
    ]  # fmt: skip
