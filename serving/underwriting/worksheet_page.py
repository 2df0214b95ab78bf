"""A worksheet as a page in English and Chinese: one file that needs no network and prints on A4."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from serving.underwriting import words
from serving.underwriting.changes import Change, explained
from serving.underwriting.factors import NEUTRAL
from serving.underwriting.facts import VOCABULARY, Facts
from serving.underwriting.level_words import level_words, value_words
from serving.underwriting.numbers import CENT, MONEY, plain
from serving.underwriting.premium import with_terms
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_charging import Visits
from serving.underwriting.stages import Step, level_of
from serving.underwriting.term import Entry, balance, visits_rule
from serving.underwriting.words import Words
from serving.underwriting.worksheet import Worksheet

TEMPLATE = "worksheet.html.j2"


@dataclass(frozen=True)
class Signed:
    """Another premium than the worksheet's, with who signed it and why."""

    premium: Decimal
    by: str
    reason: str
    at: datetime


def page(
    worksheet: Worksheet,
    *,
    quote_id: str | None = None,
    quoted_at: datetime | None = None,
    parent: str | None = None,
    before: Worksheet | None = None,
    overrides: Sequence[Signed] = (),
) -> str:
    """The page as HTML. parent, before: the quote that a what-if starts from, and its worksheet."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"money": money, "ratio": ratio, "share": share, "brief": brief, "signed": signed}
    about = {"quote_id": quote_id, "quoted_at": quoted_at, "parent": parent, "overrides": overrides}
    what_if = None if before is None else _what_if(before, worksheet)
    return environment.get_template(TEMPLATE).render(**_context(worksheet), **about, what_if=what_if)


def money(amount: Decimal) -> str:
    """An amount to the cent, thousands apart."""
    return f"{MONEY.quantize(amount, CENT):,f}"


def signed(amount: Decimal) -> str:
    """A difference to the cent."""
    return f"{MONEY.quantize(amount, CENT):+,f}".replace("-", "\N{MINUS SIGN}")


def ratio(number: Decimal) -> str:
    """A factor at six places at most, without zeros that say nothing."""
    return plain(number.quantize(Decimal("0.000001"), ROUND_HALF_UP).normalize())


def brief(number: Decimal) -> str:
    """A number at four significant digits."""
    return f"{number:.4g}" if number < 1000 else f"{number:,.0f}"


def share(number: Decimal) -> str:
    """A share in per cent, one place."""
    return f"{number * 100:.1f} %"


def _context(worksheet: Worksheet) -> dict[str, Any]:
    rulebook, made = worksheet.rulebook, worksheet.charge
    visits = _visits(worksheet)
    steps = [step.clause for step in made.steps]
    cited = dict.fromkeys([*steps, rulebook.cover.clause, rulebook.prevention.clause, visits.clause])
    set_aside = balance(rulebook, [Entry("received", worksheet.terms.starts, made.premium)])  # as the ledger will have it
    return {
        "sheet": worksheet,
        "rulebook": rulebook,
        "made": made,
        "says": worksheet.says,
        "currency": rulebook.currency,
        "steps": [_line(worksheet, step) for step in made.steps],
        "terms": _terms(worksheet),
        "facts": [
            (fact_words(rulebook, one.name), value_words(one.name, one.value), one.evidence) for one in worksheet.facts.values()
        ],
        "clauses": {name: (place, rulebook.clauses[name]) for place, name in enumerate(cited, start=1)},
        "status": words.STATUS,
        "prevention": (set_aside.least, set_aside.most),
        "visits": visits,
        "missing": [fact_words(rulebook, name) for name in _missing(worksheet)],
        "unrated": words.UNRATED,
    }


@dataclass(frozen=True)
class _WhatIf:
    """A what-if beside the quote that it starts from. facts: what a fact is called, its value before and after, and why."""

    before: Worksheet
    difference: Decimal
    facts: list[tuple[Words, Words, Words, Words]]
    parts: list[tuple[Change, Words, Words]]


def _what_if(before: Worksheet, after: Worksheet) -> _WhatIf:
    rulebook = after.rulebook
    names = [*before.facts, *(name for name in after.facts if name not in before.facts)]
    facts = []
    for name in names:
        old, new = before.facts.value(name), after.facts.get(name)
        if new is not None and old != new.value:
            why = words.WHY.get(new.evidence, words.WHAT_IF)
            facts.append((fact_words(rulebook, name), value_words(name, old), value_words(name, new.value), why))
    parts = []
    for one in explained(before.charge, after.charge):
        was, now = (level_words(rulebook, one.stage, one.name, level) for level in (one.before, one.after))
        parts.append((one, was, now))
    return _WhatIf(before, after.charge.premium - before.charge.premium, facts, parts)


def _visits(worksheet: Worksheet) -> Visits:
    """What is due in visits a year, whatever the premium."""
    industry = worksheet.facts.value("industry")
    return visits_rule(worksheet.rulebook, industry if isinstance(industry, str) else None)


def fact_words(rulebook: Rulebook, name: str) -> Words:
    """What a fact is called."""
    known: Any = VOCABULARY.get(name) or next((one for one in rulebook.facts if one.name == name), None)
    if known is not None:
        return Words(known.words_en[:1].upper() + known.words_en[1:], known.words_zh)
    return words.TERMS.get(name, Words(name, name))


def _missing(worksheet: Worksheet) -> tuple[str, ...]:
    """Facts that a factor looked at, that are not known, and for which no level was taken instead."""
    neutral = [step for step in worksheet.charge.steps if step.missing and step.level == NEUTRAL]
    names = dict.fromkeys(name for step in neutral for name in step.fact.split(", "))
    return tuple(name for name in names if _asked(worksheet).value(name) is None)


def _asked(worksheet: Worksheet) -> Facts:
    """The facts as the factors saw them: with those of the terms that the rulebook asks for."""
    return with_terms(worksheet.rulebook, worksheet.facts, worksheet.terms)


def used(worksheet: Worksheet, step: Step) -> list[tuple[str, Words]]:
    """The facts that a step looked at, by name, with their values."""
    facts = _asked(worksheet)
    return [(name, value_words(name, facts.value(name))) for name in (step.fact.split(", ") if step.fact else ())]


def _line(worksheet: Worksheet, step: Step) -> Mapping[str, Any]:
    """One row of the calculation."""
    named = [(fact_words(worksheet.rulebook, name), value) for name, value in used(worksheet, step)]
    return {"step": step, "stage": words.STAGES[step.stage], "used": named, "said": _said(worksheet, step), "does": does(step)}


def does(step: Step) -> str:
    """What is done with the amount, in signs."""
    if step.operation == "x":
        return f"× {ratio(step.value)}"
    if step.operation == "/":
        return f"÷ {ratio(step.value)}"
    return {"=": "=", "floor": "↑", "cap": "↓", "round": "≈", "none": "✓"}[step.operation]


def _said(worksheet: Worksheet, step: Step) -> Words | None:
    """What the step says beside its facts."""
    if step.missing:
        return _without(worksheet.rulebook, step)
    if step.stage == "model":
        return _of_model(worksheet, step)
    if step.stage in ("product", "change", "minimum"):
        held = words.HELD[step.operation]
        tail = step.evidence if step.operation == "none" else money(step.value)
        return Words(f"{held.en} {tail}", f"{held.zh} {tail}")
    if step.stage == "rounding":
        mode, unit = words.ROUNDING[step.evidence], plain(step.value)
        return Words(f"to {unit}, {mode.en}", f"至 {unit}，{mode.zh}")
    if step.stage == "pro_rata":
        terms = worksheet.terms
        return Words(*(text.format(starts=terms.starts, ends=terms.ends, days=terms.days) for text in words.COVERED))
    if not step.level:
        return None
    level = level_words(worksheet.rulebook, step.stage, step.name, step.level)
    return level if level not in [value for _, value in used(worksheet, step)] else None


def _without(rulebook: Rulebook, step: Step) -> Words:
    """What is taken where a fact is not known."""
    if step.level == NEUTRAL:
        return words.NEUTRAL
    level = level_words(rulebook, step.stage, step.name, step.level)
    return Words(words.TAKEN.en.format(level=level.en), words.TAKEN.zh.format(level=level.zh or level.en))


def _of_model(worksheet: Worksheet, step: Step) -> Words:
    says, clause = worksheet.says, worksheet.rulebook.model
    if says is None or clause is None:
        return words.NO_SCORE
    fitted = says.relativity
    weight = clause.weight if isinstance(clause.weight, Decimal) else None if fitted is None else fitted.weight
    if weight is None:
        return words.NO_RELATIVITY
    if step.before == 0:
        return words.NO_AMOUNT
    level = level_of(worksheet.rulebook, fitted)
    # Of a premium for the whole policy, however long it runs, the loss beside it is of the whole policy too.
    whole = worksheet.rulebook.premium.pro_rata == "none"
    loss = MONEY.multiply(says.insured_loss, worksheet.charge.years) if whole else says.insured_loss
    numbers = {"loss": money(loss), "level": ratio(level), "amount": money(step.before)}
    numbers |= {"weight": ratio(weight), "floor": ratio(clause.floor), "cap": ratio(clause.cap)}
    return Words(*(text.format(**numbers) for text in words.RELATIVITY))


def _terms(worksheet: Worksheet) -> list[tuple[Words, Words]]:
    """The terms as the page lists them."""
    terms, rows = worksheet.terms, []
    for name, called in words.TERMS.items():
        value = getattr(terms, name)
        if value is None and name in ("headcount", "expiring_premium"):
            continue
        shown_as = words.NO_LIMIT if value is None else Words(money(value) if isinstance(value, Decimal) else str(value), "")
        rows.append((called, shown_as))
    return rows
