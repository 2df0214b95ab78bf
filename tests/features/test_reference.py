"""Peers and base rates: a dated table, made of what was known each day, and the same offline and online."""

import math
import statistics
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features import reference, schema
from features.build import build, compute
from features.catalog import catalog
from features.clock import known_at, micros, recorded_by
from features.errors import Conflict
from features.history import from_tables, reference_series
from features.kinds import MachineKind
from features.lake import Lake
from features.observations import Grid
from features.online import history_from_lake, history_from_request, vector
from features.schema import FAILURES, MACHINE, MACHINES, readings
from tests.features.test_online import payload
from tests.properties.histories import REGULAR, bits, table

START = datetime(2024, 1, 1, tzinfo=UTC)
KIND = REGULAR.model_copy(update={"name": "peered", "reference": True})
READINGS = readings(KIND)
DAYS = 14
IDS = [f"m{number:02d}" for number in range(13)]
OF_SENSORS = ["heat", "shake"]
Tables = dict[str, pa.Table]


def fleet(days: int = DAYS, seed: int = 3) -> Tables:
    """Thirteen machines (seven A1, four A2, two of an unheard-of model), some rows late, some corrected, a few failures."""
    random = np.random.default_rng(seed)
    models = dict(zip(IDS, ["A1"] * 7 + ["A2"] * 4 + ["X"] * 2, strict=True))
    known = {name: float(24 * (place % 3)) for place, name in enumerate(IDS)}
    rows: list[tuple[object, ...]] = []
    for place, name in enumerate(IDS):
        for hour in range(0, days * 24, 2):
            delay = float(random.choice([0, 0, 0, 5, 40]))
            heat = None if random.random() < 0.1 else 50 + place + random.normal()
            rows.append((name, hour, delay, heat, random.normal(10, 2)))
            if random.random() < 0.05:
                rows.append((name, hour, delay + 30, 70.0, None))
    failed = [
        ("m01", 53.0, 0.0, "c1"), ("m01", 149.0, 50.0, "c2"), ("m08", 101.0, 1.0, "c1"), ("m12", 221.0, 0.0, "c2"),
        ("m03", 269.0, 300.0, "c1"),
    ]  # fmt: skip
    return {
        "machines": table(MACHINES, [(name, 0.0, known[name], "peered", models[name]) for name in IDS], ["kind", "model"]),
        "failures": table(FAILURES, failed, ["component"]),
        KIND.readings_table: table(READINGS, rows, OF_SENSORS),
    }


@pytest.fixture(scope="module")
def tables() -> Tables:
    return fleet()


@pytest.fixture(scope="module")
def published(tables: Tables) -> pa.Table:
    return reference.made(KIND, [tables])


def by_key(table: pa.Table) -> dict[tuple[str, datetime], dict[str, Any]]:
    return {(row["peer_group"], row["event_time"]): row for row in table.to_pylist()}


def test_every_row_is_what_plain_python_makes_of_what_was_known(tables: Tables, published: pa.Table) -> None:
    found = by_key(published)
    days = [START + timedelta(days=day) for day in range(DAYS + 1)]
    assert sorted(found) == sorted((group, day) for group in ("peered", "peered/A1", "peered/A2", "peered/B1") for day in days)
    reporting: dict[str, list[int]] = {}
    for day in days:
        known = {name: known_at(one, contract(name), day).to_pylist() for name, one in tables.items()}
        models = {row[MACHINE]: row["model"] for row in known["machines"]}
        recent = [row for row in known[KIND.readings_table] if row["event_time"] > day - timedelta(days=1)]
        for group in ("peered", "peered/A1", "peered/A2", "peered/B1"):
            mine = [name for name in IDS if name in models and group in ("peered", f"peered/{models[name]}")]
            row = found[group, day]
            assert row["recorded_at"] == day
            seen = [
                name for name in mine if any(r[MACHINE] == name and (r["heat"], r["shake"]) != (None, None) for r in recent)
            ]
            reporting.setdefault(group, []).append(len(seen))
            assert row["machines"] == len(seen)
            for sensor in OF_SENSORS:
                of = [[r[sensor] for r in recent if r[MACHINE] == name and r[sensor] is not None] for name in mine]
                means = [statistics.fmean(values) for values in of if values]
                assert row[f"{sensor}_machines"] == len(means)
                assert alike(row[f"{sensor}_mean"], statistics.fmean(means) if means else None)
                assert alike(row[f"{sensor}_std"], statistics.stdev(means) if len(means) > 1 else None)
            years = sum(reporting[group]) / 365.25
            failures = [r for r in known["failures"] if r[MACHINE] in mine]
            assert alike(row["rate_90d"], len(failures) / years if years >= 1 else None)
            assert alike(row["rate_c1_365d"], sum(r["component"] == "c1" for r in failures) / years if years >= 1 else None)
    assert sum(row["rate_90d"] is not None for row in found.values()) == 0  # two weeks of thirteen machines are half a year


