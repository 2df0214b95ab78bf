"""The verb `simulate`: rows into the lake, truth beside it, another world refused in one line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from features import cli
from features.errors import BadInput, Conflict
from features.settings import settings
from features.simulator import enterprise_truth, truth

SMALL = ["--machines", "5", "--days", "12", "--every", "6h", "--json"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    monkeypatch.setenv("FOREWARN_BUCKETS", "2")
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def test_rows_go_into_the_lake_and_the_truth_beside_it(home: Path) -> None:
    result = CliRunner().invoke(cli.simulate, SMALL)
    assert result.exit_code == 0, result.output
    account = json.loads(result.stdout)
    assert account["tables"]["machines"]["accepted"] == 5
    assert account["total"]["quarantined"] == account["total"]["corrected"] == 0
    rows = sum(truth.read(home, path.stem).num_rows for path in (home / "truth").glob("*.parquet"))
    assert rows == 5 * 13
    assert not (home / "lake" / "truth").exists()
    again = json.loads(CliRunner().invoke(cli.simulate, SMALL).stdout)
    assert again["total"]["duplicate"] == account["total"]["accepted"]


def test_another_seed_is_refused_and_changes_no_truth(home: Path) -> None:
    assert CliRunner().invoke(cli.simulate, SMALL).exit_code == 0
    before = {path: path.read_bytes() for path in (home / "truth").iterdir()}
    result = CliRunner().invoke(cli.simulate, [*SMALL, "--seed", "2"])
    assert isinstance(result.exception, Conflict)
    assert "another simulated fleet: seed 1, not 2" in str(result.exception)
    assert {path: path.read_bytes() for path in (home / "truth").iterdir()} == before


def test_enterprises_come_with_all_their_tables_and_their_truth(home: Path) -> None:
    options = ["--enterprises", "4", *SMALL, "--days", "70", "--no-readings", "--scores"]
    result = CliRunner().invoke(cli.simulate, options)
    assert result.exit_code == 0, result.output
    account = json.loads(result.stdout)
    # One of them comes under observation later.
    assert account["tables"]["enterprises"]["accepted"] == 3 and account["tables"]["machine_scores"]["accepted"] > 0
    assert account["total"]["quarantined"] == 0
    assert "readings_pump" not in account["tables"]
    assert set(enterprise_truth.read(home)["enterprise_id"].to_pylist()) <= {f"enterprise-{n:03d}" for n in range(4)}
    again = json.loads(CliRunner().invoke(cli.simulate, options).stdout)
    assert again["total"]["accepted"] == again["total"]["corrected"] == 0


def test_what_needs_enterprises_says_so() -> None:
    result = CliRunner().invoke(cli.simulate, [*SMALL, "--scores"])
    assert isinstance(result.exception, BadInput) and "add --enterprises N" in str(result.exception)
