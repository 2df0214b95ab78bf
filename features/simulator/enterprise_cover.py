"""Policies as they pay: what is covered of an accident, what a policy year still leaves, and what is to be expected of a year.

Of an accident   min(insured share x loss, persons harmed x limit per person, limit per accident) - deductible, at least 0
of a policy year at most the aggregate limit, accidents paid in the order in which they happen

Persons harmed are the dead and seriously injured, and at least one: slight injuries are in no record. What is to be expected
follows from the world's law, not from what happened: the loss is min(cap, log-normal), persons are drawn apart from it.
"""

from dataclasses import dataclass
from math import erf

import numpy as np
import numpy.typing as npt

from features.simulator.enterprise_accidents import Accidents
from features.simulator.enterprise_roll import Draw, Roll, stream
from features.simulator.enterprise_world import Loss
from features.simulator.world import Floats

POLICY_DAYS = 365
_CELLS = 4096  # of the transform that takes the aggregate limit into account
_LITTLE = 1e-7  # of the expected payment: less than this an aggregate limit need not take off
_phi = np.vectorize(lambda z: 0.5 * (1.0 + erf(z / 2**0.5)), otypes=[np.float64])


@dataclass(frozen=True)
class Cover:
    """The terms of each enterprise's policies [n], CNY; every year's are the same."""

    per_person: Floats
    per_accident: Floats
    aggregate: Floats
    deductible: Floats


def cover(roll: Roll) -> Cover:
    """The limits that each enterprise has bought."""
    law = roll.world.money
    draw = stream(roll.seed, Draw.MONEY).random(roll.size)
    per_person = np.array(law.limit_per_person)[(draw * len(law.limit_per_person)).astype(np.int64)]
    per_accident = per_person * law.persons_per_accident
    deductible = np.full(roll.size, law.deductible)
    return Cover(per_person, per_accident, per_accident * law.accidents_per_aggregate, deductible)


