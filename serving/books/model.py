"""What a book's premiums rest on: the facts of every policy, and what the price score of each bundle says of them.

A policy whose enterprise the lake knows is rated by what the lake knew on its day; what the lake does not know, and every fact
of a prospect, is as the sheet states it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.enterprise.build import groups_of
from features.settings import Settings
from serving.books import lake as book_lake
from serving.books.charges import SAYS
from serving.pricing.priced import LIMITS, priced
from serving.risk_champion import RiskChampion, has_champion, load_risk_bundle, load_risk_champion
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.terms import RelativityFacts

NONE = "none"
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]
_ROWS = 8_192  # priced at a time


@dataclass(frozen=True)
class Said:
    """What a bundle says of n policies, a year: values by name (SAYS), float64[n] each."""

    bundle_id: str
    values: Mapping[str, Floats]
    notes: tuple[str, ...] = ()

    def relativity(self, home: Path, rulebook: Rulebook) -> RelativityFacts | None:
        """The relativity that was fitted for a rulebook and this bundle."""
        from serving.pricing.relativities import load

        return load(home, rulebook.digest, self.bundle_id)


@dataclass(frozen=True)
class Basis:
    """Facts, terms and days of n policies, and what each bundle asked says of them. faults: by place, why one has no score."""

    facts: pa.Table
    said: list[Said | None]
    faults: Mapping[int, str]

    def facts_with(self, told: Said | None) -> pa.Table:
        """The facts beside a bundle's numbers."""
        table = self.facts
        for name, values in told.values.items() if told is not None else ():
            table = table.append_column(f"model_{name}", pa.array(values))
        return table


def basis(
    config: Settings, policies: pa.Table, tariffs: Sequence[tuple[Rulebook, str | None]], progress: Progress | None = None
) -> Basis:
    """Facts and scores of policies, whose `as_of` is the day of each, under rulebooks and bundles.

    A bundle is an id, NONE for no model, or None for the champion where there is one. Raises NotFound for an unknown one.
    """
    champions = [_champion(config.home, name) for _, name in tariffs]
    scored = any(one is not None for one in champions)
    view = book_lake.view_of(config)
    known = book_lake.known(view, policies, features=scored)
    facts = book_lake.merged(policies, known)
    if not scored:
        return Basis(facts, [None] * len(champions), {})
    shared = groups_of(view) if view is not None else None
    x, faults = book_lake.vectors(facts, known, shared, threads=config.threads, progress=progress)
    rows = np.array([row for row in range(len(x)) if row not in faults], dtype=np.int64)
    said: dict[tuple[str, float], Said] = {}
    for champion, (rulebook, _) in zip(champions, tariffs, strict=True):
        if champion is not None:
            key = _key(champion, rulebook)
            said[key] = said.get(key) or _said(champion, x, _limits(policies, rulebook), rows, config.threads)
    found = [None if one is None else said[_key(one, rulebook)] for one, (rulebook, _) in zip(champions, tariffs, strict=True)]
    return Basis(facts, found, faults)


def _key(champion: RiskChampion, rulebook: Rulebook) -> tuple[str, float]:
    return champion.bundle_id, float(rulebook.cover.least_limit_per_person)


def _limits(policies: pa.Table, rulebook: Rulebook) -> dict[str, Floats]:
    """Limits by name [n]; who states none per person has the least that the rulebook allows, as in a quote."""
    found = {name: _numbers(policies, name) for name in LIMITS}
    person = found["limit_per_person"]
    found["limit_per_person"] = np.where(np.isnan(person), float(rulebook.cover.least_limit_per_person), person)
    return found


def _champion(home: Path, name: str | None) -> RiskChampion | None:
    if name == NONE or (name is None and not has_champion(home)):
        return None
    return load_risk_champion(home) if name is None else load_risk_bundle(home, name)


def _said(champion: RiskChampion, x: Vectors, limits: Mapping[str, Floats], rows: Ints, threads: int) -> Said:
    """What a bundle says of some rows of x; of the others, which have no score, nothing (0)."""
    values = {name: np.zeros(len(x)) for name in SAYS}
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        own = {name: one[some] for name, one in limits.items()}
        found = priced(champion.bundle, x[some], own, ranges=False, threads=threads)
        for name, each in values.items():
            each[some] = getattr(found, name)
    return Said(champion.bundle_id, values)


def _numbers(table: pa.Table, name: str) -> Floats:
    """A column of amounts [n], nan where there is none."""
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)
