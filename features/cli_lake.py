"""The verbs that look into the lake and keep it in order."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from features.cli import PARTS, Json, columns, heads, open_lake, row_progress, say
from features.settings import settings

lake = typer.Typer(help="Look into the lake and keep it in order.", no_args_is_help=True, add_completion=False)


@lake.command("accounts")
def lake_accounts(json_: Json = False) -> None:
    """What became of the rows of each import, and of all rows of the log that are in the tables."""
    from features.compactor import compacted

    opened = open_lake()
    moved = compacted(opened.root)
    accounts = [*opened.accounts(), *([moved.account().document()] if moved.round else [])]
    lines = [(account["imported_at"][:19], account["source"], account["total"]) for account in accounts]
    rows = [(when, source, *(f"{total[part]:,}" for part in PARTS)) for when, source, total in lines]
    say(accounts, columns(("imported at (UTC)", "source", *heads()), rows), json_)


@lake.command("quarantine")
def lake_quarantine(
    table: Annotated[str | None, typer.Option(help="Only rows of this table.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 100,
    json_: Json = False,
) -> None:
    """Rows that broke their contract: where they stand and what is wrong with them."""
    opened = open_lake()
    if table is not None:
        opened.contract(table)
    rows = opened.quarantined(table=table, limit=limit).to_pylist()
    names = ("table", "file", "row", "column", "value", "reason")
    shown = [tuple(str(row[name])[:60].splitlines()[0] if row[name] else "" for name in names) for row in rows]
    say(rows, columns(names, shown) if rows else "The quarantine is empty.", json_)


@lake.command("compact")
def lake_compact(
    table: Annotated[str | None, typer.Option(help="Only this table; by default all.")] = None,
    vacuum_days: Annotated[
        int | None,
        typer.Option(
            min=1, help="Also remove the files that no version of so many last days needs; older versions are gone then."
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Rewrite each bucket's files into one, sorted by entity and time. No row changes; older versions stay readable."""
    from features import compaction
    from features.snapshots import list_snapshots

    opened = open_lake()
    with row_progress() as progress:
        done = compaction.compact(opened, table, whole=True, progress=progress)
    rows = [
        (one.table, str(one.version), f"{one.rows:,}", f"{one.files_before} -> {one.files_after}",
         f"{one.bytes_before / 1e6:,.1f} -> {one.bytes_after / 1e6:,.1f}")
        for one in done
    ]  # fmt: skip
    text = columns(("table", "version", "rows", "files", "MB"), rows) if rows else "Nothing to compact."
    document: dict[str, Any] = {"compacted": [asdict(one) for one in done]}
    if vacuum_days is not None:
        removed = compaction.vacuum(opened, table, vacuum_days)
        lost = [one.id for one in list_snapshots(settings().home) if opened.at(one.manifest["lake_versions"]).vacuumed()]
        document |= {"removed": removed, "snapshots_without_their_rows": lost}
        text += f"\n{sum(removed.values()):,} files removed that no version of the last {vacuum_days} days needs."
        if lost:
            text += f"\nTheir rows are gone, so that nothing can be trained on them any more: {', '.join(lost)}."
    say(document, text, json_)


@lake.command("history")
def lake_history(
    table: Annotated[str | None, typer.Argument(help="A table; by default all.", show_default=False)] = None,
    json_: Json = False,
) -> None:
    """The versions of tables: when each was made, by what, and how many rows it added."""
    commits = open_lake().history(table)
    names = ("table", "version", "time (UTC)", "operation", "rows added", "source")
    rows = [
        (name, str(one.version), f"{one.at:%Y-%m-%d %H:%M:%S}", one.operation, f"{one.rows:,}", one.source)
        for name, found in commits.items()
        for one in found
    ]
    document = [{"table": name, **asdict(one)} for name, found in commits.items() for one in found]
    say(document, columns(names, rows) if rows else "No table yet.", json_)
