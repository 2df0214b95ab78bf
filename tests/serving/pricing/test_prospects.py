"""Facts files: what is stated comes in as it is; what is mistyped is one line with its place."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from features.errors import BadInput, NotFound
from serving.pricing.prospects import parse, read

GOOD = """
as_of = 2026-01-01
name = "Example Works"
currency = "CNY"

[facts]
industry = "food"
headcount = 120
training_coverage = 0.9
blacklisted = false
founded = 2001-05-04

[terms]
limit_per_person = 600000
starts = 2026-02-01
"""


def written(folder: Path, text: str, name: str = "facts.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_facts_and_terms_come_in_with_their_lines(tmp_path: Path) -> None:
    found = read(written(tmp_path, GOOD))
    assert (found.name, found.facts.as_of, found.facts.currency) == ("Example Works", date(2026, 1, 1), "CNY")
    assert found.facts.value("headcount") == Decimal(120)
    assert found.facts.value("training_coverage") == Decimal("0.9")
    assert (found.facts.value("blacklisted"), found.facts.value("founded")) == (False, date(2001, 5, 4))
    assert found.facts.value("clean_years") is None
    assert "line 8, facts.headcount" in found.facts["headcount"].evidence
    assert found.terms == {"limit_per_person": Decimal(600000), "starts": date(2026, 2, 1)}
    row = found.columns().to_pylist()[0]
    assert (row["headcount"], row["industry"], row["clean_years"]) == (120.0, "food", None)


def test_json_says_the_same_as_toml(tmp_path: Path) -> None:
    document = {"as_of": "2026-01-01", "facts": {"industry": "food", "training_coverage": 0.9}, "terms": {"headcount": 3}}
    found = read(written(tmp_path, json.dumps(document), "facts.json"))
    assert found.facts.value("training_coverage") == Decimal("0.9")
    assert found.terms == {"headcount": 3}
    assert parse(document, "body").facts.value("industry") == "food"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("headcount = 120", "headcuont = 120", "line 8, facts.headcuont: unknown key 'headcuont' (did you mean headcount?"),
        ("[terms]", "[term]", "unknown key 'term'"),
        ('"food"', '"fod"', "'fod' is not among its codes"),
        ("120", "-1", "out of its bounds"),
        ("120", "1e400", "not to be reckoned with"),
        ("120", '"many"', "is no number"),
        ("0.9", "1.2", "out of its bounds"),
        ("false", "0", "neither true nor false"),
        ("2001-05-04", '"long ago"', "is no day"),
        ('"CNY"', '"yuan"', "is no currency"),
        ("[facts]", "[[facts]]", "not a table"),
        ("as_of = 2026-01-01", "as_of = 3", "is no day"),
        ('name = "Example Works"', 'name = " "', "no name"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(BadInput) as error:
        read(written(tmp_path, GOOD.replace(old, new)))
    line = str(error.value)
    assert told.split(" (did")[0] in line or told in line
    assert "\n" not in line
    assert str(tmp_path) in line


def test_what_is_no_file_or_no_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read(tmp_path / "none.toml")
    for name, text in (("a.toml", "facts = ["), ("a.json", "{"), ("b.json", "[1]")):
        with pytest.raises(BadInput):
            read(written(tmp_path, text, name))
    with pytest.raises(BadInput, match="larger than"):
        read(written(tmp_path, "#" * 1_000_001))
