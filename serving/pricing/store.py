"""The store of quotes: worksheets as they were quoted, and all that happened to them since. Books: `book_store`.

A quote is written once. What happens to it later is numbered within it and written under a lock on the quote, so that a rule
which looks at what came before (a ledger's cap, the premium that an override replaces) holds with many writers.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from features.errors import BadInput, Conflict, NotFound
from serving.pricing import tables
from serving.pricing.rows import LedgerEntry, Override, Policy, QuoteHead, Replay, StoredAdjustment, StoredQuote, StoredRebate
from serving.scoring import new_score_id
from serving.store import Store, usable
from serving.underwriting.numbers import CENT

Kind = Literal["quote", "what-if"]
# What has happened to a quote so far -> the columns of the next rows; what it raises leaves the store as it was.
Make = Callable[[Policy], Sequence[Mapping[str, Any]]]
MOST = Decimal(10) ** 14
_HEAD = [column for column in tables.quotes.c if column.name not in ("text_digest", "seal", "document")]


class QuoteStore:
    """Quotes over a store's engine, whose tables `Store.open` has made."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def add_quote(self, document: Mapping[str, Any], *, kind: Kind = "quote", parent: str | None = None) -> str:
        """Keep a worksheet's document as a quote, all of it or nothing, and name it: "q_" and 26 characters.

        parent: the quote that a what-if starts from. Raises NotFound where the store has no such quote.
        """
        with self._writing() as connection:
            if parent is not None:
                _known(connection, parent)
            return self._added(connection, document, kind, parent)

    def add_pair(self, quote: Mapping[str, Any], what_if: Mapping[str, Any]) -> tuple[str, str]:
        """Keep a quote and a what-if that starts from it, both or neither. Gives their ids."""
        with self._writing() as connection:
            quote_id = self._added(connection, quote, "quote", None)
            return quote_id, self._added(connection, what_if, "what-if", quote_id)

    def _added(self, connection: sa.Connection, document: Mapping[str, Any], kind: Kind, parent: str | None) -> str:
        rulebook, facts, model = document["rulebook"], document["facts"], document["model"]
        text = {
            "text_digest": _digest(rulebook["source"]),
            "digest": rulebook["digest"],
            **{name: rulebook[name] for name in ("id", "version", "source")},
        }
        row = {
            "quote_id": new_score_id("q_"),
            "kind": kind,
            "enterprise_id": document["enterprise_id"],
            "name": document["name"],
            "rulebook_id": rulebook["id"],
            "rulebook_digest": rulebook["digest"],
            "text_digest": text["text_digest"],
            "as_of": _moment(facts["as_of"]),
            "quoted_at": datetime.now(UTC),
            "currency": facts["currency"],
            "premium": Decimal(document["charge"]["premium"]),
            "parent": parent,
            "score_id": model and model["score_id"],
            "seal": _seal(document),
            "document": {**document, "rulebook": {key: rulebook[key] for key in rulebook if key != "source"}},
        }
        connection.execute(self._insert(tables.rulebooks).on_conflict_do_nothing(), text)
        connection.execute(sa.insert(tables.quotes), row)
        return str(row["quote_id"])

    def quote(self, quote_id: str) -> StoredQuote:
        """A quote by its id. Raises NotFound, or BadInput where it is not what was written."""
        found = sa.select(*_HEAD, tables.quotes.c.seal, tables.quotes.c.document, tables.rulebooks.c.source)
        found = found.join(tables.rulebooks).where(tables.quotes.c.quote_id == quote_id)
        with usable(self.engine), self.engine.connect() as connection:
            first = connection.execute(found).mappings().first()
            row = None if first is None else dict(first)
        if row is None:
            raise _unknown(quote_id)
        seal, source, document = row.pop("seal"), row.pop("source"), row.pop("document")
        try:
            document["rulebook"]["source"] = source
            whole = _seal(document) == seal and Decimal(document["charge"]["premium"]) == row["premium"]
        except (TypeError, KeyError, ArithmeticError):
            whole = False
        if not whole:
            mend = "restore the store from a copy"
            raise BadInput("its worksheet is damaged: not what was stored", where=f"quote {quote_id}", mend=mend)
        return StoredQuote(**row, document=document)

    def quotes(self, enterprise: str | None = None, limit: int = 50) -> tuple[QuoteHead, ...]:
        """The newest quotes first, of one enterprise or of all."""
        found = sa.select(*_HEAD).order_by(tables.quotes.c.quoted_at.desc(), tables.quotes.c.quote_id.desc()).limit(limit)
        if enterprise is not None:
            found = found.where(tables.quotes.c.enterprise_id == enterprise)
        with usable(self.engine), self.engine.connect() as connection:
            return tuple(QuoteHead(**row) for row in connection.execute(found).mappings())

    def add_override(self, quote_id: str, premium: Decimal, by: str, reason: str) -> Override:
        """Charge another premium than the quote's, which stays as it is.

        Raises NotFound, BadInput where nobody signs, no reason is given, or the premium is no amount above 0, Conflict where
        the quote is a what-if, its premium was adjusted while the policy ran, or its rebate was settled.
        """
        by, reason = told("--by", by, "name who overrides"), told("--reason", reason, "give the reason")
        if not premium.is_finite() or premium <= 0 or premium >= MOST or premium != premium.quantize(CENT):
            raise BadInput(f"the premium is {premium}", where="--premium", mend="state an amount above 0, in whole cents")

        def made(policy: Policy) -> dict[str, Any]:
            unsettled(quote_id, policy)
            if policy.adjustments:
                what, mend = "its premium was adjusted during the term already", "override before the policy runs"
                raise Conflict(what, where=f"quote {quote_id}", mend=mend)
            return {"by": by, "reason": reason, "before": policy.charged, "after": premium}

        return Override(**self._append(tables.overrides, quote_id, _one(made))[0])

    def add_replay(self, quote_id: str, premium: Decimal | None, score: str, differences: Sequence[str]) -> Replay:
        """Keep that a quote was replayed, and what came out. Raises NotFound."""
        row = {"reproduced": not differences, "premium": premium, "score": score, "differences": list(differences)}
        return _replay(self._append(tables.replays, quote_id, lambda _policy: [row], what_ifs=True)[0])

    def replays(self, quote_id: str) -> tuple[Replay, ...]:
        return tuple(map(_replay, self._rows(tables.replays, quote_id)))

    def add_entry(self, quote_id: str, make: Callable[[Policy], Mapping[str, Any]]) -> LedgerEntry:
        """Add a line to the ledger of prevention services: kind, day, amount, evidence, by; of a use also item and provider."""
        made = self._append(tables.ledger, quote_id, _one(lambda policy: {"item": None, "provider": None, **make(policy)}))
        return LedgerEntry(**made[0])

    def add_adjustments(self, quote_id: str, make: Make) -> tuple[StoredAdjustment, ...]:
        """Add adjustments, all of them or none: of each day, amount, by, document. Raises Conflict after the rebate."""

        def running(policy: Policy) -> Sequence[Mapping[str, Any]]:
            unsettled(quote_id, policy)
            return make(policy)

        return tuple(StoredAdjustment(**row) for row in self._append(tables.adjustments, quote_id, running))

    def add_rebate(self, quote_id: str, make: Callable[[Policy], Mapping[str, Any]]) -> StoredRebate:
        """Add the rebate: amount, by, document. Raises Conflict where there is one."""

        def once(policy: Policy) -> Mapping[str, Any]:
            unsettled(quote_id, policy)
            return make(policy)

        return StoredRebate(**self._append(tables.rebates, quote_id, _one(once))[0])

    def policy(self, quote_id: str) -> Policy:
        """What happened to a quote since. Raises NotFound."""
        with usable(self.engine), self.engine.connect() as connection:
            return _policy(connection, _known(connection, quote_id, lock=False))

    def _append(self, table: sa.Table, quote_id: str, make: Make, *, what_ifs: bool = False) -> list[dict[str, Any]]:
        """New rows after those of the quote: nobody else adds one between what `make` sees and what it makes."""
        with self._writing() as connection:
            quote = _known(connection, quote_id)
            if quote["kind"] != "quote" and not what_ifs:
                raise Conflict("a what-if charges nobody", where=f"quote {quote_id}", mend="name the quote that it starts from")
            last = sa.select(sa.func.max(table.c.number)).where(table.c.quote_id == quote_id)
            first, now = (connection.execute(last).scalar_one() or 0) + 1, datetime.now(UTC)
            made = enumerate(make(_policy(connection, quote)), start=first)
            rows = [{"quote_id": quote_id, "number": number, "at": now, **row} for number, row in made]
            if rows:
                connection.execute(sa.insert(table), rows)
        return rows

    def _rows(self, table: sa.Table, quote_id: str) -> Sequence[Any]:
        with usable(self.engine), self.engine.connect() as connection:
            _known(connection, quote_id, lock=False)
            return connection.execute(_of(table, quote_id)).mappings().all()

    @property
    def _insert(self) -> Any:
        """The database's own INSERT, which can leave a row that is there as it is."""
        return postgresql.insert if self.engine.dialect.name == "postgresql" else sqlite.insert

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that sees what it writes upon: SQLite locks the whole file, PostgreSQL a quote (`_known`)."""
        with usable(self.engine), self.engine.begin() as connection:
            if self.engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection


@contextmanager
def opened(url: str) -> Iterator[QuoteStore]:
    """The quotes of a store, whose tables are brought up to date first. Raises BadInput as `Store.open` does."""
    store = Store.open(url)
    try:
        yield QuoteStore(store.engine)
    finally:
        store.close()


def told(where: str, text: str, mend: str) -> str:
    """A text that must say something, without the blanks around it. Raises BadInput."""
    if not text.strip():
        raise BadInput("blank", where=where, mend=mend)
    return text.strip()


def _of(table: sa.Table, quote_id: str) -> sa.Select[Any]:
    return sa.select(table).where(table.c.quote_id == quote_id).order_by(table.c.number)


def _one(make: Callable[[Policy], Mapping[str, Any]]) -> Make:
    return lambda policy: [make(policy)]


def unsettled(quote_id: str, policy: Policy) -> None:
    """Raises Conflict where the rebate was settled, which ends the policy's account."""
    done = policy.rebate
    if done is not None:
        what = f"its rebate of {done.amount:f} was settled on {done.at:%Y-%m-%d} by {done.by}"
        raise Conflict(what, where=f"quote {quote_id}", mend="a policy is settled once")


