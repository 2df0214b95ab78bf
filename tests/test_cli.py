"""The command line answers at once, imports lazily, and ends a user's error in one line."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

import forewarn
from features.errors import BadInput


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "forewarn", *arguments], capture_output=True, text=True, check=False)


def test_help_answers_within_half_a_second() -> None:
    def used() -> float:  # processor time: others may keep the processors busy
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    run("--help")
    seconds = []
    for _ in range(5):
        start = used()
        done = run("--help")
        seconds.append(used() - start)
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


@pytest.mark.parametrize(
    ("machines", "days", "forced"), [(40, 360, True), (120, 200, True), (120, 360, False), (300, 720, False)]
)
def test_a_fleet_too_small_to_be_judged_is_promoted_with_the_reason(machines: int, days: int, forced: bool) -> None:
    promoted = [step for step in forewarn.demo_steps(machines, days) if step[0] == "promote"]
    assert [step[:4] for step in promoted] == [["promote", "machine", "--kind", kind] for kind in forewarn.DEMO_KINDS]
    assert all(step[4:] == (["--force", forewarn.TOO_SMALL] if forced else []) for step in promoted)


def test_the_demonstration_shows_verbs_that_can_be_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    app = typer.Typer()

    @app.command()
    def promoting(force: str = typer.Option("")) -> None:
        typer.echo(force)

    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "promoting", SimpleNamespace(app=app))  # type: ignore[arg-type]
    monkeypatch.setitem(forewarn.VERBS, "promoting", ("promoting", "app", ""))
    monkeypatch.setattr(forewarn, "demo_steps", lambda machines, days: [["promoting", "--force", forewarn.TOO_SMALL]])
    done = CliRunner().invoke(forewarn.demo, ["--no-serve"])
    assert f"$ forewarn promoting --force '{forewarn.TOO_SMALL}'" in done.stderr


@pytest.mark.parametrize("arguments", [["--no-serve"], ["--no-serve", "--json"]])
def test_the_demonstration_ends_where_a_promotion_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def refuse(json_: bool = typer.Option(False, "--json")) -> None:
        typer.echo("refused: too few failures")
        raise typer.Exit(1)

    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "refusing", SimpleNamespace(app=app))  # type: ignore[arg-type]
    monkeypatch.setitem(forewarn.VERBS, "refuse", ("refusing", "app", ""))
    monkeypatch.setattr(forewarn, "demo_steps", lambda machines, days: [["refuse"], ["features", "list"]])
    done = CliRunner().invoke(forewarn.demo, arguments)
    assert done.exit_code == 1 and done.stdout == "refused: too few failures\n"


@pytest.mark.parametrize(
    ("machines", "told"), [("12", "a demonstration with 12 machines over 360 days"), ("120", "kind pump: ")]
)
def test_a_demonstration_with_too_few_machines_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machines: str, told: str
) -> None:
    app = typer.Typer()

    @app.command()
    def train() -> None:
        raise BadInput("only 4 failing machines in the training period, 10 are needed", where="kind pump", mend="more history")

    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "training_few", SimpleNamespace(app=app))  # type: ignore[arg-type]
    monkeypatch.setitem(forewarn.VERBS, "few", ("training_few", "app", ""))
    monkeypatch.setattr(forewarn, "demo_steps", lambda machines, days: [["few"]])
    done = CliRunner().invoke(forewarn.demo, ["--no-serve", "--machines", machines])
    assert isinstance(done.exception, BadInput)
    assert str(done.exception).startswith(told) and "only 4 failing machines" in str(done.exception)
    assert ("by default 120 and 360" in str(done.exception)) == (machines == "12")
