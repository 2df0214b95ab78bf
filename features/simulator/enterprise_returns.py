"""What enterprises return and are rated by: training, certificates, drills, spending, subcontracting, standardisation, credit.

Each shows a little of the culture, with the enterprise's own way of returning it and some noise (world file, `signs`).
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from features.enterprise import schema
from features.enterprise.vocabulary import HIGH_RISK
from features.schema import TableContract
from features.simulator.chance import Ints
from features.simulator.enterprise_life import YEAR, Life
from features.simulator.enterprise_records import Sign
from features.simulator.enterprise_roll import Draw, Roll, stream
from features.simulator.enterprise_rows import DAY, Columns, Frame, numbered, one, stacked, table
from features.simulator.enterprise_tables import Told, months
from features.simulator.world import Floats

TOPICS = ("induction", "fire", "electricity", "machinery", "emergency")
CERTIFICATES = ("special_operations", "safety_manager")
LEVELS = ("none", "3", "2", "1")
RATINGS = ("bad", "C", "B", "A", "AA")
_AUDIT_DAYS = 1096
_OPEN_DAYS = 330  # less than AFTER_DAYS
_TRAINING, _CERTIFICATES, _DRILLS, _SPENDING, _LEVEL, _CREDIT, _DEPTH, _CONSENT = range(8)


def tables(roll: Roll, life: Life, frame: Frame, days: int) -> Iterator[Told]:
    """The returns of the first `days`; periods that are not over by then are begun like any other."""
    culture, edges = life.culture(roll), months(np.datetime64(frame.begin // DAY, "D"), days + _OPEN_DAYS, 1)
    yield _trainings(roll, life, culture, frame, edges)
    yield _certificates(roll, life, culture, frame, edges[::6])
    yield _drills(roll, life, culture, frame, days)
    yield _spending(roll, life, culture, frame, edges[::3])
    yield _standardisation(roll, culture, frame, days)
    yield _credit(roll, culture, frame, edges[::12])
    yield _subcontracting(roll, frame, edges[::12])
    yield _consents(roll, frame)


Flags = npt.NDArray[np.bool_]


class _Returns:
    """Gathers rows, period by period; a period's draws do not depend on how many follow."""

    def __init__(self, roll: Roll, part: int) -> None:
        self._roll = roll
        self.rng = stream(roll.seed, Draw.PEOPLE, part)
        self.own = stream(roll.seed, Draw.STANDING, part).standard_normal(roll.size)
        self._lost = stream(roll.seed, Draw.LOST, part)
        self._blocks: list[tuple[Ints, Floats, Floats, Columns, Flags]] = []

    def sign(self, sign: Sign, culture: Floats) -> Floats:
        fresh = self.rng.standard_normal(self._roll.size)
        return np.asarray(sign.level + sign.slope * culture + sign.own * self.own + sign.noise * fresh)

    def put(self, of: Ints, event: npt.NDArray[Any], known: npt.NDArray[Any], columns: Columns) -> None:
        lost = self._lost.random(len(of)) < self._roll.world.standing.lost_share
        self._blocks.append((of, np.asarray(event, dtype=np.float64), np.asarray(known, dtype=np.float64), columns, lost))

    def told(self, frame: Frame, contract: TableContract, ids: str = "") -> Told:
        """All rows; some are lost. ids: the prefix of the table's own id, if it has one."""
        if not self._blocks:
            return contract, contract.arrow.empty_table()
        of, event, known = (np.concatenate([block[at] for block in self._blocks]) for at in range(3))
        columns: dict[str, Any] = stacked([block[3] for block in self._blocks])
        if ids:
            columns[f"{ids}_id"] = numbered(ids, len(of))
        keep = np.flatnonzero(~np.concatenate([block[4] for block in self._blocks]))
        kept = {name: (v[0], v[1][keep]) if isinstance(v, tuple) else v[keep] for name, v in columns.items()}
        return contract, table(frame, contract, of[keep], frame.at(event[keep]), frame.at(known[keep]), kept)


