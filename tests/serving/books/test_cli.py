"""The verb of books from the file to the page, and one line for a mistake with nothing half written."""

import json
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import forewarn
from features.settings import settings
from tests.serving import book_world

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Type `forewarn book ...` into a home of its own; gives exit code, stdout, stderr."""
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path / "home"))

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["forewarn", "book", *map(str, arguments)])
        settings.cache_clear()
        with pytest.raises(SystemExit) as end:
            forewarn.main()
        settings.cache_clear()
        return int(str(end.value.code)), *capsys.readouterr()

    return run


@pytest.fixture
def imported(typed: Typed, tmp_path: Path) -> Typed:
    policies, claims = book_world.book(80)
    file = book_world.write_xlsx(tmp_path / "book.xlsx", Policies=policies, Claims=claims)
    code, said, _ = typed("import", file, "--name", "spring", "--json")
    assert code == 0 and json.loads(said)["policies"] == 80
    return typed


def test_a_book_is_rated_and_its_total_kept(imported: Typed, tmp_path: Path) -> None:
    page, out = tmp_path / "rated.html", tmp_path / "out.csv"
    how = ("--rulebook", "zhongshan-example", "--starts", "2026-01-01", "--bundle", "none")
    code, said, _ = imported("rate", "spring", *how, "--keep-total", "--html", page, "--out", out, "--json")
    found = json.loads(said)
    assert code == 0 and found["premium"] == found["premium_charged"] and found["claims"]["loss_ratio_rated"]["value"] > 0
    assert sum(Decimal(line.split(",")[2]) for line in out.read_text().splitlines()[1:]) == Decimal(found["premium"])
    drawn = page.read_text(encoding="utf-8")
    assert "重新定价" in drawn and "an accident in the last year 上年发生事故" in drawn
    assert "from 50 below 200 50（含）至200（不含）" in drawn
    assert "<td>false" not in drawn and "<td>2 二级" in drawn
    code, said, _ = imported("rate", "spring", *how)
    assert code == 0 and "80 policies of spring by zhongshan-example" in said
    code, said, _ = imported("list", "--json")
    assert [one["name"] for one in json.loads(said)] == ["spring"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--out", "."), ".: no page can be written there"),
        (("--html", "."), ".: no page can be written there"),
        (("--total", "1e30"), "--total: 1e30 is no amount to keep"),
        (("--total", "0.005"), "no whole number of steps of 0.01"),
        (("--starts", "9999-12-30"), "--starts: 9999-12-30 is no day of a policy; name a day until 2200-12-31"),
    ],
)
def test_what_cannot_be_asked_of_a_book_is_one_line(imported: Typed, more: tuple[str, ...], said: str) -> None:
    code, out, line = imported(
        "rate", "spring", "--rulebook", "zhongshan-example", "--bundle", "none", "--starts", "2026-01-01", *more
    )
    refusal = line.splitlines()[-1]  # after the progress of a book that was rated
    assert (code, out) == (2, "") and refusal.startswith("forewarn: ") and said in refusal, line


def test_the_example_book_is_imported_rated_and_compared(typed: Typed) -> None:
    folder = Path(__file__).parents[3] / "data" / "examples"
    code, said, _ = typed("import", folder / "book.csv", "--claims", folder / "book-claims.csv", "--name", "example")
    assert code == 0 and "24 policies" in said
    how = ("--starts", "2026-07-01", "--keep-total", "--json")
    code, said, _ = typed("rate", "example", "--rulebook", "zhongshan-example", *how)
    found = json.loads(said)
    assert code == 0 and found["premium"] == found["premium_charged"] == "2051191.76"
    code, said, _ = typed("compare", "example", "--rulebook", "zhongshan-example", "--rulebook", "henan-example", *how)
    assert code == 0 and json.loads(said)["premium"] == ["2051191.76"] * 2


def test_two_rulebooks_are_compared(imported: Typed, tmp_path: Path) -> None:
    how = ("--rulebook", "zhongshan-example", "--rulebook", "henan-example", "--starts", "2026-01-01", "--bundle", "none")
    code, said, _ = imported("compare", "spring", *how, "--html", tmp_path / "both.html", "--json")
    found = json.loads(said)
    moved = sum(Decimal(part["up"]) + Decimal(part["down"]) for part in found["by_factor"].values())
    assert code == 0 and moved == Decimal(found["difference"]) == Decimal(found["premium"][1]) - Decimal(found["premium"][0])
    code, said, _ = imported("compare", "spring", *how)
    assert code == 0 and "rise the most" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("import", "nowhere.csv"), "nowhere.csv: no such file"),
        (("rate", "nothing", "--rulebook", "henan-example"), "no book nothing"),
        (("rate", "spring", "--rulebook", "nowhere"), "no rulebook 'nowhere'"),
        (("rate", "spring", "--rulebook", "henan-example", "--starts", "soon"), "--starts: 'soon' is no day"),
        (("rate", "spring", "--rulebook", "henan-example", "--starts", "1999-01-01"), "not yet in force on 1999-01-01"),
        (
            ("rate", "spring", "--rulebook", "henan-example", "--starts", "2026-01-01", "--bundle", "none", "--total", "5"),
            "add up to",
        ),
        (("rate", "spring", "--rulebook", "henan-example", "--total", "much"), "--total: 'much' is no amount"),
        (("compare", "spring", "--rulebook", "henan-example"), "name two rulebooks, or one and two bundles"),
        (("rate", "spring", "--rulebook", "henan-example", "--bundle", "b", "--starts", "2026-01-01"), "no bundle b"),
    ],
)
def test_mistakes_are_one_line(imported: Typed, arguments: tuple[str, ...], said: str) -> None:
    code, _, told = imported(*arguments)
    assert code == 2 and said in told and told.count("\n") <= 20 and "Traceback" not in told


def test_a_faulty_file_leaves_nothing_behind(typed: Typed, tmp_path: Path) -> None:
    policies, _ = book_world.book(5)
    file = book_world.write_csv(tmp_path / "b.csv", policies | {"premium": ["x"] * 5, "starts": [date(2026, 1, 1)] * 5})
    code, _, told = typed("import", file)
    lines = told.splitlines()
    assert code == 2 and len(lines) == 5 and all(line.startswith("forewarn: b.csv, row ") for line in lines)
    assert not (tmp_path / "home" / "store").exists()
    code, said, _ = typed("list")
    assert code == 0 and "no book" in said
