"""A simulated fleet: reproducible, in contract, with honest clocks, and its truth kept apart."""

from datetime import timedelta

import pandas as pd
import pyarrow as pa
import pytest

from features.errors import BadInput
from features.simulator import fleet
from features.simulator.world import load_world

WORLD = load_world()
SEED = 11
MACHINES, DAYS = 24, 150


def tables(
    machines: int = MACHINES, days: int = DAYS, every: int = 1, seed: int = SEED, threads: int = 1
) -> dict[str, pa.Table]:
    found: dict[str, list[pa.Table]] = {}
    plan = fleet.Fleet(WORLD, machines, days, every, seed)
    for batch in fleet.source(plan, threads=threads).batches():
        found.setdefault(batch.contract.name, []).append(batch.table)
    return {name: pa.concat_tables(parts, promote_options="default") for name, parts in found.items()}


@pytest.fixture(scope="module")
def world() -> dict[str, pd.DataFrame]:
    return {name: table.to_pandas() for name, table in tables().items()}


def of_machines(table: pa.Table, ids: set[str]) -> pd.DataFrame:
    frame = table.to_pandas()
    return frame[frame["machine_id"].isin(ids)].sort_values(list(frame.columns)).reset_index(drop=True)


def test_the_same_seed_gives_the_same_fleet() -> None:
    one, two, other = tables(6, 40), tables(6, 40), tables(6, 40, seed=SEED + 1)
    assert one.keys() == two.keys()
    assert all(one[name].equals(two[name]) for name in one)
    assert not one["environment"].equals(other["environment"])


def test_a_machine_is_the_same_in_any_fleet() -> None:
    small, large = tables(3, 60), tables(9, 60)
    ids = set(small["machines"]["machine_id"].to_pylist())
    assert len(ids) == 3
    for name, table in small.items():
        pd.testing.assert_frame_equal(of_machines(table, ids), of_machines(large[name], ids))


def test_batches_of_machines_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tables(5, 30)
    monkeypatch.setattr(fleet, "_MACHINE_HOURS", 2 * 30 * 24)
    split = tables(5, 30, threads=2)
    ids = set(whole["machines"]["machine_id"].to_pylist())
    for name, table in whole.items():
        pd.testing.assert_frame_equal(of_machines(table, ids), of_machines(split[name], ids))


def test_a_longer_simulation_continues_the_shorter() -> None:
    short, long = tables(4, 30), tables(4, 60)
    end = pd.Timestamp(WORLD.begin) + timedelta(days=30)
    for name in ("events", "failures", "environment", "operations", *(name for name in short if name.startswith("readings"))):
        ids = set(short["machines"]["machine_id"].to_pylist())
        begun = of_machines(long[name], ids)
        begun = begun[begun["event_time"] < end].reset_index(drop=True)
        pd.testing.assert_frame_equal(of_machines(short[name], ids), begun)


def test_readings_every_six_hours_are_those_of_the_hourly_world() -> None:
    hourly, sparse = tables(4, 30), tables(4, 30, every=6)
    for name in (name for name in sparse if name.startswith("readings")):
        frame = hourly[name].to_pandas()
        ids = set(frame["machine_id"])
        kept = frame[frame["event_time"].dt.hour % 6 == 0].sort_values(list(frame.columns)).reset_index(drop=True)
        pd.testing.assert_frame_equal(of_machines(sparse[name], ids), kept)


def test_rows_are_in_contract() -> None:
    for batch in fleet.simulate(WORLD, 8, 60, 1, SEED).batches():
        contract = batch.contract
        assert set(batch.table.column_names) <= set(contract.arrow.names)
        frame = batch.table.to_pandas()
        assert not frame.duplicated(list(contract.key)).any(), contract.name
        assert (frame["recorded_at"] >= frame["event_time"]).all()
        for column in contract.columns:
            if column.name in frame:
                values = frame[column.name]
                assert column.nullable or values.notna().all(), (contract.name, column.name)
                assert column.low is None or (values.dropna() >= column.low).all(), column.name
                assert column.high is None or (values.dropna() <= column.high).all(), column.name
        assert len(batch.rows) == len(frame)


