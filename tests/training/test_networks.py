"""The networks themselves: what they see, what they do not, and what missing and odd input does to them."""

import numpy as np
import pytest
import torch

from tests.training.windows import NAMES, layout, random_windows
from training.network_config import LoopConfig, NetworkConfig
from training.network_layers import PARTS, echoes
from training.networks import Standardised, build, fit_inputs

SMALL = NetworkConfig(width=6, layers=2, filters=2, filter_steps=4, echoes=2, mix=5, stride=3, hidden=8)
FAMILIES = ("gru", "tcn")


def network(family="tcn", steps=20, **changed):
    torch.manual_seed(3)
    made = build(SMALL.model_copy(update={"family": family, **changed}), layout(steps))
    fit_inputs(made, *random_windows(64, steps))
    return made.eval()


def answers(made, steps, static):
    with torch.inference_mode():
        return made(torch.from_numpy(steps), torch.from_numpy(static)).numpy()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stride", [1, 3, 7])
def test_padding_before_the_first_step_changes_nothing(family, stride):
    """A window of 21 steps in one of 42: the same answer, since padding is no step."""
    made = network(family, 21, stride=stride)
    steps, static = random_windows(5, 21)
    padded = np.concatenate([np.full_like(steps, np.nan), steps], axis=1)
    # The newest half and quarter of the window are other steps where the window is longer; all else is the same.
    with torch.no_grad():
        made.direct.weight.zero_()
    made.level = Forgets(3 * 2 * (SMALL.filters + SMALL.echoes))
    whole, half = answers(made, padded, static), answers(made, steps, static)
    np.testing.assert_allclose(whole, half, atol=1e-4)
    steps[:, -1] += 5.0
    assert np.abs(answers(made, steps, static) - half).max() > 1e-3


def test_what_explains_a_reading_is_taken_out_at_first():
    """The reading follows another channel: what the bank sees of it at first does not; a channel that is a reading stays."""
    torch.manual_seed(3)
    steps, static = random_windows(64, 20)
    steps[:, :, 1] = 0.5 * steps[:, :, 1] + 3.0 * np.nan_to_num(steps[:, :, 2])
    for explained_by, follows in (((), True), ((NAMES[2], NAMES[1]), False)):
        made = build(SMALL.model_copy(update={"readings": (NAMES[1],), "explained_by": explained_by}), layout(20))
        fit_inputs(made, steps, static)
        with torch.inference_mode():
            x, _ = made.steps_in(torch.from_numpy(steps))
            seen = made.clear(x)[..., 0].flatten()
        correlation = abs(float(np.corrcoef(seen, x[..., 2].flatten())[0, 1]))
        assert (correlation > 0.8) == follows
        assert made.clear.weight[0, 1] > 0.8


def test_echoes_are_mean_products_with_earlier_readings():
    random = np.random.default_rng(2)
    x, present = random.standard_normal((3, 21, 2)), np.ones((3, 21, 1))
    present[1, :8] = 0.0
    x = (x + 3.0) * present
    found = echoes(torch.from_numpy(x), torch.from_numpy(present), 5).numpy()
    assert found.shape == (3, len(PARTS), 5 * 2)
    for n, start in ((0, 0), (1, 8)):
        own = x[n, start:] - x[n, start:].mean(axis=0)
        own = np.concatenate([np.zeros((21 - len(own), 2)), own])
        for row, part in enumerate(PARTS):
            first = 21 - (21 + part - 1) // part
            for lag in range(5):
                earlier = np.concatenate([np.zeros((lag, 2)), own[: 21 - lag]])
                wanted = (own * earlier)[first:].sum(axis=0) / present[n, first:].sum()
                np.testing.assert_allclose(found[n, row].reshape(5, 2)[4 - lag], wanted, atol=1e-12)


class Forgets(torch.nn.Module):
    """The pools without those of the bank."""

    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, x):
        return torch.cat([torch.zeros_like(x[:, : self.count]), x[:, self.count :]], dim=1)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_any_reading_the_static_covariates_still_speak(family):
    made = network(family)
    steps, static = random_windows(4, 20)
    steps[:] = np.nan
    found = answers(made, steps, static)
    assert np.isfinite(found).all()
    assert len(np.unique(found[:, 0])) == 4


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("odd", [np.inf, -np.inf, 3e38])
def test_an_absurd_reading_counts_as_the_largest(family, odd):
    made = network(family)
    steps, static = random_windows(3, 20)
    steps[:, 5, 1] = odd
    found = answers(made, steps, static)
    steps[:, 5, 1] = np.sign(odd) * 1e6
    np.testing.assert_array_equal(found, answers(made, steps, static))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_gap_of_a_week_is_held_to_the_longest_known(family):
    made = network(family)
    steps, static = random_windows(3, 20)
    steps[:, 10, 0] = 1e4
    assert np.isfinite(answers(made, steps, static)).all()


