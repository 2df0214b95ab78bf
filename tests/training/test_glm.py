"""The ridge Poisson GLM: designs, offset, shrinkage, penalty by folds."""

import numpy as np
import pytest

from tests.training.counting import world
from training import glm
from training.frequency import CountRows


def test_finds_effects_with_an_unregularised_fit() -> None:
    rows, truth = world(20_000)
    model = glm.fit_glm(rows, (*glm.linear("risk"), *glm.category("kind")), (1e-3,))
    said = model.expected(rows.x, rows.exposure)
    assert np.abs(np.log(said / truth)).max() < 0.15
    assert said.sum() == pytest.approx(rows.count.sum(), rel=1e-3)  # the level is not shrunk
    np.testing.assert_allclose(model.expected(rows.x, 2.0 * rows.exposure), 2.0 * said)
    again = glm.Glm.model_validate_json(model.model_dump_json())
    np.testing.assert_array_equal(again.expected(rows.x, rows.exposure), said)


def test_rare_codes_shrink_and_unseen_ones_stand_at_the_mean() -> None:
    rows, _ = world(3000)
    x = rows.x.copy()
    x[:, 2] = 0.0
    x[:8, 2] = 1.0
    count = rows.count.copy()
    count[:8] = 0.0
    odd = CountRows(x, rows.names, rows.categorical, rows.exposure, count, rows.group)
    terms = glm.category("kind")
    asked = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 7]], dtype=np.float32)
    free, held = (glm.fit_glm(odd, terms, (penalty,)).expected(asked, np.ones(3)) for penalty in (1e-3, 300.0))
    assert free[1] < 0.05 * free[0]
    assert held[1] > 0.5 * held[0]
    few = glm.fit_glm(odd, glm.category("kind", least=10), (1e-3,)).expected(asked, np.ones(3))
    assert few[1] == few[2]


def test_crossed_codes_see_what_single_ones_cannot() -> None:
    random = np.random.default_rng(0)
    x = random.integers(0, 2, (4000, 2)).astype(np.float32)
    truth = np.where(x[:, 0] == x[:, 1], 2.0, 0.5)
    rows = CountRows(x, ("a", "b"), (0, 1), np.ones(4000), random.poisson(truth).astype(float), np.arange(4000))
    single = glm.fit_glm(rows, glm.category("a", "b"), (1.0,)).expected(x, np.ones(4000))
    both = glm.fit_glm(rows, (glm.crossed("a", "b"),), (1.0,)).expected(x, np.ones(4000))
    assert np.abs(np.log(single / truth)).mean() > 0.5
    assert np.abs(np.log(both / truth)).mean() < 0.1


def test_a_spline_bends_and_goes_on_straight() -> None:
    random = np.random.default_rng(0)
    x = random.uniform(-3, 3, (8000, 1)).astype(np.float32)
    truth = np.exp(np.sin(x[:, 0]))
    rows = CountRows(x, ("a",), (), np.ones(8000), random.poisson(truth).astype(float), np.arange(8000))
    model = glm.fit_glm(rows, glm.spline("a", knots=7), (1e-3,))
    assert np.abs(np.log(model.expected(x, np.ones(8000)) / truth)).mean() < 0.1
    far = model.log_rate(np.array([[4.0], [5.0], [6.0]], dtype=np.float32))
    assert far[2] - far[1] == pytest.approx(far[1] - far[0], abs=1e-6)


def test_missing_values_have_an_effect_of_their_own() -> None:
    rows, truth = world(6000)
    x = rows.x.copy()
    gap = np.arange(6000) % 4 == 0
    x[gap, 1] = np.nan
    count = np.where(gap, np.random.default_rng(1).poisson(3 * truth), rows.count).astype(float)
    holes = CountRows(x, rows.names, rows.categorical, rows.exposure, count, rows.group)
    model = glm.fit_glm(holes, (*glm.linear("risk", "noise"), *glm.category("kind")), (1e-3,))
    said = model.expected(x, rows.exposure)
    assert said[gap].sum() / truth[gap].sum() == pytest.approx(3.0, rel=0.1)
    assert said[~gap].sum() / truth[~gap].sum() == pytest.approx(1.0, rel=0.1)


def test_the_penalty_is_chosen_on_groups_unseen() -> None:
    """Codes that name the group: only folds by group see that their effects mean nothing for others."""
    rows, _ = world(1500)
    named = CountRows(
        np.column_stack([rows.x, rows.group]).astype(np.float32), (*rows.names, "group"), (2, 3),
        rows.exposure, rows.count, rows.group,
    )  # fmt: skip
    model = glm.fit_glm(named, (*glm.linear("noise"), *glm.category("kind")), (0.1, 1e4))
    assert set(model.scored) == {0.1, 1e4}
    assert model.penalty == min(model.scored, key=lambda one: model.scored[one])
    assert model.penalty == 0.1  # kind 3 is twice as likely, not to be shrunk away


def test_a_term_must_name_a_feature() -> None:
    rows, _ = world(100)
    with pytest.raises(ValueError, match="unheard_of"):
        glm.fit_glm(rows, glm.linear("unheard_of"), (1.0,))
    with pytest.raises(ValueError, match="only categories cross"):
        glm.Term(features=("a", "b"))
