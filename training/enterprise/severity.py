"""What an accident of an enterprise costs: by grade and industry, an industry drawn towards all where its accidents are few."""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from features.clock import known_at
from features.enterprise.grades import rule_at
from features.enterprise.schema import ACCIDENTS
from features.enterprise.vocabulary import CURRENCY, INDUSTRIES
from features.errors import BadInput
from features.schema import ENTERPRISE
from training.enterprise.parts import Floats, Matrix
from training.enterprise.rows import Past, moment
from training.severity import GradeSeverity

INDUSTRY = "industry"
_FEWEST = 10


class Severity(BaseModel):
    """Mean loss of an accident. costly: share of accidents that cost anything, among those whose loss is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    graded: GradeSeverity
    costly: float = Field(ge=0.0, le=1.0)

    def mean(self, x: Matrix, names: Sequence[str]) -> Floats:
        """Mean loss of one accident [n] of enterprises with features [n, f]; an unknown industry costs what all do."""
        return np.asarray(self.costly * self.graded.mean(self._industries(x, names)))

    def layer(self, x: Matrix, names: Sequence[str], deductible: float = 0.0, limit: float = np.inf) -> Floats:
        """What is paid of one accident [n] above a deductible and under a limit, on average."""
        return np.asarray(self.costly * self.graded.layer(self._industries(x, names), deductible, limit))

    def grades(self, x: Matrix, names: Sequence[str]) -> Floats:
        """Chance of each grade [n, grades] of an accident, the lowest first."""
        return self.graded.by_grade(self._industries(x, names))[0]

    def _industries(self, x: Matrix, names: Sequence[str]) -> list[str]:
        code = np.nan_to_num(x[:, list(names).index(INDUSTRY)], nan=-1.0).astype(np.int64)
        return [INDUSTRIES[place].code if 0 <= place < len(INDUSTRIES) else "" for place in code.tolist()]

    @classmethod
    def fit(cls, past: Past, known_until: int) -> Self:
        """From the accidents known at a moment (microseconds) of enterprises in the snapshot.

        Raises BadInput with fewer than ten losses, or with losses in several currencies.
        """
        known = known_at(past.accidents, ACCIDENTS, moment(known_until))
        # Whoever is not in the snapshot may not have consented.
        theirs = pc.is_in(
            known.column(ENTERPRISE).cast(pa.string()), value_set=pa.array(np.unique(past.ids).tolist(), pa.string())
        )
        known = known.filter(pc.and_(theirs, pc.is_valid(known.column("direct_loss"))))
        currency = _currency(known, past.currencies)
        loss = known.column("direct_loss").to_numpy()
        of = dict(zip(past.ids.tolist(), past.x[:, past.snapshot.features.index(INDUSTRY)].tolist(), strict=True))
        industry = [of[one] for one in known.column(ENTERPRISE).to_pylist()]
        used = np.flatnonzero((loss > 0) & ~np.isnan(industry))
        if len(used) < _FEWEST:
            what = f"{len(used)} accidents with a loss"
            raise BadInput(what, where="lake, table accidents", mend="import what accidents cost")
        rule = rule_at(moment(known_until).date())
        told = ("deaths", "injuries", "direct_loss") if currency == CURRENCY else ("deaths", "injuries")
        grade = rule.of(*(_numbers(known, name) for name in told), *([0.0] * (3 - len(told))))
        segment = [INDUSTRIES[int(industry[place])].code for place in used]
        fitted = GradeSeverity.fit(loss[used], [rule.codes[grade[place]] for place in used], segment, rule.codes)
        return cls(graded=fitted, costly=float(np.mean(loss > 0)))


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
