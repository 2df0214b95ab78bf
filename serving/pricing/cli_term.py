"""The verbs of a policy's term: adjust, ledger, rebate."""

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.errors import BadInput
from features.settings import settings
from serving.pricing.cli_quotes import AsJson, QuoteId, amount

if TYPE_CHECKING:
    from serving.pricing.policy_term import PolicyTerm, Seen
    from serving.underwriting.facts import Facts
    from serving.underwriting.term import Balance

term = typer.Typer(help="While a policy runs: adjust, ledger, rebate.", add_completion=False, no_args_is_help=True)

By = Annotated[str, typer.Option(help="Who answers for it: a person's name.")]
Day = Annotated[str | None, typer.Option(help="The day, as 2026-01-31; default: today.")]
AsOf = Annotated[str | None, typer.Option(help="Take the facts from the lake as they were known at this moment, with zone.")]


@term.callback()
def _term() -> None:
    """While a policy runs: adjust its premium, keep its ledger of prevention services, settle its rebate."""


@term.command()
def adjust(
    quote_id: QuoteId,
    by: By,
    as_of: AsOf = None,
    overdue: Annotated[int | None, typer.Option(min=0, help="Stated: hazards overdue for rectification; 0 when done.")] = None,
    accident: Annotated[str | None, typer.Option(help="Stated: the grade of an accident.")] = None,
    day: Day = None,
    evidence: Annotated[str, typer.Option(help="Of what is stated: the paper that shows it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Adjust the premium of the days that are left by the rulebook's rule, for overdue rectification or an accident."""
    from serving.pricing.policy_term import PolicyTerm
    from serving.pricing.store import opened
    from serving.pricing.words import plain

    stated = overdue is not None or accident is not None
    if stated == (as_of is not None):
        raise BadInput("what happened is not clear", where="adjust", mend="give --as-of, or --overdue or --accident")
    with opened(settings().store) as store:
        policy = PolicyTerm(store, quote_id)
        if as_of is None:
            made = policy.adjust(_stated(overdue, accident, _day(day), evidence), by)
        else:
            made = policy.notice(_noticed(policy, as_of), by)
        premium = policy.policy().premium
    currency = policy.quote.currency
    if as_json:
        rows = [plain(vars(one)) for one in made]
        typer.echo(json.dumps({"adjustments": rows, "premium": f"{premium:f}", "currency": currency}, ensure_ascii=False))
        return
    lines = [
        f"from {one.day}, {one.document['days_left']} of {one.document['days']} days left: {one.amount:+f} {currency}"
        f" ({one.document['kind']} {one.document['level']}, factor {one.document['factor']})"
        for one in made
    ]
    lines += _clause(policy, made[0].document["clause"]) if made else []
    typer.echo(
        "\n".join([*lines, f"premium {premium:f} {currency}"] if lines else [f"nothing new: premium {premium:f} {currency}"])
    )


@term.command()
def ledger(
    quote_id: QuoteId,
    received: Annotated[str | None, typer.Option(help="Premium received; below 0: returned.")] = None,
    used: Annotated[str | None, typer.Option(help="What a prevention service cost.")] = None,
    item: Annotated[str, typer.Option(help="Of a use: the service.")] = "",
    provider: Annotated[str, typer.Option(help="Of a use: who provided it.")] = "",
    day: Day = None,
    evidence: Annotated[str, typer.Option(help="The paper that shows it.")] = "",
    by: Annotated[str, typer.Option(help="Who enters it: a person's name.")] = "",
    as_json: AsJson = False,
) -> None:
    """The ledger of prevention services: what is set aside of the premium received, what was used, what is left; add a line."""
    from serving.pricing.policy_term import PolicyTerm
    from serving.pricing.store import opened
    from serving.pricing.words import plain, since_text

    if received is not None and used is not None:
        raise BadInput("two lines at once", where="ledger", mend="give --received or --used")
    with opened(settings().store) as store:
        policy = PolicyTerm(store, quote_id)
        if received is not None:
            policy.receive(amount(received, "--received"), _day(day), evidence, by)
        elif used is not None:
            policy.use(amount(used, "--used"), _day(day), item, provider, evidence, by)
        so_far = policy.policy()
    now = policy.balance(so_far)
    if as_json:
        lines = [plain(vars(one)) for one in so_far.ledger]
        document = {"entries": lines, "visits_a_year": f"{policy.visits:f}", "balance": plain(vars(now))}
        typer.echo(json.dumps(document | {"currency": policy.quote.currency}, ensure_ascii=False))
        return
    typer.echo("\n".join([*since_text(so_far, policy.quote.currency), *_balance_text(now, policy)]))


@term.command()
def rebate(
    quote_id: QuoteId,
    by: By,
    as_of: AsOf = None,
    fact: Annotated[list[str] | None, typer.Option(help="Stated: FACT=VALUE, as often as needed.")] = None,
    evidence: Annotated[str, typer.Option(help="Of what is stated: the paper that shows it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Settle the rebate on the premium received by the rulebook's rule, when the policy is over.

    Facts come from the lake, as they were known when the term had ended, unless they are stated.
    """
    from serving.pricing.policy_term import PolicyTerm
    from serving.pricing.store import opened
    from serving.pricing.words import plain

    if fact and as_of is not None:
        raise BadInput("facts are both stated and to be read", where="rebate", mend="give --as-of or --fact")
    with opened(settings().store) as store:
        policy = PolicyTerm(store, quote_id)
        facts = _stated_facts(policy, fact, evidence) if fact else _facts_at(policy, _end(policy, as_of))
        made = policy.rebate(facts, by)
    found = made.document
    how = f"{found['level']}, by the facts of {found['as_of'][:10]}"
    text = f"{made.amount:f} {policy.quote.currency}: {found['share']} of {found['received']} received ({how})"
    missing = f"; not known: {', '.join(found['missing'])}" if found["missing"] else ""
    lines = [text + missing, *([found["evidence"]] if found["evidence"] else []), *_clause(policy, found["clause"])]
    typer.echo(json.dumps(plain(vars(made)), ensure_ascii=False) if as_json else "\n".join(lines))


def _stated(overdue: int | None, accident: str | None, day: date, evidence: str) -> "list[Seen]":
    from serving.pricing.policy_term import Seen
    from serving.pricing.store import told
    from serving.underwriting.term import Accident, Overdue

    paper = told("--evidence", evidence, "name the paper that shows it")
    found = [] if accident is None else [Seen(Accident(day, accident), paper)]  # type: ignore[arg-type]
    return found if overdue is None else [*found, Seen(Overdue(day, overdue), paper)]


def _noticed(policy: "PolicyTerm", as_of: str) -> Any:
    from features.lake import Lake
    from serving.cli import moment
    from serving.pricing.term_events import noticed

    at, terms = moment(as_of), policy.worksheet.terms
    facts = _facts_at(policy, at)
    overdue = facts.get("overdue_hazards")
    count, evidence = (0, "") if overdue is None else (int(str(overdue.value)), overdue.evidence)
    return noticed(Lake.open(settings().lake), _enterprise(policy), at, terms.starts, terms.ends, count, evidence)


def _facts_at(policy: "PolicyTerm", at: datetime) -> "Facts":
    """The facts of the policy's enterprise in the lake. Raises BadInput of a prospect, NotFound."""
    from features.lake import Lake
    from serving.pricing.term_facts import of_lake

    return of_lake(Lake.open(settings().lake), _enterprise(policy), at, policy.quote.currency)


def _enterprise(policy: "PolicyTerm") -> str:
    if policy.quote.enterprise_id is None:
        what, mend = "it was quoted for a prospect, of whom the lake knows nothing", "state what happened"
        raise BadInput(what, where=f"quote {policy.quote_id}", mend=mend)
    return policy.quote.enterprise_id


def _stated_facts(policy: "PolicyTerm", pairs: list[str], evidence: str) -> "Facts":
    from serving.pricing.store import told
    from serving.pricing.term_facts import stated

    paper = told("--evidence", evidence, "name the paper that shows it")
    return stated(pairs, policy.worksheet.rulebook, datetime.now(UTC).date(), policy.quote.currency, paper)


def _end(policy: "PolicyTerm", as_of: str | None) -> datetime:
    from serving.cli import moment

    if as_of is not None:
        return moment(as_of)
    policy.ended(datetime.now(UTC))
    return datetime.combine(policy.over, time(), UTC)


def _balance_text(now: "Balance", policy: "PolicyTerm") -> list[str]:
    currency = policy.quote.currency
    lines = [
        f"received {now.received:f} {currency}, set aside {now.accrued:f} (at least {now.least:f}, at most {now.most:f})",
        f"used {now.used:f}, remaining {now.remaining:f}, still due {now.due:f}",
    ]
    if now.over:
        lines.append(f"over by {now.over:f}: premium was returned after it was used")
    return [*lines, f"visits due a year: {policy.visits:f}, whatever the premium", *_clause(policy, now.clause)]


def _clause(policy: "PolicyTerm", name: str) -> list[str]:
    """A clause of the rulebook in both languages."""
    clause = policy.worksheet.rulebook.clause(name)
    return [f"[{clause.citation}] {clause.text_en} {clause.text_zh}"]


def _day(text: str | None) -> date:
    """A day from the command line. Raises BadInput."""
    if text is None:
        return datetime.now(UTC).date()
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is not a day", where="--day", mend="write it as 2026-01-31") from None
    if found > datetime.now(UTC).date() + timedelta(days=1):  # it may be tomorrow already where it is written
        raise BadInput(f"{found} lies in the future", where="--day", mend="name a day that has come")
    return found
