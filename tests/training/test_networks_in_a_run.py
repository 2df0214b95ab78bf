"""A training run with networks on a small simulated fleet: what they learn from, what decides on them, what the report says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from features.clock import times
from features.errors import BadInput
from features.lake import Lake
from features.pooled import EVERY
from features.snapshots import Snapshot
from tests.training import fleet
from tests.training.networks import fresh
from tests.training.test_train import CONFIG, lake, snapshot  # noqa: F401  (fixtures)
from training import evaluation, report, rivals, runs, sequence_fit, tables
from training import panel as panels
from training.blend import BOOSTERS, Judged
from training.config import TrainConfig, load_config, parse_config
from training.hazard import interval_outcomes
from training.network_words import entry_document, entry_words
from training.panel import BLENDED, SERVED, forecasts
from training.rows import Past
from training.splits import by_time
from training.train import Training, train_machine
from training.truth import Truth

NETWORK = {
    "seeds": 1, "hours": 72.0, "fewest_steps": 6, "max_negatives": 300, "auxiliary_hours": [72.0, 168.0],
    "gru": {"family": "gru", "width": 6, "layers": 1, "hidden": 8}, "loop": {"epochs": 1, "patience": 1},
}  # fmt: skip


def asked() -> TrainConfig:
    return TrainConfig.model_validate({**CONFIG.model_dump(), "network": NETWORK})


@pytest.fixture(scope="module")
def past(snapshot: Snapshot, lake: Lake) -> Past:  # noqa: F811
    return Past.of(snapshot, lake)


def cuts(past: Past):
    return by_time(past.as_of, calibration_share=0.15, test_share=0.2)


def test_targets_know_nothing_after_the_cut(past: Past) -> None:
    """Planted: every failure recorded after the cut is dropped; what networks learn must be the same to the last number."""
    periods = cuts(past)
    early = past.failures.filter(pa.array(times(past.failures, "recorded_at") <= periods.calibration_from))
    assert early.num_rows < past.failures.num_rows
    seen = sequence_fit.targets(asked(), past, periods.train, periods.calibration_from)
    blind = sequence_fit.targets(asked(), replace(past, failures=early), periods.train, periods.calibration_from)
    np.testing.assert_array_equal(seen.rows, blind.rows)
    np.testing.assert_array_equal(seen.outcomes[seen.rows], blind.outcomes[seen.rows])
    leaking = sequence_fit.targets(asked(), past, periods.train, periods.test_from)
    assert not np.array_equal(leaking.outcomes[seen.rows], seen.outcomes[seen.rows], equal_nan=True)


def test_targets_are_interval_outcomes_then_the_components_own(past: Past, snapshot: Snapshot) -> None:  # noqa: F811
    periods = cuts(past)
    found = sequence_fit.targets(asked(), past, periods.train, periods.calibration_from)
    components = [one.code for one in snapshot.kind.components]
    assert found.outcomes.shape == (len(past.as_of), 3 + 2 * len(components))
    own = found.outcomes[found.rows]
    # A failure within 72 h is one of some component's first interval.
    first = np.nan_to_num(own[:, 3::2]).max(axis=1)
    late = past.as_of[found.rows] + 72 * 3_600_000_000 > periods.calibration_from
    assert (first[(np.nansum(own[:, :3], axis=1) > 0) & ~late] == 1).all()
    # Of an interval that had not passed nothing is said, not of failures either.
    last = past.as_of[found.rows] + 168 * 3_600_000_000 > periods.calibration_from
    assert np.isnan(own[last][:, 4::2]).all()
    assert found.weight[found.rows].sum() == pytest.approx(
        np.isfinite(past.labels(known_until=periods.calibration_from)["y24"].to_numpy()[periods.train]).sum()
    )


@pytest.fixture(scope="module")
def trained(snapshot: Snapshot, lake: Lake) -> Training:  # noqa: F811
    return train_machine(asked(), snapshot, lake)


def test_a_run_decides_and_tells_of_every_model(trained: Training, snapshot: Snapshot, lake: Lake) -> None:  # noqa: F811
    plain = train_machine(CONFIG, snapshot, lake)
    assert trained.panel is not None
    entry = trained.panel.entry
    assert [one.networks for one in entry.tried] == [("gru",)]
    if entry.blend is None:
        assert trained.bundle.networks is None
        assert set(trained.singles) == {"gru", BLENDED}
        np.testing.assert_array_equal(trained.predictions["p72"], plain.predictions["p72"])
        assert "left out" in entry_words(entry).en
    else:
        assert set(trained.singles) == {BOOSTERS, "gru"}
        assert "have entered" in entry_words(entry).en
    assert entry_document(entry)["entered"] == (entry.blend is not None)
    for p in trained.singles.values():
        assert p.shape == (len(trained.predictions), 3)
        assert (np.diff(p, axis=1) >= 0).all()
    assert trained.bundle.model.members.text == plain.bundle.model.members.text


def test_the_report_shows_single_models_beside_the_rivals(
    trained: Training, past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trained.panel is not None
    monkeypatch.setattr(rivals, "RIVALS", tuple(one for one in rivals.RIVALS if one.name == "rate"))
    random = np.random.default_rng(0)
    p = trained.predictions[["p24", "p48", "p72"]].to_numpy()
    signs = {one.code: "windows" for one in past.snapshot.kind.components}
    known = Truth(np.clip(p * random.uniform(0.5, 2.0, (len(p), 1)), 1e-6, 0.9), signs)
    judged = runs.judge(trained, asked(), known)
    assert judged.singles == tuple(trained.singles)
    assert judged.rivals == ("rate",)
    titles = [str(row["forecast"]) for row in tables.summary(judged, runs.WORDS)]
    for name in judged.singles:
        assert runs.WORDS[name].en in titles
        assert f"gain over {runs.WORDS[name].en}" in titles
        assert judged.ceiling is not None
        assert all(name in mode.singles for mode in judged.ceiling.modes)
    page = runs.describe(trained.bundle, past.snapshot, judged)
    html = report.render(replace(page, notes=[entry_words(trained.panel.entry), *page.notes]), judged)
    assert "recurrent network alone (GRU)" in html
    assert "log loss" in html


def test_what_lightgbm_misses_and_the_blend_finds_is_counted() -> None:
    """Two modes; the boosters see the first alone, the blend both: of what they miss it finds all."""
    table = fleet.frame(machines=60, days=60)
    near = table["y72"].to_numpy() == 1
    odd = np.array([int(name[1:]) % 2 == 1 for name in table["machine_id"]])
    table["component"] = np.where(near, np.where(odd, "hidden", "plain"), None)
    table["low72"], table["high72"] = 0.0, 1.0
    both = np.where(near, 0.9, 0.01)[:, None] * np.array([0.3, 0.6, 1.0])
    first = np.where(near & ~odd, 0.9, 0.01)[:, None] * np.array([0.3, 0.6, 1.0])
    how = evaluation.Settings(replicates=20, lists=(), budgets=(float(near.mean()),))
    truth = Truth(both, {"plain": "windows", "hidden": "order"})
    found = evaluation.evaluate(table, {"forewarn": both, BOOSTERS: first}, how, truth=truth, singles=(BOOSTERS,)).ceiling
    assert found is not None
    hidden = next(one for one in found.modes if one.name == "hidden")
    assert hidden.model.value > 0.95
    assert hidden.singles[BOOSTERS].value < 0.6
    assert hidden.found is not None
    assert hidden.found.value > 0.9


def test_what_has_entered_is_what_is_served(past: Past, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Planted: scores that tell the failures of the calibration period; the networks enter, and the bundle speaks for them."""
    from training.train import learn

    some = past.windows(72.0).take(np.arange(30))
    made = fresh(past.snapshot.kind, some, hours=72.0, fewest_steps=6).model
    monkeypatch.setattr(sequence_fit, "fit", lambda *_, **__: made)
    real = panels.decided

    def knowing(config, rows, *rest):
        told = np.where(np.nan_to_num(rows.at_risk) == 1, -1.0, -6.0) + np.random.default_rng(1).normal(size=rows.at_risk.shape)
        return real(config, Judged({**rows.logs, "gru": told}, rows.at_risk, rows.outcomes, rows.weight, rows.machine), *rest)

    monkeypatch.setattr(panels, "decided", knowing)
    periods = cuts(past)
    learned = learn(asked(), past, periods)
    assert learned.panel is not None
    assert learned.panel.entry.blend is not None
    assert learned.bundle.networks is not None
    said = forecasts(learned.bundle, past, periods.test[:50], panel=learned.panel)
    assert list(said) == [SERVED, BOOSTERS, "gru"]
    assert said[SERVED].blended.any()
    again = type(learned.bundle).load(learned.bundle.save(tmp_path / "b"))
    again.check_golden()
    np.testing.assert_array_equal(forecasts(again, past, periods.test[:50])[SERVED].p, said[SERVED].p)
    assert list(forecasts(again, past, periods.test[:50])) == [SERVED, BOOSTERS]
    assert "have entered" in entry_words(learned.panel.entry).en


