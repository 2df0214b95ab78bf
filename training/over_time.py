"""A backtest's figures, all periods together and period by period: forecasts on the same rows, paired by machine."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from training.backtest import Run
from training.comparison import Comparison, compare
from training.hazard import Floats

CHAMPION = "champion"
_PERIOD_REPLICATES, _REPLICATES = 200, 400


@dataclass(frozen=True)
class OverTime:
    """What a backtest found. periods: one for each cut-off, None where nothing of it is ripe; of_champion: on the rows that are
    later than the champion was fitted on, where there are such with a failure."""

    together: Comparison
    periods: tuple[Comparison | None, ...]
    of_champion: Comparison | None
    champion: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """All forecasts, the served one first."""
        return self.together.names if self.of_champion is None else (*self.together.names, CHAMPION)


def judged(run: Run, came: pd.DataFrame, champion: tuple[str, Floats] | None = None, *, budget: float = 0.05) -> OverTime:
    """Figures of a run.

    came: outcomes of all rows of the snapshot (training.outcomes); champion: its id and what it said of the run's rows. The
    alarm budget holds within each period. Raises ValueError without a failure among the ripe rows.
    """
    frame = came.iloc[run.rows].reset_index(drop=True)
    said = {name: run.p72(name) for name in run.names}
    together = compare(frame, said, budget=budget, replicates=_REPLICATES, stretch=run.stretch)
    if not together.failures:
        raise ValueError("no failure among the ripe observations: nothing to judge by")
    spoken = np.zeros(len(frame), dtype=bool) if champion is None else np.isfinite(champion[1])
    everyone = said if champion is None else {**said, CHAMPION: champion[1]}
    beside = _part(frame, everyone, spoken, budget, _REPLICATES, run.stretch) if spoken.any() else None
    periods = []
    for number in range(1, len(run.parts) + 1):
        inside = run.stretch == number
        chosen = everyone if spoken[inside].all() else said
        periods.append(_part(frame, chosen, inside, budget, _PERIOD_REPLICATES, None))
    name = None if champion is None else champion[0]
    return OverTime(together, tuple(periods), beside if beside is not None and beside.failures else None, name)


def _part(
    frame: pd.DataFrame,
    said: Mapping[str, Floats],
    inside: np.ndarray[tuple[int], np.dtype[np.bool_]],
    budget: float,
    replicates: int,
    stretch: np.ndarray[tuple[int], np.dtype[np.int64]] | None,
) -> Comparison | None:
    """Forecasts compared on some of the rows; None if none of them is ripe."""
    if frame["y72"][inside].isna().all():
        return None
    return compare(
        frame[inside], {name: p[inside] for name, p in said.items()}, budget=budget, replicates=replicates,
        stretch=None if stretch is None else stretch[inside],
    )  # fmt: skip
