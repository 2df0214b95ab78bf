"""The verb of whole books: import a spreadsheet of policies and claims, rate it under a rulebook, compare two tariffs."""

import json
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

from features.errors import BadInput
from features.settings import settings

book = typer.Typer(help="Import, rate and compare books of policies.", add_completion=False, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Html = Annotated[Path | None, typer.Option(help="Write the page, in Chinese and English, to this file.")]
Out = Annotated[Path | None, typer.Option(help="Write every policy with its premium to this CSV file.")]
Starts = Annotated[str | None, typer.Option(help="First day of cover for all, each as long as it is; default: their own.")]
AsOf = Annotated[
    str | None, typer.Option(help="Day of the facts for all; default: the book's as_of, else the first day of cover.")
]
LeaveOut = Annotated[bool, typer.Option(help="Leave out policies that cannot be rated instead of refusing the book.")]
_FAULTS_SHOWN = 20


@book.callback()
def _verbs() -> None:
    """Books of policies: import, list, rate, compare."""


@book.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX: a row a policy, columns as facts, terms and policy_id.")],
    claims: Annotated[
        Path | None, typer.Option(help="File of claims and their valuations; default: a sheet of the same.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="TOML: [columns], ignore, sheet, claims_sheet, encoding, currency.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the book; default: the file's.")] = None,
    rulebook: Annotated[
        list[str] | None, typer.Option(help="Take the facts that this rulebook declares as columns, too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read a spreadsheet into the store, whole or not at all; every fault is one line with sheet, row and column."""
    from serving.books.cells import FaultyBook
    from serving.books.columns import load_mapping
    from serving.books.importing import read_book
    from serving.books.store import BookStore
    from serving.pricing.rulebooks import rulebook_named
    from serving.store import opened

    declared = [fact for one in rulebook or () for fact in rulebook_named(settings().home, one).facts]
    told = load_mapping(mapping) if mapping is not None else None
    try:
        found = read_book(file, claims, name=name, mapping=told, declared=declared)
    except FaultyBook as fault:
        for line in fault.others:
            typer.echo(f"forewarn: {line}", err=True)
        raise
    with opened(settings().store) as store:
        head = BookStore(store.engine).add_book(found.name, found.digest, found.currency, found.policies, found.claims)
    counts = {"policies": len(found), "claims": found.claim_count, "valuations": found.claims.num_rows}
    named = {"book": head.book_id, "name": found.name, "currency": found.currency, "digest": found.digest}
    result = {**named, **counts, "premium": str(found.charged)}
    text = (
        f"{head.book_id}: {found.name}, {len(found):,} policies, {found.currency} {found.charged:,.2f} charged, "
        f"{found.claim_count:,} claims in {found.claims.num_rows:,} valuations"
    )
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else text)


@book.command("list")
def list_(as_json: AsJson = False) -> None:
    """The books in the store, the latest first."""
    from serving.books.store import BookStore
    from serving.store import opened

    with opened(settings().store) as store:
        heads = BookStore(store.engine).books()
    rows = [
        {"book": one.book_id, "name": one.name, "currency": one.currency, "policies": one.policies, "valuations": one.claims,
         "imported_at": one.imported_at.isoformat()}
        for one in heads
    ]  # fmt: skip
    lines = [f"{one.book_id}  {one.imported_at:%Y-%m-%d %H:%M}  {one.policies:>9,} policies  {one.name}" for one in heads]
    typer.echo(json.dumps(rows, ensure_ascii=False) if as_json else "\n".join(lines) or "no book; see `forewarn book import`")


@book.command()
def rate(
    name: Annotated[str, typer.Argument(metavar="BOOK", help="Id or name of a book.")],
    rulebook: Annotated[str, typer.Option(help="A rulebook's id (also one of HOME/rulebooks), or its .toml file.")],
    keep_total: Annotated[
        bool, typer.Option("--keep-total", help="Off-balance: the total charged is kept to the cent.")
    ] = False,
    total: Annotated[str | None, typer.Option(help="Off-balance to this total.")] = None,
    bundle: Annotated[
        str | None, typer.Option(help="Price score by this bundle; default: the champion; none for no model.")
    ] = None,
    starts: Starts = None,
    as_of: AsOf = None,
    leave_out: LeaveOut = False,
    out: Out = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Rate every policy of a book; relativities, actual over expected, loss ratios by segment and valuation date."""
    from serving.books import result as book_result

    how = {"starts": day_of(starts, "--starts"), "as_of": day_of(as_of, "--as-of"), "leave_out": leave_out}
    asked = amount_of(total)
    if keep_total and asked is not None:
        raise BadInput("two totals to keep", where="--keep-total, --total", mend="name one of them")
    _writable(out, html)
    found = _rated(name, [(rulebook, bundle)], **how)[0]
    if keep_total or asked is not None:
        found = found.kept_to(found.charged if asked is None else asked)
    if out is not None:
        book_result.write_policies(out, [found])
    if html is not None:
        book_result.write_rated(html, found)
    document = book_result.rated_document(found)
    typer.echo(json.dumps(document, ensure_ascii=False) if as_json else book_result.rated_text(document))


@book.command()
def compare(
    name: Annotated[str, typer.Argument(metavar="BOOK", help="Id or name of a book.")],
    rulebook: Annotated[list[str], typer.Option(help="The rulebooks: one, or two (repeat the option).")],
    bundle: Annotated[
        list[str] | None, typer.Option(help="The bundles: one, or two (repeat the option); none for no model.")
    ] = None,
    keep_total: Annotated[bool, typer.Option("--keep-total", help="Bring both to the total charged, to the cent.")] = False,
    starts: Starts = None,
    as_of: AsOf = None,
    leave_out: LeaveOut = False,
    out: Out = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Rate a book twice, by two rulebooks or by two bundles, and say policy by policy who pays more, and why."""
    from serving.books import result as book_result

    bundles: list[str | None] = list(bundle or (None,))
    if not 2 <= len(rulebook) + len(bundles) - 1 <= 3 or len(rulebook) > 2 or len(bundles) > 2:
        what = f"{len(rulebook)} rulebooks and {len(bundles)} bundles make no two tariffs"
        raise BadInput(what, where="--rulebook, --bundle", mend="name two rulebooks, or one and two bundles")
    tariffs = [(one, other) for one, other in zip(_twice(rulebook), _twice(bundles), strict=True)]
    how = {"starts": day_of(starts, "--starts"), "as_of": day_of(as_of, "--as-of"), "leave_out": leave_out}
    _writable(out, html)
    sides = _rated(name, tariffs, **how)
    if keep_total:
        sides = [one.kept_to(one.charged) for one in sides]
    if out is not None:
        book_result.write_policies(out, sides)
    if html is not None:
        book_result.write_compared(html, *sides)
    document = book_result.compared_document(*sides)
    typer.echo(json.dumps(document, ensure_ascii=False) if as_json else book_result.compared_text(document))


def _writable(*paths: Path | None) -> None:
    """Raises BadInput where a file cannot be written: before a book is rated for it."""
    from features.documents import must_be_writable

    for path in paths:
        if path is not None:
            must_be_writable(path)


def _twice(given: list[Any]) -> list[Any]:
    return given * 2 if len(given) == 1 else given


def _rated(name: str, tariffs: list[tuple[str, str | None]], **how: Any) -> list[Any]:
    """The book under each tariff, with progress on stderr; what was left out is said there too."""
    from serving.books import rate as book_rate
    from serving.books.importing import Book
    from serving.books.store import BookStore
    from serving.cli import progress_bar
    from serving.store import opened

    with opened(settings().store) as store:
        stored = BookStore(store.engine).book(name)
    found = Book(stored.head.name, stored.head.currency, stored.policies, stored.claims)
    with progress_bar(f"rating {found.name}") as progress:
        sides = book_rate.rate(settings(), found, tariffs, progress=progress, **how)
    left = sides[0].left_out
    for line in left[:_FAULTS_SHOWN]:
        typer.echo(f"forewarn: left out: {line}", err=True)
    if len(left) > _FAULTS_SHOWN:
        typer.echo(f"forewarn: {len(left) - _FAULTS_SHOWN} more left out", err=True)
    return sides


def day_of(text: str | None, where: str) -> date | None:
    """A day from the command line. Raises BadInput."""
    if text is None:
        return None
    from serving.underwriting.terms import LATEST

    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is no day", where=where, mend="write it as 2026-01-31") from None
    if found > LATEST:
        raise BadInput(f"{text} is no day of a policy", where=where, mend=f"name a day until {LATEST}")
    return found


def amount_of(text: str | None) -> Decimal | None:
    """An amount from the command line. Raises BadInput."""
    from serving.underwriting.facts import MOST

    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise BadInput(f"{text!r} is no amount", where="--total", mend="write it as 1250000.50") from None
    if not amount.is_finite() or not 0 <= amount < MOST:
        raise BadInput(f"{text} is no amount to keep", where="--total", mend="write an amount of at least 0, below 1e15")
    return amount
