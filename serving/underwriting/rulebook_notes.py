"""What a rulebook may well say and whoever rates by it should know: cliffs of the premium, and facts that pay to be hidden.

No faults: tiers that apply to the whole amount are published so, and a regulator may let nobody pay for what is not known.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

from serving.underwriting.factors import REFUSE, apply, levels_of
from serving.underwriting.facts import Facts
from serving.underwriting.numbers import CENT, MONEY, plain
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_facts import Finding, Place, factors_of
from serving.underwriting.rulebook_parts import Band, Factor, First

_NOTHING = Facts(date.min, "", {})


def notes(rulebook: Rulebook) -> Iterator[Finding]:
    """What is worth knowing, each at the value that makes it so."""
    base = rulebook.base
    if base.fact is not None and base.tiers_apply == "whole" and base.by in (None, base.fact):
        yield from _cliffs(base.tiers, base.fact, ("base", "tiers"), "the base", base.per)
    for place, factor in factors_of(rulebook):
        if base.fact is not None and factor.fact == base.fact:
            yield from _cliffs(factor.bands, base.fact, (*place, "bands"), f"factor '{factor.name}'")
        yield from _hidden(factor, place)


def _cliffs(bands: Sequence[Band], fact: str, place: Place, what: str, per: Decimal | None = None) -> Iterator[Finding]:
    """Bounds at which the whole amount changes at once. per: of a base, so that amounts are named, else factors are."""
    for number, (before, band) in enumerate(pairwise(bands), start=1):
        bound = band.start
        if bound is None or bound <= 0 or band.value == before.value:
            continue
        one, two = before.value, band.value
        if per is not None:
            one, two = (MONEY.divide(MONEY.multiply(bound, rate), per) for rate in (one, two))
        said = f"cliff: at {fact} {plain(bound)} {what} {'falls' if two < one else 'rises'} from {_short(one)} to {_short(two)}"
        if two < one:
            until = MONEY.divide(MONEY.multiply(bound, before.value), band.value)
            said += f" at once: up to {_short(until)} costs less than just before it"
        yield Finding((*place, number), said if two < one else f"{said} at once")


def _hidden(factor: Factor, place: Place) -> Iterator[Finding]:
    """A factor that costs less where its fact is not known than at the worst that can be known."""
    if factor.missing == REFUSE:
        return
    known = levels_of(factor) or {"the cap": getattr(factor.rule, "cap", Decimal(1))}
    worst, value = max(known.items(), key=lambda one: one[1])
    taken = apply(factor, _NOTHING).value
    if taken < value:
        asked = "what it asks for" if isinstance(factor.rule, First) else str(factor.fact or "its record")
        how = f"{plain(taken)}, as {factor.missing}"
        known_worst = f"the worst that is known ({worst}) takes {plain(value)}"
        said = f"factor '{factor.name}': where {asked} is not known it takes {how}; {known_worst}"
        yield Finding((*place, "missing"), said)


def _short(number: Decimal) -> str:
    """At most two places, without zeros that say nothing."""
    return plain(number.quantize(CENT, ROUND_HALF_UP).normalize())
