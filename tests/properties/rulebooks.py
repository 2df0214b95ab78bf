"""Rulebooks, facts and what a model says of them as Hypothesis draws them: any values, fair or not."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from serving.underwriting.facts import VOCABULARY, Fact, FactKind, Facts
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.terms import ModelSays, RelativityFacts, Terms

DAY, LAST = date(2026, 1, 1), date(2026, 12, 31)
CLAUSE = "drawn"
# Facts of a made-up market, worst value last: numbers that are better low or high, codes, flags.
OWN: dict[str, dict[str, Any]] = {
    "late": {"kind": "number", "better": "lower", "least": Decimal(0), "most": Decimal(20)},
    "trained": {"kind": "number", "better": "higher", "least": Decimal(0), "most": Decimal(1)},
    "told": {"kind": "number", "better": "higher", "least": Decimal(0), "most": Decimal(50)},
    "rank": {"kind": "code", "better": "lower", "codes": ("one", "two", "three", "none")},
    "listed": {"kind": "flag", "better": "lower"},
    "heads": {"kind": "number", "least": Decimal(1), "most": Decimal(5000)},
}
_EDGES = {"late": [1, 3, 8], "trained": [Decimal("0.5"), Decimal("0.9")], "told": [2, 10]}
_VALUES = {
    "late": st.integers(0, 20).map(Decimal),
    "trained": st.integers(0, 20).map(lambda tenth: Decimal(tenth) / 20),
    "told": st.integers(0, 50).map(Decimal),
    "rank": st.sampled_from(OWN["rank"]["codes"]),
    "listed": st.booleans(),
    "heads": st.integers(1, 5000).map(Decimal),
}
GRADED = ("late", "trained", "told", "rank", "listed")
_relativities = st.integers(50, 200).map(lambda hundredth: Decimal(hundredth) / 100)
_amounts = st.integers(1, 10**9).map(lambda hundredth: Decimal(hundredth) / 100)


@st.composite
def factors(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """A factor on one or two facts; its values in any order, so that many are unfair."""
    name = draw(st.sampled_from(GRADED))
    words = {"name": f"factor_{number}", "words_en": "factor", "words_zh": "系数", "clause": CLAUSE, "missing": "neutral"}
    if name in ("rank", "listed"):
        codes = ("false", "true") if name == "listed" else OWN[name]["codes"]
        return {**words, "kind": "table", "fact": name, "levels": _values(draw, codes, rising=draw(st.booleans()))}
    edges = [Decimal(edge) for edge in _EDGES[name]]
    form = draw(st.sampled_from(["bands", "linear", "first"]))
    if form == "bands":
        values = _values(draw, [str(place) for place in range(len(edges) + 1)], rising=draw(st.booleans()))
        ordered = list(values.values())[:: 1 if OWN[name]["better"] == "lower" else -1]
        bounds = zip([None, *edges], [*edges, None], ordered, strict=True)
        bands = [{"at_least": low, "below": high, "value": value} for low, high, value in bounds]
        return {**words, "kind": "bands", "fact": name, "bands": bands}
    if form == "linear":
        each = draw(st.integers(-20, 20)) * Decimal("0.01")
        rule = {"formula": "linear", "each": each, "beyond": draw(_VALUES[name]), "floor": Decimal("0.6"), "cap": Decimal(2)}
        return {**words, "kind": "rule", "fact": name, "rule": rule}
    other, cases = draw(st.sampled_from(GRADED)), []
    for place in range(draw(st.integers(1, 3))):
        when = [{"fact": name, draw(st.sampled_from(["at_least", "above", "below", "up_to"])): draw(st.sampled_from(edges))}]
        if other not in (name, "late", "trained", "told"):
            when.append({"fact": other, "equals": draw(_VALUES[other])})
        cases.append({"name": f"case {place}", "value": draw(_relativities), "when": when})
    cases.append({"name": "all others", "value": draw(_relativities)})
    return {**words, "kind": "rule", "rule": {"formula": "first", "cases": cases}}


def _values(draw: st.DrawFn, levels: Any, *, rising: bool) -> dict[str, Decimal]:
    found = draw(st.lists(_relativities, min_size=len(levels), max_size=len(levels)))
    return dict(zip(levels, sorted(found) if rising else found, strict=True))


def plain() -> dict[str, Any]:
    """The least that a rulebook is: an amount a head, no factor, a model that may do what it likes."""
    return {
        "id": "drawn", "version": "1", "title_en": "drawn", "title_zh": "示例", "market": "XX", "currency": "CNY",
        "effective_from": DAY, "effective_to": LAST, "illustrative": True,
        "clauses": {CLAUSE: {"citation": "none", "text_en": "none", "text_zh": "无", "status": "assumed"}},
        "facts": [{"name": name, "words_en": name, "words_zh": name, **own} for name, own in OWN.items()],
        "base": {
            "clause": CLAUSE, "words_en": "base", "words_zh": "基准", "rates_are": "gross", "fact": "heads",
            "rate": Decimal(300),
        },
        "model": {"clause": CLAUSE, "floor": Decimal("0.1"), "cap": Decimal(10), "weight": "fitted"},
        "limits": {
            "clause": CLAUSE, "product_floor": Decimal("0.7"), "product_cap": Decimal("1.6"),
            "change_down": Decimal("0.2"), "change_up": Decimal("0.3"),
        },
        "loading": {"clause": CLAUSE, "expense": Decimal("0.2"), "commission": Decimal(0), "target_loss_ratio": Decimal("0.7")},
        "cover": {"clause": CLAUSE, "least_limit_per_person": Decimal(1), "terms": ["per_accident", "aggregate", "deductible"]},
        "premium": {
            "clause": CLAUSE, "minimum": Decimal(0),
            "order": ["base", "factors", "model", "incentives", "pro_rata", "rounding"],
            "rounding_step": Decimal("0.01"), "rounding_mode": "half_up", "pro_rata": "365",
        },
        "prevention": {
            "clause": CLAUSE, "floor": Decimal(0), "cap": Decimal("0.2"),
            "minimum_visits": [{"clause": CLAUSE, "visits": Decimal(4)}],
        },
    }  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A rulebook as its file would be read: stages in any order that makes sense, with limits and minimum or without."""
    drawn = [draw(factors(number)) for number in range(draw(st.integers(1, 5)))]
    pure, found = draw(st.booleans()), plain()
    cut = draw(st.integers(0, len(drawn)))
    late = [*(["loading"] if pure else []), *(stage for stage in ("change", "minimum") if draw(st.booleans()))]
    order = ["base", "factors", *draw(st.permutations(["model", "incentives", "product"])), *late, "pro_rata", "rounding"]
    found["base"] |= {"rates_are": "pure" if pure else "gross", "rate": draw(_amounts)}
    found["model"] |= {
        "floor": Decimal(draw(st.integers(1, 100))) / 100, "cap": Decimal(draw(st.integers(100, 500))) / 100,
        "weight": draw(st.sampled_from(["fitted", Decimal(0), Decimal("0.37"), Decimal(1)])),
    }  # fmt: skip
    found["premium"] |= {
        "minimum": draw(_amounts), "order": order, "rounding_step": Decimal(draw(st.sampled_from(["0.01", "1", "100"]))),
        "rounding_mode": draw(st.sampled_from(["half_up", "half_even", "up", "down"])),
    }  # fmt: skip
    return found | {"factors": drawn[:cut], "incentives": drawn[cut:]}


