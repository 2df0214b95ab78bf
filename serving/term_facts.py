"""Facts that somebody states on the command line, each as FACT=VALUE, in the kinds that the rulebook's facts have."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal, InvalidOperation

from features.errors import BadInput
from serving.underwriting.facts import Fact, Facts, Value
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
        return date.fromisoformat(text) if kind.kind == "date" else _number(kind, Decimal(text))
    except (ValueError, InvalidOperation):
        shape = "a day, as 2026-01-31" if kind.kind == "date" else "a number within its bounds"
        raise BadInput(f"'{text}' does not fit", where=where, mend=f"state {shape}") from None


def _number(kind: Kind, number: Decimal) -> Decimal:
    low, high = kind.least, kind.most
    if not number.is_finite() or (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{number} is not within {low} and {high}")
    return number
