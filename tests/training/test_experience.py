"""Experience rating: records hold earlier periods alone, parts blend on the log scale, the level follows the past."""

from dataclasses import replace

import numpy as np
import pytest

from training.count_metrics import unit_deviance
from training.experience import (
    BASED,
    CREDIBILITY,
    FREE,
    ExperienceConfig,
    Floats,
    Past,
    Periods,
    blended,
    drifting,
    fit_experience,
)
from training.frequency import CountBoosterConfig, CountRows
from training.glm import linear

SMALL = CountBoosterConfig(rounds=20, members=1, num_leaves=4)
CONFIG = ExperienceConfig(penalties=(1.0,), free=SMALL, based=SMALL)
DESIGN = linear("size")
YEARS = 6


def world(entities: int = 150, seed: int = 0) -> tuple[Periods, Floats]:
    """A panel of entities with lasting frailties, and the true expected numbers."""
    random = np.random.default_rng(seed)
    entity, year = np.repeat(np.arange(entities), YEARS), np.tile(np.arange(YEARS), entities)
    size = random.normal(size=entities)[entity]
    truth = np.exp(0.5 * size) * random.gamma(1.0, 1.0, entities)[entity]
    x = np.stack([size, random.normal(size=len(size))], axis=1).astype(np.float32)
    rows = CountRows(x, ("size", "noise"), (), np.ones(len(x)), random.poisson(truth).astype(float), entity.astype(np.int64))
    return Periods(rows, year.astype(float)), truth


PANEL, TRUTH = world()
EARLY = PANEL.period < YEARS - 2
MODEL = fit_experience(PANEL, EARLY, DESIGN, CONFIG)
EVERY = np.ones(len(PANEL.rows), dtype=bool)


def with_counts(count: Floats) -> Periods:
    return replace(PANEL, rows=replace(PANEL.rows, count=count))


def test_a_rows_own_outcome_changes_later_rows_of_its_entity_alone() -> None:
    plain = MODEL.expected(PANEL, EVERY)
    at = int(np.flatnonzero((PANEL.rows.group == 7) & (PANEL.period == 2))[0])
    count = PANEL.rows.count.copy()
    count[at] += 5
    changed = np.flatnonzero(MODEL.expected(with_counts(count), EVERY) != plain)
    assert set(changed) == set(np.flatnonzero((PANEL.rows.group == 7) & (PANEL.period > 2)))


def test_outcomes_of_a_whole_period_shuffled_leave_its_predictions_as_they_are() -> None:
    last = PANEL.period == YEARS - 1
    count = PANEL.rows.count.copy()
    count[last] = np.random.default_rng(1).permutation(count[last])
    np.testing.assert_array_equal(MODEL.expected(with_counts(count), last), MODEL.expected(PANEL, last))


def test_the_record_foretells_better_than_the_prior() -> None:
    late = ~EARLY
    said = MODEL.said(PANEL, late)
    prior = MODEL.prior.expected(PANEL.rows.x[late], PANEL.rows.exposure[late])
    came = PANEL.rows.count[late]
    for name in (CREDIBILITY, FREE, BASED):
        assert unit_deviance(came, said[name]).mean() < 0.85 * unit_deviance(came, prior).mean()
    # Frailties of variance 1 that last: a prior worth about one accident, and a record that hardly fades.
    assert 0.6 < MODEL.structure.shape < 1.6
    assert MODEL.structure.decay > 0.9


def test_periods_known_by_their_outcome_alone_count_as_rows_would() -> None:
    first = PANEL.period == 0
    kept = np.flatnonzero(~first)
    like = np.searchsorted(kept, np.flatnonzero(first) + 1)  # the entity's next row, whose features are the same
    past = Past(PANEL.rows.group[first], PANEL.period[first], PANEL.rows.count[first], like)
    shorter = Periods(PANEL.rows.of(kept), PANEL.period[kept], past)
    expected = np.full(len(PANEL.rows), 1.3)
    whole, part = PANEL.record(expected, 0.5), shorter.record(expected[kept], 0.5)
    np.testing.assert_allclose(part.count, whole.count[kept])
    np.testing.assert_allclose(part.expected, whole.expected[kept])


def test_the_blend_is_the_weighted_geometric_mean() -> None:
    said = {"a": np.array([1.0, 4.0]), "b": np.array([8.0, 4.0]), "c": np.array([9.0, 9.0])}
    np.testing.assert_allclose(blended(said, {"a": 2.0, "b": 1.0}), [2.0, 4.0])


def test_the_level_follows_earlier_periods_and_never_its_own() -> None:
    expected, period = np.full(6, 10.0), np.array([0.0, 0.0, 1.0, 1.0, 2.0, 2.0])
    count = np.array([30.0, 10.0, 0.0, 0.0, 7.0, 7.0])
    level = drifting(expected, count, period, worth=20.0, decay=0.5)
    np.testing.assert_allclose(level[:2], 10.0)
    np.testing.assert_allclose(level[2:4], 10.0 * (20 + 0.5 * 40) / (20 + 0.5 * 20))
    np.testing.assert_allclose(level[4:], 10.0 * (20 + 0.25 * 40) / (20 + 0.25 * 20 + 0.5 * 20))


def test_a_panel_without_an_accident_is_told() -> None:
    with pytest.raises(Exception, match="not one accident"):
        fit_experience(with_counts(np.zeros(len(PANEL.rows))), EARLY, DESIGN, CONFIG)
