"""The verbs of stored quotes: list, show, replay, override."""

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from features.errors import BadInput
from features.settings import settings

quotes = typer.Typer(help="Stored quotes: list, show, replay, override.", add_completion=False, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
QuoteId = Annotated[str, typer.Argument(help="The id that a quote was printed or answered with.")]


@quotes.callback()
def _quotes() -> None:
    """Stored quotes: list, show, replay, override."""


@quotes.command("list")
def list_(
    enterprise: Annotated[str | None, typer.Option(help="Only quotes of this enterprise.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The newest quotes first."""
    from serving.pricing.store import opened
    from serving.pricing.words import head_document, head_text

    with opened(settings().store) as store:
        found = store.quotes(enterprise, limit)
    if as_json:
        typer.echo(json.dumps([head_document(one) for one in found], ensure_ascii=False))
    else:
        typer.echo("\n".join(map(head_text, found)) or "no quotes")


@quotes.command()
def show(
    quote_id: QuoteId,
    html: Annotated[Path | None, typer.Option(help="Write the worksheet's page, in English and Chinese, to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """A quote's worksheet as it was quoted, and what happened to it since."""
    from features.documents import must_be_writable, write_text
    from serving.pricing.store import opened
    from serving.pricing.words import (
        head_document,
        head_text,
        page_of,
        plain,
        replayed_text,
        since_document,
        since_text,
        steps_text,
    )

    if html is not None:
        must_be_writable(html)
    with opened(settings().store) as store:
        quote, policy, replays = store.quote(quote_id), store.policy(quote_id), store.replays(quote_id)
        parent = None if quote.parent is None or html is None else store.quote(quote.parent)
    if html is not None:
        write_text(html, page_of(quote, policy, parent))
    if as_json:
        document = {
            **head_document(quote),
            "since": since_document(policy),
            "replays": [plain(vars(one)) for one in replays],
            "worksheet": quote.document,
        }
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    lines = [head_text(quote), *steps_text(quote), *since_text(policy, quote.currency)]
    lines += [f"  replay {one.number} on {one.at:%Y-%m-%d}: {replayed_text(one.reproduced, one.score)}" for one in replays]
    typer.echo("\n".join(lines))


@quotes.command()
def replay(quote_id: QuoteId, as_json: AsJson = False) -> None:
    """Make a quote again from what it kept, and its score where lake and bundle are there; compare; keep that it was tried."""
    from serving.pricing.replay import replay_quote
    from serving.pricing.store import opened

    with opened(settings().store) as store:
        found = replay_quote(settings().home, store, quote_id)
    document = found.document()
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    typer.echo(
        f"{quote_id}: stored {document['premium']} {document['currency']}, made again {document['replayed'] or 'nothing'}"
    )
    typer.echo("\n".join([found.verdict, *(f"today: {one}" for one in found.today)]))


@quotes.command()
def override(
    quote_id: QuoteId,
    premium: Annotated[str, typer.Option(help="What is charged instead, in the quote's currency.")],
    by: Annotated[str, typer.Option(help="Who answers for it: a person's name.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    as_json: AsJson = False,
) -> None:
    """Charge another premium than the worksheet's, signed and with a reason; the quote stays as it is."""
    from serving.pricing.store import opened
    from serving.pricing.words import plain

    wanted = amount(premium, "--premium")
    with opened(settings().store) as store:
        made = store.add_override(quote_id, wanted, by, reason)
    text = f"{quote_id}: {made.after:f} instead of {made.before:f}, by {made.by}: {made.reason}"
    typer.echo(json.dumps(plain(vars(made)), ensure_ascii=False) if as_json else text)


def amount(text: str, where: str) -> Decimal:
    """An amount of money from the command line. Raises BadInput."""
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        found = Decimal("nan")
    if not found.is_finite() or abs(found) >= 10**14 or found != found.quantize(Decimal("0.01")):
        raise BadInput(f"{text!r} is no amount", where=where, mend="write it as 12345.67")
    return found.quantize(Decimal("0.01"))
