"""What a rulebook may ask of an enterprise: the standard facts and those that it declares itself, as its checks see them."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from serving.underwriting.facts import VOCABULARY
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_parts import Factor

Place = tuple[str | int, ...]
SELF_REPORTS = "self_reports_1y"


@dataclass(frozen=True)
class Finding:
    """A fault by the path of the value at fault."""

    path: Place
    what: str
    mend: str = ""


@dataclass(frozen=True)
class Kind:
    """A fact's kind. codes: of a code, in order; better: which way it improves, of a code by its place among the codes."""

    kind: str
    codes: tuple[str, ...] = ()
    least: Decimal | None = None
    most: Decimal | None = None
    better: str | None = None


@cache
def _standard() -> dict[str, Kind]:
    found = {}
    for name, one in VOCABULARY.items():
        codes = ("false", "true") if one.kind == "flag" else tuple(one.codes)
        found[name] = Kind(one.kind, codes, one.least, one.most, one.better)
    return found


def kinds_of(rulebook: Rulebook | None) -> Mapping[str, Kind]:
    """The facts that a rulebook may name, by name; the standard ones alone where there is none."""
    found = dict(_standard())
    for fact in rulebook.facts if rulebook is not None else ():
        codes = ("false", "true") if fact.kind == "flag" else fact.codes
        found[fact.name] = Kind(fact.kind, codes, fact.least, fact.most, fact.better)
    return found


def factors_of(rulebook: Rulebook) -> Iterator[tuple[Place, Factor]]:
    """All factors and incentives, with their places."""
    for kind in ("factors", "incentives"):
        for place, factor in enumerate(getattr(rulebook, kind)):
            yield (kind, place), factor


def twice(names: Sequence[str], place: Place, what: str) -> Iterator[Finding]:
    for number, name in enumerate(names):
        if name in names[:number]:
            yield Finding((*place, number), f"overlapping: a second {what} '{name}'", "leave one of them out")


def nearest(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    found = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean '{found[0]}'?)" if found else ""
