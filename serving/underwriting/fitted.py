"""A tariff fitted to losses as a rulebook: tables of numbers -> TOML that `forewarn rulebook check` accepts -> premiums.

Every rate and relativity cites the fit itself: which data, which years, how. What no fit can tell (loading, minimum, rounding,
how far the model may move a premium) is cited as assumed, so that the rulebook is marked illustrative.
"""

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from features.errors import BadInput
from serving.underwriting.facts import Fact, Facts
from serving.underwriting.numbers import of_model, plain
from serving.underwriting.premium import Charge, charge
from serving.underwriting.rulebook import Rulebook, parse
from serving.underwriting.terms import ModelSays, RelativityFacts, Terms, year_from


def _decimal(value: object) -> object:
    """A fitted number as it is printed: the shortest decimal that is that binary fraction, whole numbers without a point."""
    if not isinstance(value, float):
        return value
    found = Decimal(repr(value))
    return found.to_integral_value() if math.isfinite(value) and found == found.to_integral_value() else found


Number = Annotated[Decimal, BeforeValidator(_decimal)]


class Table(BaseModel):
    """A frozen part of what was fitted."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FittedFactor(Table):
    """Relativities of one fact that the rulebook declares: by bands between `edges`, or by codes (of a flag: false, true).

    rows: policy-years that each was read off; low, high: its interval. better: which way the fact improves.
    """

    fact: str
    kind: Literal["number", "code", "flag"]
    words_en: str
    words_zh: str
    unit: str = ""
    better: Literal["lower", "higher"] | None = None
    edges: tuple[Number, ...] = ()
    codes: tuple[str, ...] = ()
    values: tuple[Number, ...]
    rows: tuple[int, ...] = ()
    low: tuple[Number, ...] = ()
    high: tuple[Number, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        levels = len(self.edges) + 1 if self.kind == "number" else 2 if self.kind == "flag" else len(self.codes)
        if any(len(one) not in (levels, *([0] if one is not self.values else [])) for one in self._columns):
            raise ValueError(f"{self.fact}: one relativity a level is needed, {levels} in all")
        return self

    @property
    def _columns(self) -> tuple[tuple[object, ...], ...]:
        return (self.values, self.rows, self.low, self.high)

    @property
    def names(self) -> tuple[str, ...]:
        """The levels of a table."""
        return ("false", "true") if self.kind == "flag" else self.codes


class FittedTariff(Table):
    """A fitted tariff with all that makes it a rulebook.

    base: the fact that each slice's rate multiplies; edges: where slices begin, from 0; rates: pure premium per `per`, a year.
    citation, text: which fit to which data.  assumed: what no data told, in words.  floor, cap: of the model's relativity.
    """

    id: str
    version: str
    title_en: str
    title_zh: str
    market: str
    currency: str
    effective_from: date
    effective_to: date
    citation: str
    text_en: str
    text_zh: str
    url: str | None = None
    model_en: str
    model_zh: str
    base: str
    base_en: str
    base_zh: str
    per: Number
    edges: tuple[Number, ...]
    rates: tuple[Number, ...]
    factors: tuple[FittedFactor, ...]
    floor: Number = Decimal("0.4")
    cap: Number = Decimal("2.5")
    target_loss_ratio: Number = Decimal("0.9")
    expense: Number = Decimal("0.1")
    minimum: Number = Decimal(10)
    rounding_step: Number = Decimal("0.01")
    terms: tuple[Literal["per_accident", "aggregate", "deductible"], ...] = ("per_accident", "aggregate", "deductible")
    least_limit_per_person: Number = Field(default=Decimal(1), gt=0)


ASSUMED_EN = (
    "Assumed: loading, minimum premium, rounding, floor and cap of the model's relativity, terms of cover, and that nothing is "
    "set aside for prevention. No data tell them."
)
ASSUMED_ZH = "假设：附加费率、最低保费、取整、模型系数的上下限、承保条款，以及不提取预防费用。数据中无从得知。"


def tariff_of(document: Mapping[str, Any]) -> FittedTariff:
    """Fitted tables that came as plain values. Raises BadInput naming the first that does not fit."""
    try:
        return FittedTariff.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            first["msg"].removeprefix("Value error, "), where=f"fitted tariff, {where}", mend="fit it again"
        ) from None


def text_of(tariff: FittedTariff) -> str:
    """The rulebook's TOML."""
    return (
        "\n".join([*_head(tariff), *_clauses(tariff), *_facts(tariff), *_base(tariff), *_factors(tariff), *_rest(tariff)])
        + "\n"
    )