def test_standardising_is_robust_and_by_channel():
    random = np.random.default_rng(0)
    values = np.stack([
        10 + 2 * random.standard_normal(4000),
        np.exp(2 * random.standard_normal(4000)),
        (random.random(4000) < 0.01).astype(float),
        np.full(4000, 7.0),
        np.full(4000, np.nan),
        np.where(random.random(4000) < 0.5, np.nan, 1000 + random.standard_normal(4000)),
    ], axis=1).astype(np.float32)  # fmt: skip
    values[:40, 0] = 1e6
    layer = Standardised(("a", "age_hours", "b", "c", "d", "e"), NetworkConfig())
    layer.fit(values)
    x, known = layer(torch.from_numpy(values))
    x, known = x.numpy(), known.numpy()
    assert abs(x[40:, 0].mean()) < 0.05 and abs(x[40:, 0].std() - 1) < 0.1, "a few absurd values do not stretch the scale"
    assert abs(np.median(x[:, 1])) < 0.05 and np.abs(x[:, 1]).max() < 6, "the logarithm takes the tail in"
    assert 0 < x[:, 2].max() <= 8, "a rare flag stands out"
    assert (x[:, 3] == 0).all(), "a constant channel is 0"
    assert (x[:, 4] == 0).all() and (known[:, 4] == 0).all()
    assert (x[:, 5][np.isnan(values[:, 5])] == 0).all() and abs(x[:, 5].mean()) < 0.05
    assert layer.told.tolist() == [0, 0, 0, 0, 0, 1], "presence is told where it varies"


def test_a_channel_that_training_never_knew_is_ignored_when_it_comes():
    steps, static = random_windows(64, 20)
    unseen = list(NAMES).index("sensor:b")
    steps[:, :, unseen] = np.nan
    made = network()
    fit_inputs(made, steps, static)
    before = answers(made, steps[:4], static[:4])
    told = steps[:4].copy()
    told[:, :, unseen] = 55.0
    np.testing.assert_array_equal(answers(made, told, static[:4]), before)


def test_what_is_not_shown_changes_nothing():
    made = network(unseen=("gap*", "capacity"))
    steps, static = random_windows(4, 20)
    before = answers(made, steps, static)
    steps[:, :, 0], static[:, 1] = 3.0, 9.0
    np.testing.assert_array_equal(answers(made, steps, static), before)
    static[:, 0] = 9.0
    assert (answers(made, steps, static) != before).any()


def test_a_constant_sensor_that_moves_later_counts_in_its_own_units():
    steps, static = random_windows(64, 20)
    steps[:, :, 2] = 5.0
    made = network()
    fit_inputs(made, steps, static)
    moved = steps[:4].copy()
    moved[:, -3:, 2] = 6.0
    found = answers(made, moved, static[:4])
    assert np.isfinite(found).all() and np.abs(found - answers(made, steps[:4], static[:4])).max() < 10


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_does_not_depend_on_its_batch(family):
    made = network(family)
    steps, static = random_windows(9, 20)
    together = answers(made, steps, static)
    apart = np.concatenate([answers(made, steps[k : k + 1], static[k : k + 1]) for k in range(9)])
    np.testing.assert_allclose(together, apart, atol=1e-5)


def test_no_static_covariates_no_bank_no_levelling():
    made = build(SMALL.model_copy(update={"filters": 0, "level": False}), layout(20, static=()))
    steps, _ = random_windows(4, 20)
    fit_inputs(made, steps, np.empty((4, 0), dtype=np.float32))
    assert answers(made.eval(), steps, np.empty((4, 0), dtype=np.float32)).shape == (4, 3)


@pytest.mark.parametrize("name", ["gap_hours", "age_hours:comp"])
def test_times_enter_by_their_logarithm_and_voltage_does_not(name):
    made = build(SMALL, layout(20, names=("sensor:voltage", name)))
    assert made.steps_in.logged.tolist() == [False, True]


def test_the_learning_rate_rises_and_falls():
    loop = LoopConfig(learning_rate=0.1, warmup=0.25)
    rates = [loop.rate(step, 100) for step in range(100)]
    assert np.argmax(rates) in (24, 25) and max(rates) == pytest.approx(0.1)
    assert rates[0] < 0.01 and rates[-1] < 0.001


def test_patience_beyond_the_end_is_refused():
    with pytest.raises(ValueError, match="patience"):
        LoopConfig(epochs=3, patience=4)
