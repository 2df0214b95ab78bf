"""The verbs of stored plans: list, show, replan."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from features.errors import BadInput
from features.settings import settings

plans = typer.Typer(help="Stored plans: list, show, replan.", add_completion=False, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
PlanId = Annotated[str, typer.Argument(help="The id that a plan was printed with.")]
_Csv = Annotated[Path | None, typer.Option(help="Write a row for each visit to this file.")]
_Ics = Annotated[Path | None, typer.Option(help="Write a calendar file for each inspector into this folder.")]
_Html = Annotated[Path | None, typer.Option(help="Write the page with calendar and map, in Chinese and English.")]
SHOWN = 15
YEARS = (1970, 9000)  # of a moment that every zone has


@plans.callback()
def _plans() -> None:
    """Stored plans: list, show, replan."""


@plans.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the newest.")] = 20, as_json: AsJson = False
) -> None:
    """The newest plans first."""
    from serving.plans.store import opened

    with opened(settings().store) as store:
        found = store.plans(limit)
    if as_json:
        rows = [{**vars(one), **{key: getattr(one, key).isoformat() for key in ("week", "as_of", "made_at")}} for one in found]
        typer.echo(json.dumps(rows))
        return
    lines = [
        f"{one.plan_id}  week of {one.week}  made {one.made_at:%Y-%m-%d %H:%M} UTC"
        + (f"  replans {one.parent}" if one.parent else "")
        for one in found
    ]
    typer.echo("\n".join(lines) or "no plans")


@plans.command()
def show(plan_id: PlanId, csv: _Csv = None, ics: _Ics = None, html: _Html = None, as_json: AsJson = False) -> None:
    """A plan as it was made: visits, what is missed, and why."""
    from serving.plans.store import opened
    from serving.plans.text import text

    _writable(csv, ics, html)
    with opened(settings().store) as store:
        found = store.plan(plan_id)
    told = {"plan_id": plan_id, **found.document}
    _write(told, csv, ics, html)
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else "\n".join([text(told, SHOWN), *_changes(told)]))


@plans.command()
def replan(
    plan_id: PlanId,
    at: Annotated[str, typer.Option(help="The moment, with zone; what has begun by then stays. Default: now.")] = "",
    alarm: Annotated[list[str] | None, typer.Option(help="ENTERPRISE/SITE to be visited today; may be repeated.")] = None,
    absent: Annotated[list[str] | None, typer.Option(help="Inspector who drops out today; may be repeated.")] = None,
    travel: Annotated[Path | None, typer.Option(help="The table of ways that the plan was made with.")] = None,
    csv: _Csv = None,
    ics: _Ics = None,
    html: _Html = None,
    keep: Annotated[bool, typer.Option("--keep/--no-keep", help="Whether to store the new plan.")] = True,
    as_json: AsJson = False,
) -> None:
    """Replan the rest of a day: fixed visits stay, the fewest changes, a reason for each."""
    from features.lake import Lake
    from serving.plans.facts import read_ways
    from serving.plans.lists import checklists_at
    from serving.plans.replanning import replanned
    from serving.plans.store import opened
    from serving.plans.text import text

    _writable(csv, ics, html)
    moment = _moment(at)
    ways = None if travel is None else read_ways(travel)
    config = settings()
    with opened(config.store) as store:
        plan = store.plan(plan_id)
        lake = Lake.open(config.lake)
        told, visits, _ = replanned(plan, moment, alarm or (), absent or (), ways, partial(checklists_at, lake))
        made = None
        if keep:
            made = store.add_plan(told, week=plan.week, as_of=plan.as_of, currency=plan.currency, visits=visits, parent=plan_id)
    told = {"plan_id": made, **told}
    _write(told, csv, ics, html)
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else "\n".join([text(told, 0), *_changes(told)]))


def _writable(csv: Path | None, ics: Path | None, html: Path | None) -> None:
    from features.documents import must_be_writable

    for path in (csv, html, None if ics is None else ics / "calendar.ics"):
        if path is not None:
            must_be_writable(path)


def _write(told: dict[str, Any], csv: Path | None, ics: Path | None, html: Path | None) -> None:
    from serving.plans import page
    from serving.plans import text as plan_text

    if csv is not None:
        plan_text.write_csv(csv, told)
    if ics is not None:
        plan_text.write_ics(ics, told)
    if html is not None:
        page.write(html, told)


def _changes(told: dict[str, Any]) -> list[str]:
    """What a replan changed, a line each."""
    if "changes" not in told:
        return []
    lines = [f"replanned from {told['parent']} at {told['replanned_at']}: {len(told['changes'])} changes"]
    for one in told["changes"]:
        before, after = (
            "not planned" if visit is None else f"{visit['inspector_id']} {datetime.fromisoformat(visit['starts']):%a %H:%M}"
            for visit in (one["before"], one["after"])
        )
        words = f"{one['kind']} {one['kind_zh']}: {before} -> {after}"
        lines.append(f"  {one['site']}  {words}  ({one['reason_en']} {one['reason_zh']})")
    return lines


def _moment(text: str) -> datetime:
    if not text:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is no moment", where="--at", mend="give it as 2026-11-25T12:00:00+08:00") from None
    if found.tzinfo is None:
        raise BadInput(f"{text!r} has no zone", where="--at", mend="give it as 2026-11-25T12:00:00+08:00")
    if not YEARS[0] <= found.year <= YEARS[1]:
        raise BadInput(f"{text!r} is no moment of a plan", where="--at", mend="give it as 2026-11-25T12:00:00+08:00")
    return found