def test_a_day_without_readings_has_no_row_whatever_comes_later(tables: Tables) -> None:
    """Nobody knew at the time whether readings would come again; from the rows known then come the same features."""
    stamps = [row["event_time"] for row in tables[KIND.readings_table].to_pylist()]
    silent = [START + timedelta(days=5) < stamp < START + timedelta(days=9) for stamp in stamps]
    gappy = tables | {KIND.readings_table: tables[KIND.readings_table].filter(pa.array(~np.array(silent)))}
    whole = reference.made(KIND, [gappy])
    days = {stamp for (group, stamp) in by_key(whole) if group == "peered"}
    assert {START + timedelta(days=day) for day in (5, 10)} <= days
    assert not days & {START + timedelta(days=day) for day in (6, 7, 8)}
    as_of = START + timedelta(days=7, hours=3)
    by_then = {name: recorded_by(one, as_of) for name, one in gappy.items()}
    assert recorded_by(reference.made(KIND, [by_then]), as_of).equals(recorded_by(whole, as_of))


def alike(found: float | None, expected: float | None) -> bool:
    return found == expected if None in (found, expected) else math.isclose(found or 0.0, expected or 0.0, rel_tol=1e-9)


def contract(name: str) -> schema.TableContract:
    return READINGS if name == KIND.readings_table else schema.FIXED[name]


def test_rates_count_failures_per_machine_year() -> None:
    tables = fleet(days=70)
    found = by_key(reference.made(KIND, [tables]))
    row = found["peered", START + timedelta(days=70)]
    years = sum(found["peered", START + timedelta(days=day)]["machines"] for day in range(71)) / 365.25
    assert years > 2
    assert (row["rate_90d"], row["rate_365d"]) == pytest.approx((5 / years, 5 / years))
    assert row["rate_c2_365d"] == pytest.approx(2 / years)
    assert found["peered", START + timedelta(days=10)]["rate_365d"] is None


def test_the_law_holds_for_the_table_and_for_the_features(tables: Tables, published: pa.Table) -> None:
    """From rows recorded by as_of alone come the same reference rows and the same features, to the last bit."""
    wanted = catalog(KIND)
    for hours in (30, 100, 151, 24 * 9, 300):
        as_of = START + timedelta(hours=hours)
        by_then = {name: recorded_by(one, as_of) for name, one in tables.items()}
        again = recorded_by(reference.made(KIND, [by_then]), as_of)
        assert again.equals(recorded_by(published, as_of).select(again.column_names))
        looks = np.full(len(IDS), micros(as_of))
        held, redone = (
            compute(wanted, from_tables(KIND, found | {KIND.reference_table: peers}, IDS), np.arange(len(IDS)), looks)
            for found, peers in ((tables, published), (by_then, again))
        )
        assert np.array_equal(bits(held), bits(redone))


