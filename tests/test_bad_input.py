"""A hostile and a clumsy user at the command line: one clear line, exit code 2, never a traceback."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import forewarn
from features.settings import settings

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
