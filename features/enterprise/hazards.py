"""Hazards: who found them, whether they are overdue, and how they are rectified.

A good programme triples the reports of its own people, so nothing here rises with their number: features that count what was
found speak of others' findings. What the enterprise found itself enters as a count that can only lower the risk, as shares, and
as soon as it is overdue. There, reports of one moment, site, kind and term are one: to report the same thing three times makes
nothing worse.
"""

from dataclasses import replace
from functools import partial

from features.enterprise.spec import EnterpriseSpec, days, over

FAMILY = "hazards"
_S = partial(EnterpriseSpec, family=FAMILY)
_ROWS = partial(_S, table="hazards")
_EN, _ZH = "hazards found by others", "他方发现的隐患"
_OPEN = partial(_ROWS, second="rectified")
_OVERDUE = partial(_ROWS, column="due", second="rectified")


def specs() -> list[EnterpriseSpec]:
    """Counts by finder and gravity, what stands open and overdue, rectification."""
    return [*_counts(), *_standing(), *_rectified(), *_by_own_people()]


def _counts() -> list[EnterpriseSpec]:
    def count(name: str, select: str, en: str, zh: str) -> EnterpriseSpec:
        return _ROWS(name=name, op="count", select=select, words_en=en, words_zh=zh)

    return [
        *over(count("hazard_external", "external", _EN, _ZH + "数"), 90, 365, 1095),
        *over(count("hazard_authority", "authority", "hazards found by the authority", "监管部门发现的隐患数"), 365),
        *over(count("hazard_external_major", "external_major", f"major {_EN}", "他方发现的重大隐患数"), 365, 1095),
        *over(count("hazard_external_repeated", "external_repeated", f"repeated {_EN}", "他方发现的重复隐患数"), 365),
        *over(
            count("hazard_external_supervised", "external_supervised", f"supervised {_EN}", "他方发现的挂牌督办隐患数"), 1095
        ),
    ]


def _standing() -> list[EnterpriseSpec]:
    return [
        _OPEN(
            name="hazard_external_open", op="standing", select="external",
            words_en=f"open {_EN}", words_zh="未整改的他方发现隐患数",
        ),
        _OVERDUE(
            name="hazard_external_overdue", op="standing", select="external",
            words_en=f"overdue {_EN}", words_zh="逾期未整改的他方发现隐患数",
        ),
        _OVERDUE(
            name="hazard_external_overdue_days", op="standing_days", select="external", unit="d",
            words_en=f"days overdue of {_EN}, added up", words_zh="他方发现隐患逾期天数合计",
        ),
        *_all_overdue(),
        _OVERDUE(
            name="hazard_overdue_longest", op="standing_longest", unit="d",
            words_en="longest time a hazard is overdue", words_zh="隐患最长逾期时间",
        ),
        _OPEN(name="_supervised_open", op="standing", select="supervised", hidden=True),
        _S(
            name="hazard_supervised_open", table="", op="exists", of=("_supervised_open",),
            words_en="a supervised hazard stands open", words_zh="存在未整改的挂牌督办隐患",
        ),
    ]  # fmt: skip


def _all_overdue() -> list[EnterpriseSpec]:
    """Overdue now, whoever found it."""
    made = []
    for name, major, en, zh in (("hazard_overdue", "", "", ""), ("hazard_overdue_major", "_major", "major ", "重大")):
        parts = f"_external_overdue{major}_now", f"_own_overdue{major}_now"
        made += [
            _OVERDUE(name=parts[0], op="standing", select=f"external{major}", hidden=True),
            _OVERDUE(name=parts[1], op="standing", select=f"own{major}", newest=True, hidden=True),
            _S(
                name=name, table="", op="plus", of=parts,
                words_en=f"{en}hazards overdue", words_zh=f"逾期未整改的{zh}隐患数",
            ),
        ]  # fmt: skip
    return made


def _rectified() -> list[EnterpriseSpec]:
    """Of hazards found by others in a year. To rectify one, however late, makes none of these worse."""
    part = partial(_ROWS, select="external", window_hours=days(365))
    of_due = ("_external_done", "_external_overdue")
    return [
        part(name="_external_done", op="sum", column="done", hidden=True),
        part(name="_external_done_late", op="sum", column="late", hidden=True),
        part(name="_external_done_days", op="sum", column="days_to_rectify", hidden=True),
        part(name="_external_verified", op="sum", column="verified", hidden=True),
        part(name="_external_open_days", op="standing_days", second="rectified", hidden=True),
        replace(_OVERDUE(name="_external_overdue", op="standing", select="external", hidden=True), window_hours=days(365)),
        _S(name="_external_due", table="", op="plus", of=of_due, hidden=True),
        _S(name="_external_late", table="", op="plus", of=("_external_done_late", "_external_overdue"), hidden=True),
        _S(name="_external_days", table="", op="plus", of=("_external_done_days", "_external_open_days"), hidden=True),
        _S(
            name="hazard_rectified_365d", table="", op="ratio_or_1", of=("_external_done", "_external_due"), unit="share",
            words_en=f"share rectified of the {_EN} that are due, the last year", words_zh="近一年他方发现隐患整改率",
        ),
        _S(
            name="hazard_late_365d", table="", op="ratio_or_0", of=("_external_late", "_external_due"), unit="share",
            words_en=f"share late of the {_EN} that are due or done, the last year", words_zh="近一年他方发现隐患逾期率",
        ),
        _S(
            name="hazard_verified_365d", table="", op="ratio", of=("_external_verified", "hazard_external_365d"), unit="share",
            words_en=f"share verified of {_EN}, the last year", words_zh="近一年他方发现隐患复查率",
        ),
        _S(
            name="hazard_days_open_365d", table="", op="ratio", of=("_external_days", "hazard_external_365d"), unit="d",
            words_en=f"time that {_EN} stood open or stand, the last year", words_zh="近一年他方发现隐患平均未整改时间",
        ),
    ]  # fmt: skip


def _by_own_people() -> list[EnterpriseSpec]:
    year = days(365)
    return [
        *over(
            _ROWS(
                name="hazard_self", op="count", select="own",
                words_en="hazards reported by the enterprise itself", words_zh="企业自查隐患数",
            ),
            90, 365,
        ),
        _OVERDUE(name="_self_overdue", op="standing", select="own", window_hours=year, hidden=True),
        _ROWS(name="_self_repeated", op="count", select="own_repeated", window_hours=year, hidden=True),
        _S(
            name="hazard_self_overdue_365d", table="", op="ratio_or_0", of=("_self_overdue", "hazard_self_365d"), unit="share",
            words_en="share overdue of the enterprise's own reports, the last year", words_zh="近一年自查隐患逾期率",
        ),
        _S(
            name="hazard_self_repeated_365d", table="", op="ratio_or_0", of=("_self_repeated", "hazard_self_365d"),
            unit="share", words_en="share repeated of the enterprise's own reports, the last year",
            words_zh="近一年自查隐患重复率",
        ),
        _S(
            name="hazard_self_share_365d", table="", op="share_of_sum_or_0", of=("hazard_self_365d", "hazard_external_365d"),
            unit="share", words_en="share of hazards that the enterprise found itself, the last year",
            words_zh="近一年自查隐患占比",
        ),
        _S(
            name="hazard_self_per_worker", table="", op="per", of=("hazard_self_365d", "exposure_per_year"),
            words_en="own reports a year per worker", words_zh="人均年自查隐患数",
        ),
    ]  # fmt: skip
