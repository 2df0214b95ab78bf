"""What insurance makes of an accident's loss: whom it harms, and which share of it claims turn out to cover."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.errors import BadInput
from features.schema import ENTERPRISE, EVENT_TIME, RECORDED_AT
from training.enterprise.parts import Floats

# The first valuation of a claim is there by then: a younger accident without a claim says nothing yet.
_OPENED_DAYS = 90
_FEWEST = 10
_MOST_PERSONS = 200
_LIMITS = ("limit_per_person", "limit_per_accident")


def harmed(deaths: Floats, injuries: Floats) -> Floats:
    """Persons to whom a limit per person applies [n]: dead and seriously injured, and at least one.

    Slight injuries are in no record of accidents, and what costs something has as a rule hurt somebody.
    """
    return np.maximum(deaths + injuries, 1.0)


def persons_by_class(code: npt.NDArray[np.int64], persons: Floats, least: npt.NDArray[np.int64]) -> Floats:
    """[classes, k]: chances that 0..k-1 persons are harmed, as they came; a class that never came harms the fewest it can.

    code [n]: class of each accident; least [classes]: the fewest that make an accident of the class.
    """
    number = np.minimum(persons, _MOST_PERSONS).astype(np.int64)
    found = np.zeros((len(least), int(max(number.max(initial=1), least.max())) + 1))
    np.add.at(found, (code, number), 1.0)
    for at in np.flatnonzero(found.sum(axis=1) == 0):
        found[at, least[at]] = 1.0
    return np.asarray(found / found.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Loss:
    """Accidents [n] with what they cost: when (microseconds) they happened and became known, persons harmed."""

    accident: list[str]
    enterprise: list[str]
    at: npt.NDArray[np.int64]
    known: npt.NDArray[np.int64]
    loss: Floats
    persons: Floats


def covered_share(losses: Loss, claims: pa.Table, policies: pa.Table, known_until: int) -> float | None:
    """The share of a loss that insurance covers, from claims and policies as known at a moment; None with too few claims.

    That share at which policies in force, with their limits and deductibles, would have paid what their claims come to:
    accidents for which nothing is paid count as much as those for which something is. Claims are developed from their latest
    valuation to their last by chain ladder over the number of the valuation (Mack 1993).
    """
    table = pd.DataFrame({
        "accident_id": losses.accident, ENTERPRISE: losses.enterprise, "at": losses.at,
        "loss": losses.loss, "persons": losses.persons,
    })[losses.known <= known_until - _OPENED_DAYS * 86_400_000_000]  # fmt: skip
    paid = _developed(claims)
    table = _covered(table, policies)
    table["paid"] = table["accident_id"].map(paid).fillna(0.0)
    if (table["paid"] > 0).sum() < _FEWEST:
        return None
    loss, total = table["loss"].to_numpy(), float(table["paid"].sum())
    most, deductible = table["most"].to_numpy(), table["deductible"].to_numpy()
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2.0
        told = float(np.maximum(np.minimum(middle * loss, most) - deductible, 0.0).sum())
        low, high = (middle, high) if told < total else (low, middle)
    return high


def in_currency(table: pa.Table, currency: str) -> pa.Table:
    """Raises BadInput where an amount is in another currency than the enterprises' own."""
    strange = set(table.column("currency").to_pylist()) - {None, "", currency}
    if strange:
        what = f"amounts in {' and '.join(sorted({currency, *strange}))}"
        raise BadInput(what, where="lake, tables claims and policies", mend="bring them in one currency, or apart")
    return table


def _developed(claims: pa.Table) -> "pd.Series[float]":
    """What the claims of each accident come to, by its id."""
    table = pd.DataFrame({name: claims.column(name).to_numpy(zero_copy_only=False) for name in ("paid", "reserved")})
    for name in ("claim_id", "accident_id"):
        table[name] = claims.column(name).to_pylist()
    table["valued_at"] = claims.column("valued_at").cast(pa.int64()).to_numpy()
    table = table.dropna(subset=["accident_id"]).sort_values(["claim_id", "valued_at"])
    table["incurred"] = table["paid"] + table["reserved"].fillna(0.0)
    table["nth"] = table.groupby("claim_id").cumcount()
    both = table.assign(before=table.groupby("claim_id")["incurred"].shift(1), nth=table["nth"] - 1).dropna(subset=["before"])
    sums = both.groupby("nth")[["before", "incurred"]].sum()
    numbers = both.groupby("nth").size()
    link = (sums["incurred"] / sums["before"]).where((numbers >= _FEWEST) & (sums["before"] > 0), 1.0)
    ahead = link[::-1].cumprod()[::-1]
    last = table.groupby("claim_id").tail(1)
    developed = last["incurred"] * last["nth"].map(ahead).fillna(1.0)
    return developed.groupby(last["accident_id"]).sum()


def _covered(table: pd.DataFrame, policies: pa.Table) -> pd.DataFrame:
    """The accidents that happened under a policy, with the most that it pays (before the deductible) and its deductible."""
    cover = pd.DataFrame({ENTERPRISE: policies.column(ENTERPRISE).cast(pa.string()).to_pylist()})
    for name in (EVENT_TIME, "ends", RECORDED_AT):
        cover[name] = policies.column(name).cast(pa.int64()).to_numpy()
    for name in (*_LIMITS, "deductible"):
        cover[name] = policies.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
    order = [EVENT_TIME, RECORDED_AT]
    held = pd.merge_asof(table.sort_values("at"), cover.sort_values(order), left_on="at", right_on=EVENT_TIME, by=ENTERPRISE)
    held = held[held["at"] < held["ends"]].copy()
    person, accident = (held[name].fillna(np.inf) for name in _LIMITS)
    held["most"] = np.minimum(person * held["persons"], accident)
    held["deductible"] = held["deductible"].fillna(0.0)
    return held
