"""The dated table `case_rates`: what was known of the published accident cases of industries, processes and all of them.

A row of the first of a month D (00:00 UTC, both its clocks) and a group holds, of the rows of `cases` visible at D, that is
published by then, whenever they happened:

count_1y, count_3y, count_5y   cases that happened in (D - 365 d, D], (D - 1095 d, D], (D - 1825 d, D]
recent                         cases first published in (D - 365 d, D] against a third of those of (D - 1095 d, D], each with K
                               more; by publication, which is as late in one year as in another
deadly                         share of the cases of five years with deaths, of those that tell them
grade                          mean grade of these five years' cases (features/enterprise/grades.py: 0 ordinary .. 3 especially
                               major), of those that tell deaths, injuries or a loss in CNY
share_<causes>                 share of a group of causes among these five years' cases whose cause is told
deadly_<causes>                share with deaths of the cases by these causes that tell them
latest_<causes>                when the newest case by these causes happened
rows_known                     rows with known_from <= D

Shares and means are drawn to the wider group's (process -> industry -> all; deadly_<causes> to the group's own `deadly`) as if
K cases had come with them. There is a row for all and for every industry, for a process from its first case on. Before the
first case is known all numbers are missing: no library is not the same as no case. All that is added up is whole numbers, so
that the order of rows changes no bit.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import NEVER, in_order, known_spans, micros, times
from features.enterprise.grades import rules
from features.enterprise.kernel import DAY
from features.enterprise.published import ALL, CASE_RATES, INDUSTRY_GROUP
from features.enterprise.schema import CASES
from features.enterprise.vocabulary import CAUSE_GROUPS, CURRENCY, INDUSTRY_CODES
from features.history import Ints
from features.schema import EVENT_TIME, NUMBER, RECORDED_AT, TIME

VERSION = 2
K = 5.0
# What is read of the cases: no narrative.
COLUMNS = [*CASES.key, RECORDED_AT, "process", "cause", "deaths", "injuries", "direct_loss", "currency"]
_YEAR = 365 * int(DAY)
_GROUPS = tuple(CAUSE_GROUPS)
_OTHER = len(_GROUPS)
Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """All versions of all cases in contract order: clocks, the groups they count in, and what they tell.

    published: when the first version of the case became known. counted_in: the places of all, of its industry and of its
    process, -1 for none.
    cause: place in CAUSE_GROUPS, len(CAUSE_GROUPS) for another one, -1 for none told. grade: -1 for none told.
    """

    event: Ints
    known_from: Ints
    known_to: Ints
    published: Ints
    counted_in: tuple[Ints, Ints, Ints]
    cause: Ints
    tells_deaths: Marks
    deadly: Marks
    grade: Ints


@dataclass(frozen=True)
class Groups:
    """The names of the groups, all first, then every industry, then processes; and the wider group of each."""

    names: list[str]
    wider: list[int]


def read(rows: pa.Table) -> tuple[Case, Groups]:
    """Cases and their groups from rows with at least COLUMNS, all versions, in any order."""
    rows = in_order(rows.select(COLUMNS), CASES)
    industry = rows.column(CASES.entity).combine_chunks()
    process = pc.binary_join_element_wise(industry, rows.column("process").combine_chunks(), "/")
    narrow = sorted(set(process.drop_null().to_pylist()))
    names = [ALL, *INDUSTRY_CODES, *narrow]
    wider = [0] * (1 + len(INDUSTRY_CODES)) + [names.index(name.partition("/")[0]) for name in narrow]
    deaths, injuries, loss = (rows.column(name).to_numpy() for name in ("deaths", "injuries", "direct_loss"))
    in_cny = np.asarray(pc.equal(pc.fill_null(rows.column("currency"), CURRENCY), CURRENCY))
    told = (deaths, injuries, np.where(in_cny, loss, np.nan))
    event = times(rows, EVENT_TIME)
    none_told = np.isnan(np.stack(told)).all(axis=0)
    known_from, known_to = known_spans(rows, CASES)
    first = np.append(True, known_to[:-1] == NEVER)[: len(event)]
    published = known_from[np.maximum.accumulate(np.where(first, np.arange(len(event)), 0))]
    places = np.zeros(len(event), dtype=np.int64), _places(industry, names), _places(process, names)
    found = Case(
        event, known_from, known_to, published, places,
        _causes(rows.column("cause")), ~np.isnan(deaths), deaths > 0.0, np.where(none_told, -1, _grades(event, *told)),
    )  # fmt: skip
    return found, Groups(names, wider)


def _places(names: pa.Array, among: list[str]) -> Ints:
    return np.array(pc.fill_null(pc.index_in(names, value_set=pa.array(among, pa.string())), -1), dtype=np.int64)


def _causes(column: pa.ChunkedArray) -> Ints:
    found = np.where(np.asarray(column.is_valid()), _OTHER, -1)
    for place, codes in enumerate(CAUSE_GROUPS.values()):
        found[np.asarray(pc.is_in(column, value_set=pa.array(codes, pa.string())))] = place
    return found


def _grades(event: Ints, deaths: Floats, injuries: Floats, loss: Floats) -> Ints:
    """By the rule in force when it happened; the first rule for what happened before it."""
    *later, first = rules()
    found = first.of(deaths, injuries, loss).astype(np.int64)
    for rule in reversed(later):
        in_force = event >= micros(datetime.combine(rule.effective, time(), UTC))
        found = np.where(in_force, rule.of(deaths, injuries, loss), found)
    return found


def made(rows: pa.Table, months: Ints) -> pa.Table:
    """The rows of these months (microseconds), in contract order, from all versions of all cases."""
    cases, groups = read(rows)
    parts = [_month(cases, groups, int(month)) for month in months]
    return in_order(pa.concat_tables([CASE_RATES.arrow.empty_table(), *parts]), CASE_RATES)


def _month(cases: Case, groups: Groups, moment: int) -> pa.Table:
    known = int((cases.known_from <= moment).sum())
    seen = (cases.known_from <= moment) & (moment < cases.known_to)
    columns, ever = _numbers(cases, groups, seen, moment)
    if not known:
        columns = {name: np.full(len(values), np.nan) for name, values in columns.items()}
    # A process has no row before its first case.
    shown = np.flatnonzero(ever | (np.arange(len(groups.names)) <= len(INDUSTRY_CODES)))
    clock = pa.array(np.full(len(shown), moment)).cast(TIME)
    told = {
        INDUSTRY_GROUP: pa.array(groups.names, pa.string()).take(pa.array(shown)),
        EVENT_TIME: clock,
        RECORDED_AT: clock,
        "rows_known": pa.array(np.full(len(shown), known)),
        **{name: _column(name, values[shown]) for name, values in columns.items()},
    }
    schema = CASE_RATES.arrow
    return pa.table([told[name] for name in schema.names], schema=schema)


def _column(name: str, values: Floats) -> pa.Array:
    found = pa.array(values, NUMBER, from_pandas=True)
    return found.cast(pa.int64()).cast(TIME) if CASE_RATES.arrow.field(name).type == TIME else found


def _numbers(cases: Case, groups: Groups, seen: Marks, moment: int) -> tuple[dict[str, Floats], Marks]:
    """Each number of the table by group, latest_<causes> in microseconds; and which groups have a case at all."""

    def count(of: Marks) -> Floats:
        return _count(cases, seen & of, len(groups.names))

    year, three, five = (cases.event > moment - years * _YEAR for years in (1, 3, 5))
    told, deadly, graded = five & cases.tells_deaths, five & cases.deadly, five & (cases.grade >= 0)
    new, newer = (count(cases.published > moment - years * _YEAR) for years in (3, 1))
    steps = [count(five & (cases.grade >= step)) for step in range(1, int(cases.grade.max(initial=0)) + 1)]
    found = {
        "count_1y": count(year),
        "count_3y": count(three),
        "count_5y": count(five),
        "recent": (newer + K) / (new / 3.0 + K),
        "deadly": _drawn(count(deadly), count(told), groups.wider),
        # A grade is the number of the steps that it has taken.
        "grade": _drawn(np.sum(steps, axis=0) if steps else np.zeros(len(new)), count(graded), groups.wider),
    }
    coded = count(five & (cases.cause >= 0))
    for place, name in enumerate(_GROUPS):
        mine = cases.cause == place
        found[f"share_{name}"] = _drawn(count(five & mine), coded, groups.wider)
        found[f"deadly_{name}"] = (count(deadly & mine) + K * found["deadly"]) / (count(told & mine) + K)
        found[f"latest_{name}"] = _latest(cases, seen & mine, len(groups.names))
    return found, count(np.ones(len(seen), dtype=bool)) > 0.0


def _count(cases: Case, chosen: Marks, groups: int) -> Floats:
    """How many of the chosen rows count in each group."""
    found = np.zeros(groups)
    for places in cases.counted_in:
        found += np.bincount(places[chosen & (places >= 0)], minlength=groups)
    return found


def _latest(cases: Case, chosen: Marks, groups: int) -> Floats:
    """The newest event of the chosen rows in each group; missing without any."""
    found = np.full(groups, -np.inf)
    for places in cases.counted_in:
        mine = chosen & (places >= 0)
        np.maximum.at(found, places[mine], cases.event[mine].astype(np.float64))
    return np.where(np.isinf(found), np.nan, found)


def _drawn(count: Floats, of: Floats, wider: list[int]) -> Floats:
    """(count + K x the wider group's) / (of + K), group by group from the widest, which has its own; missing without any."""
    found = np.full(len(count), np.nan)
    if of[0] > 0.0:
        found[0] = count[0] / of[0]
    for place in range(1, len(count)):
        found[place] = (count[place] + K * found[wider[place]]) / (of[place] + K)
    return found
