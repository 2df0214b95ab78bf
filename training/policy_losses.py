"""What the claims of an LGPIF policy-year cost together: half by number x cost of a claim, half by their amount itself.

One claim of 6.6 million is a third of its year's losses, so that features are read off losses with a limit, and what lies above
it is shared out over all alike. Number x cost knows the record, but numbers are mostly of small claims; the amount itself, each
claim limited, knows which types of government have the dear ones. On rolling origins their mean orders losses better than the
first half alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from features.errors import BadInput
from training.experience import Periods
from training.frequency import CountRows
from training.glm import Glm, Term, category, fit_glm, linear
from training.severity import expected_loss, fit_mean

# Of the amount: losses tell no more than these two; with deductible and credits later years were told worse.
DESIGN = (*linear("log_cover"), *category("kind"))
COST = (*linear("log_cover", "log_premium", "log_deductible", "fire_class"), *category("kind", "alarm_credit"))
# Of the cost of a claim: the mean cost of a policy-year's claims is limited at this quantile.
LARGE, COST_PENALTY = 0.98, 300.0
LIMIT = 50_000.0  # of the amount: a single claim, in dollars

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Losses:
    """Of all rows of a panel: cost of a claim, and loss a year without regard to the number [n]."""

    cost: Floats
    direct: Floats

    def expected(self, number: Floats, asked: Mask) -> Floats:
        """Expected loss of the rows asked, given their expected numbers of claims [asked]."""
        return (expected_loss(number, self.cost[asked]) + self.direct[asked]) / 2.0


def fit_losses(periods: Periods, limited: Floats, fitted: Mask) -> Losses:
    """Fit on the rows chosen. limited [n]: each row's losses with every claim held at LIMIT. Raises BadInput without a loss."""
    train = periods.rows.of(fitted)
    assert train.loss is not None
    if not ((train.count > 0) & (train.loss > 0)).any():
        raise BadInput("no claim cost anything", where="training years, column y", mend="give what claims cost")
    x = periods.rows.x
    return Losses(_cost(train, x), _direct(train, limited[fitted], x))


def known(terms: Sequence[Term], rows: CountRows) -> tuple[Term, ...]:
    """The terms of a design whose features the rows have."""
    return tuple(term for term in terms if set(term.features) <= set(rows.names))


def without(rows: CountRows, names: Sequence[str]) -> CountRows:
    """The rows without these features."""
    kept = [place for place, name in enumerate(rows.names) if name not in names]
    return replace(rows, x=rows.x[:, kept], names=tuple(rows.names[place] for place in kept))


def _cost(train: CountRows, x: npt.NDArray[np.float32]) -> Floats:
    """Mean cost of a claim [n]."""
    assert train.loss is not None
    had = (train.count > 0) & (train.loss > 0)
    each = np.divide(train.loss, train.count, out=np.zeros(len(train)), where=had)
    limited = np.minimum(each, np.quantile(each[had], LARGE)) * train.count
    load = float(train.loss[had].sum() / limited.sum())
    return load * fit_mean(replace(train, loss=limited), known(COST, train), (COST_PENALTY,)).mean(x)


def _direct(train: CountRows, limited: Floats, x: npt.NDArray[np.float32]) -> Floats:
    """Loss a year [n] by a quasi-Poisson GLM; the unit is a mean limited claim, so that penalties are as of numbers."""
    assert train.loss is not None
    if not limited.any():  # the folder tells what years cost, and of no single claim
        limited = train.loss
    unit = float(limited.sum() / train.count.sum())
    model: Glm = fit_glm(replace(train, count=limited / unit, loss=None), known(DESIGN, train))
    return float(train.loss.sum() / train.count.sum()) * model.expected(x, np.ones(len(x)))
