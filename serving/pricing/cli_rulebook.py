"""The verbs of rulebooks: which there are, what one says, what is wrong with one."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.cli import Json, columns, say

if TYPE_CHECKING:
    from serving.underwriting.rulebook import Rulebook
    from serving.underwriting.rulebook_check import Fault

rulebook = typer.Typer(help="Rulebooks: list, show and check them.", no_args_is_help=True, add_completion=False)

FAULTY = 2


@rulebook.command("list")
def rulebook_list(json_: Json = False) -> None:
    """The home's own rulebooks, and those that come with the program: published examples, each marked illustrative."""
    from features.settings import settings
    from serving.pricing.rulebooks import of_home
    from serving.underwriting.rulebook import shipped

    own = of_home(settings().home)
    found = [*own, *(one for one in shipped() if one.id not in {other.id for other in own})]
    keys = ("id", "version", "market", "currency", "effective_from", "effective_to", "illustrative", "title_en", "title_zh")
    document = [{key: getattr(one, key) for key in keys} | {"digest": one.digest} for one in found]
    heads = ("rulebook", "market", "in force", "", "digest")
    rows = [(one.id, one.market, f"{one.effective_from} to {one.effective_to}", _mark(one), one.digest[:12]) for one in found]
    say(document, columns(heads, rows), json_)


@rulebook.command("show")
def rulebook_show(
    name: Annotated[
        str, typer.Argument(help="A rulebook's id (also one of HOME/rulebooks), or its .toml file.", show_default=False)
    ],
    toml: Annotated[bool, typer.Option("--toml", help="Print its text as it is written.")] = False,
    json_: Json = False,
) -> None:
    """What a rulebook says, with its clauses."""
    from features.settings import settings
    from serving.pricing.rulebooks import rulebook_named
    from serving.underwriting.rulebook_words import described

    one = rulebook_named(settings().home, name)
    document = one.model_dump(mode="json", exclude={"source"}) | {"digest": one.digest}
    say(document, one.source.rstrip() if toml else described(one), json_)


@rulebook.command("check")
def rulebook_check(
    files: Annotated[list[str], typer.Argument(help="Rulebooks: .toml files, or ids.", show_default=False)],
    today: Annotated[
        datetime | None,
        typer.Option("--day", formats=["%Y-%m-%d"], help="The day on which they must not have lapsed; by default today."),
    ] = None,
    json_: Json = False,
) -> None:
    """All faults of rulebooks, each at its line; exit code 2 where there is one. Several are checked against each other too.

    A note is no fault: a cliff of the premium, a fact that costs less where it is not known.
    """
    from features.settings import settings
    from serving.pricing.rulebooks import path_named
    from serving.underwriting.rulebook import text_of
    from serving.underwriting.rulebook_check import check, notes, read

    day = (today or datetime.now(UTC)).date()
    texts = {str(path): text_of(path) for path in (path_named(settings().home, one) for one in files)}
    known = {where: read(text)[0] for where, text in texts.items()}
    found = {}
    for where, text in texts.items():
        others = [*_rivals(where), *(one for at, one in known.items() if at != where and one is not None)]
        found[where] = check(text, day, others)
    noted = {where: notes(text) for where, text in texts.items()}
    document = [_told(where, known[where], faults, noted[where]) for where, faults in found.items()]
    lines = []
    for where, faults in found.items():
        lines += _lines(where, known[where], faults, day)
        # Faults come first: they are to be corrected before anything else is worth knowing.
        lines += [] if faults else [f"{where}, line {one.line}: note: {one.what}" for one in noted[where]]
    say(document, "\n".join(lines), json_)
    if any(found.values()):
        raise typer.Exit(FAULTY)


def _rivals(where: str) -> "list[Rulebook]":
    """The shipped rulebooks beside the file."""
    from serving.underwriting.rulebook import FOLDER, load

    return [load(path) for path in sorted(FOLDER.glob("*.toml")) if str(path) != where]


def _told(where: str, one: "Rulebook | None", faults: "list[Fault]", noted: "list[Fault]") -> dict[str, Any]:
    rows = [{"line": fault.line, "what": fault.what, "mend": fault.mend} for fault in faults]
    notes = [{"line": note.line, "what": note.what} for note in noted]
    return {"file": where, "id": one and one.id, "digest": one and one.digest, "faults": rows, "notes": notes}


def _lines(where: str, one: "Rulebook | None", faults: "list[Fault]", day: date) -> list[str]:
    if faults or one is None:
        return [f"{where}, {fault}" for fault in faults]
    state = "" if one.effective_from <= day else f", in force from {one.effective_from} on"
    return [f"{where}: no faults ({one.id} {one.version}{', illustrative' if one.illustrative else ''}{state})"]


def _mark(one: "Rulebook") -> str:
    return "illustrative" if one.illustrative else ""
