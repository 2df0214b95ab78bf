"""The kernels against a slow, obvious reference: lists of visible rows, one feature at a time."""

import math
import statistics
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.build import compute
from features.catalog import Catalog, catalog
from features.clock import known_at, micros
from features.history import KEEPING, from_tables
from features.kinds import MachineKind
from features.schema import FIXED, MACHINE, readings
from features.spec import FeatureSpec
from tests.properties.histories import KINDS, MACHINES, START, Tables, bits, features_of, histories

NAN = math.nan
Row = dict[str, Any]


class Reference:
    """One machine's rows as known at `as_of`, in time order; every operation in a few plain lines."""

    def __init__(self, kind: MachineKind, tables: Tables, machine: str, as_of: datetime) -> None:
        self.kind, self.as_of = kind, as_of
        contracts = [*(FIXED[name] for name in ("machines", "events", "maintenance", "failures")), readings(kind)]
        self.rows: dict[str, list[Row]] = {}
        for contract in contracts:
            known = known_at(tables[contract.name], contract, as_of).to_pylist()
            mine = sorted((row for row in known if row[MACHINE] == machine), key=lambda row: row["event_time"])
            self.rows["readings" if contract.name == kind.readings_table else contract.name] = mine
        renewed = [row for row in self.rows["maintenance"] if (row["action"] or "") not in KEEPING]
        self.rows["replacements"] = sorted([*renewed, *self.rows["failures"]], key=lambda row: row["event_time"])

    def value(self, spec: FeatureSpec) -> float:
        if spec.table == "machines":
            return self.static(spec)
        if spec.table == "readings":
            return self.regular(spec) if self.kind.sampling == "regular" else self.on_change(spec)
        return self.points(spec)

    def ago(self, row: Row) -> float:
        """Hours before as_of."""
        return (self.as_of - row["event_time"]) / timedelta(hours=1)

    def within(self, rows: list[Row], hours: float | None) -> list[Row]:
        return [row for row in rows if hours is None or self.ago(row) < hours]

    def seen(self, sensor: str) -> list[Row]:
        return [row for row in self.rows["readings"] if row[sensor] is not None]

    def regular(self, spec: FeatureSpec) -> float:
        # The longest window bounds what "the last value" and "the value before" may be.
        looks = [one for one in catalog(self.kind).specs if one.table == "readings"]
        reach = max(hours for one in looks for hours in (one.window_hours or 0.0, one.against_hours or 0.0))
        everything = self.within(self.seen(spec.column), reach)
        window = spec.window_hours or 0.0
        inside = self.within(everything, window)
        x = [row[spec.column] for row in inside]
        before = [row[spec.column] for row in everything if self.ago(row) >= window]
        if spec.op == "missing":
            return max(0.0, 1 - len(x) * self.kind.period_hours / window)
        if spec.op == "robust":
            past = [row[spec.column] for row in self.within(everything, spec.against_hours)]
            if not before:
                return NAN
            median = statistics.median(past)
            spread = 1.4826 * statistics.median(abs(one - median) for one in past)
            return (before[-1] - median) / spread if spread > 0 else NAN
        if not x:
            return NAN
        if spec.op == "difference":
            return x[-1] - before[-1] if before else NAN
        if spec.op == "deviation":
            past = [row[spec.column] for row in self.within(everything, spec.against_hours)]
            spread = statistics.stdev(past) if len(past) > 1 else 0.0
            return (statistics.fmean(x) - statistics.fmean(past)) / spread if spread > 0 else NAN
        if spec.op == "slope":
            t = [-self.ago(row) for row in inside]
            return statistics.linear_regression(t, x).slope if len(set(t)) > 1 else NAN
        plain = {"mean": statistics.fmean, "min": min, "max": max, "last": lambda values: values[-1]}
        if spec.op == "std":
            return statistics.stdev(x) if len(x) > 1 else NAN
        return float(plain[spec.op](x))

    def on_change(self, spec: FeatureSpec) -> float:
        if not spec.column:
            return self.together(spec)
        rows = self.seen(spec.column)
        if not rows:
            return NAN
        x = [row[spec.column] for row in rows]
        steps = [(self.ago(rows[at]), x[at] - x[at - 1]) for at in range(1, len(x)) if x[at] != x[at - 1]]
        first = self.ago(rows[0])
        if spec.op == "change":
            return float(x[-1] - self.before(rows, spec.column, spec.window_hours))
        if spec.op == "changes":
            return float(sum(ago < (spec.window_hours or math.inf) for ago, _ in steps))
        if spec.op == "share_above_zero":
            ends = [*(self.ago(row) for row in rows[1:]), 0.0]
            above = sum(self.ago(row) - end for row, end in zip(rows, ends, strict=True) if row[spec.column] > 0)
            return above / max(first, 24.0)
        if spec.op in ("low_word", "high_word"):
            return word(x[-1], 0 if spec.op == "low_word" else 1)
        found: dict[str, float] = {
            "value": x[-1],
            "since_change": steps[-1][0] if steps else NAN,
            "since_increase": min((ago for ago, step in steps if step > 0), default=NAN),
            "drop": max(x) - x[-1],
            "growth": x[-1] - x[0],
            "rate": (x[-1] - x[0]) / max(first, 24.0) * 720,
            "since_above_zero": max((self.ago(row) for row in rows if row[spec.column] > 0), default=NAN),
        }
        return float(found[spec.op])

    def before(self, rows: list[Row], sensor: str, hours: float | None) -> float:
        """The value that held `hours` ago; the first one before there was any."""
        earlier = [row[sensor] for row in rows if hours is not None and self.ago(row) >= hours]
        return float(earlier[-1] if earlier else rows[0][sensor])

    def together(self, spec: FeatureSpec) -> float:
        every = self.rows["readings"]
        if spec.op == "rows":
            return float(len(self.within(every, spec.window_hours)))
        if spec.op == "since_row":
            return self.ago(every[-1]) if every else NAN
        if spec.op == "row_gap":
            return self.ago(every[-2]) - self.ago(every[-1]) if len(every) > 1 else NAN
        faults = [sensor for sensor in self.kind.sensors if sensor.fault and self.seen(sensor.name)]
        rises: list[float] = []
        total = 0.0
        for sensor in faults:
            rows = self.seen(sensor.name)
            x = [row[sensor.name] for row in rows]
            up = [self.ago(rows[at]) for at in range(1, len(x)) if x[at] > x[at - 1]]
            rises += up
            last, before = x[-1], self.before(rows, sensor.name, spec.window_hours)
            if sensor.packed:
                last, before = word(last, 0), word(before, 0)
            total += {
                "faults_increases": sum(ago < (spec.window_hours or math.inf) for ago in up),
                "faults_present": float(last > 0),
                "faults_growing": float(last > before),
                "faults_level": math.log1p(last) if last > 0 else 0.0,
                "faults_surge": math.log1p(last - before) if last > before else 0.0,
            }.get(spec.op, 0.0)
        if spec.op == "faults_since":
            return min(rises, default=NAN)
        if spec.op == "faults_since_first":
            return max(rises, default=NAN)
        return total if faults else NAN

    def points(self, spec: FeatureSpec) -> float:
        column = "code" if spec.table == "events" else "component"
        every = self.rows[spec.table]
        rows = [row for row in every if not spec.column or row[column] == spec.column]
        if spec.op == "count":
            return float(len(self.within(rows, spec.window_hours)))
        since = self.ago(rows[-1]) if rows else NAN
        if spec.op == "since":
            return since
        declared = {term.code for term in self.kind.components}
        ages = [
            min(self.ago(row) for row in every if row[column] == code) for code in {row[column] for row in every} & declared
        ]
        if spec.op in ("youngest", "oldest"):
            return (min if spec.op == "youngest" else max)(ages, default=NAN)
        gap = rhythm(sorted({self.ago(row) for row in every}))
        to_next = gap - math.fmod(self.ago(every[-1]), gap) if every else NAN
        return {"gap": gap, "to_next": to_next, "since_at_next": since + to_next}[spec.op]

    def static(self, spec: FeatureSpec) -> float:
        if not self.rows["machines"]:
            return NAN
        (row,) = self.rows["machines"]
        age = NAN if row["age_hours"] is None else row["age_hours"]
        known = row["model"] in self.kind.models
        day = datetime(1970, 1, 1, tzinfo=self.as_of.tzinfo)
        return {
            "age": age + self.ago(row),
            "observed": self.ago(row),
            "age_at_start": age,
            "model": float(self.kind.models.index(row["model"])) if known else NAN,
            "make": float("AB".index(row["model"][0])) if known else NAN,
            "capacity": NAN if row["capacity"] is None else row["capacity"],
            "season": (self.as_of - day).days % 365.25,
            "weekday": float(self.as_of.weekday()),
            "date": float((self.as_of - day).days),
            "made": (self.as_of - day) / timedelta(days=1) - (age + self.ago(row)) / 24,
        }[spec.op]


