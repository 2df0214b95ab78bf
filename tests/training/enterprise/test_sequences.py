"""The sequence network: what enters its windows, what it learns beside an offset, and that it has a say on evidence alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from features.enterprise.catalog import catalog
from features.errors import BadInput
from tests.training.enterprise import planted
from training import checkpoint, loop
from training.enterprise.bundle import RiskBundle, RiskFacts
from training.enterprise.config import ScoreConfig, SequenceConfig, load_enterprise
from training.enterprise.fit import Learned, learn, periods
from training.enterprise.rows import Past
from training.enterprise.sequence_fit import Period, fit_network, targets_of, weighed
from training.enterprise.sequence_model import SequenceLayout, SequenceModel
from training.enterprise.sequence_words import entry_of
from training.enterprise.sequences import HIDDEN, Sequences, layout_of, windows_of
from training.enterprise.severity import Severity
from training.frequency import CountRows
from training.intervals import Interval
from training.network_config import LoopConfig, NetworkConfig
from training.onnx_export import difference, to_onnx
from training.windows import Arrays

NETWORK = NetworkConfig(family="gru", head="counts", width=4, layers=1, filters=0, mix=4, hidden=4)
ASKED = SequenceConfig(
    steps=4,
    channels=("accident_*", "hazard_*", "visits_*"),
    network=NETWORK,
    loop=LoopConfig(epochs=2, patience=None, batch=512),
)
FEW = ScoreConfig(boosters=planted.BOOSTERS.model_copy(update={"rounds": 4}))
CONFIG = planted.CONFIG.model_copy(update={"network": ASKED, "price": FEW, "alarm": FEW})
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def moving(past: Past) -> Past:
    """The same accidents, with features that change from month to month."""
    random = np.random.default_rng(5)
    return replace(past, x=(past.x * random.gamma(4.0, 0.25, past.x.shape)).astype(np.float32))


@pytest.fixture(scope="module")
def tried(past: Past) -> Learned:
    return learn(CONFIG, past, periods(past.as_of, CONFIG.periods))


def let_in(tried: Learned) -> Learned:
    """As if the network had earned its say."""
    assert tried.heard is not None
    return replace(tried, models=replace(tried.models, network=tried.heard.model.weighed(0.7, -0.1)))


def bundle_of(past: Past, learned: Learned) -> RiskBundle:
    facts = RiskFacts("planted", {}, (), NOW, NOW, NOW, {})
    return RiskBundle.assemble(learned.models, Severity.fit(past, learned.cuts.test_from), facts, past.x[:3])


def test_a_window_holds_the_moments_before_newest_last(moving: Past) -> None:
    layout = layout_of(CONFIG, moving)
    source = Sequences.of(layout, moving)
    steps, static = source.take(np.arange(len(moving.x)))
    assert steps.shape == (len(moving.x), 4, len(layout.names)) and static.shape == (len(moving.x), 0)
    column = moving.snapshot.features.index(layout.names[0])
    for row in (0, 2, 30, 31, 777):
        for step in range(4):
            moment = moving.as_of[row] - (3 - step) * 30 * 86_400_000_000
            there = np.flatnonzero((moving.enterprise == moving.enterprise[row]) & (moving.as_of == moment))
            expected = moving.x[there[0], column] if len(there) else np.nan
            np.testing.assert_array_equal(steps[row, step, 0], expected)


def test_nothing_later_than_as_of_enters_a_window(moving: Past) -> None:
    cut = int(np.median(moving.as_of))
    later = moving.as_of > cut
    changed = replace(moving, x=np.where(later[:, None], np.float32(99.0), moving.x))
    layout, rows = layout_of(CONFIG, moving), np.flatnonzero(~later)
    one, other = (Sequences.of(layout, own).take(rows)[0] for own in (moving, changed))
    np.testing.assert_array_equal(one, other)


def test_no_order_of_rows_and_no_gap_changes_a_window(moving: Past) -> None:
    order = np.random.default_rng(2).permutation(len(moving.x))
    kept = order[::2]
    part = replace(moving, observations=moving.observations.take(kept), x=moving.x[kept])
    layout = layout_of(CONFIG, moving)
    whole, some = Sequences.of(layout, moving).take(kept)[0], Sequences.of(layout, part).take(np.arange(len(kept)))[0]
    absent = np.isnan(some).all(axis=2)
    np.testing.assert_array_equal(some[~absent], whole[~absent])
    assert not absent[:, -1].any() and absent.mean() > np.isnan(whole).all(axis=2).mean()


def test_self_reports_and_what_is_unseen_are_not_shown(moving: Past) -> None:
    blind = CONFIG.model_copy(update={"unseen": ("visits_*",)})
    assert not any(name.startswith(("hazard_self", "visits")) for name in layout_of(blind, moving).names)
    assert "hazard_self*" in HIDDEN and any(name.startswith("hazard_external") for name in layout_of(blind, moving).names)
    assert layout_of(CONFIG, moving).hash != layout_of(blind, moving).hash


def test_the_offset_is_what_the_network_need_not_learn() -> None:
    """Counts follow twice the number expected where the first channel is high, half of it elsewhere."""
    random = np.random.default_rng(3)
    steps = random.normal(size=(3000, 4, 2)).astype(np.float32)
    expected = np.exp(random.normal(0.0, 1.0, (3000, 3)))
    truth = np.where(steps[:, :, 0].mean(axis=1) > 0, np.log(2), -np.log(2))
    came = random.poisson(expected * np.exp(truth)[:, None]).astype(np.float32)
    came[random.random(came.shape) < 0.2] = np.nan
    targets = np.concatenate([came, np.where(np.isnan(came), np.nan, np.log(expected))], axis=1).astype(np.float32)
    source, rows = Arrays(steps), np.arange(2000)
    how = LoopConfig(epochs=8, batch=64, learning_rate=1e-2, patience=None)
    fitted = loop.fit(source, targets, np.ones(3000), rows, rows[:0], NETWORK, how, seed=1)
    said = loop.predict(fitted, source, np.arange(2000, 3000))
    high = truth[2000:] > 0
    assert said.shape == (1000, 3)
    assert 0.4 < said[high].mean() < 0.9 and -0.9 < said[~high].mean() < -0.4
    assert difference(fitted, to_onnx(fitted)) < 1e-5
    told, shift = targets.copy(), np.float32(np.log(5))
    told[:, 3:] -= shift
    again = loop.predict(loop.fit(source, told, np.ones(3000), rows, rows[:0], NETWORK, how, seed=1), source, rows[:100])
    np.testing.assert_allclose(again.mean() - shift, loop.predict(fitted, source, rows[:100]).mean(), atol=0.15)


def test_targets_stand_where_they_were_followed(past: Past) -> None:
    cuts = periods(past.as_of, CONFIG.periods)
    labels = past.labels(cuts.calibration_from, lag_days=30.0)
    rows = past.counted(cuts.train, labels)
    period = Period(cuts.train, labels, rows, {})
    targets = targets_of(period, rows.exposure)
    np.testing.assert_array_equal(np.isfinite(targets[:, :3]), period.followed)
    np.testing.assert_array_equal(np.isfinite(targets[:, 3:]), period.followed)
    assert (~period.followed).any() and period.followed.sum() == len(rows)
    ratio = np.nansum(targets[:, :3]) / np.nansum(np.exp(targets[:, 3:]))
    assert ratio == pytest.approx(rows.weights @ rows.count / (rows.weights @ rows.exposure), rel=1e-4)
    np.testing.assert_allclose(period.flat(period.table(rows.exposure)), rows.exposure)


def test_a_say_is_weighed_and_noise_gets_none() -> None:
    random = np.random.default_rng(4)
    told, noise = random.normal(0.0, 0.5, (2, 20_000))
    expected = np.full(20_000, 0.1)
    count = random.poisson(expected * np.exp(0.8 * told)).astype(float)
    rows = CountRows(np.zeros((20_000, 1), np.float32), ("a",), (), expected, count, np.arange(20_000))
    used = np.arange(20_000)
    assert weighed(rows, expected, told, used, 20.0)[0] == pytest.approx(0.8, abs=0.15)
    assert weighed(rows, expected, -told, used, 20.0)[0] == 0.0
    assert weighed(rows, expected, noise, used, 20.0)[0] < 0.1


def test_a_network_that_learnt_nothing_stays_out_and_it_is_said(tried: Learned) -> None:
    """Features of the planted past never change: there is no history to learn from."""
    assert tried.heard is not None and not tried.heard.enters and tried.models.network is None
    (told,) = entry_of(tried.heard)
    assert "left out" in told.en and "未进入" in told.zh
    better = replace(tried.heard, gain=Interval(0.02, 0.01, 0.03), model=tried.heard.model.weighed(0.5, 0.0))
    (told,) = entry_of(better)
    assert better.enters and "has entered" in told.en and "已进入" in told.zh
    assert not replace(better, gain=Interval(0.02, -0.01, 0.03)).enters and entry_of(None) == ()


def test_it_is_the_same_by_seed_and_after_a_kill(tried: Learned, past: Past, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def stop(text: str) -> None:
        if "epoch 2" in text:
            raise Killed

    cuts = tried.cuts
    labels = past.labels(cuts.calibration_from, lag_days=30.0)
    train = Period(cuts.train, labels, past.counted(cuts.train, labels), {})
    source = Sequences.of(layout_of(CONFIG, past), past)

    def fit(say: Callable[[str], None]) -> bytes:
        return fit_network(CONFIG, past, train, 0.01 * train.counted.exposure, source, progress=say)

    with pytest.raises(Killed), checkpoint.kept(tmp_path, "enterprise"):
        fit(stop)
    said: list[str] = []
    with checkpoint.kept(tmp_path, "enterprise"):
        again = fit(said.append)
    assert any("goes on after epoch" in text for text in said)
    assert again == fit(lambda text: None)


def test_the_bundle_hears_it_in_the_alarm_alone(tried: Learned, past: Past, tmp_path: Path) -> None:
    mute, heard = bundle_of(past, tried), bundle_of(past, let_in(tried))
    again = RiskBundle.load(heard.save(tmp_path / "one"))
    again.check_golden()
    rows = np.arange(0, len(past.x), 97)
    x, windows = past.x[rows], windows_of(again.models.network, past, rows)
    assert windows is not None and mute.manifest.bundle_id != heard.manifest.bundle_id
    told = again.risks(x, sequences=windows)
    np.testing.assert_array_equal(told["price"].expected, mute.risk("price", x).expected)
    np.testing.assert_array_equal(again.risk("alarm", x).expected, mute.risk("alarm", x).expected)
    moved = told["alarm"].expected / mute.risk("alarm", x).expected
    assert (np.abs(moved - 1) > 1e-3).mean() > 0.5
    assert (np.diff(told["alarm"].expected, axis=1) > 0).all()
    np.testing.assert_array_equal(again.risk("alarm", x[3:4], sequences=windows[3:4]).expected, told["alarm"].expected[3:4])
    np.testing.assert_allclose(heard.risk("alarm", x, sequences=windows).expected, told["alarm"].expected)
    nothing = np.full_like(windows, np.nan)
    np.testing.assert_array_equal(again.risk("alarm", x, sequences=nothing).expected, mute.risk("alarm", x).expected)
    assert mute.unheard(None) is None and again.unheard(windows) is None
    note = again.unheard(None)
    assert note is not None and note.en and note.zh


def test_a_network_that_answers_otherwise_is_told(tried: Learned, past: Past) -> None:
    heard = let_in(tried)
    network = heard.models.network
    assert network is not None and network.facts.golden.windows and network.as_ever
    golden = network.facts.golden.model_copy(update={"said": ((1.0, 1.0, 1.0),) * 2})
    other = SequenceModel(network.facts.model_copy(update={"golden": golden}), network.content)
    with pytest.raises(BadInput, match="golden"):
        bundle_of(past, replace(heard, models=replace(heard.models, network=other))).check_golden()


def test_more_self_reports_never_raise_an_alarm_that_hears_it(tried: Learned, past: Past) -> None:
    heard, rows = let_in(tried).models, np.arange(0, len(past.x), 11)
    x = past.x.copy()
    for name in (
        one for one in catalog().names if one.startswith("hazard_self") and "overdue" not in one and "repeated" not in one
    ):
        x[:, catalog().names.index(name)] *= 3
    tripled = replace(past, x=x)
    before, after = (
        heard.risk(
            "alarm", own.x[rows], past.exposure[rows], past.exposure[rows], sequences=windows_of(heard.network, own, rows)
        )
        for own in (past, tripled)
    )
    assert (after.expected <= before.expected * (1 + 1e-12)).all()


def test_a_window_of_another_layout_is_refused(tried: Learned, past: Past) -> None:
    assert tried.heard is not None
    model = tried.heard.model
    other = model.facts.model_copy(update={"layout": SequenceLayout(names=("a",), steps=4, every_days=30.0)})
    with pytest.raises(BadInput, match="layout"):
        SequenceModel(other, model.content)
    with pytest.raises(BadInput, match="windows of"):
        model.raw(np.zeros((2, 3, len(model.facts.layout.names)), np.float32))


def test_the_shipped_experiments_are_read() -> None:
    assert load_enterprise().network is None
    shipped = load_enterprise("enterprise_network").network
    assert shipped is not None and shipped.network.head == "counts"
    with pytest.raises(ValueError, match="counts"):
        SequenceConfig(channels=("a",), network=NetworkConfig(head="life"))
