"""The two scores of an enterprise: a rate per worker-year on each stretch of the coming year, and what follows from it.

price: a log-linear model with signs and boosters with the same signs, blended: it never rises when a fact improves.
alarm: these and boosters that may see everything; a network over the enterprise's earlier moments where it has entered.

Expected numbers of 30, 90 and 365 days are sums over stretches; the chance of any accident follows from the number by one
distribution: longer periods never say less, and the three agree by construction.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.count_blend import CountBlend
from training.enterprise.linear import LogLinear
from training.enterprise.parts import STRETCHES, Floats, Matrix, cumulated, with_interval
from training.enterprise.sequence_model import SequenceModel
from training.enterprise.unlike import Unlike
from training.frequency import Boosted
from training.prediction import student95

Which = Literal["price", "alarm"]
LINEAR, SIGNED, FREE = "linear", "signed", "free"
SCORES: dict[Which, tuple[str, ...]] = {"price": (LINEAR, SIGNED), "alarm": (LINEAR, SIGNED, FREE)}
ALARM: Which = "alarm"
_CHUNK = 32_768
_Z95 = 1.645  # of the normal distribution, 95 %


@dataclass(frozen=True)
class Risk:
    """What a score says of rows: expected accidents [n, 3] within 30, 90 and 365 days, chance of any [n, 3], 90 % ranges."""

    expected: Floats
    low: Floats
    high: Floats
    p: Floats
    p_low: Floats
    p_high: Floats


class ScoreFacts(BaseModel):
    """What a score is made of besides its models: their blend, and how enterprises differ that look alike."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blend: CountBlend
    unlike: Unlike


