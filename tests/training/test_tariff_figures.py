"""Figures of a book's premiums, by hand."""

import numpy as np
import pytest

from training.tariff_figures import FLAT, REALLY, Charged, Year, judge, over_years


def test_figures_by_hand() -> None:
    loss = np.array([0.0, 0.0, 0.0, 4.0])
    right, wrong = np.array([1.0, 2.0, 3.0, 4.0]), np.array([4.0, 3.0, 2.0, 1.0])
    year = Year(Charged(right, right, wrong, np.ones(4), right), loss, np.arange(4), np.array(["a", "a", "b", "b"]))
    found = judge(year)
    gini = {name: one.value for name, one in found.facts["Gini"].items()}  # type: ignore[attr-defined]
    assert gini["fitted rulebook with model"] == pytest.approx(0.75)  # all losses are the highest premium's
    assert gini["really charged"] == pytest.approx(-0.75) and gini["cover x rate"] == pytest.approx(0.0)
    swapped = Year(Charged(wrong, wrong, wrong, np.ones(4), right), loss, np.arange(4), year.segment)
    assert over_years([year, swapped])["really charged"].value == pytest.approx(0.75)  # 0 where both premiums are the same
    assert {one.name: one.own.value for one in found.segments} == {"a": 0.0, "b": pytest.approx(4 / 2.8)}


def test_double_lift_tells_the_premium_that_follows_losses() -> None:
    random = np.random.default_rng(0)
    really = np.exp(random.normal(0, 1, 4000))
    own = really * np.exp(random.normal(0, 0.7, 4000))
    found = judge(
        Year(
            Charged(own, own, really, really, own),
            random.poisson(own).astype(np.float64),
            np.arange(4000),
            np.full(4000, "all"),
        )
    )
    assert all(abs(one.own.value - 1) < 0.25 for one in found.lift)
    assert [one.really.value for one in found.lift] == sorted(one.really.value for one in found.lift)
    assert found.lift[0].really.high < 1 < found.lift[-1].really.low
    assert found.gain[REALLY].low > 0 and found.gain[FLAT].low > 0 and found.verdict[0].tone == "good"
    assert "orders losses better than cover x rate" in found.verdict[0].en and "优于" in found.verdict[0].zh
