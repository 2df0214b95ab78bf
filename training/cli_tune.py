"""The verb of tuning."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features.errors import BadInput
from features.settings import settings
from training.cli import Json, Kind, announce, terminal_width

if TYPE_CHECKING:
    from training.tuning_runs import Outcome

tune = typer.Typer(help="Search for better settings.", no_args_is_help=True, add_completion=False)


@tune.callback()
def _tune() -> None:
    """Search for better settings of boosters, networks and linear models, of: machine, enterprise."""


@tune.command("machine")
def tune_machine(
    kind: Kind,
    snapshot: Annotated[str, typer.Option(help="Snapshot id, or the latest of the kind.")] = "latest",
    config: Annotated[str, typer.Option(help="Experiment to start from: a TOML file, or a shipped one.")] = "machine_blend",
    families: Annotated[str, typer.Option(help="What to tune, with commas between: boosters, tcn, gru.")] = "boosters,tcn",
    trials: Annotated[int, typer.Option(min=1, max=100_000, help="Finished trials in each study, earlier ones included.")] = 30,
    seconds: Annotated[float | None, typer.Option(min=1.0, help="Begin no trial after so many seconds.")] = None,
    folds: Annotated[int, typer.Option(min=1, max=20, help="Later stretches of the training period that judge.")] = 3,
    space: Annotated[Path | None, typer.Option(help="TOML file of ranges; by default training/tuning.toml.")] = None,
    study: Annotated[str | None, typer.Option(help="A name for the studies; by default that of what is tuned.")] = None,
    json_: Json = False,
) -> None:
    """Search inside the training period alone; killed or run again, and by several processes at once, the study goes on.

    Each process finishes the trial that it has begun: with several, there may be that many less one more than --trials.
    """
    from training.config import load_config
    from training.tuning_runs import Asked, run_tuning
    from training.tuning_space import BOOSTERS, NETWORKS, load_space

    wanted = tuple(dict.fromkeys(name.strip() for name in families.split(",") if name.strip()))
    unknown = [name for name in wanted if name not in (BOOSTERS, *NETWORKS)]
    if unknown or not wanted:
        what = f"no family {', '.join(unknown)!r}" if unknown else "names no family"
        raise BadInput(what, where="--families", mend=f"some of: {', '.join((BOOSTERS, *NETWORKS))}")
    asked = Asked(wanted, trials, seconds, folds, study)
    made = run_tuning(
        settings(), kind, load_config(config), load_space(space), asked, snapshot_id=snapshot, progress=announce()
    )
    _told(made, json_)


@tune.command("enterprise")
def tune_enterprise(
    snapshot: Annotated[str, typer.Option(help="Snapshot id, or the latest of enterprises.")] = "latest",
    config: Annotated[str, typer.Option(help="Experiment to start from: a TOML file, or a shipped one.")] = "enterprise",
    families: Annotated[
        str, typer.Option(help="What to tune, with commas between: linear, price, alarm.")
    ] = "linear,price,alarm",
    trials: Annotated[int, typer.Option(min=1, max=100_000, help="Finished trials in each study, earlier ones included.")] = 30,
    seconds: Annotated[float | None, typer.Option(min=1.0, help="Begin no trial after so many seconds.")] = None,
    folds: Annotated[int, typer.Option(min=1, max=20, help="Later stretches of the training period that judge.")] = 3,
    space: Annotated[Path | None, typer.Option(help="TOML file of ranges; by default training/enterprise/tuning.toml.")] = None,
    study: Annotated[str | None, typer.Option(help="A name for the studies; by default that of what is tuned.")] = None,
    json_: Json = False,
) -> None:
    """Search inside the training period alone; killed or run again, the study goes on."""
    from training.enterprise.config import load_enterprise
    from training.enterprise.tuning import FAMILIES, load_space, run_tuning
    from training.tuning_runs import Asked

    wanted = tuple(dict.fromkeys(name.strip() for name in families.split(",") if name.strip()))
    unknown = [name for name in wanted if name not in FAMILIES]
    if unknown or not wanted:
        what = f"no family {', '.join(unknown)!r}" if unknown else "names no family"
        raise BadInput(what, where="--families", mend=f"some of: {', '.join(FAMILIES)}")
    asked = Asked(wanted, trials, seconds, folds, study)
    made = run_tuning(settings(), load_enterprise(config), load_space(space), asked, snapshot_id=snapshot, progress=announce())
    _told(made, json_)


def _told(made: "Outcome", json_: bool) -> None:
    """Print what a search found."""
    from training import tables

    if json_:
        typer.echo(json.dumps(tables.plain(made.document()), ensure_ascii=False))
        return
    typer.echo(tables.text_table(made.table(), terminal_width()))
    typer.echo("")
    for sentence in made.verdict():
        typer.echo(f"- {sentence.en}")
    typer.echo(f"\ntuned    {made.tuned}")
    typer.echo(f"report   {made.report}")
