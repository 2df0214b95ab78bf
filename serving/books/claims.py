"""The claims of a book beside its premiums: earned and known at a valuation, developed, by period and by valuation date."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from serving.books.importing import POLICY_ID, Book
from serving.underwriting import development
from serving.underwriting.development import Developed, Trend, Triangle
from serving.underwriting.experience import Experience

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_MOST_PERIODS = 12
_YEAR_DAYS = 365.25


@dataclass(frozen=True)
class Claims:
    """Valuations of a book's claims. claim: [m] number of the claim; policy: [m] its row; happened, valued: [m] days."""

    claim: Ints
    policy: Ints
    happened: Ints
    valued: Ints
    paid: Floats
    incurred: Floats

    @classmethod
    def of(cls, book: Book) -> "Claims | None":
        """Those of a book; None without any."""
        if not book.claims.num_rows:
            return None
        table = book.claims
        claim = table.column("claim_id").combine_chunks().dictionary_encode().indices
        policy = pc.index_in(table.column(POLICY_ID), value_set=book.policies.column(POLICY_ID).combine_chunks())
        paid = table.column("paid").to_numpy()
        return cls(
            np.asarray(claim, dtype=np.int64), np.asarray(policy, dtype=np.int64), days(table, "happened"),
            days(table, "valued_at"), paid, paid + table.column("reserved").to_numpy(),
        )  # fmt: skip


@dataclass(frozen=True)
class Valuation:
    """What was known on a day: claims, what was paid and incurred, and the premium earned by then."""

    day: date
    claims: int
    paid: float
    incurred: float
    earned: float


@dataclass(frozen=True)
class Period:
    """Twelve months of accidents: earned premium as charged and as rated, claims so far, and carried to the oldest age."""

    ends: date
    charged: float
    rated: float
    claims: int
    incurred: float
    ultimate: float
    error: float


@dataclass(frozen=True)
class Told:
    """Everything that the claims of a book say by the day of its last valuation.

    experience: earned premium beside developed claims, policy by policy; trends: of the ultimate loss ratio a year, at charged
    and at rated premiums, where there are periods enough.
    """

    until: date
    experience: Experience
    valuations: tuple[Valuation, ...]
    periods: tuple[Period, ...]
    triangle: Triangle
    developed: Developed
    trends: tuple[Trend | None, Trend | None]


def told(book: Book, rated: Floats, accidents: Floats, losses: Floats) -> Told | None:
    """What the claims say of a book; None without claims.

    rated: premiums [n] beside those charged; accidents, losses: what a model expected [n] over the cover (nan without one).
    """
    claims = Claims.of(book)
    if claims is None:
        return None
    starts, ends = days(book.policies, "starts"), days(book.policies, "ends")
    charged = book.policies.column("premium").to_numpy()
    last = int(claims.valued.max())
    count = int(np.clip(np.ceil((last - starts.min()) / _YEAR_DAYS), 1, _MOST_PERIODS))
    cells = development.triangle(claims.claim, claims.happened, claims.valued, claims.incurred, _date(last), count)
    developed = development.chain_ladder(cells.amounts)
    edges = [_number(day) for day in (development.years_back(cells.ends[-1], count), *cells.ends)]
    number, incurred = _by_policy(claims, edges, developed, len(book))
    share = earned(starts, ends, last)
    parts = np.diff([earned(starts, ends, edge) for edge in edges], axis=0)
    periods = _periods(claims, cells, developed, edges, parts @ charged, parts @ rated)
    return Told(
        cells.ends[-1],
        Experience(charged * share, rated * share, number, incurred, accidents * share, losses * share),
        tuple(_valuation(claims, day, starts, ends, charged) for day in development.valuation_dates(_dates(claims.valued))),
        periods,
        cells,
        developed,
        (_trend(periods, [one.charged for one in periods]), _trend(periods, [one.rated for one in periods])),
    )


def _periods(
    claims: Claims, cells: Triangle, developed: Developed, edges: list[int], charged: Floats, rated: Floats
) -> tuple[Period, ...]:
    happened = claims.happened[_last(claims)]
    counts = np.histogram(happened, np.array(edges) + 0.5)[0]
    columns = (charged, rated, counts, developed.latest, developed.ultimate, developed.error)
    rows = zip(cells.ends, *(column.tolist() for column in columns), strict=True)
    return tuple(Period(*row) for row in rows)


def _trend(periods: tuple[Period, ...], premium: list[float]) -> Trend | None:
    """Of the ultimate loss ratio; a period that earned nothing, or had no claim, has none."""
    ratios = [one.ultimate / each if each > 0 else 0.0 for one, each in zip(periods, premium, strict=True)]
    return development.trend(np.array(ratios))


def earned(starts: Ints, ends: Ints, day: int) -> Floats:
    """The share [n] of each cover that is over at the end of a day."""
    return np.asarray(np.clip((day + 1 - starts) / (ends + 1 - starts), 0.0, 1.0))


def days(table: pa.Table, name: str) -> Ints:
    """A column of days as numbers since 1970-01-01."""
    return np.asarray(table.column(name).cast(pa.int32()).to_numpy(), dtype=np.int64)


def _last(claims: Claims) -> Ints:
    """The row of each claim's last valuation."""
    order = np.lexsort((claims.valued, claims.claim))
    return np.asarray(order[np.flatnonzero(np.diff(claims.claim[order], append=-1))])


def _by_policy(claims: Claims, edges: list[int], developed: Developed, count: int) -> tuple[Floats, Floats]:
    """Claims [n] by policy, and what they cost, carried to the oldest age by the factor of their period."""
    rows = _last(claims)
    period = np.clip(np.searchsorted(edges, claims.happened[rows], side="left") - 1, 0, len(edges) - 2)
    grown = claims.incurred[rows] * developed.to_ultimate[period]
    of = claims.policy[rows]
    return np.bincount(of, minlength=count).astype(np.float64), np.bincount(of, grown, minlength=count).astype(np.float64)


def _valuation(claims: Claims, day: date, starts: Ints, ends: Ints, charged: Floats) -> Valuation:
    at = _number(day)
    known, incurred = development.known_at(claims.claim, claims.valued, claims.incurred, at)
    _, paid = development.known_at(claims.claim, claims.valued, claims.paid, at)
    return Valuation(
        day, len(known), float(paid.sum()), float(incurred.sum()), float((charged * earned(starts, ends, at)).sum())
    )


def _dates(valued: Ints) -> list[date]:
    return [_date(int(day)) for day in np.unique(valued)]


def _date(day: int) -> date:
    return date.fromordinal(day + _EPOCH)


def _number(day: date) -> int:
    return day.toordinal() - _EPOCH


_EPOCH = date(1970, 1, 1).toordinal()
