"""Row metrics against scikit-learn as the slow oracle, and resampling by weights against resampling by copying."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from training import metrics
from training.intervals import resample
from training.slopes import calibration_line, linear_predictor


def rows_of(n=600, machines=20, seed=0, digits=2):
    """Rows with tied scores and uneven weights."""
    random = np.random.default_rng(seed)
    machine = random.integers(0, machines, n).astype(np.int32)
    true = 1 / (1 + np.exp(-random.normal(-1.5, 1.2, n)))
    y = (random.random(n) < true).astype(float)
    weight = random.uniform(0.5, 3.0, n)
    rows, _ = metrics.ripe(machine, machines, y, weight)
    return rows, np.clip(np.round(true, digits), 0.005, 0.995)


def test_rank_metrics_agree_with_scikit_learn_with_ties_and_weights():
    rows, p = rows_of()
    rank = metrics.ranking(rows, p)
    assert metrics.value(rank.auc(), 20) == pytest.approx(roc_auc_score(rows.y, p, sample_weight=rows.weight))
    assert metrics.value(rank.average_precision(), 20) == pytest.approx(
        average_precision_score(rows.y, p, sample_weight=rows.weight)
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_rank_metrics_agree_on_any_few_rows(drawn):
    machine, y, score = (np.array(column) for column in zip(*drawn, strict=True))
    rows, _ = metrics.ripe(machine.astype(np.int32), 4, y.astype(float))
    if not 0 < y.sum() < len(y):
        return
    rank = metrics.ranking(rows, score / 5.0)
    assert metrics.value(rank.auc(), 4) == pytest.approx(roc_auc_score(y, score))
    assert metrics.value(rank.average_precision(), 4) == pytest.approx(average_precision_score(y, score))


def test_scores_agree_with_scikit_learn():
    rows, p = rows_of()
    assert metrics.value(metrics.brier(rows, p), 20) == pytest.approx(brier_score_loss(rows.y, p, sample_weight=rows.weight))
    assert metrics.value(metrics.log_loss(rows, p), 20) == pytest.approx(log_loss(rows.y, p, sample_weight=rows.weight))


def test_brier_skill_is_zero_for_the_base_rate_and_one_for_the_truth():
    rows, _ = rows_of()
    assert metrics.value(metrics.brier_skill(rows, np.full(len(rows.y), rows.base_rate)), 20) == pytest.approx(0.0)
    assert metrics.value(metrics.brier_skill(rows, rows.y.astype(float)), 20) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["auc", "ap", "brier_skill", "log_loss", "slope", "intercept"])
def test_a_resample_by_weights_is_the_metric_of_the_copied_rows(name):
    rows, p = rows_of(n=300, machines=12)
    weights = resample(12, 3, seed=5)

    def statistic(of, score):
        if name in ("slope", "intercept"):
            return calibration_line(of, score)[name == "intercept"]
        rank = metrics.ranking(of, score)
        return {
            "auc": rank.auc(), "ap": rank.average_precision(),
            "brier_skill": metrics.brier_skill(of, score), "log_loss": metrics.log_loss(of, score),
        }[name]  # fmt: skip

    drawn = statistic(rows, p)(weights)
    for replicate, value in zip(weights, drawn, strict=True):
        copies = np.repeat(np.arange(300), replicate[rows.machine].astype(int))
        copied = metrics.Rows(rows.machine[copies], 12, rows.y[copies], rows.weight[copies])
        assert value == pytest.approx(metrics.value(statistic(copied, p[copies]), 12), rel=1e-3)


def test_unripe_rows_are_left_out_not_counted_as_negative():
    y = np.array([1.0, 0.0, np.nan, 0.0])
    rows, known = metrics.ripe(np.zeros(4, np.int32), 1, y)
    assert known.tolist() == [True, True, False, True]
    assert rows.base_rate == pytest.approx(1 / 3)


def test_weights_restore_the_prior_after_negatives_were_sampled():
    rows, p = rows_of(n=4000, machines=50, seed=3, digits=6)
    whole = metrics.Rows(rows.machine, 50, rows.y, np.ones(4000))
    random = np.random.default_rng(1)
    kept = rows.y | (random.random(4000) < 0.25)
    sampled = metrics.Rows(rows.machine[kept], 50, rows.y[kept], np.where(rows.y[kept], 1.0, 4.0))
    full = metrics.value(metrics.ranking(whole, p).average_precision(), 50)
    assert metrics.value(metrics.ranking(sampled, p[kept]).average_precision(), 50) == pytest.approx(full, abs=0.03)
    unweighted = metrics.Rows(sampled.machine, 50, sampled.y, np.ones(len(sampled.y)))
    assert abs(metrics.value(metrics.ranking(unweighted, p[kept]).average_precision(), 50) - full) > 0.1


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_calibration_line_recovers_what_was_done_to_the_forecast(link):
    random = np.random.default_rng(2)
    eta = random.normal(-3.0, 1.0, 60_000)
    truth = 1 / (1 + np.exp(-eta)) if link == "logit" else -np.expm1(-np.exp(eta))
    y = (random.random(60_000) < truth).astype(float)
    rows, _ = metrics.ripe((np.arange(60_000) % 100).astype(np.int32), 100, y)
    bold = 2.0 * eta + 1.0
    p = 1 / (1 + np.exp(-bold)) if link == "logit" else -np.expm1(-np.exp(np.minimum(bold, 3)))
    slope, intercept = calibration_line(rows, p, link)
    assert metrics.value(slope, 100) == pytest.approx(0.5, abs=0.04)
    assert metrics.value(intercept, 100) == pytest.approx(-0.5, abs=0.12)


def test_calibration_line_in_bins_is_the_exact_fit():
    rows, p = rows_of(n=3000, digits=6)
    slope, intercept = calibration_line(rows, p)
    exact = LogisticRegression(C=1e10, tol=1e-10, max_iter=500).fit(
        linear_predictor(p, "logit")[:, None], rows.y, sample_weight=rows.weight
    )
    assert metrics.value(slope, 20) == pytest.approx(exact.coef_[0, 0], abs=1e-3)
    assert metrics.value(intercept, 20) == pytest.approx(exact.intercept_[0], abs=1e-3)


def test_calibration_line_says_nothing_where_nothing_can_be_said():
    y = np.array([0.0, 0.0, 1.0, 1.0])
    rows, _ = metrics.ripe(np.arange(4, dtype=np.int32), 4, y)
    assert np.isnan(metrics.value(calibration_line(rows, np.array([0.1, 0.2, 0.8, 0.9]))[0], 4))
    assert np.isnan(metrics.value(calibration_line(rows, np.full(4, 0.5))[0], 4))


def test_reliability_bins_hold_equal_events_and_lose_none():
    rows, p = rows_of(n=4000, digits=6)
    bins = metrics.reliability(metrics.Rows(rows.machine, 20, rows.y, np.ones(4000)), p)
    assert len(bins.events) == 10
    assert bins.events.sum() == rows.y.sum()
    assert np.ptp(bins.events) <= 1
    assert bins.expected.sum() == pytest.approx(p.sum())
    assert (np.diff(bins.predicted) > 0).all()
    assert (bins.low[1:] > bins.high[:-1]).all()


def test_equal_probabilities_stay_in_one_reliability_bin():
    rows, _ = rows_of(n=500)
    bins = metrics.reliability(rows, np.where(np.arange(500) < 400, 0.1, 0.3))
    assert len(bins.events) == 2


def test_precision_recall_curve_ends_at_full_recall():
    rows, p = rows_of()
    recall, precision, threshold = metrics.ranking(rows, p).curve()
    assert recall[-1] == pytest.approx(1.0)
    assert (np.diff(recall) >= 0).all() and (np.diff(threshold) < 0).all()
    top = p >= threshold[0]
    assert precision[0] == pytest.approx(rows.weight[top & rows.y].sum() / rows.weight[top].sum())