def _by_turns(roll: Roll, edges: list[int]) -> Iterator[tuple[int, Ints, Floats]]:
    """(day, enterprises, their days) of returns made again and again: on the day, or at first when observation starts."""
    for at, day in enumerate(edges):
        following = edges[at + 1] if at + 1 < len(edges) else math.inf
        of = np.flatnonzero(roll.joins < following)
        yield day, of, np.maximum(day, roll.joins[of])


def _odds(value: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-value)))


def _trainings(roll: Roll, life: Life, culture: Floats, frame: Frame, edges: list[int]) -> Told:
    made, law = _Returns(roll, _TRAINING), roll.world.standing
    for low, high in pairwise(edges):
        draws = made.rng.random((roll.size, 4))
        share = _odds(made.sign(roll.world.signs.training, culture[low]))
        required = np.ceil(law.training_share * life.workers[low])
        attended = made.rng.binomial(required.astype(np.int64), share)
        of = np.flatnonzero(draws[:, 0] < law.trainings_per_year / 12)
        event = low + np.floor(draws[of, 1] * (high - low)) + 0.4
        columns: Columns = {
            "topic": (TOPICS, (draws[of, 2] * len(TOPICS)).astype(np.int64)),
            "attended": attended[of],
            "required": required[of],
        }
        made.put(of, event, event + 0.5 + 10 * draws[of, 3], columns)
    return made.told(frame, schema.TRAININGS, "training")


def _certificates(roll: Roll, life: Life, culture: Floats, frame: Frame, edges: list[int]) -> Told:
    made = _Returns(roll, _CERTIFICATES)
    for day, of, event in _by_turns(roll, edges):
        draws = made.rng.random(roll.size)[of]
        share = _odds(made.sign(roll.world.signs.certificates, culture[day]))
        for at, least in enumerate((roll.world.standing.certified_share, 0.01)):
            required = np.maximum(np.ceil(least * life.workers[day]), 1.0)
            held = made.rng.binomial(required.astype(np.int64), share)
            columns: Columns = {"kind": (CERTIFICATES, np.full(len(of), at)), "held": held[of], "required": required[of]}
            made.put(of, event, event + 15 * draws, columns)
    return made.told(frame, schema.CERTIFICATES)


def _drills(roll: Roll, life: Life, culture: Floats, frame: Frame, days: int) -> Told:
    made, sign = _Returns(roll, _DRILLS), roll.world.signs.drills
    rate = np.exp(sign.level + sign.slope * culture[:days] + sign.own * made.own) / YEAR
    day, of = np.nonzero(made.rng.random(rate.shape) < rate)
    draws = stream(roll.seed, Draw.PEOPLE, 100 + _DRILLS).random((len(day), 3))
    kinds = ("fire", "leak", "rescue", "evacuation")
    people = np.ceil(life.workers[day, of] * (0.1 + 0.5 * draws[:, 0]))
    columns: Columns = {"kind": (kinds, (draws[:, 1] * len(kinds)).astype(np.int64)), "people": people}
    made.put(of, day + 0.4, day + 1 + 14 * draws[:, 2], columns)
    return made.told(frame, schema.DRILLS, "drill")


def _spending(roll: Roll, life: Life, culture: Floats, frame: Frame, edges: list[int]) -> Told:
    made, per_head = _Returns(roll, _SPENDING), roll.world.standing.spending_per_head
    usual = roll.of_industry(
        [per_head["high_risk" if each.code in HIGH_RISK else "ordinary"] for each in roll.world.industries]
    )
    for low, high in pairwise(edges):
        draws = made.rng.random(roll.size)
        ratio = np.exp(made.sign(roll.world.signs.spending, culture[low]))
        of = np.flatnonzero(roll.joins <= low)
        amount = np.round(usual * life.workers[low] * ratio, -2)[of]
        columns: Columns = {
            "purpose": one("safety", len(of)), "starts": frame.at(np.full(len(of), low)), "amount": amount,
            "currency": one("CNY", len(of)),
        }  # fmt: skip
        made.put(of, np.full(len(of), float(high)), high + 5 + 30 * draws[of], columns)
    return made.told(frame, schema.SPENDING)


