"""Insured losses: by simulation, by convolution, by quadrature of each family; never more where less is covered."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from serving.underwriting import insured_kernel
from serving.underwriting.insured import FAMILIES, LossLaw, insured_losses, reckoned_losses
from training.enterprise import severity

PERSONS = np.array([[0.05, 0.6, 0.25, 0.1], [0.0, 0.5, 0.3, 0.2], [0.0, 0.0, 0.0, 1.0]])
LAW = LossLaw(
    share=np.array([0.9, 0.08, 0.02]), mean=np.array([8e4, 1.6e6, 9e6]), family=np.array([0, 1, 1]),
    shape=np.array([0.8, 0.5, 0.7]), persons=PERSONS, covered_share=0.6, costly=0.95,
)  # fmt: skip
TERMS: dict[str, Any] = {"limit_per_person": 5e5, "limit_per_accident": 1.2e6, "limit_aggregate": 2e6, "deductible": 1e4}


def losses_of(random: np.random.Generator, law: LossLaw, kind: np.ndarray) -> np.ndarray:
    shape, mean = law.shape[kind], law.mean[kind]
    gamma = random.gamma(shape, mean / shape)
    lognormal = mean * np.exp(shape * random.standard_normal(len(kind)) - shape**2 / 2)
    return np.asarray(np.where(law.family[kind] == 0, gamma, lognormal))


def simulated(expected: float, size: float, law: LossLaw, terms: dict[str, float], years: int = 200_000) -> np.ndarray:
    """What is paid in each of many years."""
    random = np.random.default_rng(3)
    mean = random.gamma(size, expected / size, years) if np.isfinite(size) else np.full(years, expected)
    number = random.poisson(mean * law.costly)
    kind = random.choice(len(law.share), number.sum(), p=law.share)
    persons = (random.random((len(kind), 1)) > np.cumsum(law.persons, axis=1)[kind]).sum(axis=1)
    each = losses_of(random, law, kind) * law.covered_share
    if "limit_per_person" in terms:
        each = np.minimum(each, persons * terms["limit_per_person"])
    each = np.minimum(each, terms.get("limit_per_accident", np.inf)) - terms.get("deductible", 0.0)
    total = np.bincount(np.repeat(np.arange(years), number), np.maximum(each, 0.0), years)
    return np.minimum(total, terms.get("limit_aggregate", np.inf))


@pytest.mark.parametrize("left_out", ["", "limit_per_person", "limit_per_accident", "limit_aggregate", "deductible"])
@pytest.mark.parametrize(("expected", "size"), [(0.2, 0.5), (3.0, 2.0), (3.0, np.inf)])
def test_the_mean_of_simulated_years(expected: float, size: float, left_out: str) -> None:
    terms = {name: value for name, value in TERMS.items() if name != left_out}
    paid = simulated(expected, size, LAW, terms)
    told = insured_losses(np.array([expected]), size, LAW, **terms)[0]
    assert abs(paid.mean() - told) < 4 * paid.std() / np.sqrt(len(paid))


def test_many_accidents_fill_the_aggregate_limit() -> None:
    told, reckoned = reckoned_losses(np.array([50.0, 5_000.0, 5e6]), 1e9, LAW, **TERMS)
    assert reckoned.all() and told == pytest.approx([simulated(50.0, 1e9, LAW, TERMS).mean(), 2e6, 2e6], rel=1e-3)


@pytest.mark.parametrize("size", [0.7, np.inf])
def test_the_sum_is_that_of_convolutions(size: float) -> None:
    """Payments on a grid already: nothing is rounded, and Panjer's recursion is the sum over numbers of convolutions."""
    severity_, width, count, aggregate = np.array([0.3, 0.4, 0.0, 0.1, 0.2]), 10.0, 1.7, 133.0
    number = stats.poisson(count) if size == np.inf else stats.nbinom(size, size / (size + count))
    power, chances = np.array([1.0]), np.zeros(800)
    for n in range(200):
        chances[: len(power)] += number.pmf(n) * power[:800]
        power = np.convolve(power, severity_)[:800]
    told = np.minimum(np.arange(800) * width, aggregate) @ chances
    found = insured_kernel.within(count, size, severity_, 4, width, aggregate, np.empty((3, insured_kernel.MOST_CELLS + 2)))
    assert found == pytest.approx(told, rel=1e-9)


