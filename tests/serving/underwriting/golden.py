"""Worksheets that must stay as they are, to the cent: one of each shipped rulebook, and of each bound and calendar that binds,
kept as documents in golden/.

`python -m tests.serving.underwriting.golden` writes them anew, after a rulebook was changed on purpose.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from serving.underwriting.facts import Fact, Facts, Value
from serving.underwriting.rulebook import Rulebook, load, parse
from serving.underwriting.terms import ModelSays, RelativityFacts, Terms
from serving.underwriting.worksheet import Worksheet

FOLDER = Path(__file__).parent / "golden"
# The premium of each, over 400 days where the rulebook reckons by the day.
PREMIUMS = {
    "henan-example": "78185.69",
    "shandong-construction-example": "56150.32",
    "zhongshan-example": "66941.61",
    "fuyang-example": "71411.30",
    "leap-day": "71539.91",
    "leap-year": "10013.81",
    "minimum": "547.95",
    "model-cap": "82604.24",
}
KNOWN: dict[str, Value] = {
    "industry": "construction", "headcount": Decimal(137), "project_cost": Decimal("83456789.01"), "standardisation": "2",
    "accidents_1y": Decimal(1), "accidents_ordinary_1y": Decimal(1), "accidents_larger_1y": Decimal(0),
    "accidents_major_1y": Decimal(0), "clean_years": Decimal(0), "credit": "C", "blacklisted": False,
    "rectification_rate": Decimal("0.9722222222"), "overdue_hazards": Decimal(1), "award": "city",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """What is otherwise than in the worksheet of a rulebook. loss: how many times the insured loss."""

    rulebook: str
    starts: date = date(2026, 7, 15)
    ends: date = date(2027, 8, 18)
    changed: Mapping[str, Value] = field(default_factory=dict)
    loss: int = 1
    pro_rata: str = "365"


CASES = {
    # A year from 29 February ends on the next 28th: what is over is one day of 365.
    "leap-day": Case("henan-example", date(2024, 2, 29), date(2025, 3, 1)),
    # January and February of a leap year by the days of the year: 60 of 366.
    "leap-year": Case("zhongshan-example", date(2024, 1, 1), date(2024, 2, 29), pro_rata="actual"),
    "minimum": Case("henan-example", changed={"headcount": Decimal(1), "industry": "services"}),
    "model-cap": Case("zhongshan-example", loss=100),
}


def rulebook_of(name: str) -> Rulebook:
    """The rulebook of a golden worksheet."""
    case = CASES.get(name) or Case(name)
    book = load(case.rulebook)
    if case.pro_rata == "365":
        return book
    return parse(book.source.replace('pro_rata = "365"', f'pro_rata = "{case.pro_rata}"'))


def worksheet(name: str, **changed: Value) -> Worksheet:
    """The worksheet as it is made today, by the name of a case or a rulebook."""
    case = CASES.get(name) or Case(name)
    book, known = rulebook_of(name), {**KNOWN, **case.changed, **changed}
    facts = Facts(date(2026, 6, 30), "CNY", {name: Fact(name, value, f"paper {name}") for name, value in known.items()})
    terms = Terms(case.starts, case.ends, "CNY", limit_per_person=Decimal(600_000))
    fitted = RelativityFacts(
        book.digest, "bundle", Decimal("2.281768"), Decimal("0.613255"), Decimal("0.4"), Decimal("0.8"), "golden rows"
    )
    numbers = ("1.53811234", "0.8340123456", "2.837654321", "157641.1537", "85459.90234", "290786.2049")
    expected, losses = map(Decimal, numbers[:3]), (Decimal(one) * case.loss for one in numbers[3:])
    says = ModelSays(*expected, *losses, bundle_id="bundle", relativity=fitted, notes=("a note",))
    return Worksheet.make(book, facts, terms, says, name="黄金样本 Golden Works")


def path(name: str) -> Path:
    return FOLDER / f"{name}.json"


if __name__ == "__main__":
    for name in PREMIUMS:
        text = json.dumps(worksheet(name).document(), ensure_ascii=False, indent=1)
        path(name).write_text(text + "\n", encoding="utf-8")
