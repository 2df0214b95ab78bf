"""The verb plan replay: model and planner beside other planners, over weeks of a simulated past."""

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features.settings import settings

if TYPE_CHECKING:
    from serving.inspection.replayed import Planner


def replay(
    weeks: Annotated[int, typer.Option(min=1, max=520, help="How many weeks to compare.")] = 13,
    warm_up: Annotated[int, typer.Option(min=0, max=520, help="Weeks of business as usual before them.")] = 13,
    start: Annotated[str | None, typer.Option(help="The first week, as 2026-W20; default: as late as can be.")] = None,
    inspectors: Annotated[Path | None, typer.Option(help="CSV or XLSX, as for a plan; hours as in the first week.")] = None,
    crew: Annotated[int | None, typer.Option(min=1, max=1_000, help="Invent so many; default: one for 25 sites.")] = None,
    rules: Annotated[Path | None, typer.Option(help="TOML of planning rules; default: the shipped example.")] = None,
    planner: Annotated[list[str] | None, typer.Option(help="One of the planners; may be repeated; default: all.")] = None,
    seconds: Annotated[float, typer.Option(min=0.2, max=600.0, help="Time for the solver, a plan.")] = 3.0,
    seed: Annotated[int, typer.Option(help="Of the lot, the invented inspectors and the solver.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the page, in Chinese and English.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Replay past weeks of a simulated home: what the plans would have averted, beside business as usual and the truth."""
    from features.documents import must_be_writable, write_json
    from serving.cli import progress_bar
    from serving.inspection import rules as rulesets
    from serving.plans import replay_page
    from serving.plans.facts import read_inspectors
    from serving.plans.planning import monday_of
    from serving.plans.replay_document import text
    from serving.plans.replay_run import Asked, run

    for path in (out, html):
        if path is not None:
            must_be_writable(path)
    monday = None if start is None else monday_of(start)
    people = None if inspectors is None else read_inspectors(inspectors, monday or date.fromisocalendar(2026, 2, 1))
    asked = Asked(weeks, warm_up, monday, crew, seconds, seed, _planners(planner or []))
    config = settings()
    with progress_bar("replaying") as progress:
        found = run(
            config.home, asked, people=people, rules=None if rules is None else rulesets.load(rules), threads=config.threads,
            progress=progress,
        )  # fmt: skip
    if out is not None:
        write_json(out, found)
    if html is not None:
        replay_page.write(html, found)
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else text(found))


def _planners(named: list[str]) -> "tuple[Planner, ...]":
    from features.errors import BadInput
    from serving.inspection.replayed import Planner

    for name in named:
        if name not in set(Planner):
            raise BadInput(f"no planner {name!r}", where="--planner", mend=f"name one of {', '.join(Planner)}")
    chosen = tuple(Planner(name) for name in named) or tuple(Planner)
    return tuple(dict.fromkeys((*chosen, Planner.ROTATION)))
