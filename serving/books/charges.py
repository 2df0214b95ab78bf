"""The premiums of many policies by the arithmetic of a single quote, in as many processes as there are cores.

A chunk of policies travels as columns; facts, terms and the model's numbers become decimals where they are charged, as those of
a single quote do, so that a row of a book and a quote of the same facts are the same to the cent.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.errors import UserError
from serving.underwriting import rulebook as rulebooks
from serving.underwriting.facts import Fact, Facts
from serving.underwriting.numbers import of_model
from serving.underwriting.premium import Charge, Step, charge, rounded
from serving.underwriting.rated import StepColumn
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.terms import ModelSays, RelativityFacts, Terms, sensible

Floats = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]
SAYS = ("expected", "low", "high", "insured_loss", "insured_low", "insured_high")
TERMS = ("limit_per_person", "limit_per_accident", "limit_aggregate", "deductible", "expiring_premium")
_CHUNK = 2_000
# Fewer policies are charged sooner than processes for them are started.
_FEW = 4_000


@dataclass(frozen=True)
class Job:
    """What every policy of a book is charged with. source: the rulebook's text."""

    source: str
    currency: str
    bundle_id: str | None = None
    relativity: RelativityFacts | None = None


@dataclass(frozen=True)
class Charged:
    """Premiums of m policies with their steps, by (stage, name). faults: by row, why it cannot be charged."""

    premiums: list[Decimal]
    least: list[Decimal]
    years: list[Decimal]
    ratios: dict[tuple[str, str], Floats]
    levels: dict[tuple[str, str], list[str]]
    words: dict[tuple[str, str], tuple[str, str, str]]
    faults: dict[int, str]


def charges(job: Job, table: pa.Table, *, threads: int = 1, progress: Progress | None = None) -> Charged:
    """Charge every row of a table: facts and terms by name, `starts`, `ends`, `as_of`, and what the model says (SAYS).

    A row that cannot be charged is a fault, by its place; the others are charged.
    """
    chunks = [table.slice(start, _CHUNK) for start in range(0, table.num_rows, _CHUNK)]
    parts: list[Charged] = []
    for part in _each(job, chunks, threads if table.num_rows > _FEW else 1):
        parts.append(part)
        if progress is not None:
            progress(sum(len(one.premiums) for one in parts), table.num_rows)
    return _joined(parts)


def _each(job: Job, chunks: Sequence[pa.Table], threads: int) -> Iterator[Charged]:
    if threads < 2:
        yield from (_charge_rows(job, _packed(chunk)) for chunk in chunks)
        return
    # Started afresh: a fork would take over the locks of other threads, such as those of Arrow's pools.
    with ProcessPoolExecutor(threads, mp_context=multiprocessing.get_context("forkserver")) as pool:
        yield from pool.map(_charge_rows, [job] * len(chunks), map(_packed, chunks))


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _charge_rows(job: Job, packed: bytes) -> Charged:
    table = pa.ipc.open_stream(packed).read_all()
    rulebook = rulebooks.parse(job.source)
    names = used_facts(rulebook)
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    found = Charged([], [], [], {}, {}, {}, {})
    for place in range(table.num_rows):
        own = {name: told[place] for name, told in columns.items()}
        try:
            facts = facts_of(own, names, job.currency)
            one = charge(rulebook, facts, terms_of(own, rulebook), _says(job, own), ends=False)
        except UserError as error:
            found.faults[place] = str(error)
            found.premiums.append(Decimal(0))
            found.least.append(Decimal(0))
            found.years.append(Decimal(1))
            continue
        found.premiums.append(one.premium)
        found.least.append(min(one.premium, least_of(rulebook, one)))
        found.years.append(one.years)
        _note(found, place, table.num_rows, one.steps)
    return found


