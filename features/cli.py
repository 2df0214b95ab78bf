"""The verbs that fill the lake and build features from it: import, simulate, features."""

import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.errors import BadInput, NotFound
from features.settings import settings

if TYPE_CHECKING:
    from features.lake import Lake
    from features.sources.reader import Source

import_ = typer.Typer(help="Import histories into the lake.", no_args_is_help=True, add_completion=False)
simulate = typer.Typer(help="Simulate a fleet into the lake.", add_completion=False)
features = typer.Typer(help="Build, list and compare snapshots of features.", no_args_is_help=True, add_completion=False)

Directory = Annotated[Path, typer.Argument(help="The folder that holds the files.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

MACHINES = "machines simulated"
PARTS = ("rows_in", "accepted", "corrected", "duplicate", "quarantined")


@import_.command("azure-pdm")
def import_azure_pdm(directory: Directory, json_: Json = False) -> None:
    """Microsoft's Azure PdM: the five PdM_*.csv, or their Parquet form."""
    from features.sources import azure_pdm

    take_in(azure_pdm.read(directory), json_)


@import_.command("backblaze")
def import_backblaze(directory: Directory, json_: Json = False) -> None:
    """Backblaze Drive Stats: daily CSV files, or the hard-drive stretches as Parquet."""
    from features.sources import backblaze

    take_in(backblaze.read(directory), json_)


PANELS = {
    "phmsa": "PHMSA's hazardous-liquid pipelines: operators, miles, incidents.",
    "msha": "MSHA's mine-years: hours worked and injuries.",
    "lgpif": "Wisconsin's local government property fund: policy-years and claims.",
    "fremtpl2": "French motor policies: exposure and claims.",
    "workers-comp": "Workers' compensation: payroll and losses by class and year.",
    "osha": "OSHA's narratives of construction accidents, as cases.",
    "ihm": "Accidents at plants of mining and metals, as cases.",
    "chicago": "Food inspections of Chicago and what was found.",
}


def _importer(name: str) -> Callable[[Path, bool], None]:
    def import_panel(directory: Directory, json_: Json = False) -> None:
        reader = importlib.import_module(f"features.sources.{name.replace('-', '_')}")
        take_in(reader.read(directory), json_)

    return import_panel


for _name, _help in PANELS.items():
    import_.command(_name, help=_help)(_importer(_name))


@import_.command("mapped")
def import_mapped(
    directory: Directory,
    mapping: Annotated[Path | None, typer.Option(help="The TOML mapping; by default mapping.toml in the folder.")] = None,
    json_: Json = False,
) -> None:
    """Anyone's own CSV or Parquet files, as a mapping file says."""
    from features.sources import mapped

    try:
        kinds = open_lake().kinds()
    except NotFound:
        kinds = {}
    take_in(mapped.read(directory, mapping or directory / "mapping.toml", kinds), json_)


@simulate.command()
def simulate_fleet(
    machines: Annotated[int, typer.Option(help="How many machines.")] = 80,
    days: Annotated[int, typer.Option(help="How many days from the world's start.")] = 300,
    every: Annotated[str, typer.Option(help="Time between readings: 1h, 6h, 1d.")] = "1h",
    seed: Annotated[int, typer.Option(help="The same seed gives the same fleet.")] = 1,
    world: Annotated[Path | None, typer.Option(help="A world file (TOML); by default a fleet of pumps and presses.")] = None,
    enterprises: Annotated[int, typer.Option(help="How many enterprises keep the machines; 0: machines alone.")] = 0,
    readings: Annotated[bool, typer.Option(help="Of enterprises: whether machines tell their readings and events.")] = True,
    scores: Annotated[
        bool, typer.Option("--scores", help="Of enterprises: stand-ins for machine scores, true chances blurred.")
    ] = False,
    json_: Json = False,
) -> None:
    """Simulate a fleet with wear, errors, maintenance and failures into the lake; its true chances go to `truth`, apart.

    With --enterprises the machines belong to enterprises with hazards, visits, accidents, claims and all their tables.
    """
    from features.simulator import enterprise, fleet, identity, truth
    from features.simulator.enterprise_world import load_enterprises
    from features.simulator.world import DEFAULT, load_world, whole_hours

    if not enterprises and (scores or not readings):
        raise BadInput("there are no enterprises", where="simulate --scores, --no-readings", mend="add --enterprises N")
    size, machinery = (machines, days, whole_hours(every), seed), load_world(world or DEFAULT)
    keepers, wanted = None, fleet.Fleet(machinery, *size)
    if enterprises:
        keepers = enterprise.portfolio(load_enterprises(), machinery, enterprises, *size, readings=readings, scores=scores)
        wanted = keepers.fleet
    else:
        fleet.check(wanted)
    opened, threads = open_lake(create=True), settings().threads
    with truth.writing(settings().home) as writer, row_progress(machines) as progress:

        def told(more: int) -> None:
            progress(MACHINES, more)

        if keepers is None:
            source = fleet.source(wanted, writer=writer, threads=threads, told=told)
        else:
            source = enterprise.source(keepers, writer=writer, threads=threads, told=told)
        about = identity.NOBODY if keepers is None else keepers.identity
        take_in(identity.guarded(source, opened, wanted, about), json_, progress)


def open_lake(*, create: bool = False) -> "Lake":
    """The lake of the settings. Raises NotFound if there is none and `create` is off."""
    from features.lake import Lake

    return Lake.open(settings().lake, create=create, buckets=settings().buckets)


def take_in(source: "Source", json_: bool, progress: Callable[[str, int], None] | None = None) -> None:
    """Import a source into the lake and print its row account."""
    with row_progress() if progress is None else nullcontext(progress) as told:
        account = open_lake(create=True).ingest(source, imported_at=datetime.now(UTC), progress=told)
    document = account.document()
    text = account_text(document)
    if account.total.quarantined:
        text += "\n\nforewarn lake quarantine  shows the quarantined rows with their reasons."
    suspicions = [f"Look at this: {line}" for line in account.suspicions]
    say(document | {"notes": list(source.notes)}, "\n".join([text, *suspicions, *source.notes]), json_)


def account_text(document: Mapping[str, Any]) -> str:
    """A row account as an aligned table with its total."""
    counts = {**document["tables"], "total": document["total"]}
    rows = [(name, *(f"{count[part]:,}" for part in PARTS)) for name, count in counts.items()]
    return columns(("table", *heads()), rows)


def heads() -> list[str]:
    return [part.replace("_", " ") for part in PARTS]


def columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Plain text columns; those that hold only numbers are set to the right."""
    cells = [names, *rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(names))]
    right = [bool(rows) and all(row[at].replace(",", "").isdigit() for row in rows) for at in range(len(names))]

    def line(row: Sequence[str]) -> str:
        placed = zip(row, widths, right, strict=True)
        return "  ".join(cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in placed).rstrip()

    return "\n".join(line(row) for row in cells)


def say(document: Any, text: str, json_: bool) -> None:
    """The result on stdout: JSON, or text for people."""
    typer.echo(json.dumps(document, ensure_ascii=False, default=_plain) if json_ else text)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


@contextmanager
def row_progress(of_machines: int | None = None) -> Iterator[Callable[[str, int], None]]:
    """Rows so far, on stderr; the callable takes what is being done and how many more rows it was done to.

    of_machines: besides, MACHINES counts machines, of so many in all.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    counts = TextColumn("{task.completed:,.0f} {task.fields[unit]}")
    shown = (SpinnerColumn(), TextColumn("{task.description}"), counts, TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*shown, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}
        if of_machines is not None:
            tasks[MACHINES] = bars.add_task(MACHINES, total=of_machines, unit=f"of {of_machines:,}")

        def advance(words: str, rows: int) -> None:
            if words not in tasks:
                tasks[words] = bars.add_task(words, total=None, unit="rows")
            bars.advance(tasks[words], rows)

        yield advance


SHOWN = ("name", "family", "table", "unit", "words_en", "words_zh")
FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
Moment = Annotated[datetime | None, typer.Option(formats=FORMATS, help="UTC unless it names its zone.")]


@features.command("build")
def features_build(
    kind: Annotated[str | None, typer.Option(help="The machine kind, or pooled: all of them.", show_default=False)] = None,
    enterprises: Annotated[bool, typer.Option("--enterprises", help="Enterprises in place of machines of a kind.")] = False,
    every: Annotated[str | None, typer.Option(help="Between observations: 24h, 7d; default 24h, enterprises 30d.")] = None,
    start: Moment = None,
    end: Moment = None,
    anchor: Annotated[str, typer.Option(help="calendar, or machine: counted from each machine's own start.")] = "calendar",
    json_: Json = False,
) -> None:
    """Compute features on a grid and keep them as a snapshot; the same inputs give the same snapshot."""
    from features.build import build
    from features.build_pooled import build_pooled
    from features.enterprise.build import build as build_enterprises
    from features.observations import grid_of
    from features.pooled import EVERY

    grid = grid_of(every or ("30d" if enterprises else "24h"), start, end, anchor)
    with row_progress() as progress:
        told = partial(progress, "computing features")
        if enterprises == (kind is not None):
            mend = "give --kind NAME for machines, or --enterprises"
            raise BadInput("whose features to build is not said, or said twice", where="--kind", mend=mend)
        if kind is None:
            made = build_enterprises(open_lake(), grid, home=settings().home, progress=told)
        elif kind == EVERY.name:
            made = build_pooled(open_lake(), grid, home=settings().home, progress=told)
        else:
            made = build(open_lake(), kind, grid, home=settings().home, progress=told)
    document = {"id": made.id, "rows": made.rows, "features": len(made.features), "path": str(made.path)}
    say(document, f"Snapshot {made.id}: {made.rows:,} observations, {len(made.features)} features.", json_)


@features.command("list")
def features_list(json_: Json = False) -> None:
    """The snapshots, the newest last."""
    from features.snapshots import list_snapshots

    found = [one.manifest for one in list_snapshots(settings().home)]
    names = ("snapshot", "kind", "observations", "features", "last as_of", "created (UTC)")
    rows = [
        (
            one["id"],
            one["kind"]["name"],
            f"{one['rows']:,}",
            str(len(one["features"])),
            one["last_as_of"][:16],
            one["created_at"][:19],
        )
        for one in found
    ]
    say(found, columns(names, rows) if rows else "No snapshot yet.", json_)


@features.command("catalog")
def features_catalog(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(
            help="Kinds of the lake, TOML files that declare one, pooled or enterprise; by default all of the lake.",
            show_default=False,
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """The features that kinds, or enterprises, have, counted by family; with --json each of them with its words."""
    from collections import Counter

    from features.catalog import catalog
    from features.enterprise import catalog as of_enterprises
    from features.kinds import load_kind
    from features.pooled import EVERY

    made: list[Any] = []
    for name in kinds if kinds else open_lake().kinds():
        if name == of_enterprises.EVERY.name:
            made.append(of_enterprises.catalog())
            continue
        own = EVERY if name == EVERY.name else load_kind(Path(name)) if name.endswith(".toml") else open_lake().kind(name)
        made.append(catalog(own))
    document = [
        {
            "kind": one.kind.name,
            "hash": one.hash,
            "features": len(one.specs),
            "families": dict(Counter(spec.family for spec in one.specs)),
            "specs": [_shown(one, spec) for spec in one.specs],
        }
        for one in made
    ]
    counted = [(one, [*Counter(spec.family for spec in one.specs).items(), ("all", len(one.specs))]) for one in made]
    rows = [(one.kind.name, family, str(count)) for one, counts in counted for family, count in counts]
    shown = columns(("kind", "family", "features"), rows)
    say(document, shown if rows else "No kind declared yet.", json_)


def _shown(of: Any, spec: Any) -> dict[str, Any]:
    """A feature for people; one of enterprises with its direction, and whether a price may use it."""
    found = {name: getattr(spec, name) for name in SHOWN}
    if hasattr(of, "directions"):
        found |= {"direction": of.directions[spec.name], "charged": spec.name in of.charged}
    return found


@features.command("diff")
def features_diff(
    old: Annotated[str, typer.Argument(help="A snapshot's id.", show_default=False)],
    new: Annotated[str, typer.Argument(help="A snapshot's id, or latest.", show_default=False)],
    json_: Json = False,
) -> None:
    """What differs between two snapshots: versions, grid, features, rows, values."""
    from features.differences import diff, diff_text
    from features.snapshots import open_snapshot

    found = diff(*(open_snapshot(settings().home, one) for one in (old, new)))
    say(found, diff_text(found), json_)
