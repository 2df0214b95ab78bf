"""The two scores on enterprises whose law is known: what they find, what a price may not do, what holds by construction."""

from dataclasses import replace

import numpy as np
import pytest

from features.enterprise.catalog import catalog
from features.errors import BadInput
from tests.training.enterprise import planted
from tests.training.enterprise.planted import CONFIG
from training.enterprise.fit import Learned, forecast, learn, periods
from training.enterprise.fitting import levelled
from training.enterprise.model import SCORES
from training.enterprise.parts import with_interval
from training.enterprise.rows import Past


def test_both_scores_find_the_law(past: Past, learned: Learned) -> None:
    rows = learned.cuts.test
    truth = planted.rate(past.x[rows], past.snapshot.features) * past.exposure[rows]
    for which, least in (("price", 0.6), ("alarm", 0.65)):
        said = forecast(learned.models, past, rows, which).expected[:, -1]  # type: ignore[arg-type]
        assert np.corrcoef(np.log(said / past.exposure[rows]), np.log(truth / past.exposure[rows]))[0, 1] > least
        assert 0.75 < said.sum() / truth.sum() < 1.3  # some 80 accidents calibrate the level: 11 % is one deviation


def test_longer_periods_never_say_less(past: Past, learned: Learned) -> None:
    for which in SCORES:
        said = forecast(learned.models, past, np.arange(0, len(past.x), 7), which)
        assert (np.diff(said.expected, axis=1) > 0).all()
        assert (np.diff(said.p, axis=1) > 0).all()
        assert ((said.low < said.expected) & (said.expected < said.high)).all()
        assert ((said.p_low < said.p) & (said.p < said.p_high) & (said.p_high < 1)).all()


def test_a_price_never_rises_when_a_fact_improves(past: Past, learned: Learned) -> None:
    features, x = catalog(), past.x[::11].copy()
    random = np.random.default_rng(1)
    base = learned.models.rates("price", x)
    moved = 0
    for name in features.charged:
        sign, place = features.directions[name], features.names.index(name)
        if sign == 0:
            continue
        worse = x.copy()
        worse[:, place] += sign * random.gamma(1.0, 3.0, len(x)).astype(np.float32)
        after = learned.models.rates("price", worse)
        known = ~np.isnan(x[:, place])
        assert (after[known] >= base[known] * (1 - 1e-12)).all(), name
        moved += int((after[known] > base[known] * (1 + 1e-9)).any())
    assert moved >= 2  # the law's own features do move it


def test_more_self_reports_never_raise_a_price(past: Past, learned: Learned) -> None:
    x, names = past.x[::11].copy(), catalog().names
    tripled = x.copy()
    for name in (one for one in names if one.startswith("hazard_self") and "overdue" not in one and "repeated" not in one):
        tripled[:, names.index(name)] *= 3
    assert (learned.models.rates("price", tripled) <= learned.models.rates("price", x) * (1 + 1e-12)).all()


def test_a_price_does_not_look_at_what_it_may_not(past: Past, learned: Learned) -> None:
    features, x = catalog(), past.x[::11].copy()
    hidden = [place for place, name in enumerate(features.names) if name not in features.charged]
    other = x.copy()
    other[:, hidden] = 99.0
    assert np.array_equal(learned.models.rates("price", x), learned.models.rates("price", other))
    said, changed = (learned.models.said(with_interval(one, 0), np.ones(len(x))) for one in (x, other))
    assert [name for name in said if not np.array_equal(said[name], changed[name])] == ["free"]


def test_an_enterprise_without_history_has_the_widest_range(past: Past, learned: Learned) -> None:
    rows = np.arange(0, len(past.x), 24)
    x, exposure = past.x[rows], past.exposure[rows]
    for which in SCORES:
        none, some = (learned.models.risk(which, x, exposure, record) for record in (0 * exposure, 3 * exposure))
        assert learned.models.scores[which].unlike.variance > 0
        assert (none.high / none.low > some.high / some.low).all()
        assert np.array_equal(none.expected, some.expected)


def test_what_comes_later_changes_no_model(past: Past, learned: Learned) -> None:
    """Accidents after the test began are planted: models that saw them would differ."""
    cut = learned.cuts.test_from
    moments = past.accidents.column("event_time").cast("int64").to_numpy()
    kept = past.accidents.filter(moments <= cut)
    again = learn(CONFIG, replace(past, accidents=kept), learned.cuts)
    x = past.x[::50]
    for which in SCORES:
        assert np.array_equal(again.models.rates(which, x), learned.models.rates(which, x))


def test_the_same_seed_gives_the_same_models(past: Past, learned: Learned) -> None:
    again = learn(CONFIG.model_copy(update={"threads": 2}), past, learned.cuts)
    for name, (_, boosted) in again.models.boosters.items():
        assert boosted.forest.text == learned.models.boosters[name][1].forest.text
    assert again.models.linear == learned.models.linear
    assert again.models.scores == learned.models.scores


def test_too_few_accidents_are_said(past: Past) -> None:
    none = replace(past, accidents=past.accidents.slice(0, 5))
    with pytest.raises(BadInput, match="accidents in the training period"):
        learn(CONFIG, none, periods(past.as_of, CONFIG.periods))


def test_a_last_year_without_accident_gives_no_level(learned: Learned) -> None:
    none = replace(learned.latest, count=np.zeros(len(learned.latest)))
    said = learned.models.said(none.x, none.exposure)
    with pytest.raises(BadInput, match="no accident in the last year"):
        levelled(learned.models.scores["price"], said, none)
