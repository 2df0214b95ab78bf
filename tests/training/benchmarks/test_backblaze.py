"""The Backblaze benchmark: every drive and grid row once, the future of a drive never in its own prediction, honest splits."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.settings import Settings
from features.sources.backblaze import SENSORS
from training import streaming
from training.benchmarks import backblaze
from training.config import NetworksConfig, load_config
from training.drive_networks import some
from training.drive_notes import networks_fact, notes
from training.rivals import LARGE
from training.splits import machine_share

Predict = Callable[[str, pd.DataFrame], pd.DataFrame]
KEYS = ["serial_number", "as_of_hours"]
PROBABILITIES = ["p24", "p48", "p72"]
TINY = NetworksConfig.model_validate(
    {
        "hours": 240.0, "fewest_steps": 1, "max_negatives": 400, "auxiliary_hours": [168.0],
        "tcn": {"width": 6, "layers": 1, "filters": 1, "filter_steps": 2, "hidden": 8}, "loop": {"epochs": 1, "patience": 1},
    }
)  # fmt: skip


def fleet(drives: int, seed: int, prefix: str) -> pd.DataFrame:
    """Stretches as published. Half of the drives fail, most days after sectors went bad, which also happens to some others."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(drives):
        start, life = int(random.integers(0, 20_000)), int(random.integers(20, 90)) * 24
        fails, shows = number % 2 == 0, random.random() < (0.7 if number % 2 == 0 else 0.3)
        steps = np.sort(random.choice(np.arange(24, life - 1), 4, replace=False))
        if fails:
            steps = np.append(steps[steps < life - 120], [life - 72, life - 30])
        edges = [0, *(int(step) for step in steps), life]
        bad = 0.0
        for place, (begin, end) in enumerate(itertools.pairwise(edges)):
            bad += 8.0 if shows and end > life - 72 else 0.0
            row = dict.fromkeys(SENSORS, 0.0) | {"smart_5": bad, "smart_12": float(place), "smart_188": np.nan}
            row |= {"tstart": start + begin, "tstop": start + end, "fails": int(fails and end == life)}
            rows.append({"serial_number": f"{prefix}{number:04}", "model": f"ST{number % 3}", "min_hours": start} | row)
    table = pd.DataFrame(rows).assign(size_tb=4.0, min_date=pd.Timestamp("2015-01-01"))
    life = table.groupby("serial_number")["tstop"].transform("max")
    fails_ever = table.groupby("serial_number")["fails"].transform("max")
    return table.assign(max_hours=life, n_fails=fails_ever, n_records=1, max_date=pd.Timestamp("2015-06-01"))


def write(folder: Path, table: pd.DataFrame) -> Path:
    folder.mkdir(parents=True)
    table.to_parquet(folder / "hds.parquet")
    return folder