@dataclass(frozen=True)
class Models:
    """Everything fitted. boosters: by name (signed, free), with the columns of the features that each sees. network: what the
    alarm score asks besides where an enterprise's earlier moments are told."""

    linear: LogLinear
    boosters: Mapping[str, tuple[tuple[int, ...], Boosted]]
    scores: Mapping[str, ScoreFacts]
    network: SequenceModel | None = None

    def said(self, x: Matrix, exposure: Floats, which: Which | None = None, *, threads: int = 1) -> dict[str, Floats]:
        """What each model expects [n] over the exposure given; of a score only those that have a say in it."""
        wanted = {LINEAR, *self.boosters}
        if which is not None:
            wanted = {name for name, weight in self.scores[which].blend.weights.items() if weight > 0}
        found = {LINEAR: self.linear.expected(x, exposure)} if LINEAR in wanted else {}
        for name, (columns, boosted) in self.boosters.items():
            if name in wanted:
                found[name] = boosted.expected(np.ascontiguousarray(x[:, columns]), exposure, threads=threads)
        return found

    def rates(self, which: Which, x: Matrix, *, threads: int = 1) -> Floats:
        """[n, 3]: accidents per worker-year on each stretch of the coming year, of features [n, f]."""
        blend, one = self.scores[which].blend, np.ones(len(x))
        each = [
            blend.expected(self.said(with_interval(x, number), one, which, threads=threads), one) for number in range(STRETCHES)
        ]
        return np.stack(each, axis=1)

    def risk(
        self,
        which: Which,
        x: Matrix,
        exposure: Floats,
        past: Floats,
        *,
        sequences: Matrix | None = None,
        ranges: bool = True,
        threads: int = 1,
    ) -> Risk:
        """The score of rows [n, f]. exposure: announced worker-years per year [n]; past: those of the last three years [n].

        sequences: the windows of the rows (SequenceModel.raw), which only the alarm score asks; without them, or without a
        network, it is what it is without one. The range moves along and grows no wider.
        """
        return self.risks((which,), x, exposure, past, sequences=sequences, ranges=ranges, threads=threads)[which]

    def risks(
        self,
        wanted: Sequence[Which],
        x: Matrix,
        exposure: Floats,
        past: Floats,
        *,
        sequences: Matrix | None = None,
        ranges: bool = True,
        threads: int = 1,
    ) -> dict[Which, Risk]:
        """Several scores of the same rows, as `risk` gives each: what they share is asked once."""
        cuts = [slice(start, start + _CHUNK) for start in range(0, max(1, len(x)), _CHUNK)]
        factor = self.network.factor(sequences) if self.network and sequences is not None and ALARM in wanted else None
        parts = [
            self._risks(wanted, x[cut], exposure[cut], past[cut], None if factor is None else factor[cut], ranges, threads)
            for cut in cuts
        ]
        if len(parts) == 1:
            return parts[0]
        names = Risk.__dataclass_fields__
        return {
            which: Risk(*(np.concatenate([getattr(part[which], one) for part in parts]) for one in names)) for which in wanted
        }

    def _risks(
        self,
        wanted: Sequence[Which],
        x: Matrix,
        exposure: Floats,
        past: Floats,
        factor: Floats | None,
        ranges: bool,
        threads: int,
    ) -> dict[Which, Risk]:
        heard = {name for which in wanted for name, weight in self.scores[which].blend.weights.items() if weight > 0}
        each, one = [self._log_rates(heard, with_interval(x, number), threads) for number in range(STRETCHES)], np.ones(len(x))
        found: dict[Which, Risk] = {}
        for which in wanted:
            facts = self.scores[which]
            rates = [
                facts.blend.expected({name: np.exp(told.mean(axis=1)) for name, told in by_name.items()}, one)
                for by_name in each
            ]
            heard_of = 1.0 if factor is None or which != ALARM else factor
            expected = cumulated(np.stack(rates, axis=1) * heard_of, exposure)
            record = expected[:, -1] / exposure * past
            chance = facts.unlike.p_any(expected, record)
            if not ranges:
                found[which] = Risk(expected, expected, expected, chance, chance, chance)
                continue
            half = _spread(facts, each[-1], record)[:, None]
            low, high = expected * np.exp(-half), expected * np.exp(half)
            p_low, p_high = facts.unlike.p_any(low, record), facts.unlike.p_any(high, record)
            found[which] = Risk(expected, low, high, chance, p_low, p_high)
        return found

    def _log_rates(self, heard: Collection[str], x: Matrix, threads: int) -> dict[str, Floats]:
        """What each member [n, members] of some of the models says of the log rate on one stretch."""
        found = {LINEAR: self.linear.log_rate(x)[:, None]} if LINEAR in heard else {}
        for name, (columns, boosted) in self.boosters.items():
            if name in heard:
                found[name] = boosted.log_rates(np.ascontiguousarray(x[:, columns]), threads=threads)
        return found

    def contributions(self, which: Which, x: Matrix, *, horizon: int, threads: int = 1) -> Floats:
        """[n, features]: what each feature adds to the log of the number expected within a horizon (0: 30 days, 2: a year).

        Of each stretch its rate's contributions (tree SHAP values of boosters, effects of the log-linear model), weighted by
        the stretch's share of the number.
        """
        expected = np.diff(cumulated(self.rates(which, x, threads=threads), np.ones(len(x))), axis=1, prepend=0.0)
        share = expected[:, : horizon + 1] / expected[:, : horizon + 1].sum(axis=1, keepdims=True)
        found = np.zeros(x.shape)
        for number in range(horizon + 1):
            own = self._contributions(which, with_interval(x, number), threads)[:, : x.shape[1]]
            found += share[:, number : number + 1] * own
        return found

    def _contributions(self, which: Which, x: Matrix, threads: int) -> Floats:
        blend = self.scores[which].blend
        found = np.zeros(x.shape)
        for name, weight in blend.weights.items():
            if weight <= 0:
                continue
            if name == LINEAR:
                places = [self.linear.names.index(column.name) for column in self.linear.columns]
                found[:, places] += blend.slope * weight * self.linear.effects(x)
                continue
            columns, boosted = self.boosters[name]
            members = range(boosted.forest.outputs)
            own = boosted.forest.contributions(np.ascontiguousarray(x[:, columns]), members, threads=threads)
            found[:, columns] += blend.slope * weight * own[:, :, :-1].mean(axis=1)
        return found


def _spread(facts: ScoreFacts, told: Mapping[str, Floats], record: Floats) -> Floats:
    """Half of the 90 % range of the log rate of the whole year [n]: members differ, and so do enterprises that look alike.

    told: what the members of each model say of the last stretch, which is most of the year; record: how many accidents were to
    be expected over an enterprise's record [n].
    """
    variance, members = np.zeros(len(record)), 0
    for name, weight in facts.blend.weights.items():
        if weight > 0 and name != LINEAR:
            variance += (facts.blend.slope * weight) ** 2 * told[name].var(axis=1, ddof=1)
            members = told[name].shape[1]
    models = student95(members - 1) * np.sqrt(variance) if members > 1 else np.zeros(len(record))
    likes = _Z95 * np.sqrt(np.log1p(facts.unlike.left(record)))
    return np.asarray(np.hypot(models, likes))
