"""Contracts of the tables that Forewarn publishes from all enterprises together, each row dated by when it could be known.

A row of a moment D (00:00 UTC, both its clocks) is made of the rows that were visible at D.
"""

import pyarrow as pa

from features.enterprise.vocabulary import CAUSE_GROUPS
from features.schema import ENTERPRISE, NUMBER, TIME, Column, TableContract

INDUSTRY_GROUP = "industry_group"
# All enterprises together; an industry goes by its code, a process by `industry/process`, a region by `region:` and its code.
ALL = "all"
REGION = "region:"


def _numbers(**units: str) -> tuple[Column, ...]:
    return tuple(Column(name, NUMBER, unit, nullable=True) for name, unit in units.items())


# features/enterprise/industry_rates.py says what each number is.
INDUSTRY_RATES = TableContract(
    "industry_rates",
    (
        *_numbers(rate="accidents per worker-year", relativity="", recent="", deaths="persons per accident"),
        *_numbers(loss="CNY per accident", size="worker-years per year", shape=""),
        *_numbers(exposure="worker-years", accidents="", enterprises=""),
        Column("rows_known", pa.int64()),
    ),
    entity=INDUSTRY_GROUP,
)
# features/enterprise/case_rates.py says what each number is.
CASE_RATES = TableContract(
    "case_rates",
    (
        *(Column(name, NUMBER, "cases", nullable=True) for name in ("count_1y", "count_3y", "count_5y")),
        *(Column(name, NUMBER, nullable=True) for name in ("recent", "deadly", "grade")),
        *(Column(f"share_{group}", NUMBER, nullable=True) for group in CAUSE_GROUPS),
        *(Column(f"deadly_{group}", NUMBER, nullable=True) for group in CAUSE_GROUPS),
        *(Column(f"latest_{group}", TIME, nullable=True) for group in CAUSE_GROUPS),
        Column("rows_known", pa.int64()),
    ),
    entity=INDUSTRY_GROUP,
)
# features/enterprise/machine_risk.py says what each number is.
MACHINE_RISK = TableContract(
    "machine_risk",
    (
        *_numbers(machines="", scored="", p72_sum="", p72_max="", p72_mean="", above_05="share", above_20="share"),
        *_numbers(oldest_days="d", newest_days="d", reconstructed="share"),
    ),
    entity=ENTERPRISE,
)