def rulebook_of(tariff: FittedTariff) -> Rulebook:
    """The rulebook, checked as any other is. Raises BadInput at its first fault."""
    return parse(text_of(tariff), f"fitted rulebook {tariff.id}")


def _head(tariff: FittedTariff) -> Iterator[str]:
    yield f"# Fitted: {tariff.citation}. Written by a program: fit it again rather than edit it."
    for key in ("id", "version", "title_en", "title_zh", "market", "currency"):
        yield f"{key} = {_quoted(getattr(tariff, key))}"
    yield f"effective_from = {tariff.effective_from}"
    yield f"effective_to = {tariff.effective_to}"
    yield "illustrative = true"
    yield f"note_en = {_quoted('Rates and relativities are fitted, not decreed. ' + ASSUMED_EN)}"
    yield f"note_zh = {_quoted('费率和系数由数据拟合，并非规定。' + ASSUMED_ZH)}"


def _clauses(tariff: FittedTariff) -> Iterator[str]:
    fit = (tariff.citation, tariff.text_en, tariff.text_zh, "practice", tariff.url)
    model = (tariff.citation, tariff.model_en, tariff.model_zh, "practice", None)
    assumed = ("assumed", ASSUMED_EN, ASSUMED_ZH, "assumed", None)
    for name, (citation, english, chinese, status, url) in (("fit", fit), ("model", model), ("assumed", assumed)):
        yield f"\n[clauses.{name}]"
        yield f"citation = {_quoted(citation)}"
        yield f"text_en = {_quoted(english)}"
        yield f"text_zh = {_quoted(chinese)}"
        yield f"status = {_quoted(status)}"
        if url is not None:
            yield f"url = {_quoted(url)}"


def _facts(tariff: FittedTariff) -> Iterator[str]:
    for one in tariff.factors:
        yield "\n[[facts]]"
        yield f"name = {_quoted(one.fact)}"
        yield f"kind = {_quoted(one.kind)}"
        yield f"words_en = {_quoted(one.words_en)}"
        yield f"words_zh = {_quoted(one.words_zh)}"
        if one.unit:
            yield f"unit = {_quoted(one.unit)}"
        if one.kind == "code":
            yield f"codes = [{', '.join(_quoted(code) for code in one.codes)}]"
        if one.kind == "number":
            yield "least = 0"
        if one.better is not None:
            yield f"better = {_quoted(one.better)}"


def _base(tariff: FittedTariff) -> Iterator[str]:
    yield "\n[base]"
    yield 'clause = "fit"'
    yield f"words_en = {_quoted(tariff.base_en)}"
    yield f"words_zh = {_quoted(tariff.base_zh)}"
    yield 'rates_are = "pure"'
    yield f"fact = {_quoted(tariff.base)}"
    yield f"per = {plain(tariff.per)}"
    yield 'tiers_apply = "slice"'
    yield "tiers = ["
    for bounds, rate in zip(_bounds(tariff.edges[1:]), tariff.rates, strict=True):
        yield f"    {{ {bounds}value = {plain(rate)} }},"
    yield "]"


def _factors(tariff: FittedTariff) -> Iterator[str]:
    for one in tariff.factors:
        yield "\n[[factors]]"
        yield f"name = {_quoted(one.fact)}"
        yield f"words_en = {_quoted(one.words_en)}"
        yield f"words_zh = {_quoted(one.words_zh)}"
        yield 'clause = "fit"'
        yield f"kind = {_quoted('bands' if one.kind == 'number' else 'table')}"
        yield f"fact = {_quoted(one.fact)}"
        yield 'missing = "neutral"'
        if one.kind == "number":
            yield "bands = ["
            for place, bounds in enumerate(_bounds(one.edges)):
                yield f"    {{ {bounds}value = {plain(one.values[place])} }},{_witness(one, place)}"
            yield "]"
        else:
            yield "[factors.levels]"
            for place, name in enumerate(one.names):
                yield f"{_key(name)} = {plain(one.values[place])}{_witness(one, place)}"


