"""Enterprises as Hypothesis draws them: every table, late rows, corrections, moments on the edges of windows."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np
from hypothesis import strategies as st

from features.clock import micros
from features.enterprise.catalog import Catalog, catalog
from features.enterprise.compute import compute
from features.enterprise.history import from_tables
from features.enterprise.schema import ENTERPRISE_TABLES, PUBLISHED_TABLES
from features.enterprise.vocabulary import EXPOSURE_BASES
from features.schema import TIME, Column
from tests.properties.histories import START, Drawn, Features, Tables, table

ENTERPRISES = ["e1", "e2"]
# Fives of days: rows fall exactly on the edges of the windows of 90, 365 and 1095 days before a look.
STEP, LAST_DAY = 5, 1300
DELAYS_DAYS = [0.0, 0.0, 0.0, 5.0, 60.0, 400.0]
looks = st.integers(0, (LAST_DAY + 100) // STEP).map(lambda step: START + timedelta(days=step * STEP))
LOOKS = [START + timedelta(days=day) for day in range(50, LAST_DAY + 100, 75)]
Choice = Sequence[object] | Callable[[np.random.Generator, datetime], object]


def _around(low: int, high: int, *, missing: float = 0.3) -> Choice:
    """A moment so many days from the row's own, or none."""

    def pick(random: np.random.Generator, moment: datetime) -> object:
        if random.random() < missing:
            return None
        return moment + timedelta(days=int(random.integers(low // STEP, high // STEP + 1)) * STEP)

    return pick


FLAGS = [True, False]
BASES = ["hours_worked", *EXPOSURE_BASES]
CURRENCIES = [None, "CNY"]
# How each table is drawn: columns and what they are drawn from, and about how many rows an enterprise has.
DRAWN: dict[str, tuple[int, dict[str, Choice]]] = {
    "sites": (3, {"site_id": ["s1", "s2"], "major_hazard": [True, False, None]}),
    "exposures": (
        14,
        {
            "basis": BASES, "starts": _around(-365, -30, missing=0.0), "amount": [0.0, 2000.0, 30_000.0, 500_000.0],
        },
    ),
    "hazards": (
        16,
        {
            "hazard_id": ["h1", "h2", "h3"], "site_id": ["s1", "s2", None],
            "found_by": ["self", "self", "insurer", "authority", "third_party"],
            "grade": ["general", "major"], "kind": ["fire", "machinery", "collapse", None],
            "due": _around(0, 60), "rectified": _around(0, 120),
            "verified": _around(0, 150), "supervised": FLAGS, "repeated": [True, False, None],
        },
    ),
    "inspections": (
        8,
        {
            "visit_id": ["v1", "v2"], "mode": ["on_site", "remote", "unannounced"], "outcome": ["done", "partial", "refused"],
            "by_lot": [True, False, None],
            "findings": [None, 0.0, 3.0, 7.0], "hours": [None, 2.0], "visitor": ["insurer", "authority"],
        },
    ),
    "violations": (5, {"violation_id": ["a", "b"], "code": ["c"], "penalty": [None, 1000.0, 50_000.0]}),
    "permits": (
        6, {"permit_id": ["p1", "p2"], "kind": ["k"],
            "state": ["granted", "granted", "suspended", "revoked", "expired"], "expires": _around(0, 200)},
    ),
    "credit": (4, {"rating": ["AA", "A", "B", "C", "bad"], "blacklisted": FLAGS, "repaired": FLAGS}),
    "standardisation": (3, {"level": ["none", "3", "2", "1"]}),
    "trainings": (6, {"training_id": ["t1", "t2"], "attended": [0.0, 5.0, 20.0], "required": [0.0, 20.0]}),
    "certificates": (5, {"kind": ["welder", "crane"], "held": [0.0, 3.0], "required": [0.0, 4.0]}),
    "drills": (4, {"drill_id": ["d1", "d2"], "people": [None, 10.0, 40.0]}),
    "spending": (6, {"purpose": ["gear", "audit"], "starts": _around(-365, -30, missing=0.0), "amount": [0.0, 1e4, 3e5]}),
    "subcontracting": (3, {"depth": [0.0, 1.0, 3.0], "share": [None, 0.2, 0.8]}),
    "services": (4, {"service_id": ["x", "y"], "item": ["audit"], "hours": [None, 4.0]}),
    "accidents": (
        8,
        {
            "accident_id": ["a1", "a2"],
            "cause": ["machinery", "vehicle", "fire", "fall_from_height", "burns", "unheard of", None],
            "deaths": [0.0, 0.0, 1.0, 4.0], "injuries": [0.0, 2.0, 12.0, 60.0], "direct_loss": [None, 1e4, 2e7],
        },
    ),
    "policies": (
        4, {"policy_id": ["p1", "p2"], "ends": _around(100, 400, missing=0.0), "headcount": [None, 12.0, 80.0]},
    ),
    "claims": (
        5,
        {"claim_id": ["c1", "c2"], "valued_at": _around(0, 90, missing=0.0), "paid": [0.0, 1e4], "reserved": [None, 5e4]},
    ),
}  # fmt: skip
GROUPS = ["all", "construction", "construction/piling", "food", "region:north"]


@st.composite
def portfolios(draw: st.DrawFn, *, dense: float = 1.0, only: str = "") -> Tables:
    """Contract tables of two enterprises and the published tables about them, every row with its two clocks.

    only: the one table that has rows beside the enterprises and what is published.
    """
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    made = {"enterprises": _enterprises(draw)}
    for name, (count, choices) in DRAWN.items():
        if only not in ("", name):
            made[name] = ENTERPRISE_TABLES[name].arrow.empty_table()
            continue
        rows = [_row(random, choices) for _ in range(random.integers(0, max(1, round(2 * dense * count)) + 1))]
        # Some keys come again, later recorded: corrections.
        rows += [_again(random, row, choices) for row in rows if random.random() < 0.3]
        made[name] = table(ENTERPRISE_TABLES[name], rows, list(choices))
    made["industry_rates"] = _published(random, "industry_rates", GROUPS)
    made["case_rates"] = _published(random, "case_rates", GROUPS)
    made["machine_risk"] = _published(random, "machine_risk", ENTERPRISES)
    return Drawn(made)


def _enterprises(draw: st.DrawFn) -> object:
    rows: list[tuple[object, ...]] = []
    facts = [
        ["construction", "food"],
        [None, "piling", "new"],
        [None, "north", "south"],
        [None, START - timedelta(days=900), START - timedelta(days=4000)],
        [None, "CNY", "USD"],
    ]
    for name in ENTERPRISES:
        begin = draw(st.sampled_from([0, 0, 100]))
        for delay in draw(st.lists(st.sampled_from([0.0, 30.0, 500.0]), min_size=1, max_size=2, unique=True)):
            values = [draw(st.sampled_from(fact)) for fact in facts]
            rows.append((name, 24.0 * begin, 24.0 * delay, *values))
    return table(ENTERPRISE_TABLES["enterprises"], rows, ["industry", "process", "region", "founded", "currency"])


def _row(random: np.random.Generator, choices: dict[str, Choice]) -> tuple[object, ...]:
    name = ENTERPRISES[0] if random.random() < 0.8 else ENTERPRISES[1]
    day = int(random.integers(0, LAST_DAY // STEP)) * STEP
    delay = DELAYS_DAYS[random.integers(len(DELAYS_DAYS))]
    return (name, 24.0 * day, 24.0 * delay, *_values(random, choices, START + timedelta(days=day)))


def _again(random: np.random.Generator, row: tuple[object, ...], choices: dict[str, Choice]) -> tuple[object, ...]:
    name, hour, delay, *values = row
    other = _values(random, choices, START + timedelta(hours=float(str(hour))))
    keys = ("_id", "basis", "kind", "purpose", "valued_at")
    kept = [old if column.endswith(keys) else new for column, old, new in zip(choices, values, other, strict=True)]
    return (name, hour, float(str(delay)) + 24.0 * float(random.choice([5.0, 45.0])), *kept)


def _values(random: np.random.Generator, choices: dict[str, Choice], moment: datetime) -> list[object]:
    return [
        choice(random, moment) if callable(choice) else choice[random.integers(len(choice))] for choice in choices.values()
    ]  # fmt: skip


def _published(random: np.random.Generator, name: str, entities: list[str]) -> object:
    contract = PUBLISHED_TABLES[name]
    rows: list[tuple[object, ...]] = []
    for entity in entities:
        for day in sorted(set((random.integers(0, LAST_DAY // 30, random.integers(0, 8)) * 30).tolist())):
            numbers = [_number(random, column, day) for column in contract.own]
            if contract.own[-1].name == "rows_known":
                numbers[-1] = 1
            rows.append((entity, 24.0 * day, 0.0, *numbers))
    return table(contract, rows, [column.name for column in contract.own])


def _number(random: np.random.Generator, column: Column, day: float) -> object:
    if random.random() < 0.1:
        return None
    if column.type == TIME:
        return START + timedelta(days=day - float(random.choice([0.0, 40.0, 400.0])))
    return float(random.choice([0.25, 0.5, 1.0, 3.0]))


def features_of(wanted: Catalog) -> Features:
    """Features of every enterprise at one moment: float32[enterprises, features]."""

    def features(tables: Tables, as_of: datetime) -> np.ndarray:
        history = from_tables(tables, ENTERPRISES)
        return compute(wanted, history, np.arange(len(ENTERPRISES)), np.full(len(ENTERPRISES), micros(as_of)))

    return features


honest = features_of(catalog())
