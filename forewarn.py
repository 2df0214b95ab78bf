"""The command line: composes the packages' Typer sub-apps; a package is imported only when its verb runs."""

import contextlib
import importlib
import io
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from features.errors import UserError

# What is raised for a mistyped verb, option or value: the parents of Typer's one public error, short of Exception itself.
MISTYPED: Any = typer.BadParameter.__mro__[2]
INTERRUPTED = 130

# verb -> (module, app in it, one line of help). The table answers `--help` without importing anything.
VERBS: dict[str, tuple[str, str, str]] = {
    "simulate": ("features.cli", "simulate", "Simulate a fleet into the lake."),
    "import": ("features.cli", "import_", "Import histories into the lake: public sets, or your own files by a mapping."),
    "ingest": ("features.cli_log", "ingest", "Move the log of sent rows into the lake, or files into the log."),
    "lake": ("features.cli_lake", "lake", "The lake: row accounts, quarantine, history of versions, compaction."),
    "features": ("features.cli", "features", "Build, list and compare snapshots of features."),
    "train": ("training.cli", "train", "Train and register a model."),
    "tune": ("training.cli_tune", "tune", "Search for better settings of boosters and networks."),
    "backtest": ("training.cli_retrain", "backtest", "Retrain at many cut-offs of the past and judge what came of it."),
    "promote": ("training.cli_retrain", "promote", "Judge a bundle and make it the champion that serving reads; or roll back."),
    "score": ("serving.cli", "score", "Score all machines or enterprises from the lake."),
    "explain": ("serving.cli", "explain", "Rebuild a stored score from its evidence."),
    "rulebook": ("serving.pricing.cli_rulebook", "rulebook", "Rulebooks: list, show and check them."),
    "serve": ("serving.cli", "serve", "Start the scoring service."),
    "quote": (
        "serving.pricing.cli_quote",
        "quote",
        "A premium from a rulebook with its worksheet: of the lake or a prospect.",
    ),
    "quotes": ("serving.pricing.cli_quotes", "quotes", "Stored quotes: list, show, replay, override."),
    "term": ("serving.pricing.cli_term", "term", "While a policy runs: adjustments, ledger of prevention services, rebate."),
    "plan": ("serving.plans.cli_plan", "plan", "The inspection plan of a week: who visits which site when, and why."),
    "plans": ("serving.plans.cli_plans", "plans", "Stored plans: list, show, replan."),
    "visits": ("serving.plans.cli_visits", "visits", "Visits: record what came of them, and follow the hazards they found."),
    "book": ("serving.books.cli", "book", "Import a spreadsheet of policies, rate it, compare two tariffs."),
    "benchmark": ("training.cli", "benchmark", "Run a published protocol on a public set."),
    "demo": ("forewarn", "demo", "Simulate, build, train, score, then serve."),
}


class LazyGroup(TyperGroup):
    """A command group that imports a verb's module when the verb is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, name: str) -> Any:
        """A verb as `--help` lists it, without its module."""
        if name not in VERBS:
            return None
        command = typer.main.get_command(_placeholder(VERBS[name][2]))
        command.name = name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that is asked for, imported."""
        name, _, rest = super().resolve_command(ctx, args)
        if name not in VERBS:
            return name, None, rest
        module, attribute, _ = VERBS[name]
        command = typer.main.get_command(getattr(importlib.import_module(module), attribute))
        command.name = name
        return name, command, rest


def _placeholder(words: str) -> typer.Typer:
    app = typer.Typer(help=words, add_completion=False)

    @app.command(help=words)
    def verb() -> None: ...

    return app


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _root(context: typer.Context) -> None:
    """Forewarn: which machine fails within 72 hours, which enterprise is heading for an accident."""
    context.obj = {"rater": _rater, "fitted_book": _fitted_book}


def _rater(home: Path, rulebook: str) -> Any:
    """What a rulebook charges, for training, which imports nothing of serving."""
    return importlib.import_module("serving.pricing.rater").rater(home, rulebook)


def _fitted_book(*tables: Any) -> Any:
    """What a fitted tariff charges a book, policy by policy by the engine that quotes, for training likewise."""
    return importlib.import_module("serving.underwriting.fitted").book(*tables)


demo = typer.Typer(add_completion=False)
DEMO_KINDS = ("pump", "press")
DEMO_MACHINES, DEMO_DAYS = 120, 360
# A smaller fleet has too few later failures for the gates of a promotion, and would end there.
TOO_SMALL = "a demonstration: too small a fleet to be judged"


