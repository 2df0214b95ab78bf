"""What an accident of an enterprise costs, whom it harms and what insurance covers of it: by class and industry.

Classes are the grades, the lightest parted by whether somebody died: nearly all accidents are of that grade, and those with a
death cost twenty times as much. An industry is drawn towards the others where its accidents are few.
"""

from collections.abc import Mapping, Sequence
from typing import Self, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from features.clock import known_at, times
from features.enterprise.grades import Rule, rule_at
from features.enterprise.schema import ACCIDENTS, CLAIMS, POLICIES
from features.enterprise.vocabulary import CURRENCY, HIGH_RISK, INDUSTRIES
from features.errors import BadInput
from features.schema import ENTERPRISE, EVENT_TIME, RECORDED_AT
from training.enterprise import cover
from training.enterprise.parts import Floats, Matrix
from training.enterprise.rows import Past, moment
from training.severity import GradeSeverity

INDUSTRY = "industry"
FATAL = "fatal"  # of the lightest grade, but with a death
FAMILIES = ("gamma", "lognormal")
_FEWEST = 10


class LossArrays(TypedDict):
    """What underwriting asks of n rows: its law of losses by class c, as plain arrays.

    share, mean [n, c]; family [c]: position in FAMILIES; shape [c]; persons [c, k]: chance that 0..k-1 are harmed.
    """

    share: Floats
    mean: Floats
    family: npt.NDArray[np.int64]
    shape: Floats
    persons: Floats
    covered_share: float
    costly: float


class Severity(BaseModel):
    """Mean loss of an accident. costly: share of accidents that cost anything, among those whose loss is known.

    persons: chances that 0, 1, .. persons are harmed, by class. covered_share: what insurance covers of a loss; 1 where claims
    did not say. Bundles of before limits were reckoned with have no persons.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    graded: GradeSeverity
    costly: float = Field(ge=0.0, le=1.0)
    persons: tuple[tuple[float, ...], ...] | None = None
    covered_share: float = Field(default=1.0, gt=0.0, le=1.0)

    def mean(self, x: Matrix, names: Sequence[str]) -> Floats:
        """Mean loss of one accident [n] of enterprises with features [n, f]; an unknown industry costs what all do."""
        return np.asarray(self.costly * self.graded.mean(self._industries(x, names)))

    def law(self, x: Matrix, names: Sequence[str]) -> LossArrays:
        """The law of losses of rows [n, f]. Raises BadInput in a bundle that was made before limits were reckoned with."""
        if self.persons is None:
            what = "the bundle does not know how many persons an accident harms"
            raise BadInput(what, where="severity.json", mend="train and promote enterprises again")
        share, mean = self.graded.by_grade(self._industries(x, names))
        kinds = self.graded.distributions
        return LossArrays(
            share=share, mean=mean, family=np.array([FAMILIES.index(one.family) for one in kinds], dtype=np.int64),
            shape=np.array([one.shape for one in kinds]), persons=np.array(self.persons), covered_share=self.covered_share,
            costly=self.costly,
        )  # fmt: skip

    def _industries(self, x: Matrix, names: Sequence[str]) -> list[str]:
        code = np.nan_to_num(x[:, list(names).index(INDUSTRY)], nan=-1.0).astype(np.int64)
        return [INDUSTRIES[place].code if 0 <= place < len(INDUSTRIES) else "" for place in code.tolist()]

    @classmethod
    def fit(cls, past: Past, known_until: int) -> Self:
        """From the accidents known at a moment (microseconds) of enterprises in the snapshot.

        Raises BadInput with fewer than ten losses, or with losses in several currencies.
        """
        known = known_at(past.accidents, ACCIDENTS, moment(known_until))
        known = known.filter(pc.and_(_theirs(known, past), pc.is_valid(known.column("direct_loss"))))
        currency = _currency(known, past.currencies)
        loss = known.column("direct_loss").to_numpy()
        of = dict(zip(past.ids.tolist(), past.x[:, past.snapshot.features.index(INDUSTRY)].tolist(), strict=True))
        industry = [of[one] for one in known.column(ENTERPRISE).to_pylist()]
        used = np.flatnonzero((loss > 0) & ~np.isnan(industry))
        if len(used) < _FEWEST:
            what = f"{len(used)} accidents with a loss"
            raise BadInput(what, where="lake, table accidents", mend="import what accidents cost")
        rule = rule_at(moment(known_until).date())
        deaths, injuries = (_numbers(known, name)[used] for name in ("deaths", "injuries"))
        classes, code = _classes(rule, deaths, injuries, loss[used] if currency == CURRENCY else np.zeros(len(used)))
        segment = [INDUSTRIES[int(industry[place])].code for place in used]
        fitted = GradeSeverity.fit(loss[used], [classes[one] for one in code], segment, classes, HIGH_RISK)
        persons = cover.harmed(deaths, injuries)
        least = np.array([1, 1, *(int(grade.deaths) for grade in reversed(rule.grades[:-1]))])
        kept = known.take(pa.array(used))
        losses = cover.Loss(
            kept.column("accident_id").to_pylist(), kept.column(ENTERPRISE).cast(pa.string()).to_pylist(),
            times(kept, EVENT_TIME), times(kept, RECORDED_AT), loss[used], persons,
        )  # fmt: skip
        share = _covered(past, losses, currency, known_until)
        table = cover.persons_by_class(code, persons, least)
        return cls(
            graded=fitted, costly=float(np.mean(loss > 0)), persons=tuple(tuple(row) for row in table.tolist()),
            covered_share=1.0 if share is None else share,
        )  # fmt: skip


def _classes(rule: Rule, deaths: Floats, injuries: Floats, loss: Floats) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The classes, lightest first, and the place of each accident [n] among them."""
    lightest, *graver = rule.codes
    grade = rule.of(deaths, injuries, loss).astype(np.int64)
    return [lightest, FATAL, *graver], np.where(grade > 0, grade + 1, (deaths > 0).astype(np.int64))


def _covered(past: Past, losses: cover.Loss, currency: str, known_until: int) -> float | None:
    """The share that insurance covers, from the claims and policies of those who are in the snapshot."""
    if past.claims is None or past.policies is None:
        return None
    claims, policies = (
        known_at(table, contract, moment(known_until)) for table, contract in ((past.claims, CLAIMS), (past.policies, POLICIES))
    )
    own = [cover.in_currency(table.filter(_theirs(table, past)), currency) for table in (claims, policies)]
    return cover.covered_share(losses, own[0], own[1], known_until)


def _theirs(table: pa.Table, past: Past) -> pa.ChunkedArray:
    """Rows of enterprises in the snapshot: whoever is not may not have consented."""
    ids = pa.array(np.unique(past.ids).tolist(), pa.string())
    return pc.is_in(table.column(ENTERPRISE).cast(pa.string()), value_set=ids)


def _currency(known: pa.Table, currencies: Mapping[str, str]) -> str:
    """The one currency of losses: the enterprises' own. Raises BadInput if there are several: nothing here changes money."""
    found = sorted({currencies.get(str(one), CURRENCY) for one in pc.unique(known.column(ENTERPRISE)).to_pylist()})
    if len(found) > 1:
        raise BadInput(
            f"losses in {' and '.join(found)}", where="lake, table accidents", mend="bring them in one currency, or apart"
        )
    return str(found[0]) if found else CURRENCY


def _numbers(table: pa.Table, name: str) -> Floats:
    return np.asarray(pc.fill_null(table.column(name), 0.0).to_numpy(), dtype=np.float64)
