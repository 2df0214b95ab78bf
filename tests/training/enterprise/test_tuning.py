"""The search over settings of the enterprise scores: inside the training period alone, and what it writes can be trained."""

from dataclasses import replace

import numpy as np
import pytest

from features.errors import BadInput, NotFound
from tests.training.enterprise import planted
from training import tuning
from training.enterprise import tuning as searching
from training.enterprise.config import load_enterprise
from training.enterprise.fit import periods
from training.enterprise.tuning import PENALTY, EnterpriseSpace, own_values, with_values
from training.tuning import Budget
from training.tuning_runs import write

SPACE = EnterpriseSpace.model_validate({"linear": {PENALTY: {"low": 1.0, "high": 100.0, "log": True}}}).root["linear"]


@pytest.fixture(scope="module")
def folds(past):
    return searching.folds_of(planted.CONFIG, past, 2)


def test_folds_know_nothing_of_calibration_and_test(past, folds):
    cut = periods(past.as_of, planted.CONFIG.periods).calibration_from
    moments = past.accidents.column("event_time").cast("int64").to_numpy()
    blind = replace(past, accidents=past.accidents.filter(moments <= cut))
    for one, other in zip(folds, searching.folds_of(planted.CONFIG, blind, 2), strict=True):
        assert np.array_equal(one.rows.count, other.rows.count) and np.array_equal(one.later.count, other.later.count)
        assert np.array_equal(one.later.x, other.later.x, equal_nan=True)


def test_each_family_has_a_loss_told_after_each_fold(folds):
    for family in searching.FAMILIES:
        told = []
        loss = searching.loss(planted.CONFIG, family, folds, lambda step, value, told=told: told.append((step, value)))
        assert [step for step, _ in told] == [0, 1] and told[-1][1] == loss > 0


def test_a_search_goes_on_and_writes_what_can_be_trained(folds, tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"

    def trial(values, watch):
        return searching.loss(with_values(planted.CONFIG, values), "linear", folds, watch)

    own = own_values(planted.CONFIG, SPACE)
    assert own == {PENALTY: 3.0}
    first = tuning.search(url, "s", "linear", {"a": 1}, SPACE, own, trial, Budget(2), seed=7)
    again = tuning.search(url, "s", "linear", {"a": 1}, SPACE, own, trial, Budget(3), seed=7)
    assert len(first.trials) == 2 and len(again.trials) == 3 and first.trials == again.trials[:2]
    assert first.own is not None and again.best is not None and again.best.loss <= first.own
    path = write(with_values(planted.CONFIG, again.best.values), tmp_path / "tuned.toml")
    assert load_enterprise(str(path)).linear.penalties == (again.best.values[PENALTY],)


def test_shipped_space_fits_the_shipped_experiment():
    config, space = load_enterprise(), searching.load_space()
    for family, asked in space.root.items():
        own = own_values(config, asked)
        assert set(own) == set(asked), family
        with_values(config, own)


def test_bad_spaces_are_one_line(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text('[price]\n"alarm.boosters.rounds" = { low = 1, high = 2 }\n')
    with pytest.raises(BadInput, match="not a key of the family price"):
        searching.load_space(path)
    path.write_text('[forest]\n"x" = { low = 1, high = 2 }\n')
    with pytest.raises(BadInput, match="forest is no family"):
        searching.load_space(path)
    with pytest.raises(NotFound):
        searching.load_space(tmp_path / "none.toml")
    with pytest.raises(BadInput, match=r"price\.boosters\.leaves"):
        with_values(planted.CONFIG, {"price.boosters.leaves": 3})
