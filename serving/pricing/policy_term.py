"""A quote that became a policy: its ledger of prevention services, its adjustments, its rebate, by the rulebook of the quote.

The rules are those of `serving.underwriting.term`; here they see what the store holds, under its lock, and what they decide is
kept with all they saw. The rulebook is the text that the quote kept, whatever is in force today.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from features.errors import BadInput, Conflict
from serving.pricing.rows import LedgerEntry, Policy, StoredAdjustment, StoredRebate
from serving.pricing.store import QuoteStore, told, unsettled
from serving.pricing.words import plain
from serving.underwriting.term import (
    Accident,
    Balance,
    Entry,
    Event,
    Overdue,
    Running,
    adjust,
    balance,
    rebate,
    spend,
    visits_due,
)
from serving.underwriting.worksheet import Worksheet

if TYPE_CHECKING:
    from serving.underwriting.facts import Facts

RECEIVED, USED = "received", "used"


@dataclass(frozen=True)
class Seen:
    """An event and where it is shown. accident_id: of an accident of the lake, which counts once."""

    event: Event
    evidence: str
    accident_id: str | None = None


@dataclass(frozen=True)
class Noticed:
    """What the lake told of a term: accidents, each on the day on which it became known, and hazards overdue on a day."""

    day: date
    accidents: tuple[Seen, ...]
    overdue: int
    evidence: str


class PolicyTerm:
    """One quote's policy."""

    def __init__(self, quotes: QuoteStore, quote_id: str) -> None:
        """Raises NotFound, or BadInput where the quote is damaged."""
        self._quotes, self.quote_id = quotes, quote_id
        self.quote = quotes.quote(quote_id)
        self.worksheet = Worksheet.from_document(self.quote.document)
        self._rulebook, self._terms = self.worksheet.rulebook, self.worksheet.terms

    def policy(self) -> Policy:
        """What happened so far."""
        return self._quotes.policy(self.quote_id)

    def balance(self, policy: Policy) -> Balance:
        """Where the ledger stands."""
        return balance(self._rulebook, _entries(policy))

    @property
    def visits(self) -> Decimal:
        """Visits a year that are due, whatever the premium."""
        industry = self.worksheet.facts.value("industry")
        return visits_due(self._rulebook, industry if isinstance(industry, str) else None)

    def receive(self, amount: Decimal, day: date, evidence: str, by: str) -> LedgerEntry:
        """Premium received, or returned (below zero).

        Raises BadInput, Conflict where it passes the premium, or the rebate on what was received is settled.
        """
        row = {"kind": RECEIVED, "day": day, "amount": amount, **_signed(evidence, by)}

        def made(policy: Policy) -> Mapping[str, Any]:
            unsettled(self.quote_id, policy)
            if amount == 0:
                raise BadInput("nothing was received", where="ledger", mend="state an amount; below 0 for one returned")
            after = balance(self._rulebook, [*_entries(policy), Entry("received", day, amount)])
            if amount > 0 and after.received > policy.premium:
                what = f"{after.received:f} would be received of a premium of {policy.premium:f}"
                raise Conflict(what, where="ledger", mend="correct the amount, or record the adjustment first")
            return row

        return self._quotes.add_entry(self.quote_id, made)

    def use(self, amount: Decimal, day: date, item: str, provider: str, evidence: str, by: str) -> LedgerEntry:
        """A prevention service paid from what is set aside. Raises Conflict where it would pass the cap."""
        service = {
            "item": told("--item", item, "name the service"),
            "provider": told("--provider", provider, "name who provided it"),
        }
        row = {"kind": USED, "day": day, "amount": amount, **service, **_signed(evidence, by)}

        def made(policy: Policy) -> Mapping[str, Any]:
            spend(self._rulebook, _entries(policy), Entry("used", day, amount))
            return row

        return self._quotes.add_entry(self.quote_id, made)

    def adjust(self, events: Sequence[Seen], by: str) -> tuple[StoredAdjustment, ...]:
        """Adjust by stated events. Raises BadInput where the rulebook states no such adjustment or a day does not fit."""
        return self._adjust(lambda _policy: events, by)

    def notice(self, noticed: Noticed, by: str) -> tuple[StoredAdjustment, ...]:
        """Adjust by what the lake told: accidents that were not counted yet, and overdue hazards where their number changed.

        When the term is over, overdue hazards change nothing any more.
        """
        return self._adjust(lambda policy: _new(noticed, policy, noticed.day <= self._terms.ends), by)

    def _adjust(self, chosen: Callable[[Policy], Sequence[Seen]], by: str) -> tuple[StoredAdjustment, ...]:
        name = told("--by", by, "name who answers for it")

        def made(policy: Policy) -> Sequence[Mapping[str, Any]]:
            before = [_event_of(one.document) for one in policy.adjustments]
            new = chosen(policy)
            running = Running(policy.charged, self._terms.starts, self._terms.ends)
            found = adjust(self._rulebook, running, [*before, *(one.event for one in new)])[len(before) :]
            return [
                {"day": one.day, "amount": one.amount, "by": name, "document": {**_event_document(seen), **plain(asdict(one))}}
                for seen, one in zip(new, found, strict=True)
            ]

        return self._quotes.add_adjustments(self.quote_id, made)

    @property
    def over(self) -> date:
        """The first day after the term."""
        return self._terms.ends + timedelta(days=1)

    def ended(self, on: date) -> None:
        """Raises Conflict where the term is not over on a day."""
        if (on.date() if isinstance(on, datetime) else on) < self.over:
            what = f"the policy runs until {self._terms.ends}, and it is {on:%Y-%m-%d}"
            raise Conflict(what, where=f"quote {self.quote_id}", mend="settle it when it is over")

    def rebate(self, facts: "Facts", by: str) -> StoredRebate:
        """Settle the rebate on the premium received, by the facts at the end. Raises Conflict before it, or a second time."""
        name, on = told("--by", by, "name who answers for it"), facts.as_of
        self.ended(on)

        def made(policy: Policy) -> Mapping[str, Any]:
            received = self.balance(policy).received
            if not received:
                mend = "`forewarn term ledger QUOTE_ID --received AMOUNT` records it"
                raise Conflict("no premium was received", where=f"quote {self.quote_id}", mend=mend)
            found = rebate(self._rulebook, received, facts)
            document = {**plain(asdict(found)), "received": f"{received:f}", "as_of": on.isoformat()}
            return {"amount": found.amount, "by": name, "document": document}

        return self._quotes.add_rebate(self.quote_id, made)


