"""The table of a count benchmark: figures of every forecast, and what one of them gains on each other, paired by group."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from training.count_metrics import Counted
from training.intervals import Draws, Interval, draw, resample
from training.metrics import Floats, Statistic

Row = dict[str, Interval | float | int | str | None]
REPLICATES = 1000


@dataclass(frozen=True)
class Said:
    """One forecast: expected number [n], chance of any [n], and expected loss [n] where it has one."""

    expected: Floats
    p_any: Floats
    loss: Floats | None = None


@dataclass(frozen=True)
class Figure:
    """A column: its words, the statistic of what a forecast says (None: it says nothing of it), whether less is better.

    sought: a number that is best met, as 1 by actual over expected: no gains are told of such a figure.
    """

    words: str
    of: Callable[[Counted, Said], Statistic | None]
    less: bool = False
    sought: float | None = None


def table(rows: Counted, said: Mapping[str, Said], own: str, figures: Sequence[Figure]) -> list[Row]:
    """One row per forecast, `own` first, then one per other forecast of what `own` gains on it: above zero is better.

    Intervals are of 95 %, by resampling groups; gains are paired.
    """
    weights = resample(rows.groups, REPLICATES, seed=0)
    names = [own, *(name for name in said if name != own)]
    drawn: dict[str, dict[str, Draws]] = {name: {} for name in names}
    for name in names:
        for figure in figures:
            statistic = figure.of(rows, said[name])
            if statistic is not None:
                drawn[name][figure.words] = draw(statistic, weights)
    gained = {figure.words: figure.less for figure in figures if figure.sought is None}
    found: list[Row] = [{"forecast": name, **{words: one.interval() for words, one in drawn[name].items()}} for name in names]
    for name in names[1:]:
        gains: Row = {"forecast": f"gain over {name}"}
        for words, less in gained.items():
            if words in drawn[name]:
                ours, theirs = drawn[own][words], drawn[name][words]
                gains[words] = (theirs.minus(ours) if less else ours.minus(theirs)).interval()
        found.append(gains)
    return found


def verdicts(found: Sequence[Row], own: str, figures: Sequence[Figure], rivals: Sequence[str]) -> list[str]:
    """Of each figure one sentence: whether `own` is better than the best of the rivals, or whether that cannot be told."""
    rows = {str(row["forecast"]): row for row in found}
    said = []
    for figure in (one for one in figures if one.sought is None):
        values = {name: cell.value for name in rivals if isinstance(cell := rows[name].get(figure.words), Interval)}
        if not values:
            continue
        best = (min if figure.less else max)(values, key=lambda name: values[name])
        gain = rows[f"gain over {best}"][figure.words]
        assert isinstance(gain, Interval)
        if gain.low > 0:
            how = f"better than the best rival ({best})"
        elif gain.high < 0:
            how = f"worse than the best rival ({best})"
        else:
            how = f"the interval of the gain on the best rival ({best}) includes 0: no difference can be claimed"
        said.append(f"{figure.words}, {own}: {how}.")
    return said
