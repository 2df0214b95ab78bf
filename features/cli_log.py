"""The verb of the log: files into it, and from it into the tables."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.cli import Json, account_text, open_lake, row_progress, say
from features.errors import BadInput
from features.settings import settings

if TYPE_CHECKING:
    import pyarrow as pa

    from features.account import RowAccount
    from features.lake import Lake
    from features.schema import TableContract

ingest = typer.Typer(help="Move the log into the lake's tables, or files into the log first.", add_completion=False)

WAIT_SECONDS = 0.2
ARROW = (".arrow", ".arrows")


@ingest.command()
def _ingest(
    table: Annotated[str | None, typer.Argument(help="The table that the files are rows of.", show_default=False)] = None,
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="CSV, Parquet or Arrow stream files with the table's columns.", show_default=False),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until interrupted, every FOREWARN_COMPACT_SECONDS.")] = False,
    json_: Json = False,
) -> None:
    """Take what waits in the log into the tables; with files, log their rows first, as a sender's rows are.

    With --follow what is known of the machines together is published too, once a day, as the service does.
    """
    from features.compactor import publish_peers
    from features.receive import open_contract

    if table is not None and not files:
        raise BadInput("no files", where=f"table {table}", mend="name the files whose rows are to be taken")
    lake = open_lake()
    contract = open_contract(lake, table) if table is not None else None
    with row_progress() as progress:
        rows = _compacted(lake, progress)
        logged: list[dict[str, Any]] = []
        if contract is not None:
            logged = list(_logged(lake, contract, files or [], progress))
            rows = _added(rows, _compacted(lake, progress))
    refused = [reason | {"file": one["file"]} for one in logged for reason in one["reasons"]]
    text = account_text(rows) if rows["total"] else "Nothing was waiting in the log."
    lines = [f"{one['file']}: {one['rows']:,} x {one['column']}: {one['reason']} (first '{one['value']}')" for one in refused]
    say(rows | {"logged": logged}, "\n".join([text, *lines]), json_)
    while follow:
        began = datetime.now(UTC)
        with row_progress() as progress:
            _compacted(lake, progress)
        publish_peers(lake, began)
        time.sleep(settings().compact_seconds or 1.0)


def _compacted(lake: "Lake", progress: Any) -> dict[str, Any]:
    """What waits in the log goes into the tables: the account of all rounds, as a document."""
    from features.compactor import drain

    def waits() -> bool:
        time.sleep(WAIT_SECONDS)
        return True

    found: dict[str, Any] = {"tables": {}, "total": {}}

    def told(account: "RowAccount") -> None:
        nonlocal found
        progress("moving the log into the tables", account.total.rows_in)
        found = _added(found, account.document())

    drain(lake, wait=waits, told=told)
    return found


def _added(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    def both(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
        return {part: one.get(part, 0) + other.get(part, 0) for part in {**one, **other}}

    names = sorted({**first["tables"], **second["tables"]})
    tables = {name: both(first["tables"].get(name, {}), second["tables"].get(name, {})) for name in names}
    return {"tables": tables, "total": both(first["total"], second["total"])}


def _logged(lake: "Lake", contract: "TableContract", files: list[Path], progress: Any) -> Iterator[dict[str, Any]]:
    """Log the rows of each file; what was taken and refused of it."""
    from features.enterprise.rules import enrolled
    from features.log import Writer
    from features.receive import receive, told
    from features.schema import MACHINE

    machines = lake.machines()
    kind_of = dict(zip(*(machines.column(name).to_pylist() for name in (MACHINE, "kind")), strict=True))
    kinds = lake.kinds()
    for path in files:
        if not path.is_file():
            raise BadInput("no such file", where=str(path), mend="name an existing CSV, Parquet or Arrow file")
    writer = Writer.open(lake.root)
    try:
        for path in files:
            for rows in _tables(path, contract):
                if rows.num_rows:
                    entry = receive(contract, rows, datetime.now(UTC), lambda _: kind_of, kinds, partial(enrolled, lake))
                    writer.append(entry)
                    progress(f"logging {path.name}", entry.rows_in)
                    yield told(entry) | {"file": path.name}
    finally:
        writer.close()


def _tables(path: Path, contract: "TableContract") -> Iterator["pa.Table"]:
    """A file as tables of bounded size. Raises BadInput."""
    import pyarrow as pa

    from features.sources import files

    if path.suffix in ARROW:
        try:
            with pa.ipc.open_stream(path) as stream:
                for batch in stream:
                    yield pa.table(batch)
        except (pa.ArrowException, OSError) as error:
            what = f"not readable as an Arrow stream: {str(error).splitlines()[0]}"
            raise BadInput(what, where=str(path), mend="write it as one stream with one schema") from None
        return
    needed = [one.name for one in contract.columns if not one.nullable and one.name != "recorded_at"]
    names = list(files.header(path))
    for chunk in files.chunks(path, needed, [name for name in names if name not in needed]):
        if chunk.refused:
            broken = chunk.refused[0]
            mend = "correct the line and run this again (rows before it are duplicates then), or import it by a mapping"
            raise BadInput(broken.reason, where=f"{path}, row {broken.row}", mend=mend)
        yield chunk.table
