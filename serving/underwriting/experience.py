"""What a book's claims say of its premiums: actual over expected and loss ratios by segment, level and valuation date.

Only what is earned counts: a policy's premium, and what was expected of it, by the share of its cover that lies before the
valuation. A ratio of sums has the 95 % interval of its linearised variance over policies (W. G. Cochran, Sampling Techniques,
3rd ed. (1977), 6.4).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_Z975 = 1.96


@dataclass(frozen=True)
class Ratio:
    """A ratio of sums with a 95 % interval; nan where it divides by nothing."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Experience:
    """Of n policies: earned premium as charged and as rated, claims and what they cost so far, and what was expected of both.

    A model that says nothing of a book leaves `accidents` and `losses` at nan.
    """

    charged: Floats
    rated: Floats
    claims: Floats
    incurred: Floats
    accidents: Floats
    losses: Floats

    def __getitem__(self, rows: Ints | npt.NDArray[np.bool_]) -> "Experience":
        return Experience(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.charged)


@dataclass(frozen=True)
class Segment:
    """A part of the book. frequency: claims over expected accidents; severity of both: incurred over expected loss."""

    level: str
    policies: int
    charged: float
    rated: float
    claims: float
    incurred: float
    frequency: Ratio
    loss: Ratio
    by_charged: Ratio
    by_rated: Ratio


@dataclass(frozen=True)
class Level:
    """A level of a factor: what it multiplies by (the mean where it varies), and the relativity that the book's own claims
    indicate: value x loss ratio of the level / loss ratio of all, at rated premiums."""

    value: float
    indicated: Ratio
    segment: Segment


def ratio(top: Floats, bottom: Floats) -> Ratio:
    """Sum of top [n] over sum of bottom [n]."""
    whole = float(bottom.sum())
    if not whole > 0:
        return Ratio(float("nan"), float("nan"), float("nan"))
    value = float(top.sum()) / whole
    half = _Z975 * float(np.sqrt(((top - value * bottom) ** 2).sum())) / whole
    return Ratio(value, max(0.0, value - half), value + half)


def segment(level: str, part: Experience) -> Segment:
    """The figures of some policies."""
    return Segment(
        level, len(part),
        float(part.charged.sum()), float(part.rated.sum()), float(part.claims.sum()), float(part.incurred.sum()),
        ratio(part.claims, part.accidents), ratio(part.incurred, part.losses),
        ratio(part.incurred, part.charged), ratio(part.incurred, part.rated),
    )  # fmt: skip


def by_level(level: Sequence[str], told: Experience) -> Iterator[tuple[str, Ints]]:
    """Each level that comes, in order of its words, with its rows."""
    names, code = np.unique(np.asarray(level, dtype=object).astype(str), return_inverse=True)
    order = np.argsort(code, kind="stable")
    edges = np.searchsorted(code[order], np.arange(len(names) + 1))
    for place, name in enumerate(names.tolist()):
        yield name, order[edges[place] : edges[place + 1]]


def segments(level: Sequence[str], told: Experience) -> list[Segment]:
    """The book by the levels [n] of something."""
    return [segment(name, told[rows]) for name, rows in by_level(level, told)]


def levels(level: Sequence[str], value: Floats, told: Experience) -> list[Level]:
    """A factor's levels [n] with their values [n], by rising value."""
    whole = ratio(told.incurred, told.rated).value
    found = []
    for name, rows in by_level(level, told):
        own, mean = told[rows], float(value[rows].mean())
        of = ratio(own.incurred, own.rated)
        scale = mean / whole if whole > 0 else float("nan")
        indicated = Ratio(of.value * scale, of.low * scale, of.high * scale)
        found.append(Level(mean, indicated, segment(name, own)))
    return sorted(found, key=lambda one: (one.value, one.segment.level))


def bands(value: Floats, edges: Sequence[float], unknown: str = "?") -> list[str]:
    """Words for numbers [n] by bands that begin at `edges`; nan is `unknown`."""
    words = [f"< {edges[0]:g}", *(f"{low:g}–{high:g}" for low, high in pairwise(edges)), f"≥ {edges[-1]:g}"]
    # The place in front keeps the bands in their order where words are sorted.
    place = np.searchsorted(np.asarray(edges), value, side="right")
    return [unknown if np.isnan(one) else f"{at + 1}. {words[at]}" for one, at in zip(value, place.tolist(), strict=True)]


def quantile_bins(score: Floats, weight: Floats, count: int) -> Ints:
    """[n]: bins of equal weight by rising score; those that are alike stay together."""
    _, group = np.unique(score, return_inverse=True)
    size = np.bincount(group, weight)
    share = (np.cumsum(size) - size / 2) / max(float(size.sum()), 1e-300)
    found: Ints = np.minimum((share * count).astype(np.int64), count - 1)[group]
    return found


def double_lift(before: Floats, after: Floats, told: Experience, count: int = 5) -> list[tuple[float, Ratio, Ratio]]:
    """Policies by rising after / before in bins of equal premium before: mean ratio, then incurred over earned `before` and
    over earned `after`, both against the book's. Whichever stays nearer to 1 tells the losses apart better."""
    change = np.divide(after, before, out=np.ones_like(after), where=before > 0)
    bins = quantile_bins(change, before, count)
    whole = [float(told.incurred.sum()) / max(float(one.sum()), 1e-300) for one in (before, after)]
    found = []
    for place in range(count):
        rows = bins == place
        if not rows.any():
            continue
        each = [ratio(told.incurred[rows], one[rows]) for one in (before, after)]
        scaled = [
            Ratio(*(part / all_ if all_ > 0 else float("nan") for part in (one.value, one.low, one.high)))
            for one, all_ in zip(each, whole, strict=True)
        ]
        mean = float(after[rows].sum()) / max(float(before[rows].sum()), 1e-300)
        found.append((mean, scaled[0], scaled[1]))
    return found