@pytest.mark.parametrize(("expected", "size", "aggregate"), [(0.3, 0.7, 6e5), (2.0, np.inf, 1.5e6), (8.0, 3.0, 4e6)])
def test_the_grid_is_fine_enough(expected: float, size: float, aggregate: float) -> None:
    """Against a grid of 40,000 cells by Fourier's transform."""
    width, cells = aggregate / 5_000, 40_000
    edges = np.arange(cells + 1) * width
    limited = [insured_losses(np.ones(1), 1.0, LAW, **TERMS | {"limit_per_accident": 1e4 + u, "limit_aggregate": np.inf})[0]
               for u in edges[: int(1.19e6 / width) + 3] if 1e4 + u < 1.2e6]  # fmt: skip
    whole = insured_losses(np.ones(1), 1.0, LAW, **TERMS | {"limit_aggregate": np.inf})[0]
    means = np.concatenate([limited, np.full(cells + 1 - len(limited), whole)])
    chances = np.zeros(cells)
    chances[0], chances[1:] = 1.0 - means[1] / width, -np.diff(means, 2) / width
    inner = np.fft.rfft(chances) - 1.0
    sums = np.fft.irfft(np.exp(expected * inner) if size == np.inf else (1.0 - expected / size * inner) ** -size, cells)
    told = np.minimum(edges[:-1], aggregate) @ sums
    found = insured_losses(np.array([expected]), size, LAW, **TERMS | {"limit_aggregate": aggregate})[0]
    assert found == pytest.approx(told, rel=4e-5)


@pytest.mark.parametrize(("family", "shape"), [(0, 0.3), (0, 40.0), (1, 0.2), (1, 2.5)])
def test_limited_losses_are_integrals_of_what_survives(family: int, shape: float) -> None:
    mean = 3.0
    one = stats.gamma(shape, scale=mean / shape) if family == 0 else stats.lognorm(shape, scale=mean * np.exp(-(shape**2) / 2))
    for limit in (0.0, 0.01, 1.0, 3.0, 30.0, 3_000.0):
        told = integrate.quad(one.sf, 0.0, limit, limit=500, points=[limit / 100, limit / 10], epsabs=1e-13)[0]
        assert insured_kernel.limited(family, mean, shape, limit) == pytest.approx(told, rel=1e-7, abs=1e-12)
    assert insured_kernel.limited(family, mean, shape, np.inf) == mean


def test_a_cap_of_the_loss_and_a_row_of_its_own() -> None:
    """Each row may have its own shares and means; a cap holds the loss before the limits."""
    share, mean = np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([[1e5, 2e6], [2e5, 1e6]])
    law = LossLaw(
        share, mean, np.array([1, 1]), np.array([1.1, 0.5]), np.array([[0.0, 1.0]] * 2), 0.5, cap=np.array([1e5, np.inf])
    )
    told = insured_losses(np.array([1.0, 2.0]), 1.0, law)
    capped = [insured_kernel.limited(1, one, 1.1, 1e5) for one in mean[:, 0]]
    np.testing.assert_allclose(told, [0.5 * (0.9 * capped[0] + 2e5), 2 * 0.5 * (0.5 * capped[1] + 5e5)])
    for row in (0, 1):
        alone = insured_losses(np.array([1.0, 2.0])[row : row + 1], 1.0, law.rows(np.array([row])))
        assert alone[0] == told[row]


def drawn(count: int) -> tuple[np.ndarray, dict[str, Any]]:
    random = np.random.default_rng(7)
    person = random.choice([4e5, 6e5, 8e5], count)
    terms = {
        "limit_per_person": np.where(random.random(count) < 0.1, np.inf, person),
        "limit_per_accident": 8 * person,
        "limit_aggregate": person * random.choice([4.0, 32.0, np.inf], count),
        "deductible": random.choice([0.0, 1e3, 2e4], count),
    }
    return np.exp(random.normal(-2.0, 1.5, count)), terms


def test_the_same_bits_alone_and_among_many_and_by_any_number_of_threads() -> None:
    expected, terms = drawn(2_000)
    together = insured_losses(expected, 1.3, LAW, **terms)
    assert np.array_equal(together, insured_losses(expected, 1.3, LAW, **terms, threads=3))
    for row in range(0, 2_000, 37):
        own = {name: values[row : row + 1] for name, values in terms.items()}
        assert insured_losses(expected[row : row + 1], 1.3, LAW, **own)[0] == together[row]


def test_what_is_left_out_is_less_than_half_a_cent() -> None:
    """The bound is one: with it set aside, every row is as it was to half a cent."""
    expected, terms = drawn(1_000)
    told, reckoned = reckoned_losses(expected, 1.3, LAW, **terms)
    assert 0.2 < reckoned.mean() < 0.8
    for row in np.flatnonzero(~reckoned & np.isfinite(terms["limit_aggregate"]))[:60]:
        limits = {name: float(values[row]) for name, values in terms.items()}
        most = min(limits["limit_per_accident"] - limits["deductible"], limits["limit_aggregate"])
        paid = told[row] / expected[row]
        bound = insured_kernel.excess_bound(expected[row], 1.3, paid, most, limits["limit_aggregate"], np.inf)
        number = stats.nbinom(1.3, 1.3 / (1.3 + expected[row] * paid / most))
        n = np.arange(400)
        worst = number.pmf(n) @ np.maximum(n * most - limits["limit_aggregate"], 0.0)
        assert worst <= bound * 1.0001 + 1e-12 and bound <= 0.005


