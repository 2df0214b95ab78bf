"""Quotes for the service: made and stored before they are answered, and as they were stored."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio.to_thread
import orjson

from features.errors import BadInput
from serving.posted import TOLERANCE
from serving.pricing.contracts import QuoteRequest, pairs, request_of
from serving.pricing.prospects import parse
from serving.pricing.quoting import Desk
from serving.pricing.rulebooks import rulebook_named
from serving.pricing.store import QuoteStore
from serving.pricing.words import head_document, since_document
from serving.risk_service import RiskService
from serving.store import Store


class QuoteService:
    """The desk of one serving process: its store, its champion of enterprises, the lake as it was last seen."""

    def __init__(self, home: Path, store: Store, enterprises: RiskService) -> None:
        self._home, self._store, self._enterprises = home, store, enterprises

    async def make(self, body: bytes) -> bytes:
        """The JSON answer to a request for a quote, which is stored. Raises UserError."""
        return orjson.dumps(await anyio.to_thread.run_sync(self._made, request_of(body)))

    async def show(self, quote_id: str) -> bytes:
        """A stored quote with what happened to it since. Raises NotFound."""
        return orjson.dumps(await anyio.to_thread.run_sync(self._kept, quote_id))

    def _made(self, asked: QuoteRequest) -> dict[str, Any]:
        if asked.as_of is not None and asked.as_of > datetime.now(UTC) + TOLERANCE:
            raise BadInput("lies in the future", where="as_of", mend="send a moment that has come")
        rulebook = rulebook_named(self._home, asked.rulebook, paths=False)
        champion = next(iter(self._enterprises.champions.all()), None)
        needed = asked.enterprise_id is not None or (self._home / "lake").is_dir()
        desk = Desk(self._home, self._store.engine, self._enterprises.knowledge() if needed else None, champion)
        terms = asked.terms.asked()
        if asked.enterprise_id is not None:
            basis = desk.of_lake(asked.enterprise_id, asked.as_of)
        else:
            prospect = parse(asked.prospect, "prospect", rulebook.facts)
            basis, terms = desk.of_prospect(prospect), terms.over(prospect.terms)
        return desk.quote(rulebook, basis, terms, pairs(asked.facts), pairs(asked.what_if)).document()

    def _kept(self, quote_id: str) -> dict[str, Any]:
        quotes = QuoteStore(self._store.engine)
        quote, policy = quotes.quote(quote_id), quotes.policy(quote_id)
        return {**head_document(quote), "since": since_document(policy), "worksheet": quote.document}
