"""The command line: composes the packages' Typer sub-apps; a package is imported only when its verb runs."""

import importlib
import json
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

# verb -> (module, app in it, one line of help). The table answers `--help` without importing anything.
VERBS: dict[str, tuple[str, str, str]] = {
    "simulate": ("features.cli", "simulate", "Simulate a fleet into the lake."),
    "import": ("features.cli", "import_", "Import histories into the lake: azure-pdm, backblaze, mapped."),
    "lake": ("features.cli", "lake", "Look into the lake: row accounts, quarantine."),
    "features": ("features.cli", "features", "Build, list and compare snapshots of features."),
    "train": ("training.cli", "train", "Train and register a model."),
    "promote": ("training.cli", "promote", "Make a bundle the champion that serving reads."),
    "score": ("serving.cli", "score", "Score all machines from the lake."),
    "explain": ("serving.cli", "explain", "Rebuild a stored score from its evidence."),
    "serve": ("serving.cli", "serve", "Start the scoring service."),
    "benchmark": ("training.cli", "benchmark", "Run a published protocol on a public set."),
    "demo": ("serving.demo", "demo", "Simulate, build, train, score, then serve."),
}


class LazyGroup(TyperGroup):
    """A command group that imports a verb's module when the verb is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, name: str) -> Any:
        if name not in VERBS:
            return None
        module, attribute, words = VERBS[name]
        if ctx.resilient_parsing or "--help" in sys.argv[1:2] or len(sys.argv) == 1:
            command = typer.main.get_command(_placeholder(words))
            command.name = name
            return command
        command = typer.main.get_command(getattr(importlib.import_module(module), attribute))
        command.name = name
        return command


def _placeholder(words: str) -> typer.Typer:
    app = typer.Typer(help=words, add_completion=False)

    @app.command(help=words)
    def verb() -> None: ...

    return app


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _root() -> None:
    """Forewarn: which machine fails within 72 hours, which enterprise is heading for an accident."""


def main() -> NoReturn:
    """Run the command line; a UserError is one line on stderr (JSON with --json) and exit code 2."""
    from features.errors import UserError

    try:
        app()
    except UserError as error:
        if "--json" in sys.argv:
            print(json.dumps({"error": str(error), "what": error.what, "where": error.where, "mend": error.mend}))  # noqa: T201
        print(f"forewarn: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    sys.exit(0)


if __name__ == "__main__":
    main()
