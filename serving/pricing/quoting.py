"""One quote from beginning to end, for the command line and the service: basis, worksheet, what-if, stored."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from features.documents import write_text
from features.enterprise.history import Published
from features.lake import Lake
from serving.pricing import quotes
from serving.pricing.prospects import Prospect, read
from serving.pricing.quotes import Asked, Basis
from serving.pricing.term_facts import stated as facts_stated
from serving.pricing.whatif import changed
from serving.pricing.whatif import made as made_rows
from serving.risk import notes_of
from serving.risk_champion import RiskChampion
from serving.risk_evidence import Knowledge
from serving.store import opened
from serving.underwriting.changes import Change, explained
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.terms import sensible
from serving.underwriting.worksheet import Worksheet
from serving.underwriting.worksheet_page import page


@dataclass(frozen=True)
class Made:
    """A stored quote. changed: its what-if, a quote of its own, and by what its premium differs."""

    quote_id: str
    worksheet: Worksheet
    changed: "Made | None" = None
    changes: tuple[Change, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON: the worksheet without the rulebook's text, which the store has."""
        sheet = self.worksheet.document()
        del sheet["rulebook"]["source"]
        found = {"quote_id": self.quote_id, "premium": sheet["charge"]["premium"], "currency": sheet["terms"]["currency"]}
        if self.changed is not None:
            found["what_if"] = self.changed.document() | {"changes": [one.document() for one in self.changes]}
        return found | {"worksheet": sheet}


@dataclass(frozen=True)
class Desk:
    """What quotes are made with. known: the lake; None where there is none: then prospects alone are quoted.  champion: None
    where there is none: then the rulebook's factors alone make the premium."""

    home: Path
    engine: sa.Engine
    known: Knowledge | None
    champion: RiskChampion | None

    @property
    def shared(self) -> Mapping[str, Published] | None:
        """What the lake knows of groups of enterprises."""
        return None if self.known is None else self.known.shared

    def of_lake(self, enterprise_id: str, as_of: datetime | None) -> Basis:
        """What the lake knew of an enterprise. Raises NotFound, Withheld."""
        assert self.known is not None
        return quotes.of_lake(self.known, self.champion, enterprise_id, as_of)

    def of_prospect(self, prospect: Prospect) -> Basis:
        """What is stated of a prospect, and the features of rows made of it. Raises BadInput for facts that cannot all be."""
        if self.champion is None:
            return Basis(prospect.facts, name=prospect.name)
        x, _ = made_rows(prospect.facts, self.shared)
        return Basis(prospect.facts, x, name=prospect.name, notes=notes_of(self.champion.catalog.names, x))

    def quote(
        self, rulebook: Rulebook, basis: Basis, asked: Asked, stated: Iterable[str] = (), changes: Iterable[str] = ()
    ) -> Made:
        """Make and store a quote, and beside it the what-if where facts are changed; nothing is stored unless both can be made.

        stated, changes: FACT=VALUE. Raises BadInput.
        """
        as_of, currency = basis.facts.as_of, basis.facts.currency
        basis = quotes.stating(basis, facts_stated(stated, rulebook, as_of, currency, "stated"))
        wished = facts_stated(changes, rulebook, as_of, currency, "what if")
        covered = basis.facts.value("headcount")
        terms = sensible(asked.terms(rulebook, as_of), covered if isinstance(covered, Decimal) else None)
        made = quotes.worksheet(self.home, rulebook, basis, terms, self.champion)
        if not wished:
            return Made(quotes.keep(self.engine, made, basis.score), made)
        other = quotes.worksheet(self.home, rulebook, changed(basis, wished, self.shared), terms, self.champion)
        quote_id, other_id = quotes.keep_pair(self.engine, made, basis.score, other)
        return Made(quote_id, made, Made(other_id, other), explained(made.charge, other.charge))


@contextmanager
def desk(home: Path, store: str, *, lake: bool) -> Iterator[Desk]:
    """What a home has to quote with. lake: whether an enterprise of the lake is asked for; its absence is then an error.

    Raises NotFound without a lake that is needed, BadInput for a damaged champion or store.
    """
    there = (home / "lake").is_dir()
    known = Knowledge.of(Lake.open(home / "lake")) if lake or there else None
    champion = quotes.champion_of(home)
    with opened(store) as kept:
        yield Desk(home, kept.engine, known, champion)


def of_file(at: Desk, path: Path, rulebook: Rulebook, asked: Asked) -> tuple[Basis, Asked]:
    """A prospect's basis, and its terms: those asked for, else those of the file. Raises BadInput naming the line."""
    prospect = read(path, rulebook.facts)
    return at.of_prospect(prospect), asked.over(prospect.terms)


def write_page(path: Path, made: Made) -> None:
    """Write the worksheet as a page, whole or not at all: of the what-if, where there is one."""
    shown, parent, before = (made, None, None) if made.changed is None else (made.changed, made.quote_id, made.worksheet)
    about: dict[str, Any] = {"quote_id": shown.quote_id, "quoted_at": datetime.now(UTC)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page(shown.worksheet, **about, parent=parent, before=before))