def told(values: Mapping[str, Any]) -> Facts:
    """Facts by name as they would be stated."""
    return Facts(DAY, "CNY", {name: Fact(name, value, "drawn") for name, value in values.items()})


facts = st.fixed_dictionaries({"heads": _VALUES["heads"]}, optional={name: _VALUES[name] for name in GRADED}).map(told)
discounts = st.integers(1, 99).map(lambda hundredth: Decimal(hundredth) / 100)
shares = st.integers(0, 10_000).map(lambda part: Decimal(part) / 10_000)


@st.composite
def visits(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Minimum numbers of visits: of some industries one, of all others another."""
    number = st.integers(1, 24).map(Decimal)
    named = draw(st.lists(st.sampled_from(["mining", "food", "transport"]), unique=True, max_size=3))
    rows = [{"clause": CLAUSE, "visits": draw(number), "industries": [one]} for one in named]
    return [*rows, {"clause": CLAUSE, "visits": draw(number)}]


@st.composite
def policies(draw: st.DrawFn) -> Terms:
    """Terms of a policy, new or renewed."""
    ends = draw(st.dates(DAY, date(2027, 6, 30)))
    return Terms(DAY, ends, "CNY", expiring_premium=draw(st.none() | _amounts))


@st.composite
def says(draw: st.DrawFn) -> ModelSays | None:
    """What a model says, with a fitted relativity or without."""
    if draw(st.integers(0, 4)) == 0:
        return None
    loss, one = draw(_amounts), Decimal(1)
    fitted = (
        RelativityFacts("d", "b", draw(_amounts) / 1000, draw(shares), Decimal(0), one, "drawn")
        if draw(st.booleans())
        else None
    )
    return ModelSays(one, one / 2, one * 2, loss, loss / 2, loss * 2, "b", relativity=fitted)


@st.composite
def improved(draw: st.DrawFn, before: Facts) -> tuple[str, Any]:
    """A fact that is known and graded, and a value that is as good or better."""
    name = draw(st.sampled_from(sorted(set(before) & set(GRADED))))
    old, own = before[name].value, OWN[name]
    if own["kind"] == "flag":
        return name, False
    if own["kind"] == "code":
        return name, draw(st.sampled_from(own["codes"][: own["codes"].index(old) + 1]))
    span = (0, int(old * 20)) if own["better"] == "lower" else (int(old * 20), int(own["most"] * 20))
    value = Decimal(draw(st.integers(*span))) / 20
    return name, value if name == "trained" else value.to_integral_value(
        "ROUND_FLOOR" if own["better"] == "lower" else "ROUND_CEILING"
    )


def fair(document: dict[str, Any]) -> Rulebook:
    """The rulebook without the factors in which the check finds a better fact that costs more."""
    from serving.underwriting.rulebook_fair import findings

    found = {finding.path[:2] for finding in findings(Rulebook.model_validate(document))}
    kept = {
        kind: [one for place, one in enumerate(document.get(kind, [])) if (kind, place) not in found]
        for kind in ("factors", "incentives")
    }
    return Rulebook.model_validate(document | kept)


def standard(kind: FactKind) -> st.SearchStrategy[Any]:
    """Values of a standard fact, those at which rulebooks change their mind often among them."""
    if kind.kind == "flag":
        return st.booleans()
    if kind.kind == "code":
        return st.sampled_from(kind.codes)
    low, high = int(kind.least or 0), int(kind.most if kind.most is not None else 600)
    whole = st.integers(low, min(high, 8)) | st.integers(low, high)
    return (
        whole.map(Decimal)
        if kind.whole
        else whole.map(Decimal) | st.integers(20 * low, 20 * high).map(lambda n: Decimal(n) / 20)
    )


@st.composite
def no_worse(draw: st.DrawFn, kind: FactKind, before: Any) -> Any:
    """A value of a standard fact that is as good as one before, or better."""
    if kind.kind == "flag":
        return draw(st.sampled_from(sorted({before, kind.better == "higher"})))
    if kind.kind == "code":
        place = kind.codes.index(before)
        return draw(st.sampled_from(kind.codes[place:] if kind.better == "higher" else kind.codes[: place + 1]))
    after = draw(standard(kind))
    return max(before, after) if kind.better == "higher" else min(before, after)


GRADED_STANDARD = {name: kind for name, kind in VOCABULARY.items() if kind.better is not None}
