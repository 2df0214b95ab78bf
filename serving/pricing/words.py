"""Quotes and what happened to them in lines and as JSON."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from serving.pricing.rows import Policy, QuoteHead, StoredQuote
from serving.underwriting.worksheet import Worksheet
from serving.underwriting.worksheet_page import Signed, does, money, page


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Columns of a row as JSON: amounts as text, times in ISO 8601."""

    def one(value: Any) -> Any:
        if isinstance(value, Decimal):
            return format(value, "f")
        return value.isoformat() if isinstance(value, date) else list(value) if isinstance(value, tuple) else value

    return {name: one(value) for name, value in row.items()}


def head_document(head: QuoteHead) -> dict[str, Any]:
    """A quote without its worksheet as JSON."""
    return plain({name: value for name, value in vars(head).items() if name != "document"})


def since_document(policy: Policy) -> dict[str, Any]:
    """What happened to a quote since, as JSON."""
    return {
        "premium": f"{policy.premium:f}",
        "overrides": [plain(vars(one)) for one in policy.overrides],
        "ledger": [plain(vars(one)) for one in policy.ledger],
        "adjustments": [plain(vars(one)) for one in policy.adjustments],
        "rebate": policy.rebate and plain(vars(policy.rebate)),
    }


def since_text(policy: Policy, currency: str) -> list[str]:
    """What happened to a quote since, in lines."""
    lines = [
        f"  override {one.number} on {one.at:%Y-%m-%d}: {one.after:f} instead of {one.before:f}, by {one.by}: {one.reason}"
        for one in policy.overrides
    ]
    for one in policy.adjustments:
        level = f"{one.document['kind']} {one.document['level']}"
        lines.append(f"  adjustment {one.number} from {one.day}: {one.amount:+f} {currency}, {level}, by {one.by}")
    for line in policy.ledger:
        what = f"{line.kind} {line.amount:f}" + (f" for {line.item} by {line.provider}" if line.item else "")
        lines.append(f"  ledger {line.number} on {line.day}: {what} ({line.evidence}), entered by {line.by}")
    if policy.rebate is not None:
        lines.append(f"  rebate on {policy.rebate.at:%Y-%m-%d}: {policy.rebate.amount:f} {currency}, by {policy.rebate.by}")
    return lines


def head_text(head: QuoteHead) -> str:
    """A quote in one line."""
    whom = head.enterprise_id or head.name or "prospect"
    what = head.kind if head.parent is None else f"{head.kind} of {head.parent}"
    when, charged = f"{head.quoted_at:%Y-%m-%d %H:%M}", f"{head.premium:f} {head.currency}"
    return "  ".join([head.quote_id, when, whom, charged, head.rulebook_id, what])


def steps_text(quote: StoredQuote) -> Iterator[str]:
    """The worksheet's steps, each with its clause and evidence."""
    for step in Worksheet.from_document(quote.document).charge.steps:
        yield f"  {money(step.after):>18}  {does(step):<14} {step.words_en} {step.words_zh}  [{step.citation}]"
        if step.evidence:
            yield f"      {step.evidence}"


def replayed_text(reproduced: bool, score: str) -> str:
    """How a replay went."""
    return ("reproduced" if reproduced else "not reproduced") + ("" if score == "none" else f", score {score}")


def page_of(quote: StoredQuote, policy: Policy, parent: StoredQuote | None = None) -> str:
    """The worksheet's page as it was quoted, with the overrides since. parent: the quote that a what-if starts from."""
    signed = [Signed(one.after, one.by, one.reason, one.at) for one in policy.overrides]
    about: dict[str, Any] = {"quote_id": quote.quote_id, "quoted_at": quote.quoted_at, "parent": quote.parent}
    before = None if parent is None else Worksheet.from_document(parent.document)
    return page(Worksheet.from_document(quote.document), **about, before=before, overrides=signed)
