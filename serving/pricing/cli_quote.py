"""The verb quote: a premium for an enterprise of the lake or for a prospect, with its worksheet."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from features.errors import BadInput
from features.settings import settings

quote = typer.Typer(help="A premium from a rulebook, with its worksheet.", add_completion=False)

_Amount = Annotated[str | None, typer.Option(help="In the rulebook's currency; default: none.")]


@quote.command()
def _quote(
    enterprise: Annotated[
        str | None, typer.Argument(help="An enterprise of the lake; a prospect is stated by --facts.")
    ] = None,
    facts: Annotated[Path | None, typer.Option(help="A prospect's facts and terms (TOML or JSON).")] = None,
    rulebook: Annotated[
        str, typer.Option(help="A rulebook's id (also one of HOME/rulebooks), or its .toml file.")
    ] = "henan-example",
    as_of: Annotated[str | None, typer.Option(help="Moment of the facts, with zone; default: the lake's end.")] = None,
    starts: Annotated[str | None, typer.Option(help="First day of cover; default: the day after the facts.")] = None,
    ends: Annotated[str | None, typer.Option(help="Last day of cover; default: that of a year.")] = None,
    limit_per_person: Annotated[str | None, typer.Option(help="Default: the least that the rulebook allows.")] = None,
    limit_per_accident: _Amount = None,
    limit_aggregate: _Amount = None,
    deductible: _Amount = None,
    expiring_premium: Annotated[str | None, typer.Option(help="A year's premium of the policy that ends.")] = None,
    fact: Annotated[list[str] | None, typer.Option(help="FACT=VALUE beside those of the lake; may be repeated.")] = None,
    if_: Annotated[list[str] | None, typer.Option("--if", help="What if FACT=VALUE; may be repeated.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the worksheet (of the what-if, if there is one) as a page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Quote a premium: base, factors with clause and evidence, the model's say; stored, so that it can be replayed."""
    from features.documents import must_be_writable
    from serving.cli import moment
    from serving.pricing.quotes import Asked
    from serving.pricing.quoting import desk, of_file, write_page
    from serving.pricing.rulebooks import rulebook_named
    from serving.pricing.text import text

    if (enterprise is None) == (facts is None):
        raise BadInput(
            "name an enterprise of the lake, or a prospect's file", where="quote", mend="give ENTERPRISE or --facts FILE"
        )
    amounts = {
        "limit_per_person": limit_per_person,
        "limit_per_accident": limit_per_accident,
        "limit_aggregate": limit_aggregate,
        "deductible": deductible,
        "expiring_premium": expiring_premium,
    }
    stated: dict[str, Any] = {name: _amount(value, name) for name, value in amounts.items() if value is not None}
    asked = Asked(_day(starts, "--starts"), _day(ends, "--ends"), **stated)
    config = settings()
    chosen = rulebook_named(config.home, rulebook)
    at = moment(as_of) if as_of is not None else None
    if facts is not None and at is not None:
        raise BadInput("the facts file names its own moment", where="--as-of", mend="write `as_of` into the file")
    if html is not None:
        must_be_writable(html)
    with desk(config.home, config.store, lake=enterprise is not None) as at_desk:
        if facts is not None:
            basis, asked = of_file(at_desk, facts, chosen, asked)
        else:
            basis = at_desk.of_lake(str(enterprise), at)
        made = at_desk.quote(chosen, basis, asked, fact or (), if_ or ())
    if html is not None:
        write_page(html, made)
    typer.echo(json.dumps(made.document(), ensure_ascii=False) if as_json else text(made))


def _day(text: str | None, where: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"'{text}' is no day", where=where, mend="write it as 2026-01-31") from None


def _amount(text: str, name: str) -> Decimal:
    from serving.pricing.cli_quotes import amount

    return amount(text, f"--{name.replace('_', '-')}")