AMOUNT = st.floats(1e4, 1e8)


@settings(max_examples=150, deadline=None)
@given(
    st.floats(1e-3, 30.0), st.floats(0.2, 50.0), AMOUNT, AMOUNT, AMOUNT, st.floats(0.0, 1e6),
    st.sampled_from(["limit_per_person", "limit_per_accident", "limit_aggregate", "deductible", "expected"]),
    st.floats(1.0, 3.0),
)  # fmt: skip
def test_more_cover_never_costs_less(
    expected: float, size: float, person: float, accident: float, aggregate: float, deductible: float, moved: str, by: float
) -> None:
    """To what the grid of the aggregate limit resolves: 1e-5."""
    terms: dict[str, Any] = {
        "limit_per_person": person, "limit_per_accident": accident, "limit_aggregate": aggregate, "deductible": deductible,
    }  # fmt: skip
    count = {"expected": expected}
    before = insured_losses(np.array([expected]), size, LAW, **terms)[0]
    (count if moved == "expected" else terms)[moved] *= 1.0 / by if moved == "deductible" else by
    after = insured_losses(np.array([count["expected"]]), size, LAW, **terms)[0]
    assert after >= before * (1 - 1e-5) - 1e-9
    assert 0.0 <= before <= min(aggregate, expected * 0.6 * 0.95 * float(LAW.share @ LAW.mean)) * (1 + 1e-12)


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-3, 30.0), st.floats(0.2, 50.0), AMOUNT, AMOUNT, st.floats(0.0, 1e6), st.floats(1.0, 1.5))
def test_an_enterprise_that_expects_more_is_never_expected_to_be_paid_less(
    expected: float, size: float, person: float, aggregate: float, deductible: float, by: float
) -> None:
    """The grid is the same for both, so that nothing but the last bits may differ."""
    both = insured_losses(
        np.array([expected, expected * by]), size, LAW, limit_per_person=person, limit_per_accident=3 * person,
        limit_aggregate=aggregate, deductible=deductible,
    )  # fmt: skip
    assert both[1] >= both[0] * (1 - 3e-10)


def test_nothing_is_paid_where_nothing_can_be() -> None:
    assert insured_losses(np.array([2.0]), 1.0, LAW, limit_per_accident=1e4, deductible=1e4)[0] == 0.0
    assert insured_losses(np.zeros(1), 1.0, LAW, **TERMS)[0] == 0.0
    assert insured_losses(np.array([2.0]), 1.0, LAW, limit_aggregate=0.0)[0] == 0.0
    stated = insured_losses(np.array([2.0]), 1.0, LAW, limit_per_person=np.nan, deductible=np.nan)
    assert stated == insured_losses(np.array([2.0]), 1.0, LAW)


@pytest.mark.parametrize("wrong", [{"deductible": -1.0}, {"limit_aggregate": -1.0}, {"limit_per_person": np.array([-5.0])}])
def test_amounts_below_zero_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="negative"):
        insured_losses(np.ones(1), 1.0, LAW, **wrong)


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="a law of 3 classes"):
        LossLaw(LAW.share[:2], LAW.mean, LAW.family, LAW.shape, LAW.persons, 0.6)
    with pytest.raises(ValueError, match="rows"):
        insured_losses(np.ones(3), 1.0, LossLaw(LAW.share, np.ones((2, 3)), LAW.family, LAW.shape, LAW.persons, 0.6))


def test_families_are_those_of_the_bundle() -> None:
    assert FAMILIES == severity.FAMILIES
    assert (FAMILIES.index("gamma"), FAMILIES.index("lognormal")) == (insured_kernel.GAMMA, insured_kernel.LOGNORMAL)


def test_one_law_asked_for_many_numbers_is_each_number_alone() -> None:
    """The law of payments is kept from row to row: never from other terms."""
    expected = np.array([0.4, 3.0, 11.0, 3.0, 0.7, 11.0])
    aggregate = np.array([2e5, 2e5, 2e5, 9e5, 9e5, np.inf])
    person = np.array([4e5, 4e5, 4e5, 4e5, 5e4, 5e4])
    whole = insured_losses(expected, 3.0, LAW, limit_per_person=person, limit_aggregate=aggregate)
    alone = [
        float(
            insured_losses(expected[row : row + 1], 3.0, LAW, limit_per_person=person[row], limit_aggregate=aggregate[row])[0]
        )
        for row in range(len(expected))
    ]
    assert whole.tolist() == alone
