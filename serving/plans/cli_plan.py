"""The verb plan: the visits of a week, for the inspectors of a file."""

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from features.errors import BadInput
from features.settings import settings
from serving.plans.cli_replay import replay


class _WeekFirst(TyperGroup):
    """`plan 2026-W48` is `plan week 2026-W48`: whatever is not the name of a command is the beginning of a week's plan."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments with the command put before them where it is missing."""
        named = not args or args[0] in self.commands or args[0] == "--help"
        return super().parse_args(ctx, args if named else ["week", *args])


plan = typer.Typer(
    help="The inspection plan of a week: `plan WEEK`; `plan week --help` lists its options.", cls=_WeekFirst,
    add_completion=False,
    no_args_is_help=True,
)  # fmt: skip
plan.command("replay")(replay)

_Output = Annotated[Path | None, typer.Option(help="Write it to this file.")]
SHOWN = 15


@plan.command("week")
def week_(
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
    from serving.plans import page
    from serving.plans import text as plan_text
    from serving.plans.planning import Conflicting

    for path in (out, csv, html, None if ics is None else ics / "calendar.ics"):
        if path is not None:
            must_be_writable(path)
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
        page.write(html, told)
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else plan_text.text(told, SHOWN))


def _made(
    week: str, inspectors: Path, sites: Path | None, travel: Path | None, rules: Path | None, holidays: list[date], zone: str,
    as_of: str | None, seed: str | None, seconds: float, *, listed: bool, leave_out: bool, keep: bool,
) -> dict[str, Any]:  # fmt: skip
    """The plan as a document, stored if asked for."""
    from features.lake import Lake
    from serving.cli import moment, progress_bar
    from serving.inspection import rules as rulesets
    from serving.plans import planning
    from serving.plans import week as plan_week
    from serving.plans.document import document
    from serving.plans.facts import has_sites, read_inspectors, read_sites, read_ways
    from serving.plans.store import PlanStore
    from serving.pricing.quotes import champion_of
    from serving.store import opened

    at = None if as_of is None else moment(as_of)
    plan_week.check(week, at, zone, seed)
    monday = planning.monday_of(week)
    people = read_inspectors(inspectors, monday, holidays)
    own = sites or (inspectors if has_sites(inspectors) else None)
    sheets = {} if own is None else read_sites(own, monday)
    ways = None if travel is None else read_ways(travel)
    chosen = rulesets.load() if rules is None else rulesets.load(rules)
    config = settings()
    lake = Lake.open(config.lake)
    asked = plan_week.Asked(week, people, sheets, ways, chosen, zone, at, seed, seconds, listed, leave_out)
    with opened(config.store) as store:
        plans = PlanStore(store.engine)
        bar = progress_bar("planning")
        with bar as progress:
            made = plan_week.made(
                lake, champion_of(config.home), asked, threads=config.threads, progress=progress, plans=plans,
                best=lambda averted, most: bar.say(f"averts {averted:,.0f} of {most:,.0f} at most"),
            )  # fmt: skip
        told = document(made)
        plan_id = plan_week.keep(made, told, store) if keep else None
    return {"plan_id": plan_id, **told}


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is no day", where="--holiday", mend="write it as 2026-10-01") from None