def test_a_network_that_saw_the_future_in_training_is_left_out(past: Past) -> None:
    """Planted: windows of the training period tell the outcome, later ones do not, as a leak in training data would have it."""
    periods = cuts(past)
    rows = past.rows(periods.calibration, known_until=periods.test_from, max_negatives=None, seed=1)
    at_risk = interval_outcomes(rows.hours_to_failure, rows.followed_hours).astype(np.float64)
    sure = np.random.default_rng(2).normal(-4.0, 3.0, at_risk.shape)  # what it learnt to read means nothing here
    boosters = np.full(at_risk.shape, -4.0) + np.random.default_rng(3).normal(size=at_risk.shape)
    entry = panels.decide(Judged({BOOSTERS: boosters, "gru": sure}, at_risk, rows.outcomes, rows.weight, rows.machine))
    assert entry.blend is None


def test_windows_of_several_kinds_are_refused(past: Past) -> None:
    class Pooled:
        kind = EVERY

    with pytest.raises(BadInput, match="several kinds"):
        replace(past, snapshot=Pooled(), _windows={}).windows(72.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"network": {}}, "names no network"),
        ({"network": {"gru": {"family": "tcn"}}}, "network.gru must have family"),
        ({"network": {"tcn": {"head": "life"}}}, "must have the head"),
        ({"network": {"tcn": {}, "seed": 1}}, "network.seed"),
        ({"network": {"tcn": {"width": 0}}}, "network.tcn.width"),
    ],
)
def test_a_bad_setting_is_named(document: dict[str, object], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        parse_config(document, "x.toml")


def test_the_experiment_that_is_shipped_is_the_general_recipe_and_a_network() -> None:
    blend, plain = load_config("machine_blend"), load_config("machine")
    assert blend.network is not None
    assert plain.network is None
    assert blend.model_copy(update={"network": None, "name": plain.name}) == plain
