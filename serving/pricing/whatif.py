"""What if an enterprise were otherwise: changed facts -> rows as they would be -> facts and features -> another premium.

A prospect's rows are made anew from its facts. Of an enterprise of the lake the real rows stay: rows are made of its size and
industry with the old values of what changes, and with the new ones; by what the two differ in facts and features, its own
facts and features move. So a change moves what hangs on it (accidents of the last year their rates and the clean years), in
the direction in which it would in rows of its own, and nothing else. Of neither does a feature move against the sense of the
wish: who does better pays no more.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.clock import micros
from features.enterprise.catalog import catalog
from features.enterprise.compute import compute
from features.enterprise.history import Published
from serving.pricing.enterprise_facts import fact_columns, facts_at
from serving.pricing.prospect_rows import SUPERVISED_RECTIFIED, made_history
from serving.pricing.prospects import columns_of
from serving.pricing.quotes import Basis
from serving.risk import Vectors
from serving.underwriting.facts import VOCABULARY, Fact, FactKind, Facts, Value
from serving.underwriting.words import FOLLOWS

# What rows are made of beside that which changes: who it is and how large.
_WHO = ("industry", "process", "region", "founded", "headcount", "payroll", "project_cost", "revenue", "insured_value")
_RECORD = ("hours_worked", "record_years")
# What cannot change alone: an amount has claims that it is of, three years hold the last one, a grade is of the accidents.
_BESIDE = {
    "incurred_3y": "claims_3y",
    "accidents_3y": "accidents_1y",
    "accidents_larger_1y": "accidents_ordinary_1y",
    "accidents_major_1y": "accidents_ordinary_1y",
}
_Shared = Mapping[str, Published] | None


def changed(basis: Basis, wished: Facts, shared: _Shared) -> Basis:
    """What a premium would be made of with other values of some facts. shared: what the lake knows of groups.

    The score of such a basis is not kept: no rows stand behind it. Raises BadInput for facts that contradict each other.
    """
    wished = replace(wished, known={**wished.known, **_implied(basis, wished)})
    facts = replace(basis.facts, known={**basis.facts.known, **wished.known})
    rectified = basis.facts.value("supervised_open") is True and wished.value("supervised_open") is False
    standard = [name for name in wished if name in VOCABULARY and VOCABULARY[name].origin == "lake"]
    if not standard:
        return replace(basis, facts=facts, score=None)
    if basis.enterprise_id is None:
        x = None if basis.x is None else made(facts, shared, rectified=rectified)[0]
        if x is not None and basis.x is not None:
            # Rows made anew assume anew: hazards said to stay overdue beside a year wholly rectified are a year older.
            x = np.where(_against(basis.x, x, _sense(basis.facts, wished)), basis.x, x)
        return replace(basis, facts=facts, x=x, score=None)
    beside = [other for name, other in _BESIDE.items() if name in wished]
    kept = [name for name in (*_WHO, *_RECORD, *beside) if name not in wished]
    x_old, before = made(_only(basis.facts, [*kept, *standard]), shared)
    x_new, after = made(_only(facts, [*kept, *standard]), shared, rectified=rectified)
    facts = _moved(facts, wished, before, after)
    x = None if basis.x is None else _shifted(basis.x, x_old, x_new, _sense(basis.facts, wished))
    return replace(basis, facts=facts, x=x, score=None)


def made(facts: Facts, shared: _Shared, *, rectified: bool = False) -> tuple[Vectors, Facts]:
    """Features float32[features] of rows made from facts, and the facts of those rows.

    rectified: whether the supervised hazard that stood open is there, rectified, instead of gone.
    """
    moment = np.array([moment_of(facts.as_of)], dtype=np.int64)
    columns = columns_of(facts)
    if rectified:
        columns = columns.append_column(SUPERVISED_RECTIFIED, pa.array([True]))
    history, first = made_history(columns, moment, shared), np.zeros(1, dtype=np.int64)
    x = np.ascontiguousarray(compute(catalog(), history, first, moment)[0])
    return x, facts_at(fact_columns(history, first, moment), 0, facts.as_of, facts.currency)


def moment_of(as_of: date) -> int:
    """The moment that facts are as of, in microseconds; of a day its first one (UTC)."""
    return micros(as_of if isinstance(as_of, datetime) else datetime.combine(as_of, time(tzinfo=UTC)))


def _implied(basis: Basis, wished: Facts) -> dict[str, Fact]:
    """What else must be so: hazards that are rectified are neither overdue nor left out of a rate.

    Of an enterprise of the lake the rate moves with its rows (`_moved`): it has hazards that the count does not hold.
    """
    none, every = Decimal(0), Decimal(1)
    implied: dict[str, Value] = {}
    facts, prospect = basis.facts, basis.enterprise_id is None
    if wished.value("overdue_hazards") == none:
        implied["overdue_major_hazards"] = none
        if prospect:
            implied["rectification_rate"] = every
    elif prospect and wished.value("rectification_rate") == every:
        implied["overdue_major_hazards"] = implied["overdue_hazards"] = none
    return {
        name: Fact(name, value, FOLLOWS)
        for name, value in implied.items()
        if name in facts and facts.value(name) != value and name not in wished
    }


def _only(facts: Facts, names: list[str]) -> Facts:
    return replace(facts, known={name: facts[name] for name in names if name in facts})


def _sense(facts: Facts, wished: Facts) -> int:
    """1: all that changes is for the better; -1: for the worse; 0: neither, or both, or it cannot be said."""
    senses = {_step(VOCABULARY[name], facts.value(name), fact.value) for name, fact in wished.items() if name in VOCABULARY}
    senses.discard(0)
    return (senses.pop() or 0) if len(senses) == 1 else 0


def _step(kind: FactKind, old: Value | None, new: Value) -> int | None:
    """Whether a fact gets better (1), worse (-1), or stays (0); None where that cannot be said."""
    if old == new:
        return 0
    if old is None or kind.better is None:
        return None
    was, now = ((kind.codes.index(str(one)) if kind.kind == "code" else one) for one in (old, new))
    return 1 if (now > was) == (kind.better == "higher") else -1  # type: ignore[operator]


def _shifted(x: Vectors, old: Vectors, new: Vectors, sense: int) -> Vectors:
    """The features moved by what made rows moved, within their bounds, and by none of them against the sense of the wish.

    What the enterprise's rows tell stays told; what they do not is as the new rows have it.
    """
    parts = catalog()
    shares = np.array([one.unit == "share" for one in parts.specs])
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    told = np.isfinite(x) & np.isfinite(old) & np.isfinite(new)
    moved = np.where(told, x.astype(np.float64) + new - old, np.where(np.isfinite(new), new, x))
    counted = told & (x >= 0) & (old >= 0) & (new >= 0)  # what is never below zero
    moved = np.where(counted, np.maximum(moved, 0.0), moved)
    moved = np.where(counted & shares & (x <= 1), np.minimum(moved, 1.0), moved)
    return np.where(same | _against(x, moved, sense), x, moved).astype(np.float32)


def _against(x: Vectors, moved: npt.NDArray[np.floating], sense: int) -> npt.NDArray[np.bool_]:
    """Which features that are known move against the sense of the wish."""
    directions = np.array([*catalog().directions.values()])
    return np.asarray(np.isfinite(x) & (np.sign(moved - x) * directions * sense > 0))


def _moved(facts: Facts, wished: Facts, before: Facts, after: Facts) -> Facts:
    """Facts that hang on those wished: numbers move as in made rows, within their bounds; others where these had them too."""
    known = dict(facts.known)
    for name, fact in facts.items():
        old, new = before.value(name), after.value(name)
        if name in wished or name not in VOCABULARY or old is None or new is None or old == new:
            continue
        if isinstance(fact.value, Decimal) and isinstance(old, Decimal) and isinstance(new, Decimal):
            known[name] = Fact(name, _within(VOCABULARY[name], fact.value + new - old), FOLLOWS)
        elif fact.value == old:
            known[name] = Fact(name, new, FOLLOWS)
    return replace(facts, known=known)


def _within(kind: FactKind, number: Decimal) -> Value:
    low, high = kind.least, kind.most
    number = number if low is None else max(number, low)
    return number if high is None else min(number, high)
