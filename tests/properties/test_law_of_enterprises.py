"""f(history, as_of) == f(what was known by as_of, as_of) for every feature of enterprises; the oracle; planted leaks."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from features.clock import NEVER, micros, times
from features.enterprise import kernel
from features.enterprise.catalog import catalog
from features.enterprise.compute import columns_of, compute
from features.enterprise.history import from_tables
from features.schema import EVENT_TIME, RECORDED_AT, TIME
from tests.oracles import slow_enterprises
from tests.properties.histories import Features, Tables, bits, breaks_law
from tests.properties.portfolios import ENTERPRISES, LOOKS, honest, looks, portfolios

SEARCH = settings(max_examples=100, deadline=None, database=None, derandomize=True, phases=(Phase.generate,))


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_no_feature_sees_what_was_not_known(data: st.DataObject) -> None:
    tables: Tables = data.draw(portfolios())
    as_of: datetime = data.draw(looks)
    seen = breaks_law(honest, tables, as_of, seed=data.draw(st.integers(0, 99)))
    assert [catalog().names[column] for column in seen] == []


def test_the_drawn_portfolios_reach_every_feature() -> None:
    """A law that only ever saw missing values would hold for anything: every feature takes at least two values."""
    values: list[np.ndarray] = []

    @given(portfolios())
    @settings(max_examples=30, deadline=None, derandomize=True, database=None, phases=(Phase.generate,))
    def gather(tables: Tables) -> None:
        as_of = np.repeat([micros(look) for look in LOOKS], 2)
        values.append(compute(catalog(), from_tables(tables, ENTERPRISES), np.tile([0, 1], len(LOOKS)), as_of))

    gather()
    seen = np.concatenate(values)
    idle = [n for n, one in zip(catalog().names, seen.T, strict=True) if len(np.unique(one[~np.isnan(one)])) < 2]
    assert idle == []


@given(data=st.data())
@settings(max_examples=20, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_features_are_those_of_the_oracle_and_the_same_online(data: st.DataObject) -> None:
    wanted = catalog()
    tables: Tables = data.draw(portfolios())
    rows = {name: one.to_pylist() for name, one in tables.items()}
    moments = data.draw(st.lists(looks, min_size=1, max_size=3))
    entity, as_of = np.tile([1, 0], len(moments)), np.repeat([micros(look) for look in moments], 2)
    whole = from_tables(tables, ENTERPRISES)
    matrix, parts = compute(wanted, whole, entity, as_of), columns_of(wanted, whole, entity, as_of)
    for place, (enterprise, moment) in enumerate(zip(entity, np.repeat(moments, 2), strict=True)):
        name = ENTERPRISES[enterprise]
        alone = compute(wanted, from_tables(tables, [name]), np.array([0]), as_of[place : place + 1])
        assert np.array_equal(bits(alone[0]), bits(matrix[place]))
        expected = slow_enterprises.features(wanted, rows, name, moment)
        assert set(expected) == set(parts)
        wrong = [
            (feature, float(parts[feature][place]), value)
            for feature, value in expected.items()
            if not np.isclose(parts[feature][place], value, rtol=1e-9, atol=1e-9, equal_nan=True)
        ]
        assert wrong == []


# What an enterprise reports itself


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_own_reports_never_raise_a_risk(data: st.DataObject) -> None:
    """More reports of one's own that are not overdue, or the same ones three times: no feature moves towards risk."""
    tables: Tables = settled(data.draw(portfolios()))
    as_of: datetime = data.draw(looks)
    more = tripled(tables) if data.draw(st.booleans()) else with_reports(tables, as_of, data.draw(st.integers(1, 4)))
    before, after = honest(tables, as_of), honest(more, as_of)
    signs = np.array([catalog().directions[name] for name in catalog().names])
    moved = after - before
    risen = (signs * moved > 0) | ((signs == 0) & (bits(after) != bits(before))) | (np.isnan(after) != np.isnan(before))
    assert [name for name, one in zip(catalog().names, risen.any(axis=0), strict=True) if one] == []


def tripled(tables: Tables) -> Tables:
    """Twice more whatever the enterprise reported itself, in all its versions."""
    rows = tables["hazards"].to_pylist()
    own = [row for row in rows if row["found_by"] == "self"]
    more = [row | {"hazard_id": f"{row['hazard_id']}-{copy}"} for row in own for copy in (1, 2)]
    return tables | {"hazards": pa.Table.from_pylist(rows + more, schema=tables["hazards"].schema)}


def settled(tables: Tables) -> Tables:
    """As drawn, but that no correction says that somebody else has found the hazard."""
    rows, finder = tables["hazards"].to_pylist(), {}
    for row in rows:
        key = row["enterprise_id"], row[EVENT_TIME], row["hazard_id"]
        row["found_by"] = finder.setdefault(key, row["found_by"])
    return tables | {"hazards": pa.Table.from_pylist(rows, schema=tables["hazards"].schema)}


