"""Fitted tariffs: planted relativities come back, none rises where a fact improves, totals are kept."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import BadInput
from training.relativities import Bands, Codes, Design, fit_tariff, fit_weight, with_intervals

EDGES = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
KIND, RECORD = Codes("kind", ("a", "b", "c")), Bands("record", (1.0, 3.0), "lower")


def made(n: int = 4000, seed: int = 0, record: tuple[float, float, float] = (0.8, 1.0, 1.6)) -> dict[str, np.ndarray]:
    """Facts and losses of which size^0.7, kind and record tell the mean."""
    random = np.random.default_rng(seed)
    size = np.exp(random.normal(2, 1, n))
    kind, number = random.integers(0, 3, n), random.choice([0.0, 1.0, 5.0], n)
    mean = 100 * size**0.7 * np.array([0.5, 1.0, 2.0])[kind] * np.array(record)[np.searchsorted([1, 3], number, "right")]
    loss = random.gamma(0.5, 2.0, n) * mean
    return {"size": size, "kind": np.array(["a", "b", "c"])[kind], "record": number, "loss": loss, "mean": mean}


def design(penalty: float = 5.0) -> Design:
    return Design(size="size", edges=EDGES, per=1.0, scales=(KIND, RECORD), penalty=penalty)


def test_what_was_planted_comes_back_and_the_total_is_kept() -> None:
    rows = made()
    found = fit_tariff(rows, rows["loss"], rows["loss"], design())
    assert found.size.exponent == pytest.approx(0.7, abs=0.05)
    kind, record = (np.array(one.values) for one in found.factors)
    np.testing.assert_allclose(kind / kind[1], [0.5, 1.0, 2.0], rtol=0.15)
    np.testing.assert_allclose(record / record[1], [0.8, 1.0, 1.6], rtol=0.15)
    assert found.amount(rows).sum() == pytest.approx(rows["loss"].sum(), rel=1e-4)
    assert np.corrcoef(np.log(found.amount(rows)), np.log(rows["mean"]))[0, 1] > 0.99


def test_levels_in_the_wrong_order_are_pooled() -> None:
    rows = made(record=(1.6, 1.0, 0.8))
    low, middle, high = fit_tariff(rows, rows["loss"], rows["loss"], design()).factors[1].values
    assert low == middle == high == pytest.approx(1.0, abs=1e-3)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["lower", "higher"]), st.booleans())
def test_no_relativity_rises_as_its_fact_improves(seed: int, better: str, ordered: bool) -> None:
    random = np.random.default_rng(seed)
    n = 200
    rows = {
        "size": np.exp(random.normal(0, 2, n)),
        "kind": random.choice(["a", "b", "c"], n),
        "record": random.choice([0.0, 1.0, 5.0], n),
        "loss": random.pareto(1.2, n) * (random.random(n) < 0.5),
    }
    scales = (Codes("kind", ("a", "b", "c"), ordered=ordered), Bands("record", (1.0, 3.0), better))  # type: ignore[arg-type]
    found = fit_tariff(rows, rows["loss"], rows["loss"], Design("size", EDGES, 1.0, scales, penalty=1.0))
    kind, record = (np.diff(one.values) for one in found.factors)
    assert (record >= 0).all() if better == "lower" else (record <= 0).all()
    assert not ordered or (kind >= 0).all()
    rising = found.size.amount(np.linspace(0.01, 300, 500))
    assert (np.diff(rising) > 0).all()


def test_a_fact_that_is_not_known_costs_what_the_mean_of_the_book_does() -> None:
    rows = made()
    known = rows | {"record": np.where(np.arange(4000) % 2 == 0, np.nan, rows["record"])}
    found = fit_tariff(known, rows["loss"], rows["loss"], design())
    one = found.factors[1]
    assert one.of({"record": np.array([np.nan])}) == 1.0 and sum(one.rows) == 2000
    np.testing.assert_allclose(np.average(np.log(one.values), weights=one.rows), 0.0, atol=1e-3)
    with pytest.raises(BadInput, match="'d' is outside its table"):
        found.amount({"size": np.ones(1), "kind": np.array(["d"]), "record": np.ones(1)})


def test_large_losses_move_the_level_alone() -> None:
    rows = made()
    heavy = rows["loss"] + np.where(np.arange(4000) == 7, 1e9, 0.0)
    plain, found = (fit_tariff(rows, rows["loss"], loss, design()) for loss in (rows["loss"], heavy))
    assert plain.factors == found.factors and plain.size.exponent == found.size.exponent
    assert found.amount(rows).sum() == pytest.approx(heavy.sum(), rel=1e-4)


def test_intervals_hold_what_was_planted_and_come_from_groups() -> None:
    rows = made(1000)
    plain = fit_tariff(rows, rows["loss"], rows["loss"], design())
    group = np.arange(1000) // 2
    found = with_intervals(plain, rows, rows["loss"], rows["loss"], design(), group, replicates=20)
    for one in found.factors:
        assert (np.array(one.low) <= one.values).all() and (np.array(one.values) <= one.high).all()
    assert found.factors[0].low[2] > 1.0


def test_a_folder_without_losses_or_with_an_empty_size_is_one_line() -> None:
    rows = made(50)
    with pytest.raises(BadInput, match="no loss to learn from"):
        fit_tariff(rows, np.zeros(50), np.zeros(50), design())
    with pytest.raises(BadInput, match="a size is zero"):
        fit_tariff(rows | {"size": np.zeros(50)}, rows["loss"], rows["loss"], design())


def test_the_model_counts_as_far_as_losses_follow_it_and_the_total_is_kept() -> None:
    rows, random = made(8000), np.random.default_rng(1)
    group = np.arange(8000)
    noise = np.exp(random.normal(0, 0.5, 8000))
    tells = fit_weight(rows["mean"] * noise, 3 * rows["mean"], rows["loss"], group)
    assert tells.weight == pytest.approx(1.0, abs=0.1) and tells.low > 0.8
    idle = fit_weight(rows["mean"], 3 * rows["mean"] * noise, rows["loss"], group)
    assert idle.weight == pytest.approx(0.0, abs=0.1) and idle.high < 0.2
    for tariff, model, weight in ((rows["mean"] * noise, 3 * rows["mean"], tells), (rows["mean"], 3 * noise, idle)):
        kept = fit_weight(tariff, model, rows["loss"], group) if weight is idle else weight
        assert (tariff * kept.relativity(tariff, model)).sum() == pytest.approx(tariff.sum())
