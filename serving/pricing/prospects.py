"""What is stated of a prospect: a facts file (TOML or JSON), or the same document in a request.

as_of = 2026-01-01            # the day that the facts are of; default: today
name = "Example Works"
currency = "CNY"
[facts]                       # by the names of the vocabulary, or of the rulebook's own facts
industry = "food"
headcount = 120
accidents_1y = 1
[terms]                       # as the quote's options have them; what is left out follows from the rulebook
limit_per_person = 600000
"""

import difflib
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.enterprise.vocabulary import CURRENCY
from features.errors import BadInput, NotFound
from serving.underwriting.facts import MOST, VOCABULARY, Fact, FactKind, Facts, Value
from serving.underwriting.rulebook_lines import lines_of
from serving.underwriting.rulebook_parts import OwnFact

MOST_BYTES = 1_000_000
TYPES = {"number": pa.float64(), "code": pa.string(), "flag": pa.bool_(), "date": pa.date32()}
_KEYS = ("as_of", "name", "currency", "facts", "terms")
_DAYS = ("starts", "ends")
_AMOUNTS = ("limit_per_person", "limit_per_accident", "limit_aggregate", "deductible", "expiring_premium")
_TERMS = (*_DAYS, *_AMOUNTS, "headcount", "currency")
_LONGEST = 200
Lines = Callable[..., int | None]


@dataclass(frozen=True)
class Prospect:
    """Facts stated, the terms asked for (by name, as a quote's), whose they are, and of which day."""

    facts: Facts
    terms: Mapping[str, date | Decimal | int | str]
    name: str | None

    def columns(self) -> pa.Table:
        """The facts of the vocabulary as one row of columns, null where not stated: what features are made from."""
        return columns_of(self.facts)


def columns_of(facts: Facts) -> pa.Table:
    """Facts as one row of typed columns, those of the vocabulary alone."""
    found = {}
    for name, kind in VOCABULARY.items():
        value = facts.value(name)
        found[name] = pa.array([float(value) if isinstance(value, Decimal) else value], TYPES[kind.kind])
    return pa.table(found)


def read(path: Path, declared: Iterable[OwnFact] = ()) -> Prospect:
    """A facts file. declared: facts of the rulebook. Raises NotFound, or BadInput naming the line and the key at fault."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadInput(f"larger than {MOST_BYTES} bytes", where=str(path), mend="state the facts of one prospect alone")
        text = path.read_text(encoding="utf-8")
        json_ = path.suffix.lower() == ".json"
        if json_:
            document = json.loads(text, parse_float=Decimal, object_pairs_hook=_once)
        else:
            document = tomllib.loads(text, parse_float=Decimal)
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound("no such file", where=str(path), mend="name a TOML or JSON file of facts") from None
    except _Twice as error:
        raise BadInput(f"{_shown(error.args[0])} is there twice", where=str(path), mend="write it once") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BadInput(f"not to be read: {error}", where=str(path), mend="correct the file") from None
    lines = None if json_ else lines_of(text)
    return parse(document, str(path), declared, line=None if lines is None else lines.of)


class _Twice(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which no name comes twice, as TOML has it: else the last value would count, and nobody be told."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Twice(name)
        found[name] = value
    return found


def parse(document: Any, where: str, declared: Iterable[OwnFact] = (), *, line: Lines | None = None) -> Prospect:
    """The same from a document that is read already. line: gives the line of a value by its path, where there are lines."""

    def at(*path: str) -> str:
        place = line(*path) if line is not None else None
        return f"{where}, {'.'.join(path)}" if place is None else f"{where}, line {place}, {'.'.join(path)}"

    top = _table(document, where, _KEYS, at)
    own = {one.name: one for one in declared}
    facts = _table(top.get("facts", {}), at("facts"), (*VOCABULARY, *own), lambda *path: at("facts", *path))
    terms = _table(top.get("terms", {}), at("terms"), _TERMS, lambda *path: at("terms", *path))
    as_of = _day(top["as_of"], at("as_of")) if "as_of" in top else datetime.now(UTC).date()
    currency, name = top.get("currency", CURRENCY), top.get("name")
    if not (isinstance(currency, str) and len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise BadInput(f"{_shown(currency)} is no currency", where=at("currency"), mend='write its code, such as "CNY"')
    if name is not None and not (isinstance(name, str) and 0 < len(name.strip()) <= _LONGEST):
        raise BadInput("no name", where=at("name"), mend=f"write a name of at most {_LONGEST} letters, or leave it out")
    known = {}
    for fact, value in facts.items():
        kind = own[fact] if fact in own else VOCABULARY[fact]
        known[fact] = Fact(fact, _value(kind, value, at("facts", fact)), f"stated: {at('facts', fact)}")
    return Prospect(Facts(as_of, currency, known), {one: _term(one, terms[one], at("terms", one)) for one in terms}, name)


def _table(document: Any, where: str, names: Iterable[str], at: Callable[..., str]) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise BadInput("not a table of names and values", where=where, mend="write names with their values")
    known = list(names)
    for name in document:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            mend = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise BadInput(f"unknown key {_shown(name)}", where=at(str(name)), mend=mend)
    return document


def _value(kind: FactKind | OwnFact, value: Any, where: str) -> Value:
    """A value of its kind and within its bounds. Raises BadInput."""
    if kind.kind == "date":
        return _day(value, where)
    if kind.kind == "flag":
        if not isinstance(value, bool):
            raise BadInput(f"{_shown(value)} is neither true nor false", where=where, mend="write true or false")
        return value
    if kind.kind == "code":
        if not isinstance(value, str) or (kind.codes and value not in kind.codes) or not 0 < len(value) <= _LONGEST:
            listed = ", ".join(kind.codes) or f"a text of at most {_LONGEST} letters"
            raise BadInput(f"{_shown(value)} is not among its codes", where=where, mend=f"write one of: {listed}")
        return value
    number = _number(value, where)
    if (kind.least is not None and number < kind.least) or (kind.most is not None and number > kind.most):
        bounds = " and ".join(
            f"{words} {bound}" for words, bound in (("at least", kind.least), ("at most", kind.most)) if bound is not None
        )
        raise BadInput(f"{number} is out of its bounds", where=where, mend=f"it is {bounds}")
    if getattr(kind, "whole", False) and number != number.to_integral_value():
        raise BadInput(f"{number} is no whole number", where=where, mend="write a whole number")
    return number


def _term(name: str, value: Any, where: str) -> date | Decimal | int | str:
    if name in _DAYS:
        return _day(value, where)
    if name == "currency":
        return str(value)
    number = _number(value, where)
    if name != "headcount":
        return number
    if number != number.to_integral_value():
        raise BadInput(f"{number} is no whole number", where=where, mend="write how many persons are covered")
    return int(number)


def _number(value: Any, where: str) -> Decimal:
    """Numbers, or texts that are numbers, as JSON clients write exact ones."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str | float):
            raise InvalidOperation
        number = Decimal(str(value))
    except InvalidOperation:
        raise BadInput(f"{_shown(value)} is no number", where=where, mend="write a number") from None
    if not number.is_finite() or abs(number) >= MOST:
        raise BadInput(f"{_shown(value)} is not to be reckoned with", where=where, mend="write a number below 1e15")
    return number


def _day(value: Any, where: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadInput(f"{_shown(value)} is no day", where=where, mend="write it as 2026-01-31") from None


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, Decimal) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