def _note(found: Charged, place: int, count: int, steps: Sequence[Step]) -> None:
    """Keeps what each step multiplied by, and the level that it took."""
    for step in steps:
        key = (step.stage, step.name)
        if key not in found.ratios:
            found.ratios[key] = np.ones(count)
            found.levels[key] = [""] * count
            found.words[key] = (step.words_en, step.words_zh, step.clause)
        before = Decimal(1) if step.operation == "=" else step.before
        found.ratios[key][place] = float(step.after / before) if before else 1.0
        found.levels[key][place] = step.level or step.operation


def least_of(rulebook: Rulebook, one: Charge) -> Decimal:
    """The minimum premium of a policy: a year's, pro rata where that stage comes after it."""
    order = rulebook.premium.order
    if "minimum" not in order:
        return Decimal(0)
    later = "pro_rata" in order and order.index("pro_rata") > order.index("minimum")
    return rounded(rulebook, rulebook.premium.minimum * (one.years if later else 1))


def terms_of(row: dict[str, Any], rulebook: Rulebook) -> Terms:
    """The terms of a row; the least limit per person that the rulebook allows where none is stated. Raises BadInput."""
    amounts: dict[str, Any] = {name: decimal_of(row.get(name)) for name in TERMS}
    if amounts["limit_per_person"] is None:
        amounts["limit_per_person"] = rulebook.cover.least_limit_per_person
    return sensible(Terms(row["starts"], row["ends"], rulebook.currency, **amounts), None)


def decimal_of(value: float | None) -> Decimal | None:
    """An amount as it was written: a decimal of at most fifteen digits comes back from its float."""
    return None if value is None else Decimal(repr(value))


def _says(job: Job, row: dict[str, Any]) -> ModelSays | None:
    if job.bundle_id is None:
        return None
    numbers: dict[str, Any] = {name: of_model(row[f"model_{name}"]) for name in SAYS}
    return ModelSays(**numbers, bundle_id=job.bundle_id, relativity=job.relativity)


def _joined(parts: Sequence[Charged]) -> Charged:
    """Chunks one after the other; a step that a chunk does not know is 1 there."""
    keys = list(dict.fromkeys(key for part in parts for key in part.ratios))
    words = {key: next(part.words[key] for part in parts if key in part.words) for key in keys}
    ratios = {key: np.concatenate([part.ratios.get(key, np.ones(len(part.premiums))) for part in parts]) for key in keys}
    levels = {key: [one for part in parts for one in part.levels.get(key, [""] * len(part.premiums))] for key in keys}
    premiums, least, years = ([one for part in parts for one in getattr(part, name)] for name in ("premiums", "least", "years"))
    return Charged(
        premiums, least, years, ratios, levels, words, {row: said for part in parts for row, said in part.faults.items()}
    )


def columns_of(found: Charged) -> tuple[StepColumn, ...]:
    """The steps as columns of a rated book."""
    return tuple(
        StepColumn(name, stage, *found.words[stage, name], ratio, tuple(found.levels[stage, name]))
        for (stage, name), ratio in found.ratios.items()
    )


def facts_of(row: dict[str, Any], names: Sequence[str], currency: str) -> Facts:
    """The facts of a row that are known, of those that are asked for."""
    where = f"row {row['row']}"
    told = {name: Fact(name, fact_value(row[name]), where) for name in names if row.get(name) is not None}
    return Facts(row["as_of"], currency, told)


def fact_value(value: Any) -> Any:
    """A number as the decimal that was written, a whole one without a point; codes, flags and days as they are."""
    if isinstance(value, float):
        return Decimal(int(value)) if value.is_integer() else decimal_of(value)
    return value


def used_facts(rulebook: Rulebook) -> tuple[str, ...]:
    """The facts that a rulebook looks at: a book has no need of the others."""
    from serving.underwriting.factors import facts_of as of_factor

    own = (rulebook.base.fact, rulebook.base.by, "headcount", "industry")
    factors = (name for factor in (*rulebook.factors, *rulebook.incentives) for name in of_factor(factor))
    return tuple(dict.fromkeys(name for name in (*own, *factors) if name))
