"""The verbs of stored plans: list, show, replan."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from features.errors import BadInput
from features.settings import settings

plans = typer.Typer(help="Stored plans: list, show, replan.", add_completion=False, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
PlanId = Annotated[str, typer.Argument(help="The id that a plan was printed with.")]
SHOWN = 15


@plans.callback()
def _plans() -> None:
    """Stored plans: list, show, replan."""


@plans.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the newest.")] = 20, as_json: AsJson = False
) -> None:
    """The newest plans first."""
    from serving.plan_store import opened

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
def show(plan_id: PlanId, as_json: AsJson = False) -> None:
    """A plan as it was made: visits, what is missed, and why."""
    from serving.plan_store import opened
    from serving.plan_text import text

    with opened(settings().store) as store:
        found = store.plan(plan_id)
    told = {"plan_id": plan_id, **found.document}
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else "\n".join([text(told, SHOWN), *_changes(told)]))


@plans.command()
def replan(
    plan_id: PlanId,
    at: Annotated[str, typer.Option(help="The moment, with zone; what has begun by then stays. Default: now.")] = "",
    alarm: Annotated[list[str] | None, typer.Option(help="ENTERPRISE/SITE to be visited today; may be repeated.")] = None,
    absent: Annotated[list[str] | None, typer.Option(help="Inspector who drops out today; may be repeated.")] = None,
    travel: Annotated[Path | None, typer.Option(help="The table of ways that the plan was made with.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the page with calendar and map.")] = None,
    keep: Annotated[bool, typer.Option("--keep/--no-keep", help="Whether to store the new plan.")] = True,
    as_json: AsJson = False,
) -> None:
    """Replan the rest of a day: fixed visits stay, the fewest changes, a reason for each."""
    from features.documents import must_be_writable
    from serving import plan_page
    from serving.plan_facts import read_ways
    from serving.plan_store import opened
    from serving.plan_text import text
    from serving.replanning import replanned

    if html is not None:
        must_be_writable(html)
    moment = _moment(at)
    ways = None if travel is None else read_ways(travel)
    with opened(settings().store) as store:
        plan = store.plan(plan_id)
        told, visits, _ = replanned(plan, moment, alarm or (), absent or (), ways)
        made = None
        if keep:
            made = store.add_plan(told, week=plan.week, as_of=plan.as_of, currency=plan.currency, visits=visits, parent=plan_id)
    told = {"plan_id": made, **told}
    if html is not None:
        plan_page.write(html, told)
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else "\n".join([text(told, 0), *_changes(told)]))


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
    return found
