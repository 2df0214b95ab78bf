"""Insured losses of 100,000 policies, on one core and on all: `make bench NAME=insured`.

Limits per person, per accident and of the year and a deductible, five classes of accident, numbers of accidents from hundredths
to dozens; told beside it: in how many rows the sum of a year had to be reckoned because the aggregate limit may bind.
"""

import os
import time
from typing import Any

import numpy as np

from serving.underwriting.insured import LossLaw, reckoned_losses

ROWS, TURNS = 100_000, 3


def main() -> None:
    """Time it and print."""
    random = np.random.default_rng(5)
    law, terms = _law(), _terms(random)
    for median in (0.1, 1.0, 5.0):
        expected = np.exp(random.normal(np.log(median), 1.2, ROWS))
        size = np.exp(random.normal(0.8, 0.5, ROWS))
        for threads in sorted({1, os.cpu_count() or 1}):
            reckoned_losses(expected[:200], size[:200], law, **{name: each[:200] for name, each in terms.items()})
            spent = []
            for _ in range(TURNS):
                started = time.perf_counter()
                _, reckoned = reckoned_losses(expected, size, law, **terms, threads=threads)
                spent.append(time.perf_counter() - started)
            print(
                f"{ROWS:,} policies, {median:g} accidents a year in the middle, {threads} threads: {min(spent):.2f} s, "
                f"{1e6 * min(spent) / ROWS:.1f} us each; the year's sum reckoned in {reckoned.mean():.1%}"
            )


def _law() -> LossLaw:
    persons = np.zeros((5, 12))
    persons[0, 1:3] = 0.85, 0.15
    persons[1, 1:5] = 0.49, 0.31, 0.16, 0.04
    persons[2:, 3:] = 1.0 / 9.0
    share = np.array([0.945, 0.046, 0.008, 0.0008, 0.0002])
    mean = np.array([8.2e4, 1.7e6, 1e7, 4.2e7, 1.3e8])
    return LossLaw(share, mean, np.array([1, 1, 1, 1, 0]), np.array([1.1, 0.5, 0.7, 0.6, 10.0]), persons, 0.6)


def _terms(random: np.random.Generator) -> dict[str, Any]:
    person = random.choice([4e5, 6e5, 8e5], ROWS)
    return {
        "limit_per_person": person, "limit_per_accident": 8 * person, "limit_aggregate": 32 * person,
        "deductible": np.full(ROWS, 1e3),
    }  # fmt: skip


if __name__ == "__main__":
    main()
