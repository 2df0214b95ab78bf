"""A stored quote again: its premium from its own worksheet, to the cent; its score from the lake, to the bit."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import UserError
from serving.pricing.rows import Replay, StoredQuote
from serving.pricing.store import QuoteStore
from serving.pricing.today import today
from serving.store import Store, StoredScore
from serving.underwriting.worksheet import Worksheet, replay

EQUAL, DIFFERS, NOT_MADE, NO_SCORE = "equal", "differs", "not made again", "none"


@dataclass(frozen=True)
class Replayed:
    """A quote and how its replay went. why: why the score was not made again, where it was not.

    today: what is otherwise today than when it was quoted, and changes nothing of it.
    """

    quote: StoredQuote
    replay: Replay
    why: str
    today: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """In words."""
        if not self.replay.reproduced:
            same = self.replay.premium == self.quote.premium
            words = "the same premium to the cent, but not all that stands behind it: " if same else "not reproduced: "
            return words + "; ".join(self.replay.differences)
        score = {EQUAL: ", its score to the bit, its facts from the lake", NO_SCORE: ", it rests on no score"}
        return "reproduced to the cent" + score.get(self.replay.score, f"; its score was not made again: {self.why}")

    def document(self) -> dict[str, Any]:
        """As JSON."""
        premium = self.replay.premium
        return {
            "quote_id": self.quote.quote_id,
            "enterprise_id": self.quote.enterprise_id,
            "currency": self.quote.currency,
            "premium": f"{self.quote.premium:f}",
            "replayed": None if premium is None else f"{premium:f}",
            "score_id": self.quote.score_id,
            "score": self.replay.score,
            "score_why": self.why,
            "reproduced": self.replay.reproduced,
            "differences": list(self.replay.differences),
            "verdict": self.verdict,
            "today": list(self.today),
            "replay": self.replay.number,
            "replayed_at": self.replay.at.isoformat(),
        }


def replay_quote(home: Path, quotes: QuoteStore, quote_id: str) -> Replayed:
    """Make a quote again, and keep that it was tried and what came out. Raises NotFound."""
    quote = quotes.quote(quote_id)
    premium, found = None, []
    try:
        again, differences = replay(quote.document)
        premium, found = again.charge.premium, [str(one) for one in differences]
    except UserError as error:
        found = [str(error)]
    score, why, of_score = _score(home, quotes, quote)
    replayed = quotes.add_replay(quote_id, premium, score, [*found, *of_score])
    return Replayed(quote, replayed, why, today(home, quote))


def _score(home: Path, quotes: QuoteStore, quote: StoredQuote) -> tuple[str, str, list[str]]:
    """How the score compares with what it rests on, why it was not made again, and what differs."""
    if quote.score_id is None:
        return NO_SCORE, "", []
    from serving.risk_explain import explain_risk

    try:
        stored = Store(quotes.engine).get(quote.score_id)
        # Reasons are not compared, and cost more than the score.
        found = [f"score {quote.score_id}: {one}" for one in explain_risk(home, stored, 0).differences]
        found += _of_lake(home, quote, stored)
    except UserError as error:
        return NOT_MADE, str(error), []
    return (DIFFERS if found else EQUAL), "", found


def _of_lake(home: Path, quote: StoredQuote, stored: StoredScore) -> Iterator[str]:
    """Facts of the lake and the model's numbers that come out otherwise, from the lake's versions that the score saw."""
    from features.lake import Lake
    from serving.evidence import inflated
    from serving.pricing.priced import Priced, limits_of, priced
    from serving.pricing.quotes import of_lake
    from serving.risk_champion import load_risk_bundle
    from serving.risk_evidence import knowledge_of

    sheet, champion = Worksheet.from_document(quote.document), load_risk_bundle(home, stored.bundle_id)
    known = knowledge_of(inflated(stored.evidence), Lake.open(home / "lake"), stored.score_id)
    basis = of_lake(known, champion, stored.entity_id, stored.as_of, evidence=False)
    for name, fact in basis.facts.items():
        if sheet.facts.value(name) != fact.value:
            yield f"fact {name}: stored {sheet.facts.value(name)}, in the lake {fact.value}"
    if sheet.says is None or basis.x is None:
        return
    now = priced(champion.bundle, basis.x[None], limits_of(sheet.terms)).says(0, stored.bundle_id)
    for name in Priced.__dataclass_fields__:
        if getattr(sheet.says, name) != getattr(now, name):
            yield f"model.{name}: stored {getattr(sheet.says, name)}, made again {getattr(now, name)}"
