"""Rulebooks are loaded by name or path, are in force on days, and have a digest of their content."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import BadInput, NotFound
from serving.underwriting.rulebook import FOLDER, Rulebook, load, parse, shipped
from serving.underwriting.rulebook_words import described

HENAN = load("henan-example")


@given(st.dates(date(2023, 1, 1), date(2029, 1, 1)))
def test_a_rulebook_is_in_force_from_its_first_day_to_its_last(day: date) -> None:
    if date(2024, 1, 1) <= day <= date(2027, 12, 31):
        assert HENAN.in_force(day) is HENAN
    else:
        state = "not yet in force" if day.year < 2024 else "lapsed"
        with pytest.raises(BadInput, match=f"rulebook henan-example: {state} on {day}: it is in force from 2024-01-01 to 2027"):
            HENAN.in_force(day)


def test_the_digest_follows_the_content_alone() -> None:
    text = HENAN.source
    same = "# another comment\n" + text.replace("minimum = 500", "minimum   = 500.00").replace(
        "mining = 900\n", "mining = 900.0\n"
    )
    moved = same.replace("food = 160\ntextile = 140\n", "textile = 140\nfood = 160\n")
    assert moved != text
    assert parse(moved).digest == HENAN.digest
    for old, new in (("minimum = 500", "minimum = 501"), ("河南示例", "河南例"), ("cap = 1.5", "cap = 1.50001")):
        assert parse(text.replace(old, new)).digest != HENAN.digest


def test_the_text_of_a_rulebook_gives_it_again() -> None:
    for one in shipped():
        again = parse(one.source)
        assert again == one
        assert (again.digest, hash(again)) == (one.digest, hash(one))


def test_a_rulebook_loads_from_a_path_and_by_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes((FOLDER / "henan-example.toml").read_bytes())
    assert load(path).digest == load(str(path)).digest == HENAN.digest


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("hunan", NotFound, "no rulebook 'hunan'; name a .toml file or one of fuyang-example, henan-example"),
        ("../law", NotFound, "no rulebook '../law'"),
        ("nowhere.toml", NotFound, "nowhere.toml: no such file"),
    ],
)
def test_what_is_not_there_is_said(name: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as refused:
        load(name)
    assert words in str(refused.value)


def test_what_is_no_text_is_said(tmp_path: Path) -> None:
    (path := tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="not text in UTF-8"):
        load(path)
    with pytest.raises(BadInput, match="not readable"):
        load(folder(tmp_path / "other.toml"))


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_amounts_are_exactly_what_is_written() -> None:
    assert str(HENAN.factors[1].levels["none"]) == "1.1"
    assert HENAN.prevention.cap == Decimal("0.21")
    assert all(isinstance(one, Decimal) for one in HENAN.base.rates.values())


def test_a_rulebook_for_some_industries_serves_no_others() -> None:
    shandong = load("shandong-construction-example")
    assert shandong.serves("construction")
    assert not shandong.serves("mining")
    assert not shandong.serves(None)
    assert load("zhongshan-example").serves(None)


@pytest.mark.parametrize("one", shipped(), ids=lambda one: one.id)
def test_a_rulebook_in_words_names_every_factor_level_and_citation(one: Rulebook) -> None:
    text = described(one)
    for factor in (*one.factors, *one.incentives):
        assert factor.name in text and factor.words_zh in text
    for clause in one.clauses.values():
        assert clause.citation in text
    assert one.digest in text
    assert "ILLUSTRATIVE" in text


def test_a_rulebook_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        HENAN.version = "2"  # type: ignore[misc]