def word(x: float, place: int) -> float:
    return float(int(x) // 65536**place % 65536) if x >= 0 else NAN


def rhythm(ago: list[float]) -> float:
    """The commonest of the latest twelve gaps, alike within 5 %; of equally common ones the shortest."""
    gaps = [later - earlier for earlier, later in pairwise(ago)][:12]
    likes = [sum(abs(other - gap) <= 0.05 * gap for other in gaps) for gap in gaps]
    return min((gap for gap, like in zip(gaps, likes, strict=True) if like == max(likes)), default=NAN)


def compare(wanted: Catalog, tables: Tables, as_of: datetime) -> None:
    found = features_of(wanted)(tables, as_of)
    for machine, row in zip(MACHINES, found, strict=True):
        reference = Reference(wanted.kind, tables, machine, as_of)
        for spec, value in zip(wanted.specs, row.tolist(), strict=True):
            expected = reference.value(spec)
            alike = math.isclose(value, expected, rel_tol=2e-6, abs_tol=1e-6) or (math.isnan(value) and math.isnan(expected))
            assert alike, f"{spec.name} of {machine}: {value}, expected {expected}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_every_feature_agrees_with_the_slow_reference(kind: MachineKind, data: st.DataObject) -> None:
    tables = data.draw(histories(kind))
    as_of = START + timedelta(hours=data.draw(st.integers(0, 700)) / 4)
    compare(catalog(kind), tables, as_of)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_a_run_of_observations_is_each_of_them_alone(kind: MachineKind, data: st.DataObject) -> None:
    """What a kernel holds from one observation to the next never shows; punctual histories hold the most."""
    tables = data.draw(histories(kind))
    if data.draw(st.booleans()):
        tables = {name: punctual(table) for name, table in tables.items()}
    history = from_tables(kind, tables, MACHINES)
    moments = micros(START) + np.arange(0, 180 * 4, data.draw(st.sampled_from([1, 5]))) * 900_000_000
    entity, as_of = np.repeat([0, 1, -1], len(moments)), np.tile(moments, 3)
    together = compute(catalog(kind), history, entity, as_of)
    for place in data.draw(st.lists(st.integers(0, len(as_of) - 1), min_size=20, max_size=20)):
        alone = compute(catalog(kind), history, entity[place : place + 1], as_of[place : place + 1])
        assert np.array_equal(bits(alone[0]), bits(together[place]))
    assert np.isnan(together[entity < 0]).all()


def punctual(table: pa.Table) -> pa.Table:
    """The same rows, each known from its own time on; of several at one time the first stays."""
    rows = {(row[MACHINE], row["event_time"]): row | {"recorded_at": row["event_time"]} for row in table.to_pylist()[::-1]}
    return pa.Table.from_pylist(list(rows.values()), schema=table.schema)
