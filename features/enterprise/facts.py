"""The facts that a rulebook asks for, as specs of the same kernel: what decides a premium is known as features are.

A second catalog. Most facts are features of the first one by another name; what only a tariff asks for is added. Text facts
(process, region) are no numbers: `texts` gives them from the version of the enterprise that was known.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.enterprise.catalog import Catalog, catalog
from features.enterprise.history import History
from features.enterprise.published import REGION
from features.enterprise.spec import EnterpriseSpec, days
from features.history import Ints
from features.kernel import version_at

FAMILY = "facts"
# Facts that are features: fact -> feature.
FEATURES: Mapping[str, str] = {
    "industry": "industry",
    "accidents_1y": "accident_count_365d",
    "accidents_3y": "accident_count_1095d",
    "claims_3y": "claim_count_1095d",
    "incurred_3y": "claim_incurred_1095d",
    "standardisation": "standardisation_level",
    "rectification_rate": "hazard_rectified_365d",  # 1 where none was due: nothing is left to rectify
    "overdue_hazards": "hazard_overdue",
    "overdue_major_hazards": "hazard_overdue_major",
    "supervised_open": "hazard_supervised_open",
    "credit": "credit_rating",
    "blacklisted": "credit_blacklisted",
    "permits_withdrawn": "permits_withdrawn",
    "violations_1y": "violations_365d",
    "refused_visits_1y": "visits_refused_365d",
    "training_coverage": "training_coverage_365d",
    "certificate_coverage": "certificate_coverage",
    "drills_1y": "drills_365d",
    "services_1y": "services_365d",
    "self_reports_1y": "hazard_self_365d",
    "subcontracting_depth": "subcontracting_depth",
}
# Amounts a year of the latest period told, by basis of exposure.
AMOUNTS = ("payroll", "project_cost", "revenue", "insured_value")
# Bases that tell of workers, the preferred one first, and the column that selects their rows (features/enterprise/exposure.py).
BASES = {"hours": "hours", "heads": "headcount"}
_YEARS = (365, 730, 1095)
_S = partial(EnterpriseSpec, family=FAMILY)
_ACCIDENTS = partial(_S, table="accidents", op="count")


def specs() -> list[EnterpriseSpec]:
    """Facts that are no feature by themselves. Years without accident and on record: see `serving.pricing.enterprise_facts`."""
    told = partial(_S, table="exposures", op="last")
    return [
        _S(name="founded_days", table="enterprises", op="elapsed", column="founded"),
        told(name="_heads", select="headcount", column="amount", hidden=True),
        _S(name="headcount", table="", op="first_of", of=("_heads", "_policy_heads", "_hours_rate")),
        *(told(name=basis, select=basis, column="amount_per_year") for basis in AMOUNTS),
        told(name="hours_worked", select="hours", column="amount_per_year"),
        _ACCIDENTS(name="_larger_or_graver_1y", select="larger", window_hours=days(365), hidden=True),
        _ACCIDENTS(name="accidents_major_1y", select="major", window_hours=days(365)),
        _S(name="accidents_larger_1y", table="", op="less", of=("_larger_or_graver_1y", "accidents_major_1y")),
        _S(name="accidents_ordinary_1y", table="", op="less", of=("accident_count_365d", "_larger_or_graver_1y")),
        *_rates(),
    ]


def _rates() -> Iterator[EnterpriseSpec]:
    """Accidents of the last year per worker-year against those of the year before, and theirs against the one before it.

    Missing without a record of all these years, or without accidents or a size to divide by.
    """
    yield _ACCIDENTS(name="_accidents_2y", window_hours=days(730), hidden=True)
    less = partial(_S, table="", op="less", hidden=True)
    yield less(name="_accidents_year_2", of=("_accidents_2y", "accident_count_365d"))
    yield less(name="_accidents_year_3", of=("accident_count_1095d", "_accidents_2y"))
    for basis in BASES:
        longest = days(_YEARS[-1])
        yield _S(
            name=f"_{basis}_told_{_YEARS[-1]}d", table="exposures", op="covered", select=BASES[basis], second="starts",
            window_hours=longest, hidden=True,
        )  # fmt: skip
        for what in (basis, f"{basis}_told"):
            for year, (shorter, longer) in enumerate(pairwise(_YEARS), start=2):
                yield less(name=f"_{what}_year_{year}", of=(f"_{what}_{longer}d", f"_{what}_{shorter}d"))
    change = partial(_S, table="", op="rate_change", unit="share")
    counts = ("accident_count_365d", "_accidents_year_2", "_accidents_year_3")
    sizes = {basis: [f"_{basis}{{}}_365d", f"_{basis}{{}}_year_2", f"_{basis}{{}}_year_3"] for basis in BASES}
    for year in (1, 2):
        two = slice(year - 1, year + 1)
        told = [name.format(part) for of in sizes.values() for name in of[two] for part in ("", "_told")]
        yield change(
            name=f"accident_rate_change_{year}y", of=(*counts[two], "observed_days", "headcount", *told),
            window_hours=days(_YEARS[year]),
        )  # fmt: skip


@cache
def facts_catalog() -> Catalog:
    """The catalog of facts: the features they are and those they are made of, hidden; then their own."""
    parts = {spec.name: spec for spec in catalog().parts}
    own = specs()
    wanted = [name for spec in own for name in spec.of if name in parts]
    wanted += [*FEATURES.values(), "_accident_since", "observed_days", "accident_free_days"]
    needed: dict[str, EnterpriseSpec] = {}
    while wanted:
        name = wanted.pop()
        if name not in needed:
            needed[name] = replace(parts[name], hidden=True)
            wanted += parts[name].of
    return Catalog((*(needed[name] for name in parts if name in needed), *own))


def texts(history: History, entity: Ints, as_of: Ints) -> dict[str, pa.Array]:
    """Industry, process and region of observations in the versions known at `as_of`; null where not known or not told."""
    entity, as_of = np.ascontiguousarray(entity, dtype=np.int64), np.array(as_of, dtype=np.int64)
    rows = history.series["enterprises"]
    version = np.empty(len(as_of), dtype=np.int64)
    version_at(rows.offsets, rows.known_from, rows.known_to, entity, as_of, version)
    place = pa.array(version, mask=version < 0)
    industry, narrow, region = (history.belongs[name].take(place) for name in ("industry", "process", "region"))
    process = pc.if_else(pc.equal(narrow, industry), pa.scalar(None, pa.string()), narrow)
    return {
        "industry": industry,
        "process": pc.list_element(pc.split_pattern(process, "/", max_splits=1), 1),
        "region": pc.utf8_slice_codeunits(region, len(REGION)),
    }
