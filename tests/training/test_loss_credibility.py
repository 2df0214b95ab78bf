"""Shares and means of classes by industry: drawn to their kind as far as chance explains how they differ."""

import numpy as np

from training.loss_credibility import drawn_means, drawn_shares

KIND = [True, True, True, True, False, False, False, False]


def counts(graver: np.ndarray, accidents: np.ndarray, seed: int = 2) -> np.ndarray:
    """Numbers [segments, classes] of accidents with such chances of the graver classes."""
    random = np.random.default_rng(seed)
    found = np.column_stack([random.binomial(accidents, one) for one in graver.T])
    return np.column_stack([accidents - found.sum(axis=1), found]).astype(float)


def test_industries_that_differ_by_chance_alone_are_their_kind() -> None:
    accidents = np.array([2000, 800, 150, 30, 2000, 800, 150, 30])
    true = np.array([[0.06, 0.010]] * 4 + [[0.02, 0.002]] * 4)
    count = counts(true, accidents)
    drawn, own = drawn_shares(count, KIND), count / count.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0)
    errors = [np.abs(one[:, 1:] / true - 1.0).mean() for one in (drawn, own)]
    assert errors[0] < 0.6 * errors[1]
    assert np.ptp(drawn[:4, 1]) < 0.3 * np.ptp(own[:4, 1])


def test_an_industry_that_differs_beyond_chance_keeps_its_own() -> None:
    accidents = np.full(8, 3000)
    true = np.array([[0.20], [0.05], [0.05], [0.05], [0.02], [0.02], [0.02], [0.02]])
    drawn = drawn_shares(counts(true, accidents), KIND)
    np.testing.assert_allclose(drawn[:, 1], true[:, 0], rtol=0.2)


def test_a_class_that_never_came_keeps_a_trace_and_one_without_accidents_its_kind() -> None:
    count = np.array([[500.0, 30.0, 0.0], [0.0, 0.0, 0.0], [500.0, 10.0, 0.0]])
    drawn = drawn_shares(count, [True, True, False])
    assert (drawn[:, 2] > 0).all() and (drawn[:, 2] < 1e-3).all()
    assert drawn[0, 1] > drawn[2, 1] and abs(drawn[1, 1] / drawn[0, 1] - 1.0) < 0.2


def test_one_great_loss_does_not_make_an_industry() -> None:
    segment, code, moved = np.repeat(np.arange(8), 60), np.zeros(480, dtype=np.int64), []
    for seed in range(20):
        loss = np.exp(np.random.default_rng(seed).normal(10.0, 1.0, len(segment)))
        loss[0] = 500.0 * loss.mean()
        overall = np.array([loss.mean(), 7.0])
        drawn = drawn_means(loss, segment, code, overall, 8)
        moved.append((drawn[0, 0] - overall[0]) / (loss[:60].mean() - overall[0]))
        np.testing.assert_array_equal(drawn[:, 1], 7.0)
    assert np.mean(moved) < 0.25 and np.median(moved) == 0.0


def test_means_that_differ_are_kept() -> None:
    random = np.random.default_rng(5)
    segment = np.repeat(np.arange(6), 400)
    true = np.array([1.0, 1.0, 1.0, 4.0, 4.0, 4.0])
    loss = true[segment] * random.gamma(2.0, 0.5, len(segment))
    drawn = drawn_means(loss, segment, np.zeros(len(loss), dtype=np.int64), np.array([loss.mean()]), 6)
    np.testing.assert_allclose(drawn[:, 0], true, rtol=0.15)
