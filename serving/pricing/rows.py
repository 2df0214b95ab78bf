"""Rows of the store of quotes: a quote, and what happened to it since."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class QuoteHead:
    """A quote without its worksheet. parent: the quote that a what-if starts from; kind: "quote" or "what-if"."""

    quote_id: str
    kind: str
    enterprise_id: str | None
    name: str | None
    rulebook_id: str
    rulebook_digest: str
    as_of: datetime
    quoted_at: datetime
    currency: str
    premium: Decimal
    parent: str | None
    score_id: str | None


@dataclass(frozen=True)
class StoredQuote(QuoteHead):
    """A quote. document: the worksheet, as `Worksheet.document` made it."""

    document: dict[str, Any]


@dataclass(frozen=True)
class Override:
    """Somebody charges another premium than the worksheet's. before: the premium until then; after: the one since."""

    quote_id: str
    number: int
    at: datetime
    by: str
    reason: str
    before: Decimal
    after: Decimal


@dataclass(frozen=True)
class Replay:
    """One replay. premium: as made again, None where none came; score: "equal", "differs", "not made again" or "none"."""

    quote_id: str
    number: int
    at: datetime
    reproduced: bool
    premium: Decimal | None
    score: str
    differences: tuple[str, ...]


@dataclass(frozen=True)
class LedgerEntry:
    """A line of the ledger of prevention services.

    kind: "received" (premium; below zero: returned) or "used" (for item, by provider).  evidence: where it is shown.
    by: who entered it.
    """

    quote_id: str
    number: int
    at: datetime
    kind: str
    day: date
    amount: Decimal
    item: str | None
    provider: str | None
    evidence: str
    by: str


@dataclass(frozen=True)
class StoredAdjustment:
    """A change of the premium while the policy runs. amount: added to it; document: the event and all that the rule saw."""

    quote_id: str
    number: int
    at: datetime
    day: date
    amount: Decimal
    by: str
    document: dict[str, Any]


@dataclass(frozen=True)
class StoredRebate:
    """The rebate at the end of a policy. document: all that the rule saw."""

    quote_id: str
    number: int
    at: datetime
    amount: Decimal
    by: str
    document: dict[str, Any]


@dataclass(frozen=True)
class Policy:
    """What happened to a quote since. quoted: the worksheet's premium."""

    quoted: Decimal
    overrides: tuple[Override, ...]
    ledger: tuple[LedgerEntry, ...]
    adjustments: tuple[StoredAdjustment, ...]
    rebate: StoredRebate | None

    @property
    def charged(self) -> Decimal:
        """The premium at the start of the policy: as quoted, or as overridden last."""
        return self.overrides[-1].after if self.overrides else self.quoted

    @property
    def premium(self) -> Decimal:
        """The premium with the adjustments of the term."""
        return self.charged + sum((one.amount for one in self.adjustments), Decimal(0))
