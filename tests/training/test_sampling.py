"""Sampling keeps every failure and restores the prior."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from training.sampling import sample, thin


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60), st.none() | st.integers(1, 40), st.integers(0, 9))
def test_total_weight_is_exact_and_positives_all_stay(rows: list[tuple[bool, bool]], most: int | None, seed: int) -> None:
    flags = np.array(rows, dtype=bool).reshape(-1, 2)
    positive, eligible = flags[:, 0], flags[:, 1]
    drawn = sample(positive, eligible, max_negatives=most, seed=seed)
    assert np.isclose(drawn.weight.sum(), eligible.sum())
    assert set(np.flatnonzero(positive & eligible)) <= set(drawn.rows.tolist())
    assert eligible[drawn.rows].all()
    assert (np.diff(drawn.rows) > 0).all()
    assert np.isclose(drawn.weight[positive[drawn.rows]].sum(), (positive & eligible).sum())
    if most is not None:
        assert (~positive[drawn.rows]).sum() <= most


def test_weighted_base_rate_of_any_subgroup_is_unbiased() -> None:
    rng = np.random.default_rng(0)
    group, positive = rng.random(20_000) < 0.1, rng.random(20_000) < 0.01
    truth = positive[group].mean()
    rates = []
    for seed in range(200):
        drawn = sample(positive, np.ones(20_000, dtype=bool), max_negatives=500, seed=seed)
        inside = group[drawn.rows]
        rates.append(drawn.weight[inside & positive[drawn.rows]].sum() / drawn.weight[inside].sum())
    assert abs(np.mean(rates) / truth - 1) < 0.05
    assert np.std(rates) > 0


def test_the_seed_decides() -> None:
    flags = np.zeros(1000, dtype=bool)
    first, same, other = (sample(flags, ~flags, max_negatives=50, seed=seed).rows for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_thinning_by_rate_keeps_certain_rows_and_weights_the_rest() -> None:
    rate = np.where(np.arange(50_000) < 100, 1.0, 0.02)
    totals = []
    for seed in range(50):
        drawn = thin(rate, seed=seed)
        assert set(range(100)) <= set(drawn.rows.tolist())
        assert np.allclose(drawn.weight, 1 / rate[drawn.rows])
        totals.append(drawn.weight.sum())
    assert abs(np.mean(totals) / 50_000 - 1) < 0.02
    assert len(thin(np.zeros(10), seed=1).rows) == 0
