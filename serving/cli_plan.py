"""The verb plan: the visits of a week, for the inspectors of a file."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from features.errors import BadInput
from features.settings import settings

plan = typer.Typer(help="The inspection plan of a week.", add_completion=False)

_Output = Annotated[Path | None, typer.Option(help="Write it to this file.")]
SHOWN = 15


@plan.command()
def _plan(
    week: Annotated[str, typer.Argument(metavar="WEEK", help="An ISO week, as 2026-W48.")],
    inspectors: Annotated[Path, typer.Option(help="CSV or XLSX: inspector_id, latitude, longitude, skills, regions, hours.")],
    sites: Annotated[
        Path | None,
        typer.Option(help="CSV or XLSX: windows, skills, minutes, mode, pins of sites; default: the same workbook."),
    ] = None,
    travel: Annotated[Path | None, typer.Option(help="CSV or XLSX: from, to, minutes; else great-circle distance.")] = None,
    rules: Annotated[Path | None, typer.Option(help="TOML of planning rules; default: the shipped example.")] = None,
    holiday: Annotated[list[str] | None, typer.Option(help="A day off for everybody; may be repeated.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of the plan.")] = "Asia/Shanghai",
    as_of: Annotated[str | None, typer.Option(help="As it was known then, with zone: replays a week of the past.")] = None,
    seed: Annotated[str | None, typer.Option(help="Seed of the lot of a stored plan, to repeat its draw.")] = None,
    listed: Annotated[bool, typer.Option("--listed", help="Plan the sites of the file of sites alone.")] = False,
    leave_out: Annotated[bool, typer.Option("--leave-out", help="Leave out what conflicts instead of refusing.")] = False,
    seconds: Annotated[float, typer.Option(min=0.5, max=3_600.0, help="Time for the solver.")] = 20.0,
    out: Annotated[Path | None, typer.Option(help="Write the plan as JSON to this file.")] = None,
    csv: _Output = None,
    ics: Annotated[Path | None, typer.Option(help="Write a calendar file for each inspector into this folder.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the page with calendar and map, in Chinese and English.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Whether to store the plan, so that outcomes can follow.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Plan a week: minimum visits and follow-ups first, then the visits that avert the most; what is missed, and why."""
    from features.documents import must_be_writable, write_json
    from serving import plan_page, plan_text
    from serving.planning import Conflicting

    for path in (out, csv, html, None if ics is None else ics / "calendar.ics"):
        if path is not None:
            must_be_writable(path)
    _check(zone, seed)
    try:
        told = _made(
            week, inspectors, sites, travel, rules, [_day(one) for one in holiday or ()], zone, as_of, seed, seconds,
            listed=listed, leave_out=leave_out, keep=keep,
        )  # fmt: skip
    except Conflicting as error:
        for line in error.others:
            typer.echo(f"forewarn: {line}", err=True)
        raise
    if out is not None:
        write_json(out, told)
    if csv is not None:
        plan_text.write_csv(csv, told)
    if ics is not None:
        plan_text.write_ics(ics, told)
    if html is not None:
        plan_page.write(html, told)
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else plan_text.text(told, SHOWN))


def _made(
    week: str, inspectors: Path, sites: Path | None, travel: Path | None, rules: Path | None, holidays: list[date], zone: str,
    as_of: str | None, seed: str | None, seconds: float, *, listed: bool, leave_out: bool, keep: bool,
) -> dict[str, Any]:  # fmt: skip
    """The plan as a document, stored if asked for."""
    from features.enterprise.publish import publish
    from features.lake import Lake
    from serving import planning
    from serving.cli import moment, progress_bar
    from serving.inspection import rules as rulesets
    from serving.inspection.solver import solve
    from serving.plan_document import document
    from serving.plan_facts import has_sites, read_inspectors, read_sites, read_ways
    from serving.plan_known import known, until
    from serving.quotes import champion_of

    at = None if as_of is None else moment(as_of)
    planning.must_be_ahead(week, at, zone, datetime.now(UTC))
    monday = planning.monday_of(week)
    people = read_inspectors(inspectors, monday, holidays)
    own = sites or (inspectors if has_sites(inspectors) else None)
    sheets = {} if own is None else read_sites(own, monday)
    ways = None if travel is None else read_ways(travel)
    chosen = rulesets.load() if rules is None else rulesets.load(rules)
    config = settings()
    lake = Lake.open(config.lake)
    publish(lake)
    found = known(lake, champion_of(config.home), until(lake) if at is None else at, threads=config.threads)
    with progress_bar("planning") as progress:
        made = planning.make(
            week, found, people, sheets, chosen, zone=zone, seed=seed, ways=ways, listed=listed, leave_out=leave_out,
            solve=lambda problem: solve(
                problem, seconds=seconds, seed=1, threads=config.threads, progress=progress
            ),
        )  # fmt: skip
    told = document(made)
    return {"plan_id": _kept(made, told) if keep else None, **told}


def _kept(made: Any, told: dict[str, Any]) -> str:
    """Store the plan and the scores that it rests on."""
    from serving import risk_batch
    from serving.plan_document import planned_visits
    from serving.plan_store import PlanStore
    from serving.store import opened

    with opened(settings().store) as store:
        if made.known.scores is not None:
            risk_batch.keep(made.known.scores, store)
        plans = PlanStore(store.engine)
        visits = planned_visits(made)
        return plans.add_plan(
            told, week=made.monday, as_of=made.known.as_of, currency=made.known.currency, visits=visits
        )  # fmt: skip


def _check(zone: str, seed: str | None) -> None:
    """Raises BadInput for an unknown zone or a seed that is none."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"no time zone {zone!r}", where="--zone", mend="name one as Asia/Shanghai") from None
    if seed is None:
        return
    try:
        fine = len(bytes.fromhex(seed)) == 16
    except ValueError:
        fine = False
    if not fine:
        raise BadInput("no seed of 32 hexadecimal digits", where="--seed", mend="take it from a stored plan, or leave it out")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is no day", where="--holiday", mend="write it as 2026-10-01") from None
