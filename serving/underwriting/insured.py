"""Insured loss: what an insurer is expected to pay in a year under limits and a deductible.

Of one accident   max(min(covered share x loss, persons x limit per person, limit per accident) - deductible, 0)
of the year       min(sum over accidents, aggregate limit)

The number of accidents is negative binomial (the distribution of the price score), their class decides loss and persons harmed.
One accident's mean payment is exact, from limited expected values; what the aggregate limit takes off comes from the
distribution of the sum by Panjer's recursion, and is left out where a bound proves it to be next to nothing.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from serving.underwriting import insured_kernel as kernel

Floats = npt.NDArray[np.float64]
Given = Floats | float
FAMILIES = ("gamma", "lognormal")


@dataclass(frozen=True)
class LossLaw:
    """What an accident costs and whom it harms, by class c of accident (a grade, or a part of one). Plain arrays: no model.

    share [n, c] or [c]: chance of each class.  mean [n, c] or [c]: mean loss.  family [c]: position in FAMILIES.
    shape [c]: of a gamma distribution its shape, of a log-normal one the deviation of the logarithm.
    persons [c, k]: chance that 0, 1, .. k-1 persons are harmed.  covered_share ([n] or one): part of a loss that insurance
    covers.  costly: share of accidents that cost anything.  cap [c]: most that a loss can be, `mean` being that before the cap.
    """

    share: Floats
    mean: Floats
    family: npt.NDArray[np.int64]
    shape: Floats
    persons: Floats
    covered_share: Given
    costly: float = 1.0
    cap: Floats | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where the arrays do not belong together or hold what cannot be."""
        classes = len(self.family)
        shapes = {np.shape(self.share)[-1:], np.shape(self.mean)[-1:], np.shape(self.shape), np.shape(self.persons)[:1]}
        if shapes != {(classes,)}:
            raise ValueError(f"a law of {classes} classes with arrays of {sorted(shapes)}")
        positive = (self.mean, self.shape, self.covered_share, *(() if self.cap is None else (self.cap,)))
        if not all(bool(np.all(np.asarray(one) > 0)) for one in positive):
            raise ValueError("a mean, a shape, a cap or the covered share is not above zero")
        if not (bool(np.all(self.share >= 0)) and bool(np.all(self.persons >= 0)) and 0.0 <= self.costly <= 1.0):
            raise ValueError("a chance is below zero, or not known")

    def rows(self, rows: npt.NDArray[np.int64] | slice) -> "LossLaw":
        """The law of some rows."""
        share, mean = np.atleast_2d(self.share), np.atleast_2d(self.mean)
        covered = np.atleast_1d(np.asarray(self.covered_share, dtype=np.float64))
        return LossLaw(
            share[rows] if len(share) > 1 else share, mean[rows] if len(mean) > 1 else mean, self.family, self.shape,
            self.persons, covered[rows] if len(covered) > 1 else covered, self.costly, self.cap,
        )  # fmt: skip


def insured_losses(
    expected: Floats,
    size: Given,
    law: LossLaw,
    *,
    limit_per_person: Given = np.inf,
    limit_per_accident: Given = np.inf,
    limit_aggregate: Given = np.inf,
    deductible: Given = 0.0,
    threads: int = 1,
) -> Floats:
    """What is expected to be paid [n] of a year with so many accidents expected [n].

    size: shape of the negative binomial number, so that its variance is expected + expected^2 / size; infinite: Poisson.
    Limits and deductible: one or [n], in the currency of the losses; an infinite limit is none, and so is NaN. Without a limit
    per person it does not matter how many are harmed; with one an accident that harms nobody is paid nothing. What an aggregate
    limit takes off is exact to a few 1e-5 of the result. Raises ValueError on negative amounts and rows that do not fit.
    """
    return reckoned_losses(
        expected, size, law, limit_per_person=limit_per_person, limit_per_accident=limit_per_accident,
        limit_aggregate=limit_aggregate, deductible=deductible, threads=threads,
    )[0]  # fmt: skip


def reckoned_losses(
    expected: Floats,
    size: Given,
    law: LossLaw,
    *,
    limit_per_person: Given = np.inf,
    limit_per_accident: Given = np.inf,
    limit_aggregate: Given = np.inf,
    deductible: Given = 0.0,
    threads: int = 1,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """`insured_losses`, and where the distribution of the year's sum was needed for it [n]."""
    count = np.ascontiguousarray(expected, dtype=np.float64)
    shape = _each(size, len(count), np.inf)
    limits = (limit_per_person, limit_per_accident, limit_aggregate)
    terms = np.stack([*(_each(one, len(count), np.inf) for one in limits), _each(deductible, len(count), 0.0)])
    share = np.ascontiguousarray(np.atleast_2d(law.share) * law.costly, dtype=np.float64)
    mean = np.ascontiguousarray(np.atleast_2d(law.mean), dtype=np.float64)
    covered = np.atleast_1d(np.asarray(law.covered_share, dtype=np.float64))
    if {len(one) for one in (share, mean, covered)} - {1, len(count)}:
        raise ValueError(f"a law of {len(share)} rows for {len(count)}")
    if not (np.isfinite(count).all() and (count >= 0).all() and (shape > 0).all() and (terms >= 0).all()):
        raise ValueError("an expected number, a shape, a limit or a deductible is negative or not known")
    cap = np.full(len(law.family), np.inf) if law.cap is None else law.cap
    spread, persons, most = (np.ascontiguousarray(one, dtype=np.float64) for one in (law.shape, law.persons, cap))
    family = np.ascontiguousarray(law.family, dtype=np.int64)
    out, reckoned = np.empty(len(count)), np.empty(len(count), dtype=np.bool_)
    run = partial(kernel.years, count, shape, share, mean, spread, family, persons, most, covered, terms)
    _in_parts(run, out, reckoned, threads)
    return out, reckoned


def _in_parts(run: partial[None], out: Floats, reckoned: npt.NDArray[np.bool_], threads: int) -> None:
    edges = np.linspace(0, len(out), max(1, min(threads, len(out) // 64)) * 4 + 1).astype(np.int64)
    if threads <= 1 or len(out) < 128:
        run(0, out, reckoned)
        return
    with ThreadPoolExecutor(threads) as pool:
        parts = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        for done in [pool.submit(run, low, out[low:high], reckoned[low:high]) for low, high in parts]:
            done.result()


def _each(value: Given, count: int, missing: float) -> Floats:
    """A number for each row; what is not stated is `missing`."""
    each = np.broadcast_to(np.asarray(value, dtype=np.float64), (count,))
    return np.where(np.isnan(each), missing, each)