def with_reports(tables: Tables, as_of: datetime, count: int) -> Tables:
    """So many more reports by each enterprise's own people: half of them rectified in time, the others not due yet."""
    plain = {"site_id": "s9", "found_by": "self", "grade": "major", "kind": "fire", "verified": None, "supervised": False}
    rows = tables["hazards"].to_pylist()
    for number in range(count):
        found = as_of - timedelta(days=40 * number + 1)
        due, rectified = (found + timedelta(days=30), found) if number % 2 else (as_of + timedelta(days=9), None)
        for name in ENTERPRISES:
            clocks = {EVENT_TIME: found, RECORDED_AT: found, "due": due, "rectified": rectified}
            rows.append({**plain, **clocks, "repeated": False, "enterprise_id": name, "hazard_id": f"more-{number}"})
    return tables | {"hazards": pa.Table.from_pylist(rows, schema=tables["hazards"].schema)}


# What an enterprise mends


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_to_rectify_a_hazard_never_raises_a_risk(data: st.DataObject) -> None:
    """Whatever stands open is rectified, at once or told as done some time ago: no feature moves towards risk."""
    tables: Tables = data.draw(portfolios())
    as_of: datetime = data.draw(looks)
    days = data.draw(st.sampled_from([0, 0, 10, 200]))
    rows = slow_enterprises.known(slow_enterprises.CONTRACTS["hazards"], tables["hazards"].to_pylist(), as_of)
    stand = [row for row in rows if row["rectified"] is None or row["rectified"] > as_of]
    done = [
        {**row, RECORDED_AT: as_of, "rectified": max(row[EVENT_TIME], as_of - timedelta(days=days))}
        for row in stand
        if row[RECORDED_AT] < as_of
    ]
    schema = tables["hazards"].schema
    more = tables | {"hazards": pa.concat_tables([tables["hazards"], pa.Table.from_pylist(done, schema=schema)])}
    before, after = (honest(one, as_of).astype(np.float64) for one in (tables, more))
    signs = np.array([catalog().directions[name] for name in catalog().names])
    # The sums of days are added up in another order.
    moved = np.where(np.isclose(before, after, rtol=1e-6, equal_nan=True), 0.0, after - before)
    risen = (signs * moved > 0) | ((signs == 0) & (moved != 0)) | np.isnan(moved)
    assert [name for name, one in zip(catalog().names, risen.any(axis=0), strict=True) if one] == []


# Leaks that were planted


def at_once(name: str) -> Features:
    """Rows that came late, used from the moment they happened; corrections, as if they had been there from the beginning."""

    def leak(tables: Tables, as_of: datetime) -> np.ndarray:
        rows = tables[name]
        newest: dict[tuple[object, ...], dict[str, object]] = {}
        keys = slow_enterprises.CONTRACTS[name].key
        for row in sorted(rows.to_pylist(), key=lambda row: row[RECORDED_AT]):
            newest[tuple(row[key] for key in keys)] = row | {RECORDED_AT: row[EVENT_TIME]}
        return honest(tables | {name: pa.Table.from_pylist(list(newest.values()), schema=rows.schema)}, as_of)

    return leak


def a_month_later(tables: Tables, as_of: datetime) -> np.ndarray:
    return honest(tables, as_of + timedelta(days=30))


def rates_of_the_month_to_come(tables: Tables, as_of: datetime) -> np.ndarray:
    """A reference table under the date at which its month begins in place of the one at which it is over."""
    rows = tables["industry_rates"]
    for clock in (EVENT_TIME, RECORDED_AT):
        early = pa.array(times(rows, clock) - 30 * int(kernel.DAY)).cast(TIME)
        rows = rows.set_column(rows.schema.get_field_index(clock), rows.schema.field(clock), early)
    return honest(tables | {"industry_rates": rows}, as_of)


def spans_forgotten(tables: Tables, as_of: datetime) -> np.ndarray:
    """Versions that stand for good: what a correction has replaced still counts."""
    history = from_tables(tables, ENTERPRISES)
    for rows in history.series.values():
        rows.known_from[:] = rows.event
        rows.known_to[:] = NEVER
    return compute(catalog(), history, np.arange(2), np.full(2, micros(as_of)))


LEAKY = [
    "enterprises", "exposures", "hazards", "inspections", "violations", "permits", "credit", "trainings", "certificates",
    "spending", "subcontracting", "accidents", "policies", "claims",
]  # fmt: skip


@pytest.mark.parametrize(
    ("only", "leak"),
    [
        *((name, at_once(name)) for name in LEAKY),
        ("accidents", a_month_later), ("enterprises", rates_of_the_month_to_come), ("hazards", spans_forgotten),
    ],
)  # fmt: skip
def test_a_planted_leak_breaks_the_law(only: str, leak: Features) -> None:
    def caught(tables: Tables) -> bool:
        return any(breaks_law(leak, tables, as_of).size for as_of in LOOKS[::3])

    # `find` raises NoSuchExample where no history gives the leak away.
    found = find(portfolios(dense=2.0, only=only), caught, settings=SEARCH)
    assert not any(breaks_law(honest, found, as_of).size for as_of in LOOKS[::3])