def _rest(tariff: FittedTariff) -> Iterator[str]:
    yield f'\n[model]\nclause = "model"\nfloor = {plain(tariff.floor)}\ncap = {plain(tariff.cap)}\nweight = "fitted"'
    ratio = plain(tariff.target_loss_ratio)
    yield f'\n[loading]\nclause = "assumed"\nexpense = {plain(tariff.expense)}\ncommission = 0\ntarget_loss_ratio = {ratio}'
    terms = ", ".join(_quoted(one) for one in tariff.terms)
    yield f'\n[cover]\nclause = "assumed"\nleast_limit_per_person = {plain(tariff.least_limit_per_person)}\nterms = [{terms}]'
    yield f'\n[premium]\nclause = "assumed"\nminimum = {plain(tariff.minimum)}'
    yield 'order = ["base", "factors", "model", "loading", "minimum", "pro_rata", "rounding"]'
    yield f'rounding_step = {plain(tariff.rounding_step)}\nrounding_mode = "half_up"\npro_rata = "actual"'
    yield '\n[prevention]\nclause = "assumed"\nfloor = 0\ncap = 0'
    yield '\n[[prevention.minimum_visits]]\nclause = "assumed"\nvisits = 0'


def _bounds(edges: Sequence[Decimal]) -> Iterator[str]:
    """Bands between edges, the first and the last open."""
    ends = [None, *edges, None]
    for low, high in itertools.pairwise(ends):
        begins = f"at_least = {plain(low)}, " if low is not None else ""
        yield begins + (f"below = {plain(high)}, " if high is not None else "")


def _witness(one: FittedFactor, place: int) -> str:
    """What a relativity was read off, as a comment."""
    said = [f"{one.rows[place]} rows"] if one.rows else []
    said += [f"[{plain(one.low[place])}, {plain(one.high[place])}]"] if one.low and one.high else []
    return f"  # {', '.join(said)}" if said else ""


def _quoted(text: str) -> str:
    """A TOML basic string."""
    return json.dumps(text, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() else _quoted(name)


@dataclass(frozen=True)
class Weighed:
    """The model beside a fitted rulebook: level and weight of its relativity, and where they come from."""

    bundle_id: str
    level: float
    weight: float
    low: float
    high: float
    fitted_on: str

    def of(self, rulebook: Rulebook) -> RelativityFacts:
        """As `charge` wants it."""
        level, weight, low, high = (of_model(one) for one in (self.level, self.weight, self.low, self.high))
        return RelativityFacts(rulebook.digest, self.bundle_id, level, weight, low, high, self.fitted_on)


@dataclass(frozen=True)
class Insured:
    """One policy to be rated over a calendar year.

    facts: as they are stated (None or NaN: not known); expected, loss: accidents and insured loss of the year by the model.
    """

    key: str
    year: int
    facts: Mapping[str, float | str | bool | None]
    expected: float
    loss: float

    @property
    def starts(self) -> date:
        return date(self.year, 1, 1)


@dataclass(frozen=True)
class Booked:
    """A book rated policy by policy: the rulebook's text and digest, premiums with the model and without it [n]."""

    text: str
    digest: str
    premiums: tuple[Decimal, ...]
    without: tuple[Decimal, ...]


def book(document: Mapping[str, Any], policies: Iterable[Mapping[str, Any]], weighed: Mapping[str, Any]) -> Booked:
    """Fitted tables, policies and the model's weight, all as plain values -> the rulebook and what it charges each policy.

    Raises BadInput where the tables make no rulebook, or as `charge` does.
    """
    rulebook = rulebook_of(tariff_of(document))
    fitted = Weighed(**weighed).of(rulebook)
    pairs = [rate(rulebook, Insured(**policy), fitted) for policy in policies]
    return Booked(
        rulebook.source, rulebook.digest, tuple(two.premium for _, two in pairs), tuple(one.premium for one, _ in pairs)
    )


def rate(rulebook: Rulebook, policy: Insured, fitted: RelativityFacts) -> tuple[Charge, Charge]:
    """What `charge` makes of a policy: without the model, and with it. Raises BadInput as `charge` does."""
    known = {name: Fact(name, _stated(value), f"policy {policy.key}") for name, value in policy.facts.items() if _known(value)}
    facts = Facts(policy.starts, rulebook.currency, known)
    terms = Terms(policy.starts, year_from(policy.starts), rulebook.currency)
    number, loss = of_model(policy.expected), of_model(policy.loss)
    says = ModelSays(number, number, number, loss, loss, loss, fitted.bundle_id, relativity=fitted)
    return charge(rulebook, facts, terms, None), charge(rulebook, facts, terms, says, ends=False)


def _known(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _stated(value: float | str | bool | None) -> Decimal | str | bool:
    if value is None or isinstance(value, bool | str):
        return value or False
    stated = _decimal(float(value))
    assert isinstance(stated, Decimal)
    return stated