def test_corrective_maintenance_comes_after_its_failure(world: dict[str, pd.DataFrame]) -> None:
    maintenance, failures = world["maintenance"], world["failures"]
    corrective = maintenance[maintenance["action"] == "corrective"].sort_values("event_time")
    assert len(corrective) > 10
    joined = pd.merge_asof(
        corrective,
        failures.sort_values("event_time").assign(failed_at=lambda table: table["event_time"]).drop(columns="recorded_at"),
        on="event_time",
        by=["machine_id", "component"],
    )
    waited = joined["event_time"] - joined["failed_at"]
    assert (waited > pd.Timedelta(hours=1)).all()
    assert not maintenance.merge(failures, on=["machine_id", "event_time"]).size, "no maintenance at a failure's own time"


def test_failures_are_recorded_with_a_delay_and_errors_at_once(world: dict[str, pd.DataFrame]) -> None:
    delay = world["failures"]["recorded_at"] - world["failures"]["event_time"]
    assert (delay > pd.Timedelta(0)).all()
    assert (world["events"]["recorded_at"] == world["events"]["event_time"]).all()


def test_some_values_are_lost_and_some_readings_late(world: dict[str, pd.DataFrame]) -> None:
    readings = world["readings_pump"]
    sensors = [gauge.name for gauge in WORLD.kinds[0].gauges]
    assert readings[sensors].isna().to_numpy().mean() == pytest.approx(0.01, rel=0.2)
    late = readings["recorded_at"] > readings["event_time"]
    assert late.mean() == pytest.approx(0.02, rel=0.2)
    assert (readings["recorded_at"] - readings["event_time"]).max() <= pd.Timedelta(hours=48)


def test_errors_gather_before_failures_that_show(world: dict[str, pd.DataFrame]) -> None:
    signs = {code: sign for kind in WORLD.kinds for code, sign in kind.signs().items()}
    telling = {fault.code for kind in WORLD.kinds for fault in kind.faults if fault.rise}
    events = world["events"][world["events"]["code"].isin(telling)]
    counts = {}
    for sort in ("windows", "none"):
        failures = world["failures"][world["failures"]["component"].map(signs) == sort]
        both = events.merge(failures[["machine_id", "event_time"]], on="machine_id", suffixes=("", "_failure"))
        ahead = (both["event_time_failure"] - both["event_time"]) / pd.Timedelta(days=1)
        counts[sort] = ((ahead > 0) & (ahead <= 7)).sum(), ((ahead > 21) & (ahead <= 28)).sum()
    assert counts["windows"][0] > 2 * counts["windows"][1]
    assert counts["none"][0] < 2 * counts["none"][1]


def test_a_standing_machine_says_nothing(world: dict[str, pd.DataFrame]) -> None:
    operations = world["operations"].sort_values("event_time")
    stops = operations[operations["action"] == "stop"][["machine_id", "event_time"]]
    starts = operations[operations["action"] == "start"][["machine_id", "event_time"]]
    assert len(stops) > 10
    pauses = pd.merge_asof(
        stops, starts.assign(until=starts["event_time"]), on="event_time", by="machine_id", direction="forward"
    ).dropna()
    spoken = pd.concat([world["events"], world["readings_pump"], world["readings_press"]])[["machine_id", "event_time"]]
    spoken = pd.merge_asof(
        spoken.sort_values("event_time"), pauses.assign(since=pauses["event_time"]), on="event_time", by="machine_id"
    )
    assert not ((spoken["event_time"] > spoken["since"]) & (spoken["event_time"] < spoken["until"])).any()


def test_no_column_names_a_secret(world: dict[str, pd.DataFrame]) -> None:
    secrets = ("hazard", "wear", "p24", "p72")
    assert not [column for table in world.values() for column in table.columns for word in secrets if word in column]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((0, 10, 1, 1), "one machine"), ((1, 0, 1, 1), "one day"), ((1, 10, 0, 1), "every 0"), ((1, 10, 1, -1), "seed"),
     ((1, 100_000, 1, 1), "future")],
)  # fmt: skip
def test_impossible_fleets(arguments: tuple[int, int, int, int], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        fleet.simulate(WORLD, *arguments)