def due(roll: Roll, found: Accidents) -> Floats:
    """What the policy in force pays of each accident [n]; nothing of those before the first policy."""
    terms, of = cover(roll), found.of
    persons = np.maximum(found.deaths + found.injuries, 1)
    most = np.minimum(persons * terms.per_person[of], terms.per_accident[of])
    each = np.maximum(np.minimum(found.loss * roll.world.money.insured_share, most) - terms.deductible[of], 0.0)
    year = np.floor((found.at - roll.joins[of]) / POLICY_DAYS).astype(np.int64)
    each[year < 0] = 0.0
    order = np.lexsort((found.at, year, of))
    running = np.cumsum(each[order])
    starts = np.flatnonzero(np.diff(of[order], prepend=-1) | np.diff(year[order], prepend=np.iinfo(np.int64).min // 2))
    sizes = np.diff(starts, append=len(order))
    before = running - each[order] - np.repeat((running - each[order])[starts], sizes)
    out = np.empty(len(each))
    out[order] = np.clip(terms.aggregate[of[order]] - before, 0.0, each[order])
    return out


class Insured:
    """What policies are expected to pay for numbers of accidents that are expected, by the world's law.

    The number is Poisson about what a perfect observer expects: how far the path to come may stray from it changes nothing
    but what an aggregate limit takes off.
    """

    def __init__(self, roll: Roll, shares: Floats) -> None:
        """shares [enterprise, class]: chances of an accident's class."""
        self._roll, self._terms, self._shares = roll, cover(roll), shares
        self._persons = [persons_of(loss) for loss in roll.world.losses]
        self._transforms: dict[tuple[int, float], npt.NDArray[np.complex128]] = {}
        self.each = np.sum([shares[:, at] * self._of_class(at) for at in range(shares.shape[1])], axis=0)

    def expected(self, accidents: Floats) -> Floats:
        """[enterprise]: of a year in which so many accidents are expected, under the terms of the policy in force."""
        terms, out = self._terms, np.asarray(accidents * self.each)
        most = np.maximum(terms.per_accident - terms.deductible, 1.0)
        # (S - A)+ <= most x (N - A/most)+ with a Poisson number of payments of `most` that have the same mean; and (n - k)+ is
        # at most the number of ways to choose k + 1 of n, whose mean is a power of the mean number.
        needed = np.floor(terms.aggregate / most) + 1.0
        number = np.maximum(out / most, 1e-300)
        bound = most * np.exp(needed * np.log(number) - _log_factorial(needed))
        for at in np.flatnonzero(bound > _LITTLE * out):
            out[at] = self._within(int(at), float(accidents[at]))
        return out

    def _of_class(self, at: int) -> Floats:
        """[enterprise]: mean payment for an accident of a class.

        A payment is nothing up to the deductible, rises with the loss, and is level from the limit on: partial means of the
        log-normal between these points (Klugman, Panjer & Willmot 2012, Loss Models, section 8.2).
        """
        terms, loss, share = self._terms, self._roll.world.losses[at], self._roll.world.money.insured_share
        out = np.zeros(self._roll.size)
        for persons, chance in enumerate(self._persons[at]):
            if chance > 0.0:
                most = np.minimum(np.minimum(persons * terms.per_person, terms.per_accident), share * loss.cap)
                low, high = terms.deductible / share, np.maximum(most, terms.deductible) / share
                between, above = self._parts(loss, low, high)
                rising = share * between[0] - terms.deductible * between[1]
                out += chance * (rising + np.maximum(most - terms.deductible, 0.0) * above)
        return out

    def _parts(self, loss: Loss, low: Floats, high: Floats) -> tuple[tuple[Floats, Floats], Floats]:
        """Of the loss before its cap: (mean within (low, high), chance of it), chance of more."""
        mu, sigma = np.log(loss.median * self._roll.severity), loss.spread
        with np.errstate(divide="ignore"):
            lower, upper = (np.log(low) - mu) / sigma, (np.log(high) - mu) / sigma
        inside = np.exp(mu + sigma**2 / 2) * (_phi(upper - sigma) - _phi(lower - sigma))
        return (inside, _phi(upper) - _phi(lower)), 1.0 - _phi(upper)

    def _within(self, at: int, accidents: float) -> float:
        """E[min(S, aggregate)] of one enterprise: payments on a grid, the chances of their sum by Fourier's transform, whose
        circle is wide enough for it; what rounding to the grid does to the mean counts as far as the limit is not reached."""
        most, mean = float(self._terms.per_accident[at]), accidents * float(self.each[at])
        aggregate = float(self._terms.aggregate[at])
        reach = aggregate + mean + 12.0 * (mean * most) ** 0.5 + 12.0 * most
        width = 2.0 ** np.ceil(np.log2(reach / _CELLS))
        if (at, width) not in self._transforms:
            self._transforms[at, width] = np.fft.rfft(self._payment(at, width))
        sums = np.fft.irfft(np.exp(accidents * (self._transforms[at, width] - 1.0)), _CELLS)
        amount = np.arange(_CELLS) * width
        return float(np.minimum(amount, aggregate) @ sums + (mean - amount @ sums) * sums[amount < aggregate].sum())

    def _payment(self, at: int, width: float) -> Floats:
        """Chances that the payment for an accident of one enterprise rounds to 0, 1, .. widths."""
        terms, share = self._terms, self._roll.world.money.insured_share
        amount = (np.arange(_CELLS) + 0.5) * width + terms.deductible[at]
        above = np.zeros(_CELLS)
        for nth, loss in enumerate(self._roll.world.losses):
            z = (np.log(amount / share) - np.log(loss.median * self._roll.severity[at])) / loss.spread
            more = np.append(np.cumsum(self._persons[nth][::-1])[::-1], 0.0)  # chances of at least so many persons
            needed = np.minimum(np.floor(amount / terms.per_person[at]).astype(np.int64) + 1, len(more) - 1)
            within = amount < min(float(terms.per_accident[at]), share * loss.cap)
            above += self._shares[at, nth] * np.where(within, (1.0 - _phi(z)) * more[needed], 0.0)
        return np.asarray(-np.diff(above, prepend=1.0))


def persons_of(loss: Loss) -> Floats:
    """Chances that 0, 1, .. persons are harmed in an accident of a class, at least one being so."""
    both = np.convolve(_whole(*loss.deaths), _whole(*loss.injuries))
    return np.asarray(np.concatenate([[0.0, both[:2].sum()], both[2:]]))


def _whole(low: int, high: int) -> Floats:
    """Chances of 0..high of low + floor(u^2.5 x (high - low + 1)), u uniform."""
    edges = (np.arange(high - low + 2) / (high - low + 1)) ** 0.4
    return np.concatenate([np.zeros(low), np.diff(edges)])


def _log_factorial(number: Floats) -> Floats:
    """Stirling's series, to 1e-6 and better from 1 on."""
    return np.asarray(
        (number + 0.5) * np.log(number + 1.0) - (number + 1.0) + 0.5 * np.log(2 * np.pi) + 1.0 / (12.0 * (number + 1.0))
    )
