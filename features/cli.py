"""The verbs of the lake: import, look into it, simulate, build features."""

import typer

import_ = typer.Typer(help="Import histories into the lake.", no_args_is_help=True, add_completion=False)
lake = typer.Typer(help="Look into the lake.", no_args_is_help=True, add_completion=False)
simulate = typer.Typer(help="Simulate a fleet into the lake.", add_completion=False)
features = typer.Typer(help="Build, list and compare snapshots of features.", no_args_is_help=True, add_completion=False)
