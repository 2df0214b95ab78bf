"""A rulebook as training is given it: what it charges enterprises of the lake before the model, and what they cost the insurer.

Training learns how far the price score counts beside a rulebook and imports nothing of serving; forewarn.py hands it this.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.clock import times
from features.enterprise.vocabulary import CURRENCY
from features.errors import BadInput
from features.observations import AS_OF
from features.schema import ENTERPRISE
from features.view import View
from serving.books.charges import used_facts
from serving.pricing.enterprise_facts import facts_at, facts_of
from serving.pricing.policies import InForce, in_force
from serving.pricing.rulebooks import rulebook_named
from serving.underwriting.insured import LossLaw, insured_losses
from serving.underwriting.premium import reference
from serving.underwriting.rulebook import Rulebook
from training.enterprise.bundle import RiskBundle
from training.enterprise.model import Risk
from training.enterprise.relativity_document import Rated

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RulebookRater:
    """One rulebook, rating many enterprises at many moments."""

    rulebook: Rulebook

    @property
    def name(self) -> str:
        return self.rulebook.id

    @property
    def version(self) -> str:
        return self.rulebook.version

    @property
    def digest(self) -> str:
        return self.rulebook.digest

    @property
    def floor(self) -> float:
        return 1.0 if self.rulebook.model is None else float(self.rulebook.model.floor)

    @property
    def cap(self) -> float:
        return 1.0 if self.rulebook.model is None else float(self.rulebook.model.cap)

    def rate(self, observations: pa.Table, view: View, bundle: RiskBundle, x: Matrix, risk: Risk) -> Rated:
        """Amounts of observations (enterprise_id, as_of); losses under the policy in force, or the least that the law asks.

        Rows are rated as if the rulebook were in force: its factors are what is weighed. Raises BadInput where it rates none.
        """
        least = float(self.rulebook.cover.least_limit_per_person)
        terms = in_force(view, observations, limit_per_person=least)
        insured = insured_of(bundle, x, risk.expected[:, -1], terms)
        # Facts of an enterprise are in its own money, of which the feature tells whether it is the usual one.
        foreign = (x[:, bundle.names.index("other_currency")] == 1.0) == (self.rulebook.currency == CURRENCY)
        return Rated(np.where(foreign, np.nan, self._amounts(view, observations)), insured)

    def _amounts(self, view: View, observations: pa.Table) -> Floats:
        names, currency = used_facts(self.rulebook), self.rulebook.currency
        moments = times(observations, AS_OF)
        facts = facts_of(view, observations.column(ENTERPRISE).cast(pa.string()).to_pylist(), moments).combine_chunks()
        found, fault = np.full(len(moments), np.nan), None
        for place, at in enumerate(moments.tolist()):
            own = facts_at(facts, place, datetime.fromtimestamp(at / 1e6, UTC).date(), currency, names)
            industry = own.value("industry")
            if not self.rulebook.serves(industry if isinstance(industry, str) else None):
                continue
            try:
                found[place] = float(reference(self.rulebook, own))
            except BadInput as error:
                fault = error
        if fault is not None and not np.isfinite(found).any():
            raise fault
        return found


def insured_of(bundle: RiskBundle, x: Matrix, expected: Floats, terms: InForce) -> Floats:
    """What the insurer is expected to pay in a year [n], of rows of features and the accidents expected of the year [n]."""
    law = LossLaw(**bundle.loss_law(x))
    limits = {
        name: getattr(terms, name) for name in ("limit_per_person", "limit_per_accident", "limit_aggregate", "deductible")
    }
    return insured_losses(expected, bundle.count_size("price", x, expected), law, **limits)


def rater(home: Path, rulebook: str) -> RulebookRater:
    """A rulebook as a quote finds it: of the home, shipped, or from a file.

    Raises NotFound or BadInput, also where no model has a say.
    """
    found = rulebook_named(home, rulebook)
    if found.model is None:
        raise BadInput("the model has no say in it", where=f"rulebook {found.id}", mend="a [model] table gives it one")
    return RulebookRater(found)
