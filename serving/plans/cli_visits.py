"""The verbs of visits: record what came of them, and follow the hazards that they found."""

import csv
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from features.errors import BadInput
from features.settings import settings

visits = typer.Typer(help="Visits: record what came of them, rectify, loop.", add_completion=False, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
MOST_BYTES, MOST_ROWS, SHOWN = 20_000_000, 100_000, 20
_OF_VISIT = ("visit_id", "outcome", "at", "hours", "by", "note")
_OF_FINDING = {"grade": "grade", "kind": "kind", "due": "due", "supervised": "supervised", "finding": "note"}


@visits.callback()
def _visits() -> None:
    """Visits: record what came of them, and follow the hazards that they found."""


@visits.command()
def record(
    file: Annotated[Path, typer.Argument(help="JSON (a list of outcomes) or CSV (a line for each finding).")],
    correct: Annotated[bool, typer.Option("--correct", help="Replace what is recorded of these visits already.")] = False,
    as_json: AsJson = False,
) -> None:
    """Record what came of planned visits: done, partial or refused, hours, findings with grade and due date.

    JSON: [{"visit_id", "outcome", "at", "hours", "by", "note", "findings": [{"grade", "kind", "due", "note", "supervised"}]}].
    CSV: columns visit_id, outcome, at, hours, by, note, grade, kind, due, supervised, finding.
    """
    from features.lake import Lake
    from serving.inspection.outcomes import parsed
    from serving.plans import store
    from serving.plans.visits import record as recorded

    now = datetime.now(UTC)
    given = [parsed(document, where, now) for where, document in _documents(file)]
    config = settings()
    lake = Lake.open(config.home / "lake")
    with store.opened(config.store) as plans:
        done = recorded(lake, plans, given, now, correct=correct)
    if as_json:
        typer.echo(json.dumps(vars(done)))
        return
    again = f", {done.before} recorded before" if done.before else ""
    typer.echo(f"recorded {done.visits} visits with {done.findings} findings{again}")


@visits.command()
def rectify(
    enterprise_id: Annotated[str, typer.Argument(help="The enterprise.")],
    hazard_id: Annotated[str, typer.Argument(help="The hazard; what a visit found is VISIT_ID/1, VISIT_ID/2 ...")],
    rectified: Annotated[str | None, typer.Option(help="When it was rectified, with zone.")] = None,
    verified: Annotated[str | None, typer.Option(help="When somebody verified it, with zone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Record that a hazard was rectified, and that it was verified."""
    from features.lake import Lake
    from serving.plans.visits import rectify as done

    if rectified is None and verified is None:
        raise BadInput("nothing to record", where="rectify", mend="give --rectified, --verified or both")
    moments = {name: _moment(text, f"--{name}") for name, text in (("rectified", rectified), ("verified", verified))}
    row = done(Lake.open(settings().home / "lake"), enterprise_id, hazard_id, datetime.now(UTC), **moments)
    said = {name: None if row[name] is None else row[name].isoformat() for name in ("due", "rectified", "verified")}
    if as_json:
        typer.echo(json.dumps({"enterprise_id": enterprise_id, "hazard_id": hazard_id, **said}))
        return
    typer.echo(f"{hazard_id}: " + ", ".join(f"{name} {moment}" for name, moment in said.items() if moment is not None))


@visits.command()
def loop(
    enterprise: Annotated[str | None, typer.Option(help="Only this enterprise.")] = None,
    found_by: Annotated[str | None, typer.Option(help="Only what was found by: self, insurer, authority, third_party.")] = None,
    as_of: Annotated[str | None, typer.Option(help="As it was known at this moment, with zone; default: now.")] = None,
    as_json: AsJson = False,
) -> None:
    """The loop of rectification: found, due, rectified in time or late, verified, overdue, with its rates; what is open."""
    from features.lake import Lake
    from features.schema import ENTERPRISE
    from serving.plans.visits import must_know, open_hazards, rectification

    moment = datetime.now(UTC) if as_of is None else _moment(as_of, "--as-of")
    assert moment is not None
    if found_by not in (None, "self", "insurer", "authority", "third_party"):
        raise BadInput(f"{found_by!r} finds nothing", where="--found-by", mend="give self, insurer, authority or third_party")
    lake = Lake.open(settings().home / "lake")
    if enterprise is not None:
        must_know(lake, enterprise)
    found, rows = rectification(lake, moment, enterprise, found_by=found_by), open_hazards(lake, moment, enterprise)
    if as_json:
        listed = [{name: _plain(value) for name, value in row.items()} for row in rows]
        rates = {"rate": found.rate, "rate_in_time": found.rate_in_time}
        typer.echo(json.dumps({**vars(found), **rates, "as_of": moment.isoformat(), "open_hazards": listed}))
        return
    rate = (
        "none was due"
        if found.rate is None
        else f"{found.rate:.1%} of {found.due} that were due, {found.rate_in_time:.1%} in time"
    )
    days = "" if found.mean_days is None else f", after {found.mean_days:.1f} days on average"
    typer.echo(f"found {found.found}, rectified {found.rectified}{days}, verified {found.verified}, open {found.open}")
    typer.echo(f"rectified {rate}; overdue {found.overdue}")
    for row in rows[:SHOWN]:
        late = row["due"] is not None and row["due"] <= moment
        due = "no due date" if row["due"] is None else f"{'OVERDUE since' if late else 'due'} {row['due']:%Y-%m-%d}"
        typer.echo(f"  {row[ENTERPRISE]}  {row['hazard_id']}  {row['grade']} {row['kind'] or ''}  {due}")
    if len(rows) > SHOWN:
        typer.echo(f"  ... and {len(rows) - SHOWN} more (--json lists all)")


def _documents(file: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """The outcomes of a file with the place of each. Raises BadInput."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise BadInput("too large", where=str(file), mend=f"give at most {MOST_BYTES // 1_000_000} MB")
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror or "no file" if isinstance(error, OSError) else "not in UTF-8"
        raise BadInput(f"not readable: {why.lower()}", where=str(file), mend="name a JSON or CSV file in UTF-8") from None
    found = _of_csv(text, file.name) if file.suffix.lower() == ".csv" else _of_json(text, file.name)
    if not found:
        raise BadInput("no outcome in it", where=str(file), mend="give at least one")
    return found


def _of_json(text: str, name: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        document = json.loads(text)
    except RecursionError:
        raise BadInput("not JSON: nested too deep", where=name, mend="give a list of outcomes") from None
    except ValueError as error:
        raise BadInput(f"not JSON: {error}", where=name, mend="give a list of outcomes") from None
    listed = document if isinstance(document, list) else [document]
    for number, one in enumerate(listed, start=1):
        if not isinstance(one, dict):
            raise BadInput(
                "no outcome", where=f"{name}, outcome {number}", mend="give an object with visit_id, outcome, at, by"
            )
    return [(f"{name}, outcome {number}", one) for number, one in enumerate(listed, start=1)]


def _of_csv(text: str, name: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Outcomes of a table: lines of one visit together, each with a finding or none."""
    try:
        rows = csv.DictReader(text.splitlines(keepends=True), strict=True)
        listed = list(enumerate(rows, start=2))
    except csv.Error as error:
        raise BadInput(f"no table: {error}", where=name, mend="save it as CSV again; close every quotation mark") from None
    known = {*_OF_VISIT, *_OF_FINDING}
    for column in rows.fieldnames or ():
        if column not in known:
            raise BadInput("unknown column", where=f"{name}, {column}", mend=f"known are {', '.join(sorted(known))}")
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for number, row in listed:
        where = f"{name}, line {number}"
        if number > MOST_ROWS or None in row:
            raise BadInput("too many cells or lines", where=where, mend=f"give at most {MOST_ROWS} lines as long as the first")
        told = {key: _cell(key, row[key], where) for key in _OF_VISIT if (row.get(key) or "").strip()}
        visit_id = str(told.get("visit_id", ""))
        place, outcome = found.setdefault(visit_id, (where, {**told, "findings": []}))
        if {key: outcome[key] for key in outcome if key != "findings"} != told:
            raise BadInput(f"not as in {place}", where=where, mend="lines of one visit differ in their finding alone")
        finding = {key: _cell(key, row[key], where) for key in _OF_FINDING if (row.get(key) or "").strip()}
        if finding:
            outcome["findings"].append({_OF_FINDING[key]: value for key, value in finding.items()})
    return list(found.values())


def _cell(key: str, text: str, where: str) -> Any:
    text = text.strip()
    if key == "supervised":
        if text.lower() not in ("true", "false"):
            raise BadInput(f"{text!r} is neither true nor false", where=f"{where}, {key}", mend="give true or false")
        return text.lower() == "true"
    if key != "hours":
        return text
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"{text!r} is no number", where=f"{where}, {key}", mend="give hours as 2.5") from None


def _moment(text: str | None, where: str) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min  # noqa: DTZ901  (told below, as one without a zone)
    if found.tzinfo is None:
        raise BadInput(f"{text!r} is no moment with a zone", where=where, mend="give it as 2026-11-25T09:30:00+08:00")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        what = f"{text!r} is beyond the years that a clock can show"
        raise BadInput(what, where=where, mend="give it as 2026-11-25T09:30:00+08:00") from None


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