def test_a_machine_stands_beside_its_peers(tables: Tables, published: pa.Table) -> None:
    as_of = START + timedelta(days=8, hours=7)
    rows = by_key(published)
    known = known_at(tables[KIND.readings_table], READINGS, as_of).to_pylist()
    recent = [row for row in known if row["event_time"] > as_of - timedelta(days=1) and row["heat"] is not None]
    for name, group in (("m02", "peered/A1"), ("m09", "peered"), ("m12", "peered")):  # four of A2 are too few; X is no model
        seen = [row["heat"] for row in recent if row[MACHINE] == name]
        peers = rows[group, START + timedelta(days=8)]
        expected = (statistics.fmean(seen) - peers["heat_mean"]) / peers["heat_std"]
        assert features(tables, published, name, as_of)["heat_peers_z"] == pytest.approx(expected, rel=1e-5)


def features(tables: Tables, published: pa.Table | None, name: str, as_of: datetime) -> dict[str, float]:
    found = tables | ({} if published is None else {KIND.reference_table: published})
    return dict(zip(catalog(KIND).names, vector(catalog(KIND), from_tables(KIND, found, [name]), as_of).tolist(), strict=True))


def test_what_the_table_does_not_tell_is_missing(tables: Tables, published: pa.Table) -> None:
    named = [name for name in catalog(KIND).names if name.endswith("_peers_z") or "base_rate" in name]
    assert len(named) == 2 + 4 + 2
    without = features(tables, None, "m02", START + timedelta(days=8))
    assert all(math.isnan(without[name]) for name in named)
    # A row holds for a week; there are no readings of the last day here, so an old own mean is not what is missing.
    newest = known_at(published, schema.reference(KIND), START + timedelta(days=5))
    assert not math.isnan(features(tables, newest, "m02", START + timedelta(days=12))["heat_peers_z"])
    assert math.isnan(features(tables, newest, "m02", START + timedelta(days=12, hours=1))["heat_peers_z"])
    few = from_tables(KIND, tables, IDS[:4])
    assert few.machine_ids == IDS[:4]
    table_of_few = reference.made(KIND, [{name: of(one, IDS[:4]) for name, one in tables.items()}])
    assert math.isnan(features(tables, table_of_few, "m02", START + timedelta(days=8))["heat_peers_z"])


def of(table: pa.Table, ids: list[str]) -> pa.Table:
    return table.filter(pa.array([one in ids for one in table.column(MACHINE).to_pylist()]))


def lake_of(root: Path, tables: Mapping[str, pa.Table], kind: MachineKind = KIND) -> Lake:
    lake = Lake.open(root, create=True, buckets=3)
    lake.put_kind(kind)
    add(lake, tables)
    return lake


def add(lake: Lake, tables: Mapping[str, pa.Table]) -> None:
    for name in ("machines", "failures", KIND.readings_table):
        if tables[name].num_rows:
            lake.append_rows(contract(name), tables[name], START + timedelta(days=60), "test")


def test_published_by_a_build_and_joined_alike_offline_and_online(tmp_path: Path, tables: Tables) -> None:
    lake = lake_of(tmp_path / "lake", tables)
    snapshot = build(lake, "peered", Grid(every_hours=24), home=tmp_path)
    assert snapshot.manifest["lake_versions"][KIND.reference_table] == lake.versions()[KIND.reference_table]
    stored = lake.read(KIND.reference_table)
    frame = snapshot.to_pandas(machine_ids=["m02"])
    assert frame["heat_peers_z"].notna().sum() > 5
    wanted, held = catalog(KIND), reference_series(KIND, stored)
    for row in frame.itertuples(index=False):
        moment, expected = row[1].to_pydatetime(), bits(np.array(row[2:], dtype=np.float32))
        assert np.array_equal(bits(vector(wanted, history_from_lake(lake, "m02"), moment)), expected)
        posted = history_from_request(KIND, payload(KIND, tables, "m02"), held)
        assert np.array_equal(bits(vector(wanted, posted, moment)), expected)
    assert build(lake, "peered", Grid(every_hours=24), home=tmp_path).id == snapshot.id


