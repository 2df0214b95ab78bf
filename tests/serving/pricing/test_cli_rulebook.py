"""The verbs of rulebooks: lists, pages and faults on stdout, exit code 2 where there is a fault, one line for a mistake."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from features.errors import BadInput, NotFound
from features.settings import settings
from serving.pricing.cli_rulebook import rulebook
from serving.underwriting.rulebook import FOLDER, load

RUN = CliRunner()
NAMES = ["fuyang-example", "henan-example", "shandong-construction-example", "zhongshan-example"]


def run(*arguments: str) -> Result:
    return RUN.invoke(rulebook, list(arguments))


@pytest.fixture
def henan(tmp_path: Path) -> Path:
    """A copy of a shipped rulebook with two faults."""
    path = tmp_path / "henan.toml"
    text = (FOLDER / "henan-example.toml").read_text(encoding="utf-8")
    path.write_text(text.replace("commission = 0.05", "commission = 0.06").replace("mining = 900\n", ""), encoding="utf-8")
    return path


def test_the_shipped_rulebooks_are_listed_as_illustrations() -> None:
    found = json.loads(run("list", "--json").stdout)
    assert [one["id"] for one in found] == NAMES
    assert all(one["illustrative"] and one["effective_to"] == "2027-12-31" for one in found)
    assert found[1]["digest"] == load("henan-example").digest
    text = run("list").stdout
    assert text.count("illustrative") == len(NAMES)


def test_the_homes_own_rulebooks_are_listed_shown_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "rulebooks" / "spring.toml"
    own.parent.mkdir()
    text = load("henan-example").source.replace('id = "henan-example"', 'id = "spring"')
    own.write_text(text.replace('market = "CN-HA"', 'market = "CN-ZJ"'), encoding="utf-8")
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    settings.cache_clear()
    try:
        assert [one["id"] for one in json.loads(run("list", "--json").stdout)] == ["spring", *NAMES]
        assert "spring 1" in run("show", "spring").stdout
        assert run("check", "spring").exit_code == 0
    finally:
        settings.cache_clear()


def test_a_rulebook_is_shown_as_a_page_as_written_and_as_a_document(henan: Path) -> None:
    page = run("show", "zhongshan-example").stdout
    assert "人数×每人基准保费" in page and "blacklisted: true = 1.5; false = 1.0" in page
    assert run("show", "zhongshan-example", "--toml").stdout == load("zhongshan-example").source.rstrip() + "\n"
    document = json.loads(run("show", "zhongshan-example", "--json").stdout)
    assert (document["base"]["rate"], document["effective_from"]) == ("300", "2024-01-01")
    assert "source" not in document
    assert isinstance(run("show", "nowhere").exception, NotFound)
    assert isinstance(refused := run("show", str(henan)).exception, BadInput)
    assert str(refused).startswith(f"{henan}, line ")


def test_a_check_without_faults_ends_well() -> None:
    result = run("check", *NAMES)
    assert result.exit_code == 0
    assert result.stdout.count("no faults") == len(NAMES)


def test_a_check_names_every_fault_at_its_line_and_ends_with_2(henan: Path) -> None:
    result = run("check", str(henan), "henan-example", "--json")
    assert result.exit_code == 2
    first, second = json.loads(result.stdout)
    rows = henan.read_text(encoding="utf-8").splitlines()
    assert [rows[one["line"] - 1].split(" = ")[0] for one in first["faults"]] == ["version", "[base.rates]", "commission"]
    assert all(one["mend"] for one in first["faults"])
    assert [one["what"] for one in second["faults"]] == ["another rulebook is henan-example version 1 too"]
    lines = run("check", str(henan)).stdout.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{henan}, line ") for line in lines)


def test_a_check_of_a_day_finds_what_has_lapsed() -> None:
    result = run("check", "henan-example", "--day", "2028-01-01")
    assert result.exit_code == 2
    assert "lapsed: its last day was 2027-12-31" in result.stdout
    early = run("check", "henan-example", "--day", "2020-01-01")
    assert early.exit_code == 0
    assert "in force from 2024-01-01 on" in early.stdout


def test_two_files_are_checked_against_each_other(tmp_path: Path) -> None:
    text = (FOLDER / "henan-example.toml").read_text(encoding="utf-8").replace('status = "assumed"', 'status = "published"')
    text = text.replace("illustrative = true", "illustrative = false").replace("henan-example", "henan")
    paths = [tmp_path / f"{year}.toml" for year in (2024, 2025)]
    for path in paths:
        path.write_text(text.replace('version = "1"', f'version = "{path.stem}"'), encoding="utf-8")
    result = run("check", *map(str, paths), "--json")
    assert result.exit_code == 2
    assert [len(one["faults"]) for one in json.loads(result.stdout)] == [1, 1]
    assert run("check", str(paths[0])).exit_code == 0


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert isinstance(run("check", str(tmp_path / "no.toml")).exception, NotFound)


def test_a_cliff_is_a_note_and_no_fault() -> None:
    result = run("check", "shandong-construction-example")
    assert result.exit_code == 0
    first, *rest = result.stdout.splitlines()
    assert "no faults" in first
    assert len(rest) == 5 and all(", line " in line and ": note: cliff: at project_cost " in line for line in rest)
    (document,) = json.loads(run("check", "shandong-construction-example", "--json").stdout)
    assert document["faults"] == [] and len(document["notes"]) == 5
    assert "\nNotes\n  cliff: at project_cost 10000000 " in run("show", "shandong-construction-example").stdout
