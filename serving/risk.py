"""What is said of enterprises: two scores from rows of features, what they rest on, and why they are what they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.enterprise.machine import HOLDS_DAYS
from features.enterprise.observations import SILENT_DAYS
from serving.batch_rows import said
from serving.reasons import Moved, reasons
from serving.risk_champion import RiskChampion
from serving.risk_contracts import HORIZON_DAYS, RISK
from training.enterprise.bundle import RiskBundle
from training.enterprise.model import Risk, Which

SCORES: tuple[Which, ...] = ("price", "alarm")
CURRENCY = "CNY"
MOVED = Moved("the accidents expected", "预期事故数")
# Machine scores are made daily where they are made at all: a week is a sign that nobody makes them any more.
_STALE_DAYS = 7.0
# An enterprise that was watched for less of a year's work has no record to speak of.
_LITTLE = 0.25
Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Told:
    """What a bundle says of n rows: both scores, and the mean loss of an accident [n]."""

    risk: Mapping[Which, Risk]
    loss: Floats

    def result(self, row: int) -> dict[str, Any]:
        """One row as the store keeps it."""
        found: dict[str, Any] = {"horizon_days": list(HORIZON_DAYS), "loss_per_accident": float(self.loss[row])}
        for which, one in self.risk.items():
            found[which] = {name: tuple(getattr(one, name)[row].tolist()) for name in RISK}
        return found

    def columns(self) -> dict[str, Any]:
        """All rows as columns of `batch_rows.RISK_SCHEMA`."""
        found: dict[str, Any] = {"loss_per_accident": self.loss}
        for which, one in self.risk.items():
            found[which] = said(np.concatenate([getattr(one, name) for name in RISK], axis=1))
        return found


def joined(parts: Sequence[Told]) -> Told:
    """The rows of several, one after the other; at least one."""
    risk: dict[Which, Risk] = {
        which: Risk(*(np.concatenate([getattr(part.risk[which], name) for part in parts]) for name in RISK)) for which in SCORES
    }
    return Told(risk, np.concatenate([part.loss for part in parts]))


def told(bundle: RiskBundle, x: Vectors, *, threads: int = 1) -> Told:
    """Both scores of rows float32[n, features] with their ranges."""
    return Told(bundle.risks(x, threads=threads), bundle.loss(x))


def ranked_by(result: Mapping[str, Any]) -> float:
    """The one number that enterprises are ranked by: accidents that the alarm score expects within a year."""
    return float(result["alarm"]["expected"][-1])


def document(result: Mapping[str, Any], why: Mapping[Which, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """The part of the answer (serving.risk_contracts.RiskResponse) that follows from a stored result."""
    loss = result["loss_per_accident"]
    found: dict[str, Any] = {which: _score(result[which], loss, why.get(which, ())) for which in SCORES}
    return found | {"loss_per_accident": loss, "currency": CURRENCY}


def _score(one: Mapping[str, Sequence[float]], loss: float, why: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    ahead = [
        {
            "days": days,
            "expected": one["expected"][place],
            "expected_range": {"low": one["low"][place], "high": one["high"][place]},
            "p_any": one["p"][place],
            "p_any_range": {"low": one["p_low"][place], "high": one["p_high"][place]},
        }
        for place, days in enumerate(HORIZON_DAYS)
    ]
    return {
        "ahead": ahead,
        "expected_loss": one["expected"][-1] * loss,
        "expected_loss_range": {"low": one["low"][-1] * loss, "high": one["high"][-1] * loss},
        "reasons": list(why),
    }


def reasons_of(champion: RiskChampion, x: Vectors, count: int) -> list[dict[Which, list[dict[str, Any]]]]:
    """The strongest reasons of both scores of each row of x float32[n, features]; they cost much more than the scores."""
    found: list[dict[Which, list[dict[str, Any]]]] = [{} for _ in range(len(x))]
    for which in SCORES if count and len(x) else ():
        effects = champion.bundle.contributions(which, x)
        for row, own in enumerate(effects):
            found[row][which] = reasons(champion.catalog.specs, x[row], own, count, MOVED)
    return found


def notes_of(names: Sequence[str], x: Vectors) -> tuple[str, ...]:
    """What a reader of one enterprise's scores should know, from its features float32[features]."""
    value = dict(zip(names, x.tolist(), strict=True))
    notes = []
    if value["exposure_told"] == 0.0:
        notes.append("no exposure told: the mean size of its industry stands in")
    if not value["exposure_3y"] >= _LITTLE * value["exposure_per_year"]:
        notes.append("no history of its own yet: scored from its industry, with a wider range")
    if value["exposure_age_days"] > SILENT_DAYS:
        notes.append(f"no exposure told for {value['exposure_age_days']:.0f} d: a list of all enterprises leaves it out")
    if value["other_currency"] == 1.0:
        notes.append(
            "its amounts are in another currency than CNY; losses are those of the enterprises that the model learnt from"
        )
    return (*notes, *_of_machines(value))


def _of_machines(value: Mapping[str, float]) -> list[str]:
    """Whether the scores of its machines are there, how old they are, and how many were reconstructed."""
    if not value["machines"] > 0:
        return []
    if np.isnan(value["machine_risk_sum"]):
        return [f"no score of its machines in the last {HOLDS_DAYS} d: what they say is missing; run `forewarn score machine`"]
    notes = []
    if value["machine_risk_age_days"] > _STALE_DAYS:
        age = value["machine_risk_age_days"]
        notes.append(f"scores of its machines are up to {age:.0f} d old; `forewarn score machine` renews them")
    if value["machine_risk_reconstructed"] > 0:
        share = value["machine_risk_reconstructed"]
        notes.append(f"{share:.0%} of the scores of its machines were reconstructed by refits of the past")
    return notes


def of_upstream(bundle: RiskBundle, shares: Mapping[str, float]) -> tuple[str, ...]:
    """Whether machines are scored by other bundles than those that the scores learnt from, and whether the alarm score goes
    without a network that it could hear. shares: of machines by bundle."""
    learnt, mute = bundle.manifest.machine_bundles, bundle.unheard(None)
    notes = (mute.en,) if mute else ()
    others = {name: share for name, share in shares.items() if name not in learnt}
    if not others:
        return notes
    listed = ", ".join(f"{name} ({share:.0%} of machines)" for name, share in others.items())
    before = ", ".join(learnt) if learnt else "none"
    return (*notes, f"machines are scored by {listed}; these enterprise scores were trained on those of {before}: train again")
