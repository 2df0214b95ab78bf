"""How much there is at risk: worker-years, from hours worked, from people, or as the policy and the industry have it.

A basis that tells of workers is preferred in this order: hours worked, headcount, the headcount of the policy. The
latest period's rate is carried on from its end to `as_of`, at most for a year. Where an enterprise has none of them its
industry's mean size stands in, from the beginning of its observation on; where not even that is known, the floor. Features per
worker-year, and the offset of the models, never go below the floor of one worker-year a year: nobody at work is no division by
zero.
"""

from functools import partial

from features.enterprise.columns import EXPOSURE_AMOUNTS
from features.enterprise.spec import EnterpriseSpec, days

FAMILY = "exposure"
_S = partial(EnterpriseSpec, family=FAMILY)
WINDOWS = (365, 1095)
_BASES = {"hours": "hours", "heads": "headcount"}
_AMOUNTS = {
    "payroll": ("payroll", "工资总额"),
    "revenue": ("revenue", "营业收入"),
    "insured_value": ("insured value", "保险金额"),
    "project_cost": ("project cost", "工程造价"),
    "miles": ("miles driven", "行驶里程"),
    "vehicle_years": ("vehicles", "车辆数"),
}


def _hidden() -> list[EnterpriseSpec]:
    """What is known of the worker-years by each basis."""
    made = []
    for short, select in _BASES.items():
        period = partial(_S, table="exposures", select=select, hidden=True)
        made += [
            period(name=f"_{short}_rate", op="last", column="worker_years_per_year"),
            period(name=f"_{short}_age", op="since"),
            *(
                period(name=f"_{short}_{w}d", op="spread", column="worker_years", second="starts", window_hours=days(w))
                for w in (*WINDOWS, 730)
            ),
            *(period(name=f"_{short}_told_{w}d", op="covered", second="starts", window_hours=days(w)) for w in (365, 730)),
        ]
    return [
        *made,
        _S(name="_policy_heads", table="policies", op="last", column="headcount", hidden=True),
        _S(name="_policy_age", table="policies", op="since_first", hidden=True),
    ]


def own() -> list[EnterpriseSpec]:
    """Worker-years by what enterprises told: `_own_per_year`, `_own_365d`, `_own_1095d`, and what they are made of."""
    per_year = _S(
        name="_own_per_year", table="", op="first_of", of=("_hours_rate", "_heads_rate", "_policy_heads"), hidden=True
    )
    return [*_hidden(), *(_own(w) for w in WINDOWS), per_year]


def _own(window: int) -> EnterpriseSpec:
    """Worker-years of the window by what the enterprise itself told; NaN where it told nothing."""
    of = [f"_{short}_{part}" for short in _BASES for part in (f"{window}d", "rate", "age")]
    name = f"_own_{window}d"
    return _S(
        name=name, table="", op="carried_on", of=(*of, "_policy_heads", "_policy_age"), window_hours=days(window), hidden=True
    )


def specs() -> list[EnterpriseSpec]:
    """The exposure known, its change and age, and amounts of other bases per worker."""
    return [
        *own(),
        _S(
            name="exposure_per_year", table="", op="at_least_one", of=("_own_per_year", "_industry_size"),
            unit="worker-years a year", words_en="workers known, full-time", words_zh="已知全职用工规模",
        ),
        *(
            _S(
                name=f"exposure_{w // 365}y", table="", op="or_since", of=(f"_own_{w}d", "exposure_per_year", "observed_days"),
                window_hours=days(w), unit="worker-years", words_en=f"worker-years of the last {w // 365} y",
                words_zh=f"近 {w // 365} 年用工量（人年）",
            )
            for w in WINDOWS
        ),
        _S(
            name="exposure_change", table="", op="change",
            of=tuple(f"_{short}_{part}d" for short in _BASES for part in ("365", "told_365", "730", "told_730")),
            unit="share", words_en="worker-years of the last year against the last two", words_zh="近一年用工量相对近两年变化",
        ),
        _S(
            name="exposure_age_days", table="exposures", op="since", unit="d",
            words_en="time since the end of the latest period with exposure", words_zh="距最近一期用工数据",
        ),
        _S(
            name="exposure_told", table="", op="is_known", of=("_own_per_year",),
            words_en="the enterprise told its exposure", words_zh="企业已报用工数据",
        ),
        *_amounts(),
    ]  # fmt: skip


def _amounts() -> list[EnterpriseSpec]:
    made = []
    for basis, (en, zh) in _AMOUNTS.items():
        made += [
            _S(name=f"_{basis}", table="exposures", op="last", column="amount_per_year", select=basis, hidden=True),
            _S(
                name=f"{basis}_per_worker", table="", op="per", of=(f"_{basis}", "exposure_per_year"),
                unit=f"{EXPOSURE_AMOUNTS[basis]} per worker", words_en=f"{en} a year per worker", words_zh=f"人均年{zh}",
            ),
        ]  # fmt: skip
    return made
