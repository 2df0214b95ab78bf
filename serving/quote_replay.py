"""A stored quote again: its premium from its own worksheet, to the cent; its score from the lake, to the bit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import UserError
from serving.quote_rows import Replay, StoredQuote
from serving.quote_store import QuoteStore
from serving.store import Store
from serving.underwriting.worksheet import replay

EQUAL, DIFFERS, NOT_MADE, NO_SCORE = "equal", "differs", "not made again", "none"


@dataclass(frozen=True)
class Replayed:
    """A quote and how its replay went. why: why the score was not made again, where it was not."""

    quote: StoredQuote
    replay: Replay
    why: str

    @property
    def verdict(self) -> str:
        """In words."""
        if not self.replay.reproduced:
            return "not reproduced: " + "; ".join(self.replay.differences)
        score = {EQUAL: ", its score to the bit", NO_SCORE: ", it rests on no score"}
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
    score, why, of_score = _score(home, quotes, quote.score_id)
    return Replayed(quote, quotes.add_replay(quote_id, premium, score, [*found, *of_score]), why)


def _score(home: Path, quotes: QuoteStore, score_id: str | None) -> tuple[str, str, list[str]]:
    """How the score compares, why it was not made again, and what differs."""
    if score_id is None:
        return NO_SCORE, "", []
    from serving.risk_explain import explain_risk

    try:
        # Reasons are not compared, and cost more than the score.
        found = explain_risk(home, Store(quotes.engine).get(score_id), 0)
    except UserError as error:
        return NOT_MADE, str(error), []
    return (EQUAL if found.reproduced else DIFFERS), "", [f"score {score_id}: {one}" for one in found.differences]