def _policy(connection: sa.Connection, quote: Mapping[str, Any]) -> Policy:
    def rows(table: sa.Table) -> Sequence[Any]:
        return connection.execute(_of(table, quote["quote_id"])).mappings().all()

    rebates = [StoredRebate(**row) for row in rows(tables.rebates)]
    return Policy(
        quoted=quote["premium"],
        overrides=tuple(Override(**row) for row in rows(tables.overrides)),
        ledger=tuple(LedgerEntry(**row) for row in rows(tables.ledger)),
        adjustments=tuple(StoredAdjustment(**row) for row in rows(tables.adjustments)),
        rebate=rebates[0] if rebates else None,
    )


def _known(connection: sa.Connection, quote_id: str, *, lock: bool = True) -> Mapping[str, Any]:
    """Id, kind and premium of a quote, which is locked until the transaction ends. Raises NotFound."""
    columns = (tables.quotes.c.quote_id, tables.quotes.c.kind, tables.quotes.c.premium)
    found = sa.select(*columns).where(tables.quotes.c.quote_id == quote_id)
    row = connection.execute(found.with_for_update() if lock else found).mappings().first()
    if row is None:
        raise _unknown(quote_id)
    return dict(row)


def _unknown(quote_id: str) -> NotFound:
    return NotFound(f"no quote {quote_id}", where="quote id", mend="`forewarn quotes list` shows them")


def _replay(row: Mapping[str, Any]) -> Replay:
    return Replay(**{**row, "differences": tuple(row["differences"])})


def _moment(text: str) -> datetime:
    """The moment that facts are as of; of a day its first one (UTC)."""
    if "T" in text:
        return datetime.fromisoformat(text)
    return datetime.combine(date.fromisoformat(text), time(tzinfo=UTC))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _seal(document: Mapping[str, Any]) -> str:
    return _digest(json.dumps(document, sort_keys=True, allow_nan=False))
