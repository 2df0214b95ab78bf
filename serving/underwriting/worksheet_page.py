"""A worksheet as a page in English and Chinese: one file that needs no network and prints on A4."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from serving.underwriting import words
from serving.underwriting.changes import Change, explained
from serving.underwriting.facts import VOCABULARY
from serving.underwriting.numbers import CENT, MONEY, plain
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.stages import Step, level_of
from serving.underwriting.term import visits_due
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
    cited = dict.fromkeys([*steps, rulebook.cover.clause, rulebook.prevention.clause, visits[1]])
    return {
        "sheet": worksheet,
        "rulebook": rulebook,
        "made": made,
        "says": worksheet.says,
        "currency": rulebook.currency,
        "steps": [_line(worksheet, step) for step in made.steps],
        "terms": _terms(worksheet),
        "facts": [(fact_words(rulebook, one.name), shown(one.value), one.evidence) for one in worksheet.facts.values()],
        "clauses": {name: (place, rulebook.clauses[name]) for place, name in enumerate(cited, start=1)},
        "status": words.STATUS,
        "prevention": [MONEY.multiply(made.premium, part) for part in (rulebook.prevention.floor, rulebook.prevention.cap)],
        "visits": visits,
        "missing": [fact_words(rulebook, name) for name in _missing(worksheet)],
    }


@dataclass(frozen=True)
class _WhatIf:
    """A what-if beside the quote that it starts from. facts: what a fact is called, its value before and after, and why."""

    before: Worksheet
    difference: Decimal
    facts: list[tuple[Words, Words, Words, Words]]
    parts: tuple[Change, ...]


def _what_if(before: Worksheet, after: Worksheet) -> _WhatIf:
    names = [*before.facts, *(name for name in after.facts if name not in before.facts)]
    moved = [(name, before.facts.value(name), after.facts.value(name)) for name in names]
    facts = [
        (fact_words(after.rulebook, name), shown(old), shown(new), words.WHY.get(after.facts[name].evidence, words.WHAT_IF))
        for name, old, new in moved
        if old != new
    ]
    return _WhatIf(before, after.charge.premium - before.charge.premium, facts, explained(before.charge, after.charge))


def _visits(worksheet: Worksheet) -> tuple[Decimal, str]:
    """Visits a year that are due whatever the premium, and the clause that says so."""
    industry = worksheet.facts.value("industry")
    due = visits_due(worksheet.rulebook, industry if isinstance(industry, str) else None)
    return due, next(row.clause for row in worksheet.rulebook.prevention.minimum_visits if row.visits == due)


def fact_words(rulebook: Rulebook, name: str) -> Words:
    """What a fact is called."""
    known: Any = VOCABULARY.get(name) or next((one for one in rulebook.facts if one.name == name), None)
    if known is not None:
        return Words(known.words_en[:1].upper() + known.words_en[1:], known.words_zh)
    return words.TERMS.get(name, Words(name, name))


def shown(value: Decimal | str | bool | date | None) -> Words:
    """A fact's value."""
    if value is None:
        return words.NOT_KNOWN
    if isinstance(value, bool):
        return words.FLAGS[value]
    text = f"{value:,f}" if isinstance(value, Decimal) else str(value).replace("_", " ")
    return Words(text, "")


def _missing(worksheet: Worksheet) -> tuple[str, ...]:
    """Facts that a factor looked at and that are not known."""
    names = [name for step in worksheet.charge.steps if step.missing for name in step.fact.split(", ")]
    return tuple(name for name in dict.fromkeys(names) if worksheet.facts.value(name) is None)


def _line(worksheet: Worksheet, step: Step) -> Mapping[str, Any]:
    """One row of the calculation."""
    rulebook = worksheet.rulebook
    names = step.fact.split(", ") if step.fact else []
    used = [(fact_words(rulebook, name), shown(worksheet.facts.value(name))) for name in names]
    return {"step": step, "stage": words.STAGES[step.stage], "used": used, "said": _said(worksheet, step), "does": does(step)}


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
        plainly = step.level == "neutral"
        return words.NEUTRAL if plainly else Words(*(text.format(level=step.level) for text in words.TAKEN))
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
        return Words(step.evidence, "")
    level = step.level.replace("_", " ")
    told = [shown(worksheet.facts.value(name)).en for name in step.fact.split(", ")]
    return Words(level, "") if level and level not in told else None


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
    numbers = {"loss": money(says.insured_loss), "level": ratio(level), "amount": money(step.before)}
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