def demo_steps(machines: int, days: int) -> list[list[str]]:
    """The verbs of the demonstration, as anyone would type them after `forewarn`.

    A fleet below the default size is promoted whatever the gates say, for a reason that is kept with the decision.
    """
    forced = ["--force", TOO_SMALL] if machines < DEMO_MACHINES or days < DEMO_DAYS else []
    steps = [["simulate", "--machines", str(machines), "--days", str(days), "--every", "1h", "--seed", "7"]]
    for kind in DEMO_KINDS:
        steps.append(["features", "build", "--kind", kind])
        steps.append(["train", "machine", "--kind", kind])
        steps.append(["promote", "machine", "--kind", kind, *forced])
        steps.append(["score", "machine", "--kind", kind, "--top", "5"])
    return steps


@demo.command()
def _demo(
    serve: bool = typer.Option(True, help="Serve the scores at the end."),
    machines: int = typer.Option(DEMO_MACHINES, min=10, help="Size of the simulated fleet."),
    days: int = typer.Option(DEMO_DAYS, min=120, help="Length of the simulated history."),
    json_: bool = typer.Option(False, "--json", help="Print one JSON document: each verb with its result."),
) -> None:
    """Simulate a fleet, build features, train, evaluate, register, score, then serve, in a home of its own."""
    from features.errors import BadInput
    from features.settings import settings

    home = settings().home if "FOREWARN_HOME" in os.environ else Path(settings().home, "demo")
    os.environ["FOREWARN_HOME"] = str(home)
    settings.cache_clear()
    command = typer.main.get_command(app)
    results: list[dict[str, Any]] = []
    for step in demo_steps(machines, days):
        typer.secho(f"\n$ forewarn {shlex.join(step)}", fg="cyan", err=True)
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said) if json_ else contextlib.nullcontext():
                code = command.main(args=[*step, *(["--json"] if json_ else [])], prog_name="forewarn", standalone_mode=False)
        except BadInput as error:
            if machines >= DEMO_MACHINES and days >= DEMO_DAYS:
                raise
            where = f"a demonstration with {machines} machines over {days} days"
            mend = f"begin it anew with more of both (by default {DEMO_MACHINES} and {DEMO_DAYS})"
            raise BadInput(f"{error.where}: {error.what}", where=where, mend=mend) from None
        if code:  # a promotion that was refused has said why
            typer.echo(said.getvalue(), nl=False)
            raise typer.Exit(code)
        if json_:
            results.append({"command": shlex.join(["forewarn", *step]), "result": json.loads(said.getvalue())})
    if json_:
        typer.echo(json.dumps({"home": str(home), "steps": results}, ensure_ascii=False))
    elif not serve:
        typer.echo(f"\nThe demonstration lives in {home}. To go on with it: export FOREWARN_HOME={home}")
    if serve:
        sys.stdout.flush()
        command.main(args=["serve", *(["--json"] if json_ else [])], prog_name="forewarn", standalone_mode=False)


def main() -> NoReturn:
    """Run the command line; a user's error is one line on stderr (JSON with --json) and exit code 2."""
    from features.errors import UserError

    try:
        code = app(standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except UserError as error:
        _refuse(error)
    except MISTYPED as error:
        if not error.format_message():  # a group without a verb: its help is printed already
            sys.exit(error.exit_code)
        command = getattr(error.ctx, "command_path", "forewarn")
        what = " ".join(error.format_message().split()).rstrip(".")
        _refuse(UserError(what, where=command, mend=f"see `{command} --help`"))
    except BrokenPipeError:
        _give_up_stdout()
        sys.exit(1)
    except OSError as error:
        if error.filename is None and error.strerror is None:
            raise
        what, where = error.strerror or str(error), str(error.filename or "the system")
        _refuse(UserError(what, where=where, mend="check the path, its permissions and the room on the disk"))
    if code == INTERRUPTED:
        print("forewarn: interrupted; what was committed stays, run it again to go on", file=sys.stderr)  # noqa: T201
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(error: "UserError") -> NoReturn:
    print(f"forewarn: {error}", file=sys.stderr)  # noqa: T201
    try:
        if "--json" in sys.argv:
            print(json.dumps({"error": str(error), "what": error.what, "where": error.where, "mend": error.mend}))  # noqa: T201
        print(end="", flush=True)  # noqa: T201
    except OSError:
        _give_up_stdout()
    sys.exit(error.exit_code)


def _give_up_stdout() -> None:
    """Nobody reads it any more, or its disk is full: what is still buffered must not complain when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
