"""The verbs of training: train, benchmark."""

import hashlib
import importlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from features.errors import BadInput, NotFound
from features.settings import settings

train = typer.Typer(help="Train and register a model.", no_args_is_help=True, add_completion=False)
benchmark = typer.Typer(help="Run a published protocol on a public set.", add_completion=False)

BENCHMARKS = Path(__file__).resolve().parent / "benchmarks"
Kind = Annotated[str, typer.Option(help="The machine kind, or pooled: all of them.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@train.callback()
def _train() -> None:
    """Train, calibrate, judge against the rivals, report and register a model: machine, enterprise; weigh it: relativity."""


@train.command("machine")
def train_machine(
    kind: Kind,
    snapshot: Annotated[str, typer.Option(help="Snapshot id, or the latest of the kind.")] = "latest",
    config: Annotated[str, typer.Option(help="Experiment: a TOML file or the name of a shipped one.")] = "machine",
    json_: Json = False,
) -> None:
    """Train the 72-hour failure model of one machine kind and register it as challenger."""
    from training import runs, tables
    from training.config import load_config

    outcome = runs.run_machine(settings(), kind, load_config(config), snapshot_id=snapshot, progress=announce())
    if json_:
        typer.echo(json.dumps(outcome.document(), ensure_ascii=False))
        return
    typer.echo(tables.text_table(tables.summary(outcome.evaluation, runs.WORDS), terminal_width()))
    typer.echo("")
    for sentence in outcome.verdict():
        typer.echo(f"- {sentence.en}")
    typer.echo(f"\nbundle   {outcome.bundle.manifest.bundle_id}")
    typer.echo(f"registry {outcome.registered.model} version {outcome.registered.version}, alias challenger")
    typer.echo(f"report   {outcome.report}")


@train.command("enterprise")
def train_enterprise(
    snapshot: Annotated[str, typer.Option(help="Snapshot id, or the latest of enterprises.")] = "latest",
    config: Annotated[str, typer.Option(help="Experiment: a TOML file or the name of a shipped one.")] = "enterprise",
    json_: Json = False,
) -> None:
    """Train the price and the alarm score of enterprises and judge them beside their rivals."""
    from training import tables
    from training.enterprise import runs, words
    from training.enterprise.config import load_enterprise

    outcome = runs.run_enterprise(settings(), load_enterprise(config), snapshot_id=snapshot, progress=announce())
    if json_:
        typer.echo(json.dumps(tables.plain(outcome.document()), ensure_ascii=False))
        return
    for judged in outcome.judged:
        typer.echo(f"{judged.days:g} days: {judged.accidents:,.0f} accidents told by {judged.rows:,} rows")
        typer.echo(tables.text_table(words.table(judged), terminal_width()))
        typer.echo("")
    for sentence in [*words.verdict(outcome.judged[-1], outcome.beside_truth), *outcome.entry]:
        typer.echo(f"- {sentence.en}")
    typer.echo(f"\nbundle   {outcome.bundle.manifest.bundle_id}")
    typer.echo(f"registry {outcome.registered.model} version {outcome.registered.version}, alias challenger")
    typer.echo(f"report   {outcome.report}")


@train.command("relativity")
def train_relativity(
    context: typer.Context,
    rulebook: Annotated[str, typer.Option(help="A shipped rulebook, or a TOML file.", show_default=False)],
    snapshot: Annotated[str, typer.Option(help="Snapshot id, or the latest of enterprises.")] = "latest",
    json_: Json = False,
) -> None:
    """Fit how far the champion's price score counts beside a rulebook's factors, on rows that it was not fitted on."""
    from training.enterprise.relativity import run_relativity

    home = settings().home
    # What a rulebook charges is the command line's to say: training knows none.
    rater = context.find_root().obj["rater"](home, rulebook)
    found, path = run_relativity(settings(), rater, snapshot_id=snapshot, progress=announce())
    if json_:
        typer.echo(json.dumps(found.model_dump(mode="json") | {"path": str(path)}, ensure_ascii=False))
        return
    typer.echo(f"weight of the model {found.weight:.3f} [{found.weight_low:.3f}, {found.weight_high:.3f}]")
    unit = "of insured loss per unit of the rulebook's amount"
    typer.echo(f"level {found.level:.4g} [{found.level_low:.4g}, {found.level_high:.4g}] {unit}")
    left = f"; {found.left_out} rows that the rulebook does not rate were left out" if found.left_out else ""
    typer.echo(f"fitted on {found.fitted_on}{left}")
    typer.echo(f"kept in {path}")


@benchmark.command()
def run_benchmark(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="SET", help="The public set, e.g. azure-pdm, backblaze.", show_default=False)],
    train_: Annotated[Path, typer.Option("--train", help="Folder of the set to train on.", show_default=False)],
    predict: Annotated[Path | None, typer.Option(help="Another folder of the same form to predict.")] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet file for the predictions.")] = None,
    json_: Json = False,
) -> None:
    """Train by the set's protocol on a folder and print the table against the rivals, or predict another folder."""
    from training import checkpoint, tables

    module = _benchmark_module(name)
    if (predict is None) != (out is None):
        raise BadInput("--predict and --out belong together", where="benchmark", mend="give both or neither")
    for folder in (train_, predict):
        if folder is not None and not folder.is_dir():
            raise NotFound("no such folder", where=str(folder), mend="name the folder that holds the set")
    if out is not None and out.suffix != ".parquet":
        raise BadInput("predictions are written as Parquet", where=str(out), mend="name a file that ends in .parquet")
    if out is not None and out.is_dir():
        raise BadInput("is a folder", where=str(out), mend="name a file")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)  # half an hour later would be late to say that it cannot be
    started = time.monotonic()
    folders = hashlib.sha256(repr([str(one.resolve()) for one in (train_, predict) if one]).encode()).hexdigest()[:12]
    with checkpoint.kept(settings().checkpoints, "benchmark", name, folders):
        # What a benchmark needs of other packages is handed in by the command line: training imports nothing of serving.
        handed = {need: context.find_root().obj[need] for need in getattr(module, "NEEDS", ())}
        result = module.run(train_, predict, out, announce(), **handed)
    seconds = round(time.monotonic() - started, 1)
    if json_:
        document = {
            "benchmark": result.name, "table": result.table, "facts": result.facts, "notes": list(result.notes),
            "report": result.report, "predictions": result.predictions, "seconds": seconds,
        }  # fmt: skip
        typer.echo(json.dumps(tables.plain(document), ensure_ascii=False, default=str))
        return
    if result.table:
        typer.echo(tables.text_table(result.table, terminal_width()))
    for note in result.notes:
        typer.echo(f"- {note}")
    for label, path in (("report", result.report), ("predictions", result.predictions)):
        if path is not None:
            typer.echo(f"{label}: {path}")
    typer.echo(f"{seconds:g} s")


def _benchmark_module(name: str) -> Any:
    known = sorted(path.stem.replace("_", "-") for path in BENCHMARKS.glob("[a-z]*.py") if path.stem != "result")
    if name not in known:
        raise NotFound(f"no benchmark {name!r}", where="benchmark SET", mend=f"one of: {', '.join(known)}")
    return importlib.import_module(f"training.benchmarks.{name.replace('-', '_')}")


def terminal_width() -> int:
    return shutil.get_terminal_size((120, 24)).columns


def announce() -> Callable[[str], None]:
    """Progress to stderr: the step that begins, and how long the run has taken so far."""
    from rich.console import Console

    console, started = Console(stderr=True, highlight=False), time.monotonic()

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:7.1f} s[/dim]  {text}")

    return say
