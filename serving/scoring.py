"""Bundle and online features to a score, its range and its reasons: no framework, for the service and the command line."""

import os
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from features import online
from features.clock import micros
from features.history import HOUR, READINGS, REFERENCE, History, Series
from features.kinds import MachineKind
from features.peers import HOLDS
from features.reference_counts import DAY
from serving.champion import Champion
from serving.contracts import HORIZON_HOURS
from serving.posted import Posted
from serving.reasons import reasons

if TYPE_CHECKING:
    from features.sequences import Batch

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


# What a score by a bundle with networks says of itself, of one machine or of many.
ALONE = "scored by LightGBM alone, by its own calibration"
OF_REASONS = "reasons are those of LightGBM; what the networks see in the order of readings has none"


@dataclass(frozen=True)
class Result:
    """What a bundle says of one machine: x float32[features]; p, low, high by horizon; reasons if asked for.

    notes: whether networks had a say where the bundle has some.
    """

    x: npt.NDArray[np.float32]
    p: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    reasons: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


def new_score_id(prefix: str = "s_") -> str:
    """`s_` and 26 characters: 48 bits of milliseconds and 80 random bits in Crockford's base 32, so ids sort by time (ULID)."""
    bits = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    return prefix + "".join([_CROCKFORD[bits >> shift & 31] for shift in range(125, -1, -5)])


def score(champion: Champion, x: npt.NDArray[np.float32], n_reasons: int = 0, window: "Batch | None" = None) -> Result:
    """Probabilities of failure within 24, 48 and 72 hours with 90 % ranges, and the strongest reasons of the 72-hour one.

    window: `champion.window` of the same history; the boosters answer alone without it, and where it is too short.
    """
    rows = x.reshape(1, -1)
    said = champion.bundle.predict(rows, window, ranges=True, threads=1)
    why = reasons_of(champion, rows, n_reasons)[0] if n_reasons else ()
    p, low, high = said.p[0].tolist(), said.low[0].tolist(), said.high[0].tolist()
    return Result(x, tuple(p), tuple(low), tuple(high), why, _of_networks(champion, window, bool(why)))


def _of_networks(champion: Champion, window: "Batch | None", reasons: bool) -> tuple[str, ...]:
    missing = champion.bundle.without(window)
    if missing is not None:
        return (f"the networks had no say ({missing}): {ALONE}",)
    if reasons and champion.reads_windows:
        return (OF_REASONS,)
    return ()


def reasons_of(champion: Champion, x: npt.NDArray[np.float32], n_reasons: int) -> list[tuple[dict[str, Any], ...]]:
    """The strongest reasons of each row of x float32[n, features]; they cost about eighty times the score."""
    if not len(x):
        return []
    effects, _ = champion.bundle.contributions(x)
    return [tuple(reasons(champion.catalog.specs, row, own, n_reasons)) for row, own in zip(x, effects, strict=True)]


def posted_vector(
    champion: Champion, posted: Posted, reference: Series | None = None
) -> tuple[npt.NDArray[np.float32], "Batch | None", tuple[str, ...]]:
    """The feature vector and the window of a posted history, and the notes on what they rest on.

    reference: what is known of the machine's peers; without it, what compares with them is missing.
    """
    history = online.history_from_request(posted.kind, posted.payload, reference)
    x = online.vector(champion.catalog, history, posted.as_of)
    window = champion.window(history, posted.as_of)
    return x, window, posted.notes + history_notes(posted.kind, history, posted.as_of)


def history_notes(kind: MachineKind, history: History, as_of: datetime) -> tuple[str, ...]:
    """What a reader of the score should know of the history of its one machine: too short, silent for long, old peers."""
    events = history.series[READINGS].event
    events = events[events <= micros(as_of)]
    if not len(events):
        return ("no reading by as_of",)
    notes = []
    longest = max((*kind.window_hours, *kind.equal_load_hours))
    covered = (micros(as_of) - int(events[0])) / HOUR
    silent = (micros(as_of) - int(events[-1])) / HOUR
    if kind.sampling == "regular":
        if covered < longest - kind.period_hours - 1e-9:
            notes.append(f"short history: {covered:g} of {longest:g} h; features of longer windows rest on less")
        if silent > 3 * kind.period_hours:
            notes.append(f"the last reading is {silent:g} h old")
    if kind.reference:
        notes += _of_peers(history.series[REFERENCE], micros(as_of))
    return tuple(notes)


def _of_peers(reference: Series, now: int) -> list[str]:
    """Whether the newest row of the reference table is older than the one that each new day brings."""
    age = (now - int(reference.event[reference.known_from <= now].max(initial=now - 2 * HOLDS))) / DAY
    if age * DAY > HOLDS:
        return [
            f"no peers of the last {HOLDS // DAY} days: features against them are missing; `forewarn score machine` renews them"
        ]
    if age >= 2:
        return [f"compared with peers of {age:.0f} days ago; `forewarn score machine` renews them"]
    return []


def answer(
    score_id: str, champion: Champion, machine_id: str, as_of: datetime, result: Result, notes: tuple[str, ...]
) -> dict[str, Any]:
    """The response document (serving.contracts.ScoreResponse)."""
    names = [f"p{hours}" for hours in HORIZON_HOURS]
    return {
        "score_id": score_id,
        "entity": "machine",
        "machine_id": machine_id,
        "kind": champion.kind.name,
        "as_of": as_of,
        "bundle": champion.bundle_id,
        **dict(zip(names, result.p, strict=True)),
        "ranges": {name: {"low": low, "high": high} for name, low, high in zip(names, result.low, result.high, strict=True)},
        "reasons": result.reasons,
        "notes": (*champion.notes, *result.notes, *notes),
    }
