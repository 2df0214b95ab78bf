"""The verbs `import` and `lake`: the row account on stdout, as text and as JSON; a user's error in one line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from features import cli, cli_lake
from features.errors import NotFound
from features.settings import settings

MAPPING = """
timezone = "UTC"
[kind]
name = "press"
words_en = "press"
words_zh = "压力机"
sensors = [{ name = "oil", unit = "°C", low = -40, high = 150, words_en = "oil", words_zh = "油温" }]
[[tables]]
table = "machines"
files = "register.csv"
columns = { machine_id = "asset", event_time = "since" }
[[tables]]
table = "readings"
files = "oil.csv"
columns = { machine_id = "asset", event_time = "ts", oil = "oil" }
"""


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path / "home"))
    folder = tmp_path / "plant"
    folder.mkdir()
    (folder / "mapping.toml").write_text(MAPPING, encoding="utf-8")
    (folder / "register.csv").write_text("asset,since\nP1,2020-01-01\n")
    (folder / "oil.csv").write_text("asset,ts,oil\nP1,2020-01-02,20\nP1,2020-01-03,999\nP1,2020-01-02,20\n")
    return folder


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_the_account_is_a_table_for_people(plant: Path) -> None:
    result = CliRunner().invoke(cli.import_, ["mapped", str(plant)])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:4] == [
        "table           rows in  accepted  corrected  duplicate  quarantined",
        "machines              1         1          0          0            0",
        "readings_press        3         1          0          1            1",
        "total                 4         2          0          1            1",
    ]
    assert "forewarn lake quarantine" in result.stdout


def test_the_account_as_json_and_stored(plant: Path) -> None:
    runner = CliRunner()
    arguments = ["mapped", str(plant), "--mapping", str(plant / "mapping.toml"), "--json"]
    printed = json.loads(runner.invoke(cli.import_, arguments).stdout)
    assert printed["tables"]["readings_press"] == {
        "rows_in": 3, "accepted": 1, "corrected": 0, "duplicate": 1, "quarantined": 1
    }  # fmt: skip
    stored = json.loads(runner.invoke(cli_lake.lake, ["accounts", "--json"]).stdout)
    assert stored == [{key: value for key, value in printed.items() if key != "notes"}]
    assert "mapped" in runner.invoke(cli_lake.lake, ["accounts"]).stdout


def test_the_quarantine_is_readable(plant: Path) -> None:
    runner = CliRunner()
    runner.invoke(cli.import_, ["mapped", str(plant)])
    rows = json.loads(runner.invoke(cli_lake.lake, ["quarantine", "--json"]).stdout)
    assert [(row["file"], row["row"], row["column"], row["value"], row["reason"]) for row in rows] == [
        ("oil.csv", 2, "oil", "999", "above 150 °C")
    ]
    assert "above 150 °C" in runner.invoke(cli_lake.lake, ["quarantine", "--table", "readings_press"]).stdout
    assert runner.invoke(cli_lake.lake, ["quarantine", "--table", "events"]).stdout == "The quarantine is empty.\n"


def test_looking_into_no_lake(plant: Path) -> None:
    result = CliRunner().invoke(cli_lake.lake, ["accounts"])
    assert isinstance(result.exception, NotFound)


def test_a_failed_import_makes_no_lake(plant: Path) -> None:
    (plant / "mapping.toml").unlink()
    CliRunner().invoke(cli.import_, ["mapped", str(plant)])
    assert not settings().lake.exists()


@pytest.mark.parametrize("json_", [False, True])
def test_a_users_error_is_one_line_and_exit_code_2(plant: Path, tmp_path: Path, json_: bool) -> None:
    (plant / "oil.csv").write_text("asset,ts,oel\nP1,2020-01-02,20\n")
    command = [sys.executable, "-m", "forewarn", "import", "mapped", str(plant), *(["--json"] if json_ else [])]
    environment = {"FOREWARN_HOME": str(tmp_path / "home"), "PATH": ""}
    child = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert child.returncode == 2
    [line] = child.stderr.strip().splitlines()
    assert line.startswith(f"forewarn: {plant}/oil.csv: no column 'oil'; did you mean 'oel'?")
    assert (json.loads(child.stdout)["what"] == "no column 'oil'") if json_ else child.stdout == ""
