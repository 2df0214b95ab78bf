"""What a book's premiums rest on: the facts of every policy, and what the price score of each bundle says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.settings import Settings
from serving.book_import import Book
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.terms import RelativityFacts

NONE = "none"
Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Said:
    """What a bundle says of n policies, a year: values by name (SAYS), float64[n] each."""

    bundle_id: str
    values: Mapping[str, Floats]
    notes: tuple[str, ...] = ()

    def under(self, rulebook: Rulebook, policies: pa.Table) -> "Said":
        return self

    def relativity(self, home: Path, rulebook: Rulebook) -> RelativityFacts | None:
        """The relativity that was fitted for a rulebook and this bundle."""
        from serving.relativities import load

        return load(home, rulebook.digest, self.bundle_id)


@dataclass(frozen=True)
class Basis:
    """Facts, terms and days of n policies, and what each bundle asked says of them."""

    facts: pa.Table
    said: list[Said | None]

    def facts_with(self, told: Said | None) -> pa.Table:
        """The facts beside a bundle's numbers."""
        table = self.facts
        for name, values in told.values.items() if told is not None else ():
            table = table.append_column(f"model_{name}", pa.array(values))
        return table


def basis(config: Settings, book: Book, policies: pa.Table, bundles: Sequence[str | None]) -> Basis:
    return Basis(policies, [None for _ in bundles])
