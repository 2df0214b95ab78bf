"""The law of the house for the facts that decide premiums: only what was known counts; planted leaks break it; the oracle."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from features.clock import NEVER, micros
from features.enterprise.compute import columns_of
from features.enterprise.facts import facts_catalog
from features.enterprise.history import History, from_tables
from features.schema import EVENT_TIME, RECORDED_AT
from serving.pricing.enterprise_facts import fact_columns
from serving.underwriting.facts import VOCABULARY
from tests.oracles import slow_enterprises
from tests.properties.histories import Features, Tables, bits, breaks_law
from tests.properties.portfolios import ENTERPRISES, LOOKS, looks, portfolios

SEARCH = settings(max_examples=100, deadline=None, database=None, derandomize=True, phases=(Phase.generate,))
NAMES = [name for name, kind in VOCABULARY.items() if kind.origin == "lake"]
WORDS = ["piling", "new", "north", "south"]  # of portfolios
CODES = [code for kind in VOCABULARY.values() for code in kind.codes] + WORDS


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column of facts as numbers, NaN not known: a code by its place, a date by its day."""
    if pa.types.is_string(column.type):
        column = pc.index_in(column, value_set=pa.array(CODES, pa.string()))
    elif pa.types.is_date(column.type):
        column = column.cast(pa.int32())
    return np.asarray(column.cast(pa.float64()).fill_null(np.nan))


def matrix(found: pa.Table) -> np.ndarray:
    """float32[observations, facts]."""
    assert found.column_names == NAMES
    return np.stack([numbers(column) for column in found.columns], axis=1).astype(np.float32)


def seen(history: History, as_of: datetime) -> np.ndarray:
    return matrix(fact_columns(history, np.arange(len(ENTERPRISES)), np.full(len(ENTERPRISES), micros(as_of))))


def honest(tables: Tables, as_of: datetime) -> np.ndarray:
    return seen(from_tables(tables, ENTERPRISES), as_of)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_no_fact_sees_what_was_not_known(data: st.DataObject) -> None:
    tables: Tables = data.draw(portfolios())
    as_of: datetime = data.draw(looks)
    broken = breaks_law(honest, tables, as_of, seed=data.draw(st.integers(0, 99)))
    assert [NAMES[column] for column in broken] == []


def test_the_drawn_portfolios_reach_every_fact() -> None:
    """A law that only ever saw facts not known would hold for anything: every fact takes at least two values."""
    values: list[np.ndarray] = []

    @given(portfolios(dense=2.0))
    @settings(max_examples=60, deadline=None, derandomize=True, database=None, phases=(Phase.generate,))
    def gather(tables: Tables) -> None:
        history = from_tables(tables, ENTERPRISES)
        as_of = np.repeat([micros(look) for look in LOOKS], 2)
        values.append(matrix(fact_columns(history, np.tile([0, 1], len(LOOKS)), as_of)))

    gather()
    told = np.concatenate(values)
    assert [n for n, one in zip(NAMES, told.T, strict=True) if len(np.unique(one[~np.isnan(one)])) < 2] == []


