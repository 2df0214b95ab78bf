"""`make bench NAME=quote`: a quote in process, from a ready score and from the lake.

A small simulated world whose champion is a bundle of the shipped size. Timed for every enterprise in turn, many times over:
from a ready score to the worksheet's document (insured loss at the expected number of accidents and at both ends of its range,
base, factors, the model's relativity, stages, premium at both ends), by the shipped rulebooks for every industry; and what
stands before and after that: facts and features from the lake with the score, the store. Median and 99th percentile.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np

from serving.pricing import quotes
from serving.pricing.priced import Priced, limits_of
from serving.pricing.priced import _losses as insured_losses_of
from serving.risk_champion import load_risk_champion
from serving.risk_evidence import Knowledge
from serving.store import opened
from serving.underwriting.insured import LossLaw
from serving.underwriting.rulebook import Rulebook, load
from serving.underwriting.terms import RelativityFacts
from serving.underwriting.worksheet import Worksheet
from tests.serving.risk_world import made_world

MILLISECONDS = 2.0
BOOKS = ("henan-example", "zhongshan-example", "fuyang-example")  # the fourth is for construction alone
ROUNDS = 40
ASKED = quotes.Asked(limit_aggregate=Decimal(20_000_000))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        world = made_world(Path(folder) / "home")
        champion, known = load_risk_champion(world.home), Knowledge.of(world.lake)
        bases = [quotes.of_lake(known, champion, one, None, evidence=False) for one in world.ids]
        scores = []
        for basis in bases:
            assert basis.x is not None
            risk = champion.bundle.risk("price", basis.x[None], ranges=True, threads=1)
            law = LossLaw(**champion.bundle.loss_law(basis.x[None]))
            size = champion.bundle.count_size("price", basis.x[None], risk.expected[:, -1])
            scores.append((*(np.ascontiguousarray(one[:, -1]) for one in (risk.expected, risk.low, risk.high)), law, size))
        print(f"{'a quote from a ready score':<58}{'median':>9}{'99 %':>9}")
        for name in BOOKS:
            rulebook = load(name)
            times = []
            for _ in range(rounds):
                for basis, score in zip(bases, scores, strict=True):
                    times.append(_timed(lambda b=basis, s=score, r=rulebook: _quoted(r, b, s)))  # type: ignore[misc]
            median, far = (float(np.quantile(times, at)) for at in (0.5, 0.99))
            slowest = max(slowest, median)
            print(f"  {name:<56}{median:>6.2f} ms{far:>6.2f} ms")
        first, lake = load(BOOKS[0]), []
        kept = []
        with opened(f"sqlite:///{folder}/store.db") as store:
            for one in world.ids:
                lake.append(_timed(lambda e=one: quotes.of_lake(known, champion, e, None)))  # type: ignore[misc]
                basis = quotes.of_lake(known, champion, one, None)
                terms = quotes.Asked().terms(first, basis.facts.as_of)
                made = quotes.worksheet(world.home, first, basis, terms, champion)
                kept.append(_timed(lambda m=made, b=basis: quotes.keep(store.engine, m, b.score)))  # type: ignore[misc]
        for words, found in (
            ("before: facts with their evidence, features, score", lake),
            ("after: stored with the score", kept),
        ):
            print(f"{words:<58}{np.median(found):>6.2f} ms{np.quantile(found, 0.99):>6.2f} ms")
    print(
        f"to reach: at most {MILLISECONDS:g} ms from a ready score: {'reached' if slowest <= MILLISECONDS else 'NOT REACHED'}"
    )
    return int(slowest > MILLISECONDS)


def _quoted(rulebook: Rulebook, basis: quotes.Basis, score: tuple) -> dict:  # type: ignore[type-arg]
    *numbers, law, size = score
    terms = ASKED.terms(rulebook, basis.facts.as_of)
    losses = insured_losses_of(list(numbers), size, law, limits_of(terms), 1)
    one = Decimal(1)
    fitted = RelativityFacts(rulebook.digest, "champion", Decimal("0.9"), Decimal("0.6"), Decimal(0), one, "a bench")
    says = Priced(*numbers, *losses).says(0, "champion", relativity=fitted)
    return Worksheet.make(rulebook, basis.facts, terms, says, enterprise_id=basis.enterprise_id).document()


def _timed(call: Callable[[], object]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000.0


if __name__ == "__main__":
    raise SystemExit(main())