def silent(text: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture(scope="module", autouse=True)
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The shipped experiment with boosters for a few hundred drives."""
    config = load_config("backblaze")
    booster = {"rounds": 15, "num_leaves": 7, "min_data_in_leaf": 10, "min_hessian_in_leaf": 0.1, "members": 2}
    spread = config.gbm.spread.model_copy(update={"rounds": 5, "min_data_in_leaf": 10})
    sampling = config.sampling.model_copy(update={"share": 0.5})
    update = {
        "gbm": config.gbm.model_copy(update={**booster, "spread": spread}),
        "sampling": sampling,
        "threads": 1,
        "network": None,
    }
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backblaze, "settings", lambda: Settings(home=home))
        patch.setattr(backblaze, "load_config", lambda name: config.model_copy(update=update))
        patch.setattr(backblaze, "CLOSING_HOURS", 0.0)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backblaze")


@pytest.fixture(scope="module")
def folder(home: Path) -> Path:
    return write(home / "train", fleet(160, 1, "T"))


@pytest.fixture(scope="module")
def others() -> pd.DataFrame:
    return fleet(40, 2, "P")


@pytest.fixture(scope="module")
def predicted(home: Path, folder: Path) -> Predict:
    """Predictions of a folder with these stretches through the whole path; the model is fitted once."""
    fitted: list[backblaze.Model] = []
    original = backblaze.fit

    def fit(*args: Any) -> backblaze.Model:
        if not fitted:
            fitted.append(original(*args))
        return fitted[0]

    def predict(name: str, table: pd.DataFrame) -> pd.DataFrame:
        out = home / f"{name}.parquet"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(backblaze, "fit", fit)
            backblaze.run(folder, write(home / name, table), out, silent)
        return pq.read_table(out).to_pandas()

    return predict


def expected_grid(table: pd.DataFrame) -> set[tuple[str, int]]:
    lives = table.groupby("serial_number").agg(first=("tstart", "min"), last=("tstop", "max"))
    return {(str(serial), t) for serial, first, last in lives.itertuples() for t in range(first, last, 24)}


def test_every_drive_and_grid_row_is_predicted_once(predicted: Predict, others: pd.DataFrame) -> None:
    rows = predicted("plain", others)
    keys = list(map(tuple, rows[KEYS].to_numpy().tolist()))
    assert len(keys) == len(set(keys))
    assert set(keys) == expected_grid(others)
    assert list(rows.columns) == KEYS + PROBABILITIES
    assert rows["as_of_hours"].dtype == np.int64
    p = rows[PROBABILITIES].to_numpy()
    assert (p > 0).all() and (p < 1).all()
    assert (np.diff(p, axis=1) >= 0).all()


def with_other_outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """The same drives, other fates: failed or not, when the last stretch ends, and all columns that sum up a life."""
    random = np.random.default_rng(0)
    altered = table.copy()
    last = altered["tstop"] == altered["max_hours"]
    altered.loc[last, "fails"] = 1 - altered.loc[last, "fails"]
    altered.loc[last, "tstop"] += random.integers(-20, 200, int(last.sum()))
    for column in ("n_fails", "n_records", "max_hours"):
        altered[column] = random.permutation(altered[column].to_numpy())
    return altered.assign(max_date=pd.Timestamp("2020-01-01"))


def test_a_drives_own_outcome_never_changes_its_predictions(predicted: Predict, others: pd.DataFrame) -> None:
    before = predicted("as-it-was", others).set_index(KEYS)
    after = predicted("altered", with_other_outcomes(others)).set_index(KEYS)
    common = before.index.intersection(after.index)
    assert len(common) > 0.9 * len(before)
    pd.testing.assert_frame_equal(before.loc[common], after.loc[common], check_exact=True)


def test_a_planted_leak_is_noticed(home: Path, folder: Path, others: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    original = streaming.Fleet.chunks

    def leaking(fleet: streaming.Fleet, *args: Any, **options: Any) -> Iterator[streaming.Chunk]:
        place = fleet.catalog.names.index("machine_observed")
        for chunk in original(fleet, *args, **options):
            x = chunk.x.copy()
            x[:, place] = fleet.labels(chunk, (72.0, 2400.0))["followed_hours"]
            yield replace(chunk, x=x)

    monkeypatch.setattr(streaming.Fleet, "chunks", leaking)
    said = []
    for name, table in (("leak", others), ("leak-altered", with_other_outcomes(others))):
        backblaze.run(folder, write(home / name, table), home / f"{name}.parquet", silent)
        said.append(pq.read_table(home / f"{name}.parquet").to_pandas().set_index(KEYS)["p72"])
    before, after = said[0].align(said[1], join="inner")
    assert (before != after).mean() > 0.02


def test_what_comes_after_as_of_never_changes_a_prediction(predicted: Predict, others: pd.DataFrame) -> None:
    whole = predicted("whole", others).set_index(KEYS)
    cut = others["min_hours"] + 20 * 24
    early = others[others["tstart"] <= cut].assign(fails=0, tstop=np.minimum(others["tstop"], cut + 1))
    short = predicted("short", early).set_index(KEYS)
    assert set(short.index) == expected_grid(early)
    pd.testing.assert_frame_equal(whole.loc[short.index], short, check_exact=True)


def test_inner_split_judges_drives_that_were_not_fitted_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []
    original = backblaze.training_rows

    def spy(*args: object, **options: object) -> object:
        rows = original(*args, **options)  # type: ignore[arg-type]
        seen.append(set(rows.machine.tolist()))
        return rows

    monkeypatch.setattr(backblaze, "training_rows", spy)
    result = backblaze.run(folder, None, None, silent)
    ids = [f"T{number:04}" for number in range(160)]
    held_out = set(np.flatnonzero(machine_share(ids, backblaze.HELD_OUT)).tolist())
    assert len(seen) == 1 and held_out and not seen[0] & held_out
    assert result.facts["drives"] == len(held_out)
    named, rivals = [str(row["forecast"]) for row in result.table], len(LARGE)
    assert len(named) == 2 * rivals + 1
    assert named[1 + rivals :] == [f"gain over {name}" for name in named[1 : 1 + rivals]]
    assert result.report is not None and "Judged on other drives" in result.report.read_text(encoding="utf-8")
    assert float(result.table[0]["AUC"].value) > 0.8  # type: ignore[union-attr,arg-type]


def test_a_sample_restores_the_prior_and_keeps_what_is_near_a_failure(folder: Path, tmp_path: Path) -> None:
    watched = backblaze.imported(folder, tmp_path / "lake", silent)
    whole = load_config("backblaze").sampling.model_copy(update={"share": 1.0, "strata": ()})
    everything = streaming.training_rows(watched, whole, seed=1)
    config = whole.model_copy(update={"share": 0.2})
    sampled = streaming.training_rows(watched, config, seed=1)
    near = sampled.hours_to_failure <= config.near_failure_hours
    assert (sampled.weight[near] == 1.0).all()
    assert near.sum() == (everything.hours_to_failure <= config.near_failure_hours).sum()
    assert sampled.weight.sum() == pytest.approx(len(everything.x), rel=0.05)
    assert (everything.weight == 1.0).all()
    until = int(np.median(np.concatenate([chunk.as_of for chunk in watched.chunks()])))
    assert len(streaming.training_rows(watched, whole, until=until, seed=1).x) < len(everything.x)


def test_a_row_belongs_to_the_first_stratum_that_fits() -> None:
    config = load_config("backblaze").sampling
    names = ("faults_present", "faults_since")
    x = np.array([[np.nan, np.nan], [0, np.nan], [1, np.nan], [1, 337], [1, 336], [0, 24]], dtype=np.float32)
    assert streaming.shares(config, names, x).tolist() == [config.share, config.share, 0.1, 0.1, 1.0, 1.0]


@pytest.mark.data
def test_some_hundred_published_drives(home: Path) -> None:
    source = Path(os.environ.get("FOREWARN_DATA", "")) / "backblaze-hds"
    if "FOREWARN_DATA" not in os.environ or not source.is_dir():
        pytest.skip("FOREWARN_DATA with backblaze-hds is absent")
    table = pd.read_parquet(source / "hds.parquet")
    fails = table.groupby("serial_number", observed=True)["fails"].max()
    chosen = [*fails.index[fails == 1][:150], *fails.index[fails == 0][:150]]
    result = backblaze.run(write(home / "published", table[table["serial_number"].isin(chosen)]), None, None, silent)
    assert float(result.table[0]["AUC"].value) > 0.7  # type: ignore[union-attr,arg-type]


def test_networks_speak_of_the_riskiest_rows_alone(folder: Path, tmp_path: Path) -> None:
    """Fitted and judged as shipped, but tiny; let in by hand, since so few drives decide nothing."""
    config = backblaze.load_config("backblaze").model_copy(update={"network": TINY})
    fleet = backblaze.imported(folder, tmp_path / "lake", silent)
    rows = backblaze._sampled(fleet, None, config, silent)
    model = backblaze.with_networks(backblaze.fit(rows, config, silent), fleet, rows, config, silent)
    networks = model.networks
    assert networks is not None and [one.networks for one in networks.panel.entry.tried] == [("tcn",)]
    assert any("log loss" in note.en for note in notes(networks)) and "networks" in networks_fact(networks)
    blend = networks.panel.entry.tried[0].blend.model_copy(update={"either": 0.5})
    let_in = replace(networks, panel=replace(networks.panel, entry=replace(networks.panel.entry, blend=blend)))
    chunk = next(iter(fleet.chunks()))
    x = np.ascontiguousarray(chunk.x)
    p = model(x)
    said = let_in.improved(fleet, chunk, x, model.boosters, p)
    moved = (said != p).any(axis=1)
    risky = model.boosters.point_scores(x)[:, -1] >= networks.least
    assert moved.any() and not moved[~risky].any()
    assert (np.diff(said, axis=1) >= 0).all() and np.isfinite(said).all()
    if networks.panel.entry.blend is None:
        np.testing.assert_array_equal(networks.improved(fleet, chunk, x, model.boosters, p), p)


def test_a_thinner_sample_keeps_every_failure_and_the_prior(folder: Path, tmp_path: Path) -> None:
    config = backblaze.load_config("backblaze")
    rows = backblaze._sampled(backblaze.imported(folder, tmp_path / "lake", silent), None, config, silent)
    near = rows.hours_to_failure <= 72
    totals = []
    for seed in range(30):
        kept, weight = some(rows, np.ones(len(near), dtype=bool), 400, seed)
        assert set(np.flatnonzero(near)) <= set(kept.tolist())
        assert (weight[near[kept]] == rows.weight[kept][near[kept]]).all()
        totals.append(weight.sum())
    assert np.mean(totals) == pytest.approx(rows.weight.sum(), rel=0.02)
