"""Rating a book: facts of every policy, what the price score says of it, and the premium as a single quote computes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.errors import BadInput
from features.settings import Settings
from serving.books import charges, model
from serving.books.cells import Faults
from serving.books.charges import Charged, Job
from serving.books.importing import POLICY_ID, ROW, Book
from serving.books.model import Said
from serving.pricing.rulebooks import rulebook_named
from serving.underwriting.experience import bands
from serving.underwriting.rated import Floats, Rated, StepColumn
from serving.underwriting.rulebook import Rulebook

Progress = Callable[[int, int], None]
Tariff = tuple[str, str | None]
_RELATIVITY_BANDS = (0.5, 0.67, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)


@dataclass(frozen=True)
class Rating:
    """A book under one tariff. facts: columns [n] of what the policies were rated by, of the lake where it knows, else of the
    sheet; left_out: why policies could not be rated, where they were left out."""

    book: Book
    rulebook: Rulebook
    rated: Rated
    facts: pa.Table
    left_out: tuple[str, ...] = ()

    @property
    def charged(self) -> Decimal:
        """What its policies were charged in all."""
        return self.book.charged

    @property
    def premiums(self) -> Floats:
        """The premiums [n] as numbers, for statistics."""
        return np.array([float(one) for one in self.rated.final])

    def kept_to(self, total: Decimal) -> "Rating":
        """Brought to a total to the cent. Raises as `off_balance.balance`."""
        return replace(self, rated=self.rated.kept_to(total))


def rate(
    config: Settings,
    book: Book,
    tariffs: Sequence[Tariff],
    *,
    starts: date | None = None,
    as_of: date | None = None,
    leave_out: bool = False,
    progress: Progress | None = None,
) -> list[Rating]:
    """The book under each tariff: a rulebook's name or file; a bundle's id, "none", or None for the champion if there is one.

    starts: first day of cover for all, each as long as it is.  as_of: day of the facts for all; by default each policy's own
    day, else its first day of cover.  Raises BadInput where a policy cannot be rated, unless those are left out.
    """
    policies = _dated(book.policies, starts, as_of)
    loaded = [rulebook_named(config.home, name) for name, _ in tariffs]
    for rulebook in loaded:
        if rulebook.currency != book.currency:
            what = f"the book is in {book.currency}, rulebook {rulebook.id} in {rulebook.currency}"
            raise BadInput(what, where=f"book {book.name}", mend=f"name a rulebook in {book.currency}")
    asked = [(rulebook, bundle) for rulebook, (_, bundle) in zip(loaded, tariffs, strict=True)]
    basis = model.basis(config, policies, asked, _part(progress, 0, 1 + len(loaded)))
    found: list[tuple[Rulebook, Said | None, Charged]] = []
    for number, (rulebook, said) in enumerate(zip(loaded, basis.said, strict=True), start=1):
        job, step = Job(rulebook.source, book.currency), _part(progress, number, 1 + len(loaded))
        if said is not None:
            job = replace(job, bundle_id=said.bundle_id, relativity=said.relativity(config.home, rulebook))
        found.append((rulebook, said, charges.charges(job, basis.facts_with(said), threads=config.threads, progress=step)))
    return _ratings(book, basis.facts, found, basis.faults, leave_out)


def _part(progress: Progress | None, number: int, parts: int) -> Progress | None:
    """One of several parts of the work, each as long as the others: what it tells is told as progress of all."""
    return None if progress is None else lambda done, of: progress(done + number * of, of * parts)


def _dated(policies: pa.Table, starts: date | None, as_of: date | None) -> pa.Table:
    """Policies with the days that they are rated for: first and last day of cover, and the day of the facts."""
    first, last = (policies.column(name).to_pylist() for name in ("starts", "ends"))
    if "as_of" in policies.column_names:
        own = [day or start for day, start in zip(policies.column("as_of").to_pylist(), first, strict=True)]
    else:
        own = first
    moments = [as_of] * len(own) if as_of is not None else own
    if starts is not None:
        last = [starts + (end - begin) for begin, end in zip(first, last, strict=True)]
        first = [starts] * len(first)
    days = {"starts": first, "ends": last, "as_of": moments}
    rest = policies.drop_columns([name for name in days if name in policies.column_names])
    for name, values in days.items():
        rest = rest.append_column(name, pa.array(values, pa.date32()))
    return rest


def _ratings(
    book: Book,
    facts: pa.Table,
    found: Sequence[tuple[Rulebook, Said | None, Charged]],
    unscored: Mapping[int, str],
    leave_out: bool,
) -> list[Rating]:
    """Ratings of the policies that every tariff can rate. Raises BadInput where some are not to be left out."""
    faults = {place: said for _, _, charged in found for place, said in charged.faults.items()} | dict(unscored)
    keys, rows = book.policies.column(POLICY_ID).to_pylist(), book.policies.column(ROW).to_pylist()
    told = [f"policy {keys[place]} (row {rows[place]}): {said}" for place, said in sorted(faults.items())]
    if told and not leave_out:
        refused = Faults()
        for place, said in sorted(faults.items()):
            refused.add(
                said, f"book {book.name}, policy {keys[place]} (row {rows[place]})", "correct the book, or use --leave-out"
            )
        refused.check()
    if len(faults) == len(book):
        raise BadInput(f"no policy can be rated; the first: {told[0]}", where=f"book {book.name}", mend="correct the book")
    kept = np.array([place not in faults for place in range(len(book))])
    left, own = (book.only(pa.array(kept)), facts.filter(pa.array(kept))) if faults else (book, facts)
    return [
        Rating(left, rulebook, _rated(rulebook, said, charged, left, kept), own, tuple(told))
        for rulebook, said, charged in found
    ]


def _rated(rulebook: Rulebook, said: Said | None, charged: Charged, book: Book, kept: npt.NDArray[np.bool_]) -> Rated:
    places = np.flatnonzero(kept).tolist()
    years = np.array([float(charged.years[place]) for place in places])
    unknown = np.full(len(places), np.nan)
    return Rated(
        rulebook=f"{rulebook.id} {rulebook.version}",
        bundle_id=None if said is None else said.bundle_id,
        keys=tuple(book.policies.column(POLICY_ID).to_pylist()),
        premiums=tuple(charged.premiums[place] for place in places),
        least=tuple(charged.least[place] for place in places),
        steps=tuple(_only(step, kept) for step in charges.columns_of(charged)),
        accidents=unknown if said is None else said.values["expected"][kept] * years,
        losses=unknown if said is None else said.values["insured_loss"][kept] * years,
        notes=() if said is None else said.notes,
    )  # fmt: skip


def _only(step: StepColumn, kept: npt.NDArray[np.bool_]) -> StepColumn:
    """A step of the policies that are kept; the model's relativity, a number of its own for each, in bands."""
    ratio = step.ratio[kept]
    level = tuple(one for one, keep in zip(step.level, kept.tolist(), strict=True) if keep)
    if step.stage == "model":
        level = tuple(bands(ratio, _RELATIVITY_BANDS))
    return replace(step, ratio=ratio, level=level)
