"""A whole training run on a small simulated fleet."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from features.build import Snapshot, build
from features.clock import times
from features.errors import BadInput, NotFound
from features.lake import Lake
from features.observations import Grid
from features.simulator.fleet import simulate
from features.simulator.world import load_world
from training.bundle import Bundle
from training.config import CalibrationConfig, ComponentConfig, GbmConfig, TrainConfig, load_config, parse_config
from training.labels import label
from training.rows import Past, gather, structure_of
from training.train import Training, train_machine

QUICK = GbmConfig(rounds=15, members=2, num_leaves=6, learning_rate=0.15)
CONFIG = TrainConfig(threads=1, gbm=QUICK)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = Lake.open(tmp_path_factory.mktemp("home") / "lake", create=True, buckets=3)
    source = simulate(load_world(), machines=40, days=150, every_hours=6, seed=3)
    made.ingest(source, imported_at=datetime(2026, 1, 1, tzinfo=UTC))
    return made


@pytest.fixture(scope="module")
def snapshot(lake: Lake) -> Snapshot:
    return build(lake, "pump", Grid(every_hours=24), home=lake.root.parent, threads=1)


@pytest.fixture(scope="module")
def trained(lake: Lake, snapshot: Snapshot) -> Training:
    return train_machine(CONFIG, snapshot, lake)


def test_predictions_hold_what_evaluation_needs(trained: Training) -> None:
    frame = trained.predictions
    wanted = ["machine_id", "as_of", "kind", "model", "y24", "y48", "y72", "followed_hours", "hours_to_failure", "component"]
    assert list(frame) == [*wanted, "p24", "p48", "p72", "low72", "high72"]
    assert len(frame) == len(trained.test_x)
    assert frame["y72"].sum() > 0
    assert (frame["low72"] <= frame["p72"]).all()
    assert (frame["p72"] <= frame["high72"]).all()
    np.testing.assert_allclose(trained.bundle.predict(trained.test_x).p[:, 2], frame["p72"])


def test_periods_keep_their_distance(trained: Training) -> None:
    manifest, horizon = trained.bundle.manifest, timedelta(hours=72)
    assert manifest.train_from < manifest.train_until
    assert manifest.train_until + horizon < manifest.calibrated_until
    assert manifest.calibrated_until + horizon <= trained.predictions["as_of"].min()


def test_it_has_learnt_something(trained: Training) -> None:
    """What sensors and codes announce stands out; much of the rest nothing announces."""
    signs = next(kind for kind in load_world().kinds if kind.name == "pump").signs()
    ripe = trained.predictions.dropna(subset="y72")
    announced = ripe["component"].map(signs) == "windows"
    assert announced.any()
    assert ripe.loc[announced, "p72"].mean() > 1.5 * ripe.loc[ripe["y72"] == 0, "p72"].mean()


def test_weights_restore_the_prior_and_unripe_rows_stay_out(trained: Training, snapshot: Snapshot, lake: Lake) -> None:
    few = CONFIG.model_copy(update={"sampling": CONFIG.sampling.model_copy(update={"max_negatives": 300})})
    sampled = train_machine(few, snapshot, lake)
    assert len(sampled.train_x) < len(trained.train_x)
    assert sampled.train_labels["y72"].sum() == trained.train_labels["y72"].sum()
    assert sampled.train_weight.sum() == pytest.approx(trained.train_weight.sum())
    assert not trained.train_labels["y24"].isna().any()


def test_same_seed_same_boosters(trained: Training, snapshot: Snapshot, lake: Lake) -> None:
    again = train_machine(CONFIG.model_copy(update={"threads": 2}), snapshot, lake).bundle
    assert again.model.members.text == trained.bundle.model.members.text
    assert again.calibration == trained.bundle.calibration
    other = train_machine(CONFIG.model_copy(update={"seed": 8}), snapshot, lake).bundle
    assert other.model.members.text != trained.bundle.model.members.text
    assert other.manifest.bundle_id != trained.bundle.manifest.bundle_id


def test_bundle_of_a_run_survives_the_disk(trained: Training, tmp_path: Path) -> None:
    again = Bundle.load(trained.bundle.save(tmp_path / "bundle"))
    again.check_golden()
    assert again.manifest.snapshot_id == trained.bundle.manifest.snapshot_id


def test_refit_learns_from_the_calibration_period_too(trained: Training, snapshot: Snapshot, lake: Lake) -> None:
    config = CONFIG.model_copy(update={"split": CONFIG.split.model_copy(update={"refit": True})})
    again = train_machine(config, snapshot, lake)
    assert len(again.train_x) > len(trained.train_x)
    assert again.bundle.calibration == trained.bundle.calibration
    assert again.bundle.manifest.train_until + timedelta(hours=72) <= again.predictions["as_of"].min()


def test_the_test_period_does_not_touch_the_bundle(trained: Training, snapshot: Snapshot, lake: Lake) -> None:
    """Planted: every failure of the test period is dropped; training and calibration must come out the same."""
    past = Past.of(snapshot, lake)
    cut = trained.predictions["as_of"].min().to_pydatetime()
    rows = past.rows(np.arange(500), known_until=int(cut.timestamp() * 1e6), max_negatives=None, seed=1)
    early = past.failures.filter(pa.array(times(past.failures, "recorded_at") <= int(cut.timestamp() * 1e6)))
    assert early.num_rows < past.failures.num_rows
    blind = replace(past, failures=early)
    same = blind.rows(np.arange(500), known_until=int(cut.timestamp() * 1e6), max_negatives=None, seed=1)
    np.testing.assert_array_equal(rows.hours_to_failure, same.hours_to_failure)
    np.testing.assert_array_equal(rows.x, same.x)


def test_labels_are_as_known_at_the_cut(snapshot: Snapshot, lake: Lake) -> None:
    past = Past.of(snapshot, lake)
    cut = int(np.median(past.as_of))
    then, now = past.labels(known_until=cut), past.labels()
    assert (past.as_of[then["y72"].notna()] < cut).all()
    assert now["y72"].notna().sum() > then["y72"].notna().sum()
    both = then["y72"].notna()
    assert (then["y72"][both] <= now["y72"][both]).all()
    again = label(past.observations, past.failures, past.watched)
    assert again.equals(now)


def test_a_failure_may_still_be_on_its_way(snapshot: Snapshot, lake: Lake) -> None:
    past = Past.of(snapshot, lake)
    cut = int(np.median(past.as_of))
    at_once, later = past.labels(known_until=cut), past.labels(known_until=cut, lag_hours=48.0)
    unripe = at_once["y24"].notna() & later["y24"].isna()
    assert unripe.any()
    assert set(at_once["y24"][unripe]) == {0.0}, "only what went well so far is not yet known"
    assert (later["y24"] == 1.0).sum() == (at_once["y24"] == 1.0).sum()


def test_gather_keeps_the_order_of_observations(snapshot: Snapshot) -> None:
    rows = np.array([0, 5, 300, len(snapshot.observations()) - 1])
    frame = snapshot.to_pandas()
    np.testing.assert_array_equal(gather(snapshot, rows), frame.iloc[rows, 2:].to_numpy(np.float32))


def test_components_as_competing_risks(snapshot: Snapshot, lake: Lake) -> None:
    codes = [term.code for term in snapshot.kind.components]
    gbm = QUICK.model_copy(update={"components": tuple(ComponentConfig(code=code) for code in codes)})
    made = train_machine(CONFIG.model_copy(update={"gbm": gbm}), snapshot, lake)
    assert len(made.bundle.model.structure.views) == len(codes)
    effects, _ = made.bundle.contributions(made.test_x[:20])
    assert effects.shape == (20, len(snapshot.features))
    views = structure_of(snapshot.kind, gbm).views
    own = [snapshot.features[view[0]] for view in views]
    assert [name.split("_")[0] for name in own] == codes or len(set(own)) == len(codes)


def test_components_that_do_not_match_are_named(snapshot: Snapshot) -> None:
    codes = [term.code for term in snapshot.kind.components]
    uneven = (ComponentConfig(code=codes[0], own=(snapshot.kind.sensors[0].name,)), ComponentConfig(code=codes[1]))
    with pytest.raises(BadInput, match=f"component {codes[1]}"):
        structure_of(snapshot.kind, QUICK.model_copy(update={"components": uneven}))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"gbm": {"round": 3}}, "gbm.round"),
        ({"gbm": {"rounds": 0}}, "gbm.rounds"),
        ({"split": {"gap_hours": 24}}, "split.gap_hours"),
        ({"split": {"test_from": "2024-01-01T00:00:00"}}, "split.test_from"),
        ({"seed": "x"}, "seed"),
    ],
)
def test_a_bad_setting_is_named(document: dict[str, object], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        parse_config(document, "x.toml")


def test_experiments_that_are_shipped_can_be_read() -> None:
    for name in ("machine", "azure_pdm", "backblaze"):
        assert load_config(name).name == name


@pytest.mark.parametrize("text", ["seed = ", "[gbm", "seed = 1\nseed = 2"])
def test_a_broken_file_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(BadInput, match=r"x\.toml"):
        load_config(tmp_path / "x.toml")


def test_an_unknown_experiment_lists_those_that_exist() -> None:
    with pytest.raises(NotFound, match="azure_pdm, backblaze, cmapss, enterprise, enterprise_network, machine"):
        load_config("nothing")


def test_left_out_training_rows_teach_the_map_as_well(snapshot: Snapshot, lake: Lake) -> None:
    """The boosters stay as they were; the map hears of more failing machines than the calibration period has."""
    heard = CONFIG.model_copy(update={"calibration": CalibrationConfig(left_out=True)})
    alone, together = (train_machine(config, snapshot, lake).bundle for config in (CONFIG, heard))
    assert together.model.members.text == alone.model.members.text
    assert together.calibration.events > alone.calibration.events > 0


def test_left_out_rows_need_members_that_left_something_out() -> None:
    for gbm in ({"resample": False}, {"point": "full"}):
        with pytest.raises(BadInput, match="left_out asks members"):
            parse_config({"calibration": {"left_out": True}, "gbm": gbm}, "x.toml")