@given(data=st.data())
@settings(max_examples=20, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_facts_are_those_of_the_oracle_and_of_one_as_of_many(data: st.DataObject) -> None:
    wanted = facts_catalog()
    tables: Tables = data.draw(portfolios())
    rows = {name: one.to_pylist() for name, one in tables.items()}
    moments = data.draw(st.lists(looks, min_size=1, max_size=3))
    entity, as_of = np.tile([1, 0], len(moments)), np.repeat([micros(look) for look in moments], 2)
    whole = from_tables(tables, ENTERPRISES)
    parts, facts = columns_of(wanted, whole, entity, as_of), matrix(fact_columns(whole, entity, as_of))
    for place, (enterprise, moment) in enumerate(zip(entity, np.repeat(moments, 2), strict=True)):
        name = ENTERPRISES[enterprise]
        alone = fact_columns(from_tables(tables, [name]), np.array([0]), as_of[place : place + 1])
        assert np.array_equal(bits(matrix(alone)[0]), bits(facts[place]))
        expected = slow_enterprises.features(wanted, rows, name, moment)
        assert set(expected) == set(parts)
        wrong = [
            (fact, float(parts[fact][place]), value)
            for fact, value in expected.items()
            if not np.isclose(parts[fact][place], value, rtol=1e-9, atol=1e-9, equal_nan=True)
        ]
        assert wrong == []


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_facts_stay_within_their_bounds(data: st.DataObject) -> None:
    """What the lake tells of an enterprise, whatever rows it has, is a fact as a rulebook may ask for it."""
    tables: Tables = data.draw(portfolios(dense=2.0))
    found = honest(tables, data.draw(looks))
    for name, values in zip(NAMES, found.T, strict=True):
        kind, known = VOCABULARY[name], values[~np.isnan(values)]
        if kind.kind == "number":
            assert kind.least is None or (known >= float(kind.least)).all(), name
            assert kind.most is None or (known <= float(kind.most)).all(), name
            assert not kind.whole or (known == np.round(known)).all(), name
    # What has no accident in a year has had a whole year without, and no more of them than years on record.
    told = {name: values for name, values in zip(NAMES, found.T, strict=True) if not np.isnan(values).all()}
    if "clean_years" in told:
        clean, record = told["clean_years"], told["record_years"]
        known = ~np.isnan(clean)
        assert (clean[known] <= record[known]).all()
        assert (told["accidents_1y"][known & (clean >= 1)] == 0).all()
        assert (clean[known & (record >= 1) & (told["accidents_1y"] == 0)] >= 1).all()


# Leaks that were planted


def at_once(name: str) -> Features:
    """Rows that came late, used from the moment they happened; corrections, as if they had been there from the beginning."""

    def leak(tables: Tables, as_of: datetime) -> np.ndarray:
        rows, newest = tables[name], {}
        keys = slow_enterprises.CONTRACTS[name].key
        for row in sorted(rows.to_pylist(), key=lambda row: row[RECORDED_AT]):
            newest[tuple(row[key] for key in keys)] = row | {RECORDED_AT: row[EVENT_TIME]}
        return honest(tables | {name: pa.Table.from_pylist(list(newest.values()), schema=rows.schema)}, as_of)

    return leak


def a_month_later(tables: Tables, as_of: datetime) -> np.ndarray:
    return honest(tables, as_of + timedelta(days=30))


def spans_forgotten(tables: Tables, as_of: datetime) -> np.ndarray:
    """Versions that stand for good: what a correction has replaced still counts."""
    history = from_tables(tables, ENTERPRISES)
    for rows in history.series.values():
        rows.known_from[:] = rows.event
        rows.known_to[:] = NEVER
    return seen(history, as_of)


def newest_version_of_who_it_is(tables: Tables, as_of: datetime) -> np.ndarray:
    """Process and region from the latest version of an enterprise, whenever it became known."""
    late = at_once("enterprises")(tables, as_of)
    found = honest(tables, as_of)
    for name in ("industry", "process", "region"):
        column = NAMES.index(name)
        found[:, column] = late[:, column]
    return found


LEAKY = [
    "enterprises", "exposures", "hazards", "inspections", "violations", "permits", "credit", "standardisation", "trainings",
    "certificates", "drills", "services", "subcontracting", "accidents", "policies", "claims",
]  # fmt: skip


@pytest.mark.parametrize(
    ("only", "leak"),
    [
        *((name, at_once(name)) for name in LEAKY), ("accidents", a_month_later), ("hazards", spans_forgotten),
        ("enterprises", newest_version_of_who_it_is),
    ],
)  # fmt: skip
def test_a_planted_leak_breaks_the_law(only: str, leak: Features) -> None:
    def caught(tables: Tables) -> bool:
        return any(breaks_law(leak, tables, as_of).size for as_of in LOOKS[::3])

    # `find` raises NoSuchExample where no history gives the leak away.
    found = find(portfolios(dense=2.0, only=only), caught, settings=SEARCH)
    assert not any(breaks_law(honest, found, as_of).size for as_of in LOOKS[::3])
