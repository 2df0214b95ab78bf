"""Likes of a row: only earlier ones, by the kernel, and the structure found again."""

import numpy as np
import pytest

from training.likeness import Likeness, Places, fit_likeness, links


def places(cell: list[int], period: list[float], size: list[float]) -> Places:
    return Places(np.array(cell), np.array(period), (np.array(size)[:, None],), (1.0,))


def test_only_earlier_rows_of_the_cell_within_reach_speak() -> None:
    rows = places([0, 0, 0, 1, 0], [2013, 2014, 2014, 2013, 2013], [1.0, 1.5, 1.0, 1.5, 9.0])
    pairs = links(rows, rows)
    assert sorted(zip(pairs.asked.tolist(), pairs.source.tolist(), strict=True)) == [(1, 0), (2, 0)]
    own = pairs.record([np.log(2.0)], 0.5, np.full(5, 10.0), np.arange(5.0) + 1)
    np.testing.assert_allclose(own.expected, [0, 10 * np.exp(-0.5), 10, 0, 0])
    np.testing.assert_allclose(own.count, [0, np.exp(-0.5), 1, 0, 0])


def test_a_period_more_between_counts_less() -> None:
    asked, source = places([0], [2016], [0.0]), places([0, 0], [2015, 2013], [0.0, 0.0])
    own = links(asked, source).record([0.0], 0.5, np.ones(2), np.array([1.0, 8.0]))
    assert own.expected[0] == pytest.approx(1 + 0.25)
    assert own.count[0] == pytest.approx(1 + 2)


def test_nothing_in_common_is_no_record() -> None:
    pairs = links(places([0], [2014], [0.0]), places([1], [2013], [0.0]))
    np.testing.assert_array_equal(Likeness(shape=2.0, scales=(0.0,)).factor(pairs, np.ones(1), np.ones(1)), [1.0])


def test_finds_the_mines_again() -> None:
    """Entities with a rate and a size of their own, seen twice without a name: their kernel is found."""
    random = np.random.default_rng(0)
    size = random.uniform(0, 40, 1200)
    theta = random.gamma(1.5, 1 / 1.5, 1200)
    mean = np.full(1200, 3.0)
    cell = random.integers(0, 4, 1200)
    first, second = (random.poisson(mean * theta).astype(float) for _ in range(2))
    before = Places(cell, np.full(1200, 2013.0), ((size + random.normal(0, 0.02, 1200))[:, None],), (2.0,))
    after = Places(cell, np.full(1200, 2014.0), ((size + random.normal(0, 0.02, 1200))[:, None],), (2.0,))
    pairs = links(after, before)
    found = fit_likeness(pairs, mean, second, mean, first)
    assert found.shape == pytest.approx(1.5, rel=0.5)
    error = [np.abs(np.log(factor / theta)).mean() for factor in (found.factor(pairs, mean, first), np.ones(1200))]
    assert error[0] < 0.8 * error[1]
