"""Worksheets that must stay as they are, to the cent: one of each shipped rulebook, kept as documents in golden/.

`python -m tests.serving.underwriting.golden` writes them anew, after a rulebook was changed on purpose.
"""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

from serving.underwriting.facts import Fact, Facts, Value
from serving.underwriting.rulebook import load
from serving.underwriting.terms import ModelSays, RelativityFacts, Terms
from serving.underwriting.worksheet import Worksheet

FOLDER = Path(__file__).parent / "golden"
# The premium of each, over 400 days where the rulebook reckons by the day.
PREMIUMS = {
    "henan-example": "78185.69",
    "shandong-construction-example": "56150.32",
    "zhongshan-example": "66941.61",
    "fuyang-example": "71411.30",
}
KNOWN: dict[str, Value] = {
    "industry": "construction", "headcount": Decimal(137), "project_cost": Decimal("83456789.01"), "standardisation": "2",
    "accidents_1y": Decimal(1), "accidents_ordinary_1y": Decimal(1), "accidents_larger_1y": Decimal(0),
    "accidents_major_1y": Decimal(0), "clean_years": Decimal(0), "credit": "C", "blacklisted": False,
    "rectification_rate": Decimal("0.9722222222"), "overdue_hazards": Decimal(1), "award": "city",
}  # fmt: skip


def worksheet(rulebook: str, **changed: Value) -> Worksheet:
    """The worksheet as it is made today."""
    book, known = load(rulebook), KNOWN | changed
    facts = Facts(date(2026, 6, 30), "CNY", {name: Fact(name, value, f"paper {name}") for name, value in known.items()})
    terms = Terms(date(2026, 7, 15), date(2027, 8, 18), "CNY", limit_per_person=Decimal(600_000))
    fitted = RelativityFacts(
        book.digest, "bundle", Decimal("2.281768"), Decimal("0.613255"), Decimal("0.4"), Decimal("0.8"), "golden rows"
    )
    numbers = ("1.53811234", "0.8340123456", "2.837654321", "157641.1537", "85459.90234", "290786.2049")
    says = ModelSays(*map(Decimal, numbers), bundle_id="bundle", relativity=fitted, notes=("a note",))
    return Worksheet.make(book, facts, terms, says, name="黄金样本 Golden Works")


def path(rulebook: str) -> Path:
    return FOLDER / f"{rulebook}.json"


if __name__ == "__main__":
    for name in PREMIUMS:
        text = json.dumps(worksheet(name).document(), ensure_ascii=False, indent=1)
        path(name).write_text(text + "\n", encoding="utf-8")
