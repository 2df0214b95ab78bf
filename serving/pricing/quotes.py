"""Quotes: an enterprise of the lake, or what is stated of a prospect -> facts, score, insured loss -> worksheet -> stored."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from features.clock import micros
from features.errors import BadInput
from serving.evidence import deflated
from serving.pricing.enterprise_facts import facts_at, facts_of
from serving.pricing.fact_evidence import with_evidence
from serving.pricing.priced import limits_of, priced
from serving.pricing.relativities import load as load_relativity
from serving.pricing.store import QuoteStore
from serving.risk import CURRENCY, Vectors, notes_of, of_upstream, told
from serving.risk_champion import RiskChampion, has_champion, load_risk_champion
from serving.risk_evidence import Knowledge
from serving.risk_service import stored
from serving.store import Store, StoredScore
from serving.underwriting.facts import Facts
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.terms import ModelSays, Terms, year_from
from serving.underwriting.worksheet import Worksheet

DEFAULT_RULEBOOK = "henan-example"


@dataclass(frozen=True)
class Basis:
    """What a premium is made of, before any rulebook.

    x: features float32[features]; None where no champion scores.  score: the row that keeps the score of an enterprise of the
    lake; a prospect's is not kept, since all it rests on is in the worksheet.
    """

    facts: Facts
    x: Vectors | None = None
    enterprise_id: str | None = None
    name: str | None = None
    score: StoredScore | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """Terms as they are asked for; what is left out is taken from rulebook and day (`terms`)."""

    starts: date | None = None
    ends: date | None = None
    currency: str | None = None
    limit_per_person: Decimal | None = None
    limit_per_accident: Decimal | None = None
    limit_aggregate: Decimal | None = None
    deductible: Decimal | None = None
    headcount: int | None = None
    expiring_premium: Decimal | None = None

    def over(self, others: Mapping[str, Any]) -> "Asked":
        """These terms, and those of others where these say nothing."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        return Asked(**{**others, **{name: value for name, value in given.items() if value is not None}})

    def terms(self, rulebook: Rulebook, as_of: date) -> Terms:
        """The whole terms: from the day after `as_of`, for a year, at the least limit per person that the rulebook allows."""
        day = as_of.date() if isinstance(as_of, datetime) else as_of
        starts = self.starts or day + timedelta(days=1)
        person = rulebook.cover.least_limit_per_person if self.limit_per_person is None else self.limit_per_person
        rest = {name: getattr(self, name) for name in ("limit_per_accident", "limit_aggregate", "deductible", "headcount")}
        currency = self.currency or rulebook.currency
        return Terms(starts, self.ends or year_from(starts), currency, person, expiring_premium=self.expiring_premium, **rest)


def champion_of(home: Path) -> RiskChampion | None:
    """The champion of enterprises, or None where there is none: the rulebook's factors alone then make the premium."""
    return load_risk_champion(home) if has_champion(home) else None


def of_lake(
    known: Knowledge, champion: RiskChampion | None, enterprise_id: str, as_of: datetime | None, *, evidence: bool = True
) -> Basis:
    """What the lake knew of an enterprise at a moment, and its score. evidence: whether to name the rows behind each fact.

    Raises NotFound if the lake does not know it, Withheld if it has not consented to being scored.
    """
    moment = (as_of or known.until).astimezone(UTC)
    facts = _facts(known, enterprise_id, moment)
    if evidence:
        facts = with_evidence(facts, known.view, enterprise_id, moment)
    if champion is None:
        return Basis(facts, enterprise_id=enterprise_id)
    x = known.features(champion.catalog, enterprise_id, moment)
    result = told(champion.bundle, x[None]).result(0)
    seen = x.astype("<f4").tobytes()
    score = stored(champion, enterprise_id, moment, datetime.now(UTC), result, seen, known.evidence)
    notes = (
        *notes_of(champion.catalog.names, x),
        *known.notes(moment),
        *of_upstream(champion.bundle, known.upstream(moment, enterprise_id)),
    )
    return Basis(facts, x, enterprise_id, None, replace(score, evidence=deflated(score.evidence)), notes)


def _facts(known: Knowledge, enterprise_id: str, as_of: datetime) -> Facts:
    currency = known.versions_of(enterprise_id, as_of).column("currency")[-1].as_py() or CURRENCY
    columns = facts_of(known.view, [enterprise_id], np.array([micros(as_of)]), known.shared)
    return facts_at(columns, 0, as_of, currency)


def stating(basis: Basis, stated: Facts) -> Basis:
    """What the lake or the file tells, with what somebody states beside it. Raises BadInput for a fact that the lake tells."""
    for name in stated:
        if basis.enterprise_id is not None and name in basis.facts:
            what = f"the lake knows {name}: {basis.facts.value(name)}"
            raise BadInput(what, where="--fact", mend=f"record a correction, or try it with --if {name}=...")
    return replace(basis, facts=replace(basis.facts, known={**basis.facts.known, **stated.known})) if stated else basis


def worksheet(home: Path, rulebook: Rulebook, basis: Basis, terms: Terms, champion: RiskChampion | None) -> Worksheet:
    """The worksheet of a policy. Raises BadInput as `charge` does."""
    says = None if champion is None or basis.x is None else _says(home, rulebook, basis, terms, champion)
    return Worksheet.make(rulebook, basis.facts, terms, says, enterprise_id=basis.enterprise_id, name=basis.name)


def _says(home: Path, rulebook: Rulebook, basis: Basis, terms: Terms, champion: RiskChampion) -> ModelSays:
    assert basis.x is not None
    found = priced(champion.bundle, basis.x[None], limits_of(terms))
    relativity = load_relativity(home, rulebook.digest, champion.bundle_id)
    score_id = None if basis.score is None else basis.score.score_id
    return found.says(0, champion.bundle_id, score_id=score_id, relativity=relativity, notes=basis.notes)


def keep(engine: sa.Engine, made: Worksheet, score: StoredScore | None) -> str:
    """Store a worksheet as a quote, its score before it: a quote never names a score that is not there. Gives its id."""
    if score is not None:
        Store(engine).record([score])
    return QuoteStore(engine).add_quote(made.document())


def keep_pair(engine: sa.Engine, made: Worksheet, score: StoredScore | None, what_if: Worksheet) -> tuple[str, str]:
    """The same with a what-if that starts from the quote, both or neither. Gives their ids."""
    if score is not None:
        Store(engine).record([score])
    return QuoteStore(engine).add_pair(made.document(), what_if.document())