def _entries(policy: Policy) -> list[Entry]:
    return [Entry("used" if one.kind == USED else "received", one.day, one.amount) for one in policy.ledger]


def _signed(evidence: str, by: str) -> dict[str, str]:
    return {
        "evidence": told("--evidence", evidence, "name the paper that shows it"),
        "by": told("--by", by, "name who enters it"),
    }


def _event_document(seen: Seen) -> dict[str, Any]:
    event = seen.event
    what: dict[str, Any] = {"hazards": event.hazards} if isinstance(event, Overdue) else {"grade": event.grade}
    return {**what, "accident_id": seen.accident_id, "evidence": seen.evidence}


def _event_of(document: Mapping[str, Any]) -> Event:
    day = date.fromisoformat(document["day"])
    return Overdue(day, document["hazards"]) if document["kind"] == "overdue" else Accident(day, document["grade"])


def _new(noticed: Noticed, policy: Policy, runs: bool) -> list[Seen]:
    """What was not counted yet; no day before the last adjustment's, since each day stays charged as it was."""
    counted = {one.document["accident_id"] for one in policy.adjustments}
    since = policy.adjustments[-1].day if policy.adjustments else date.min
    found = [
        Seen(Accident(max(one.event.day, since), one.event.grade), one.evidence, one.accident_id)
        for one in noticed.accidents
        if isinstance(one.event, Accident) and one.accident_id not in counted
    ]
    found.sort(key=lambda one: (one.event.day, one.accident_id))
    last = [one.document["hazards"] for one in policy.adjustments if one.document["kind"] == "overdue"]
    if runs and noticed.overdue != (last[-1] if last else 0):
        found.append(Seen(Overdue(noticed.day, noticed.overdue), noticed.evidence))
    return found
