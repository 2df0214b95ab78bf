"""Rating a book: a row is a quote, the total is kept, the order of policies never matters, differences add up."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import BadInput
from features.settings import Settings
from serving.books import charges, result
from serving.books.importing import Book, read_book
from serving.books.rate import Rating, rate
from serving.underwriting import rulebook
from serving.underwriting.facts import Fact, Facts
from serving.underwriting.premium import charge
from serving.underwriting.terms import Terms
from tests.serving import book_world

STARTS, DAYS = date(2026, 1, 1), 365
RULEBOOKS = ("henan-example", "zhongshan-example")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    policies, claims = book_world.book(250)
    folder = tmp_path_factory.mktemp("book")
    return read_book(book_world.write_csv(folder / "b.csv", policies), book_world.write_csv(folder / "c.csv", claims))


def rated(book: Book, names: Sequence[str] = RULEBOOKS[1:], **how: object) -> list[Rating]:
    return rate(Settings(threads=1), book, [(name, "none") for name in names], **({"starts": STARTS} | how))


@pytest.mark.parametrize("name", RULEBOOKS)
def test_a_row_of_a_book_is_a_quote_to_the_cent(book: Book, name: str) -> None:
    found = rated(book, [name])[0].rated
    rules = rulebook.load(name)
    for row, premium in zip(book.policies.to_pylist(), found.premiums, strict=True):
        known = {
            key: Fact(key, Decimal(repr(value)) if isinstance(value, float) else value, "stated")
            for key, value in row.items() if value is not None
        }  # fmt: skip
        amounts = {key: Decimal(repr(row[key])) for key in charges.TERMS if row.get(key) is not None}
        days = (row["ends"] - row["starts"]).days
        terms = Terms(STARTS, date.fromordinal(STARTS.toordinal() + days), "CNY", **amounts)
        assert charge(rules, Facts(STARTS, "CNY", known), terms, None).premium == premium


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_policies_never_matters(book: Book, random) -> None:
    small = book.only([place < 40 for place in range(len(book))])
    order = list(range(len(small)))
    random.shuffle(order)
    turned = Book(small.name, small.currency, small.policies.take(order), small.claims)
    one, other = (rated(each)[0].kept_to(Decimal("123456.78")) for each in (small, turned))
    assert dict(zip(one.rated.keys, one.rated.final, strict=True)) == dict(
        zip(other.rated.keys, other.rated.final, strict=True)
    )
    assert one.rated.total == Decimal("123456.78")


def test_chunks_and_processes_change_nothing(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rated(book)[0].rated
    monkeypatch.setattr(charges, "_CHUNK", 70)
    seen: list[tuple[int, int]] = []
    parts = rated(book, progress=lambda done, of: seen.append((done, of)))[0].rated
    assert parts.premiums == whole.premiums
    for one, other in zip(parts.steps, whole.steps, strict=True):
        np.testing.assert_array_equal(one.ratio, other.ratio)
        assert one.level == other.level
    assert seen == [(320, 500), (390, 500), (460, 500), (500, 500)]  # facts are the first half


def test_the_total_charged_is_kept_above_the_minimum(book: Book) -> None:
    found = rated(book)[0].kept_to(book.charged).rated
    assert found.total == book.charged
    assert all(one >= least for one, least in zip(found.final, found.least, strict=True))
    assert any(one == least for one, least in zip(found.final, found.least, strict=True)) == (found.balanced.at_floor > 0)


def test_differences_by_factor_add_up_policy_by_policy(book: Book) -> None:
    one, other = (side.kept_to(book.charged) for side in rated(book, RULEBOOKS))
    moved = result.moved(one, other)
    np.testing.assert_array_equal(moved.parts.sum(axis=1), other.rated.cents - one.rated.cents)
    assert moved.total.sum() == 0  # both were brought to the same total
    # What is not told by a factor is next to nothing.
    assert np.abs(moved.parts[:, -1]).sum() < 0.001 * np.abs(moved.parts).sum()


def test_a_policy_that_cannot_be_rated_stops_the_book_or_is_left_out(book: Book) -> None:
    with pytest.raises(BadInput, match=r"book b, policy P\d+ \(row \d+\): .*not yet in force"):
        rated(book, starts=None)
    found = rated(book, starts=None, leave_out=True)[0]
    assert len(found.left_out) + len(found.book) == len(book) and len(found.book) == len(found.rated)
    assert found.charged == found.book.charged < book.charged
    assert set(found.book.claims.column("policy_id").to_pylist()) <= set(found.rated.keys)


def test_another_currency_is_refused(book: Book) -> None:
    other = Book(book.name, "EUR", book.policies, book.claims)
    with pytest.raises(BadInput, match=r"the book is in EUR, rulebook zhongshan-example in CNY; name a rulebook in EUR"):
        rated(other)


def test_the_pages_say_what_the_figures_say(book: Book, tmp_path: Path) -> None:
    one, other = (side.kept_to(book.charged) for side in rated(book, RULEBOOKS))
    page = result.write_rated(tmp_path / "rated.html", one).read_text(encoding="utf-8")
    assert f"{book.charged:,.2f}" in page and "结论" in page and page.count("<svg") > 5 and "Mack" in page
    both = result.write_compared(tmp_path / "both.html", one, other).read_text(encoding="utf-8")
    assert "上涨最多" in both and "henan-example" in both and other.rated.keys[0][:1] == "P"
    document = result.compared_document(one, other)
    assert sum(Decimal(part["up"]) + Decimal(part["down"]) for part in document["by_factor"].values()) == 0


def test_every_policy_is_written_with_its_steps(book: Book, tmp_path: Path) -> None:
    sides = rated(book, RULEBOOKS)
    lines = result.write_policies(tmp_path / "p.csv", sides).read_text(encoding="utf-8").splitlines()
    header = lines[0].split(",")
    assert len(lines) == len(book) + 1 and {"policy_id", "premium_1", "premium_2", "base_1", "difference"} <= set(header)
    first = dict(zip(header, lines[1].split(","), strict=True))
    parts = sum(Decimal(value) for name, value in first.items() if name.startswith("because_"))
    assert parts == Decimal(first["difference"]) == Decimal(first["premium_2"]) - Decimal(first["premium_1"])