def _standardisation(roll: Roll, culture: Floats, frame: Frame, days: int) -> Told:
    """Rated as an enterprise comes under observation and at each audit, three years after the last."""
    made = _Returns(roll, _LEVEL)
    last = made.rng.random(roll.size)
    for nth in range(days // _AUDIT_DAYS + 2):
        score_noise = made.rng.random(roll.size)
        audit = roll.joins if nth == 0 else np.floor(last * _AUDIT_DAYS) + (nth - 1) * _AUDIT_DAYS
        of = np.flatnonzero((audit > roll.joins) | (nth == 0))
        at = np.minimum(audit.astype(np.int64), len(culture) - 1)
        score = made.sign(roll.world.signs.standardisation, culture[at, np.arange(roll.size)])
        level = np.searchsorted(roll.world.signs.standardisation_limits, score)[of]
        made.put(of, audit[of], audit[of] + 1 + 20 * score_noise[of], {"level": (LEVELS, level)})
    return made.told(frame, schema.STANDARDISATION)


def _credit(roll: Roll, culture: Floats, frame: Frame, edges: list[int]) -> Told:
    """Rated year by year; the worst are blacklisted, and who was and is no longer has repaired its credit."""
    made, was = _Returns(roll, _CREDIT), np.zeros(roll.size, dtype=bool)
    for day, of, start in _by_turns(roll, edges):
        draws = made.rng.random((roll.size, 3))
        rating = np.searchsorted(roll.world.signs.credit_limits, made.sign(roll.world.signs.credit, culture[day]))
        listed = (rating == 0) | ((rating == 1) & was & (draws[:, 0] < 0.3))
        event = start + np.floor(40 * draws[of, 1])
        columns: Columns = {"rating": (RATINGS, rating[of]), "blacklisted": listed[of], "repaired": (was & ~listed)[of]}
        made.put(of, event, event + 1 + 10 * draws[of, 2], columns)
        was = listed
    return made.told(frame, schema.CREDIT)


def _subcontracting(roll: Roll, frame: Frame, edges: list[int]) -> Told:
    made = _Returns(roll, _DEPTH)
    for _, of, event in _by_turns(roll, edges):
        draws = made.rng.random((roll.size, 3))[of]
        share = np.round(np.clip(0.12 * roll.depth[of] * (0.5 + draws[:, 0]), 0.0, 0.9), 3)
        seen = np.maximum(roll.depth[of] - (draws[:, 1] < 0.15), 0)
        made.put(of, event, event + 30 * draws[:, 2], {"depth": seen, "share": share})
    return made.told(frame, schema.SUBCONTRACTING)


def _consents(roll: Roll, frame: Frame) -> Told:
    """Most say nothing; some refuse, some share."""
    law, draws = roll.world.standing, stream(roll.seed, Draw.PEOPLE, _CONSENT).random((roll.size, 3))
    refused = (draws[:, 0] < law.no_consent_to_score, draws[:, 1] < law.no_consent_to_train)
    chosen = [np.flatnonzero(refused[0]), np.flatnonzero(refused[1]), np.flatnonzero(draws[:, 2] < law.consent_to_share)]
    of, purpose = np.concatenate(chosen), np.repeat(np.arange(3), [len(each) for each in chosen])
    columns: Columns = {"purpose": (("score", "train", "share"), purpose), "granted": purpose == 2}
    return schema.CONSENTS, table(frame, schema.CONSENTS, of, frame.joins[of], frame.joins[of], columns)
