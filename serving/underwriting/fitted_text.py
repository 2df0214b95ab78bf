"""Fitted tables as a rulebook's TOML, written to be read: what each relativity was read off stands beside it as a comment."""

import itertools
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal

from serving.underwriting.fitted_tables import FittedFactor, FittedTariff
from serving.underwriting.numbers import plain

ASSUMED_EN = (
    "Assumed: loading, minimum premium, rounding, floor and cap of the model's relativity, terms of cover, and that nothing is "
    "set aside for prevention. No data tell them."
)
ASSUMED_ZH = "假设：附加费率、最低保费、取整、模型系数的上下限、承保条款，以及不提取预防费用。数据中无从得知。"


def text_of(tariff: FittedTariff) -> str:
    """The rulebook's TOML."""
    return (
        "\n".join([*_head(tariff), *_clauses(tariff), *_facts(tariff), *_base(tariff), *_factors(tariff), *_rest(tariff)])
        + "\n"
    )


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
