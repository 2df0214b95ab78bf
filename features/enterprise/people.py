"""People and organisation: training, certificates, drills, depth of subcontracting, standardisation."""

from functools import partial

from features.enterprise.spec import EnterpriseSpec, days, over

FAMILY = "people"
_S = partial(EnterpriseSpec, family=FAMILY)
_TRAINED = partial(_S, table="trainings", op="sum", window_hours=days(365), hidden=True)
_HELD = partial(_S, table="certificates", op="sum", newest=True, hidden=True)


def specs() -> list[EnterpriseSpec]:
    """Coverage of training and certificates, drills, the latest depth and level."""
    return [
        _TRAINED(name="_trained", column="attended"),
        _TRAINED(name="_to_train", column="required"),
        _S(
            name="training_coverage_365d", table="", op="ratio", of=("_trained", "_to_train"), unit="share",
            words_en="share of the required training that was attended, the last year", words_zh="近一年培训覆盖率",
        ),
        _S(
            name="training_per_worker", table="", op="per", of=("_trained", "exposure_per_year"),
            words_en="trainings a year per worker", words_zh="人均年培训人次",
        ),
        _HELD(name="_held", column="held"),
        _HELD(name="_required", column="required"),
        _S(
            name="certificate_coverage", table="", op="ratio", of=("_held", "_required"), unit="share",
            words_en="share of the required certificates that are held", words_zh="持证上岗率",
        ),
        *over(_S(name="drills", table="drills", op="count", words_en="drills", words_zh="应急演练次数"), 365),
        _S(name="_drilled", table="drills", op="sum", column="people", window_hours=days(365), hidden=True),
        _S(
            name="drilled_per_worker", table="", op="per", of=("_drilled", "exposure_per_year"),
            words_en="people at drills a year per worker", words_zh="人均年演练人次",
        ),
        _S(
            name="subcontracting_depth", table="subcontracting", op="last", column="depth",
            words_en="levels of subcontracting", words_zh="分包层级",
        ),
        _S(
            name="subcontracting_share", table="subcontracting", op="last", column="share", unit="share",
            words_en="share of work that is subcontracted", words_zh="分包比例",
        ),
        _S(
            name="standardisation_level", table="standardisation", op="last", column="level",
            unit="0 = none to 3 = level 1", words_en="standardisation level", words_zh="安全生产标准化等级（3 为一级）",
        ),
    ]  # fmt: skip