def test_new_days_are_added_and_days_that_were_known_otherwise_made_anew(
    tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = START + timedelta(days=7)
    lake = lake_of(tmp_path / "lake", {name: recorded_by(one, half) for name, one in tables.items()})
    assert reference.publish(lake, KIND) == 8
    assert reference.publish(lake, KIND) == 0
    first = lake.versions()[KIND.reference_table]
    # What is no part of it brings no new day, only the word that it was looked at.
    lake.put_kind(REGULAR)
    lake.append_rows(MACHINES, table(MACHINES, [("z", 0.0, 0.0, "regular")], ["kind"]), START + timedelta(days=60), "test")
    assert reference.publish(lake, KIND) == 0
    assert lake.versions()[KIND.reference_table] == first + 1
    assert reference.publish(lake, KIND) == 0
    assert lake.versions()[KIND.reference_table] == first + 1
    before = lake.read(KIND.reference_table)
    add(lake, {name: one.filter(pa.array(~np.isin(np.arange(len(one)), kept(one, half)))) for name, one in tables.items()})
    # The day that ends at `half` stands, the rest is new.
    assert reference.publish(lake, KIND) == DAYS - 7
    whole = lake.read(KIND.reference_table)
    assert whole.equals(scratch(lake))
    assert lake.read(KIND.reference_table, version=first).equals(before)
    # However few machines are held at a time.
    monkeypatch.setattr(reference, "READINGS_AT_A_TIME", 200)
    # One reading that was known on the third day, and came into the lake only now.
    old = table(READINGS, [("m04", 49.0, 1.0, 99.0, 9.0)], OF_SENSORS)
    lake.append_rows(READINGS, old, START + timedelta(days=60), "test")
    assert reference.publish(lake, KIND) == DAYS - 2
    assert lake.read(KIND.reference_table).equals(scratch(lake))
    assert not lake.read(KIND.reference_table).equals(whole)


def kept(table: pa.Table, moment: datetime) -> np.ndarray:
    return np.flatnonzero([row["recorded_at"] <= moment for row in table.to_pylist()])


def scratch(lake: Lake) -> pa.Table:
    view = lake.at()
    buckets = []
    for bucket in range(lake.buckets):
        found = {name: view.read(name, buckets=[bucket]) for name in ("machines", "failures", KIND.readings_table)}
        buckets.append(found | {"machines": found["machines"].filter(pc.equal(found["machines"].column("kind"), "peered"))})
    return reference.made(KIND, buckets)


def test_without_readings_or_declaration_there_is_no_table(tmp_path: Path, tables: Tables) -> None:
    lake = lake_of(tmp_path / "lake", tables | {KIND.readings_table: tables[KIND.readings_table].slice(0, 0)})
    assert reference.publish(lake, KIND) == 0
    plain = KIND.model_copy(update={"reference": False})
    add(lake, tables)
    assert reference.publish(lake, plain) == 0
    assert KIND.reference_table not in lake.versions()
    assert not [name for name in catalog(plain).names if "peers" in name or "base_rate" in name]


def test_a_lake_that_is_being_written_is_waited_for(tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = lake_of(tmp_path / "lake", tables)
    monkeypatch.setattr(reference, "PATIENCE_S", 0.1)
    with lake.writing(), pytest.raises(Conflict, match="another process is writing"):
        reference.publish(lake, KIND)
    assert KIND.reference_table not in lake.versions()
    monkeypatch.setattr(reference, "PATIENCE_S", 60.0)
    with ThreadPoolExecutor(1) as pool:
        with lake.writing():
            published = pool.submit(reference.publish, lake, KIND)
            time.sleep(0.3)
            assert not published.done()
        assert published.result() == DAYS + 1


def test_who_publishes_last_does_not_take_back_later_days(
    tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = START + timedelta(days=7)
    lake = lake_of(tmp_path / "lake", {name: recorded_by(one, half) for name, one in tables.items()})
    replace, others = lake.replace, [Lake.open(lake.root)]

    def late(*given: Any) -> None:
        """Before this one's days are written, all readings come in and somebody else publishes them."""
        while others:
            other = others.pop()
            add(other, tables)
            reference.publish(other, KIND)
        replace(*given)

    monkeypatch.setattr(lake, "replace", late)
    reference.publish(lake, KIND)
    assert lake.read(KIND.reference_table).equals(scratch(lake))
