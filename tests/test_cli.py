"""The command line answers at once, imports lazily, and ends a user's error in one line."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import forewarn
from features.errors import BadInput


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "forewarn", *arguments], capture_output=True, text=True, check=False)


def test_help_answers_within_half_a_second() -> None:
    run("--help")
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        done = run("--help")
        seconds.append(time.perf_counter() - start)
        assert done.returncode == 0
        assert all(verb in done.stdout for verb in forewarn.VERBS)
    assert min(seconds) < 0.5


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, forewarn\n"
        "sys.argv = ['forewarn', '--help']\n"
        "try:\n    forewarn.main()\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'torch', 'mlflow', 'lightgbm', 'bentoml', 'pandas', 'pyarrow', 'numba', 'sklearn'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout


def test_unknown_verb_is_a_user_error() -> None:
    done = run("foretell")
    assert done.returncode == 2
    assert "foretell" in done.stderr
    assert "Traceback" not in done.stderr


def test_user_error_is_one_line_and_json_on_request(monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    def fail(standalone_mode: bool) -> None:
        raise BadInput("column missing", where="a.csv", mend="add it")

    monkeypatch.setattr(forewarn, "app", fail)
    monkeypatch.setattr(sys, "argv", ["forewarn", "import", "--json"])
    try:
        forewarn.main()
    except SystemExit as end:
        assert end.code == 2
    out, err = capsys.readouterr()
    assert err == "forewarn: a.csv: column missing; add it\n"
    assert json.loads(out)["mend"] == "add it"


def test_the_demonstration_answers_one_document(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["pytest"])  # what the process was started with says nothing of the verb
    monkeypatch.setattr(forewarn, "demo_steps", lambda machines, days: [["features", "list"], ["features", "list"]])
    done = CliRunner().invoke(forewarn.demo, ["--no-serve", "--json"])
    assert done.exit_code == 0, done.output
    step = {"command": "forewarn features list", "result": []}
    assert json.loads(done.stdout) == {"home": str(tmp_path), "steps": [step, step]}
