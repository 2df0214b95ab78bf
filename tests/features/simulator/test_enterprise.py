"""Simulated enterprises: reproducible, in contract, with honest clocks; what shows of culture is neither nothing nor all."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.enterprise.schema import ENTERPRISE_TABLES
from features.enterprise.vocabulary import HIGH_RISK
from features.errors import BadInput, Conflict
from features.lake import Lake
from features.simulator import enterprise, enterprise_truth, fleet, identity, truth
from features.simulator.enterprise_roll import roll_of
from features.simulator.enterprise_world import load_enterprises
from features.simulator.world import load_world

LAW, WORLD = load_enterprises(), load_world()
SEED = 3
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def portfolio(enterprises: int = 24, machines: int = 12, days: int = 240, seed: int = SEED) -> enterprise.Portfolio:
    return enterprise.portfolio(LAW, WORLD, enterprises, machines, days, 24, seed, readings=False, scores=True)


def tables(wanted: enterprise.Portfolio, threads: int = 1) -> dict[str, pa.Table]:
    found: dict[str, list[pa.Table]] = {}
    for batch in enterprise.source(wanted, threads=threads).batches():
        found.setdefault(batch.contract.name, []).append(batch.table)
    return {name: pa.concat_tables(parts) for name, parts in found.items()}


@pytest.fixture(scope="module")
def world() -> dict[str, pa.Table]:
    return tables(portfolio())


def test_every_table_of_enterprises_is_filled(world: dict[str, pa.Table]) -> None:
    assert {*ENTERPRISE_TABLES} <= {*world}
    assert {"machines", "machine_scores"} <= {*world}
    assert all(table.num_rows for table in world.values())


def test_one_seed_is_one_world_on_any_number_of_threads(world: dict[str, pa.Table], tmp_path: Path) -> None:
    again, other = tables(portfolio(), threads=2), tables(portfolio(machines=0, seed=SEED + 1))
    assert all(world[name].equals(again[name]) for name in world)
    assert not world["accidents"].equals(other["accidents"])
    files = []
    for nth in (1, 2):
        with truth.writing(tmp_path / str(nth)) as writer:
            for _ in enterprise.source(portfolio(8, 6, 60), writer=writer, threads=nth).batches():
                pass
        files.append((tmp_path / str(nth) / "truth" / "enterprises.parquet").read_bytes())
    assert files[0] == files[1]


def test_a_longer_simulation_continues_the_shorter_one(world: dict[str, pa.Table]) -> None:
    longer, end = tables(portfolio(days=300)), WORLD.begin + pd.Timedelta(days=240)
    for name, table in world.items():
        short, long = table.to_pandas(), longer[name].to_pandas()
        # What is told at the very end of a day may be cut by the end of the world.
        known = long[(long["recorded_at"] <= end) & (long["event_time"] <= end)]
        short = short[short["recorded_at"] <= end]
        pd.testing.assert_frame_equal(short.reset_index(drop=True), known.reset_index(drop=True), obj=name)


def test_the_lake_takes_every_row(tmp_path: Path, world: dict[str, pa.Table]) -> None:
    lake = Lake.open(tmp_path / "lake", create=True, buckets=2)
    wanted = portfolio()
    account = lake.ingest(identity.guarded(enterprise.source(wanted), lake, wanted.fleet, wanted.identity), imported_at=NOW)
    assert account.total.quarantined == account.total.duplicate == 0
    assert account.total.rows_in == sum(table.num_rows for table in world.values())
    assert {"hazards"} <= {name for name, count in account.tables.items() if count.corrected} <= {"accidents", "hazards"}


def test_rows_are_known_once_they_have_happened(world: dict[str, pa.Table]) -> None:
    end = WORLD.begin + pd.Timedelta(days=240)
    for name, table in world.items():
        frame = table.to_pandas()
        assert (frame["recorded_at"] >= frame["event_time"]).all(), name
        assert name in ("machines", "machine_scores") or (frame["recorded_at"] <= end).all(), name
        assert not [c for c in frame.columns for word in ("culture", "frailty", "expected", "hazard_rate") if word in c]
    delay = (world["accidents"].to_pandas()["recorded_at"] - world["accidents"].to_pandas()["event_time"]).dt.days
    assert delay.median() >= 1


def test_hazards_are_corrected_when_they_are_rectified(world: dict[str, pa.Table]) -> None:
    hazards = world["hazards"].to_pandas().sort_values(["hazard_id", "recorded_at"])
    first, last = hazards.groupby("hazard_id")["rectified"].first(), hazards.drop_duplicates("hazard_id", keep="last")
    assert hazards.drop_duplicates("hazard_id")["rectified"].isna().all()
    assert last["rectified"].notna().mean() > 0.7
    assert (last["rectified"] > last["due"]).any()
    assert len(first) == hazards["hazard_id"].nunique()


def test_visits_by_lot_fall_on_all_alike() -> None:
    many = portfolio(600, 0, 365)
    visits = tables(many)["inspections"].to_pandas()
    drawn, others = visits[visits["by_lot"]], visits[~visits["by_lot"]]
    names = [f"enterprise-{place:03d}" for place in range(many.roll.size)]
    watched = 365 - many.roll.joins
    counts = [part["enterprise_id"].value_counts().reindex(names).fillna(0).to_numpy() / watched for part in (drawn, others)]
    assert abs(np.corrcoef(counts[0], many.roll.rate)[0, 1]) < 0.12
    assert np.corrcoef(counts[1], many.roll.rate)[0, 1] > 0.2
    assert set(others["outcome"]) == {"done", "partial", "refused"}


def test_ids_say_nothing() -> None:
    roll = roll_of(LAW, 4000, 0, SEED)
    order = np.arange(roll.size)
    for values in (roll.lasting, roll.frailty, roll.rate, roll.workers):
        assert abs(np.corrcoef(order, values)[0, 1]) < 0.05
    assert np.array_equal(roll.lasting[:50], roll_of(LAW, 50, 0, SEED).lasting)


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    ranks = np.argsort(np.argsort(score)) + 1.0
    return float((ranks[positive].mean() - (positive.sum() + 1) / 2) / (~positive).sum())


def test_what_shows_of_culture_is_neither_nothing_nor_all() -> None:
    wanted = portfolio(700, 0, 365)
    found, names = tables(wanted), [f"enterprise-{place:03d}" for place in range(700)]
    good = wanted.roll.lasting > np.median(wanted.roll.lasting)

    def each(frame: pd.DataFrame, value: str) -> np.ndarray:
        return frame.groupby("enterprise_id")[value].mean().reindex(names).fillna(frame[value].median()).to_numpy()

    trained = found["trainings"].to_pandas().assign(share=lambda table: table["attended"] / table["required"])
    hazards = found["hazards"].to_pandas().drop_duplicates("hazard_id")
    own = hazards[hazards["found_by"] == "self"]["enterprise_id"].value_counts().reindex(names).fillna(0).to_numpy()
    visits = found["inspections"].to_pandas()
    rating = found["credit"].to_pandas()
    rating["rank"] = rating["rating"].map({"bad": 0, "C": 1, "B": 2, "A": 3, "AA": 4})
    assert 0.65 < auc(each(trained, "share"), good) < 0.92
    assert 0.55 < auc(own / wanted.roll.workers**0.6, good) < 0.85
    assert 0.6 < auc(-each(visits, "findings") / wanted.roll.workers**0.4, good) < 0.92
    assert 0.58 < auc(each(rating, "rank"), good) < 0.88


def test_high_risk_industries_have_more_accidents_and_better_kept_ones_fewer() -> None:
    wanted = portfolio(700, 0, 365)
    found = tables(wanted)
    count = found["accidents"].to_pandas().drop_duplicates("accident_id")["enterprise_id"].value_counts()
    count = count.reindex([f"enterprise-{place:03d}" for place in range(700)]).fillna(0).to_numpy()
    roll = wanted.roll
    high = np.array([LAW.industries[place].code in HIGH_RISK for place in roll.industry])
    rates = [count[group].sum() / roll.workers[group].sum() for group in (high, ~high, roll.lasting > 0.8, roll.lasting < -0.8)]
    assert rates[0] > 1.5 * rates[1]
    assert rates[3] > 1.5 * rates[2]


def test_cases_are_told_in_two_languages(world: dict[str, pa.Table]) -> None:
    cases = world["cases"].to_pandas()
    assert (cases["recorded_at"] - cases["event_time"]).min() > pd.Timedelta(days=30)
    assert cases["cause"].isna().mean() == pytest.approx(LAW.cases.uncoded_share, abs=0.06)
    assert cases["narrative_zh"].str.contains("。").all() and cases["narrative_en"].str.contains(r"\.").all()
    assert not cases["narrative_en"].str.contains(r"[{}]").any()
    assert cases["narrative_en"].nunique() > 0.95 * len(cases)
    falls = cases[cases["cause"] == "fall_from_height"]
    assert falls["narrative_en"].str.contains("fell").all() and falls["narrative_zh"].str.contains("坠落").all()


def test_claims_develop(world: dict[str, pa.Table]) -> None:
    claims = world["claims"].to_pandas().sort_values(["claim_id", "valued_at"])
    assert (claims.groupby("claim_id")["paid"].diff().dropna() >= 0).all()
    assert (claims["valued_at"] >= claims["event_time"]).all()
    assert claims.groupby("claim_id").size().max() > 1
    assert set(claims["accident_id"]) <= set(world["accidents"]["accident_id"].to_pylist())


def test_another_portfolio_or_a_bare_fleet_does_not_enter_its_lake(tmp_path: Path) -> None:
    lake, first = Lake.open(tmp_path / "lake", create=True, buckets=2), portfolio(4, 3, 40)
    lake.ingest(identity.guarded(enterprise.source(first), lake, first.fleet, first.identity), imported_at=NOW)
    other = portfolio(5, 3, 40)
    with pytest.raises(Conflict, match="enterprises 4, not 5"):
        identity.guarded(enterprise.source(other), lake, other.fleet, other.identity)
    bare = fleet.Fleet(WORLD, 3, 40, 24, SEED)
    with pytest.raises(Conflict, match="another simulated fleet"):
        identity.guarded(fleet.source(bare), lake, bare)


def test_machines_belong_to_enterprises_and_accidents_to_their_failures() -> None:
    eager = LAW.model_copy(update={"machines": LAW.machines.model_copy(update={"accidents_per_failure": 0.2})})
    wanted = enterprise.portfolio(eager, WORLD, 4, 24, 200, 24, SEED)
    found = tables(wanted)
    owner = dict(zip(*(found["machines"][name].to_pylist() for name in ("machine_id", "enterprise_id")), strict=True))
    accidents = found["accidents"].to_pandas().dropna(subset="machine_id")
    assert len(accidents) > 3
    assert (accidents["machine_id"].map(owner) == accidents["enterprise_id"]).all()
    failures = found["failures"].to_pandas()
    joined = accidents.merge(failures, on="machine_id", suffixes=("", "_failed"))
    gap = (joined["event_time"] - joined["event_time_failed"]).abs().groupby(joined["accident_id"]).min()
    assert (gap < pd.Timedelta(hours=1)).all()
    assert {name for name in found if name.startswith("readings_")} == {"readings_pump", "readings_press"}


@pytest.mark.parametrize(
    ("sizes", "words"), [((0, 1, 1), "one enterprise"), ((1, -1, 1), "negative"), ((1, 1, 100_000), "future")]
)
def test_impossible_portfolios(sizes: tuple[int, int, int], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        portfolio(*sizes)


def test_a_world_of_other_habits_is_refused() -> None:
    with pytest.raises(BadInput, match="a world of 2 habits; enterprises lie between strict, usual, lax"):
        enterprise.portfolio(LAW, WORLD.model_copy(update={"habits": WORLD.habits[:2]}), 3, 3, 90, 24, SEED)


def test_a_portfolio_without_machines_and_of_a_few_days(tmp_path: Path) -> None:
    with truth.writing(tmp_path) as writer:
        for _ in enterprise.source(portfolio(3, 0, 20), writer=writer).batches():
            pass
    told = enterprise_truth.read(tmp_path).to_pandas()
    assert (told["machines_365"] == 0).all() and (told["expected_365"] > 0).all()


def test_enterprises_are_in_towns_and_some_of_their_sites_elsewhere(world: dict[str, pa.Table]) -> None:
    sites = world["sites"].to_pandas()
    places = sites[["latitude", "longitude"]].to_numpy()
    nearest = np.sort(np.abs(places[:, None] - places[None]).max(axis=2), axis=1)[:, 1]
    assert np.median(nearest) < 0.3  # degrees: a neighbour within the town
    spans = sites.groupby("enterprise_id")[["latitude"]].agg(np.ptp)["latitude"]
    many = sites.groupby("enterprise_id").size() > 1
    assert 0.05 < (spans[many] > 1.0).mean() < 0.9  # of those with several sites, some have one in another town
