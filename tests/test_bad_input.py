"""A hostile and a clumsy user at the command line: one clear line, exit code 2, never a traceback."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import forewarn
from features.errors import NotFound
from features.lake import Lake
from features.schema import MACHINES
from features.settings import settings
from features.snapshots import open_snapshot
from tests.features import plant
from training.rows import labels_of

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Type a command into a home of its own; gives exit code, stdout, stderr."""

    def run(*arguments: str | Path, **environment: str) -> tuple[int, str, str]:
        for name, value in {"FOREWARN_HOME": str(tmp_path / "home"), **environment}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["forewarn", *map(str, arguments)])
        settings.cache_clear()
        with pytest.raises(SystemExit) as end:
            forewarn.main()
        settings.cache_clear()
        return int(str(end.value.code)), *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["foretell"], "No such command 'foretell'; see `forewarn --help`"),
        (["import", "azure"], "Did you mean 'azure-pdm'?; see `forewarn import --help`"),
        (["train", "machine", "--knid", "pump"], "No such option: --knid"),
        (["train", "machine"], "Missing option '--kind'; see `forewarn train machine --help`"),
        (["simulate", "--machines", "many"], "Invalid value for '--machines'"),
        (["simulate", "--days", "99999999"], "end in the future; give fewer"),
        (["simulate", "--world", "."], "not readable: Is a directory"),
        (["import", "mapped", ".", "--mapping", "."], "not readable: Is a directory"),
        (["import", "azure-pdm", "nowhere"], "nowhere: no such folder"),
        (["features", "build", "--kind", "pump", "--every", "infd"], "--every: not a valid grid"),
        (["features", "build", "--kind", "pump", "--every", "1e-12h"], "--every: not a valid grid"),
        (["features", "build", "--kind", "pump", "--start", "2024-06-02", "--end", "2024-06-01"], "starts after its end"),
        (["features", "diff", "one", "other"], "no snapshot one"),
        (["score", "machine", "--as-of", "2024-06-01T00:00:00"], "time without zone"),
        (["serve"], "no champion to serve"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(typed: Typed, arguments: list[str], said: str) -> None:
    code, out, err = typed(*arguments)
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1
    assert not out


def test_a_mistake_with_json_is_one_document(typed: Typed) -> None:
    code, out, err = typed("train", "machine", "--json")
    assert code == 2
    assert json.loads(out)["mend"] == "see `forewarn train machine --help`"
    assert len(err.splitlines()) == 1


def test_a_group_without_a_verb_is_its_help(typed: Typed) -> None:
    code, out, err = typed("import")
    assert code == 2
    assert "azure-pdm" in out
    assert not err


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("FOREWARN_PORT", "99999", "less than or equal to 65535"),
        ("FOREWARN_THREADS", "0", "greater than or equal to 1"),
        ("FOREWARN_WORKERS", "-1", "greater than or equal to 1"),
        ("FOREWARN_BUCKETS", "many", "valid integer"),
        ("FOREWARN_HOME", __file__, "is not a folder"),
    ],
)
def test_a_bad_setting_is_named(typed: Typed, name: str, value: str, said: str) -> None:
    code, _, err = typed("features", "list", **{name: value})
    assert code == 2
    assert err.startswith(f"forewarn: environment variable {name}: ")
    assert said in err
    assert len(err.splitlines()) == 1


def test_an_empty_setting_is_an_unset_one(typed: Typed) -> None:
    assert typed("features", "list", FOREWARN_THREADS="")[0] == 0


def test_a_home_that_cannot_be_made_is_a_user_error(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, _, err = typed("simulate", "--machines", "1", "--days", "1", FOREWARN_HOME=str(tmp_path / "file" / "home"))
    assert code == 2
    assert "Not a directory; check the path" in err


def test_stdout_that_takes_nothing_ends_without_a_traceback() -> None:
    for redirection, code in ((">/dev/full", 2), (">&-", 0)):
        line = f"{sys.executable} -m forewarn features list {redirection}"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        assert done.returncode == code


def test_a_snapshot_whose_lake_version_was_vacuumed(typed: Typed, tmp_path: Path) -> None:
    root = tmp_path / "home" / "lake"
    lake = Lake.open(root, create=True, buckets=2)
    for first in (0, 200):
        rows = [plant.reading(f"m{number}", first + hour, 20.0) for number in range(6) for hour in range(200)]
        fleet = (MACHINES, [plant.machine(f"m{number}") for number in range(6)])
        lake.ingest(plant.source(fleet, (plant.READINGS, rows)), imported_at=plant.NOW)
    assert typed("features", "build", "--kind", "press")[0] == 0
    assert typed("lake", "compact")[0] == 0
    plant.aged(lake, days=40)
    said = typed("lake", "compact", "--vacuum-days", "30")[1]
    snapshot = open_snapshot(tmp_path / "home")
    assert "4 files removed that no version of the last 30 days needs." in said
    assert f"nothing can be trained on them any more: {snapshot.id}." in said
    line = r"table readings_press: the rows of version 1 were vacuumed on .*; .*build anew from the current version"
    with pytest.raises(NotFound, match=line):
        labels_of(snapshot)
    assert typed("features", "build", "--kind", "press")[0] == 0


def test_a_bucket_file_that_was_removed_by_hand(typed: Typed, tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "home" / "lake", create=True, buckets=2)
    lake.ingest(plant.big_plant(), imported_at=plant.NOW)
    next(lake.path("readings_press").glob("bucket=1/*.parquet")).unlink()
    for command in (["features", "build", "--kind", "press"], ["lake", "compact"]):
        lake.ingest(plant.source((plant.READINGS, [plant.reading("m1", 99, 1.0)])), imported_at=plant.NOW)
        code, _, err = typed(*command)
        assert code == 2
        assert "bucket=1/part-" in err
        assert "a data file of the table is gone; restore it from a copy of the lake" in err
        assert len(err.strip().splitlines()) == 1
    shutil.rmtree(lake.path("readings_press") / "_delta_log")
    code, _, err = typed("features", "build", "--kind", "press")
    assert (code, len(err.strip().splitlines())) == (2, 1)
    assert "readings_press: the table's _delta_log is gone or empty, its data files are there; restore it" in err
