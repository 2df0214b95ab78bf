"""Facts for what happens to a policy: read of the lake at a moment, or stated as FACT=VALUE in the kinds of the rulebook."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

import numpy as np

from features.clock import known_at, micros
from features.enterprise.schema import ENTERPRISES
from features.errors import BadInput, NotFound
from features.lake import Lake
from serving.pricing.enterprise_facts import facts_at, facts_of
from serving.pricing.fact_evidence import with_evidence
from serving.underwriting.facts import MOST, VOCABULARY, Fact, Facts, Value
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_facts import Kind, kinds_of, nearest

_FLAGS = {"true": True, "yes": True, "false": False, "no": False}


def stated(pairs: Iterable[str], rulebook: Rulebook, as_of: date, currency: str, evidence: str) -> Facts:
    """Facts from FACT=VALUE. Raises BadInput on a misspelt name, a value of another kind, or one that is stated twice."""
    kinds, found = kinds_of(rulebook), {}
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not text:
            raise BadInput(f"'{pair}' is no fact", where="facts", mend="write it as FACT=VALUE")
        if name not in kinds:
            raise BadInput(f"no fact '{name}'{nearest(name, kinds)}", where="facts", mend="name a fact of the rulebook")
        if name in found:
            raise BadInput(f"{name} is stated twice", where="facts", mend="state it once")
        found[name] = Fact(name, _value(name, kinds[name], text), evidence)
    return Facts(as_of, currency, found)


def _value(name: str, kind: Kind, text: str) -> Value:
    where = f"fact {name}"
    if kind.kind == "flag":
        if text.lower() not in _FLAGS:
            raise BadInput(f"'{text}' is neither true nor false", where=where, mend="state true or false")
        return _FLAGS[text.lower()]
    if kind.kind == "code":
        if kind.codes and text not in kind.codes:
            what = f"no code '{text}'{nearest(text, kind.codes)}"
            raise BadInput(what, where=where, mend=f"the codes are {', '.join(kind.codes)}")
        return text
    try:
        return date.fromisoformat(text) if kind.kind == "date" else _number(name, kind, Decimal(text))
    except (ValueError, InvalidOperation):
        shape = "a day, as 2026-01-31" if kind.kind == "date" else "a number within its bounds"
        raise BadInput(f"'{text}' does not fit", where=where, mend=f"state {shape}") from None


def _number(name: str, kind: Kind, number: Decimal) -> Decimal:
    low, high = kind.least, kind.most
    if name in VOCABULARY and VOCABULARY[name].whole and number.is_finite() and number != number.to_integral_value():
        raise BadInput(f"{number} is no whole number", where=f"fact {name}", mend="state a whole number")
    if number.is_finite() and abs(number) >= MOST:
        raise BadInput(f"{number:.3g} is not to be reckoned with", where=f"fact {name}", mend="state a number below 1e15")
    if not number.is_finite() or (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{number} is not within {low} and {high}")
    return number


def of_lake(lake: Lake, enterprise_id: str, at: datetime, currency: str) -> Facts:
    """The facts of an enterprise of the lake as known at a moment, with the rows that they rest on. Raises NotFound."""
    view = lake.at()
    rows = view.read(ENTERPRISES.name, machine_ids=[enterprise_id])
    if not known_at(rows, ENTERPRISES, at, ordered=True).num_rows:
        what, mend = f"not known to the lake at {at.isoformat()}", "choose a later moment or import its enterprises row"
        raise NotFound(what, where=f"enterprise {enterprise_id}", mend=mend)
    columns = facts_of(view, [enterprise_id], np.array([micros(at)], dtype=np.int64))
    return with_evidence(facts_at(columns, 0, at, currency), view, enterprise_id, at)
