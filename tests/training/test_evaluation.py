"""The evaluation as a whole: same rows for all, paired gains, third day, segments, unripe rows."""

import numpy as np
import pytest

from tests.training import fleet
from training.evaluation import Settings, evaluate


@pytest.fixture(scope="module")
def judged():
    table = fleet.frame()
    said = {"forewarn": fleet.forecast(table), "forest": fleet.forecast(table, 2.0), "rate": np.full((len(table), 3), 0.05)}
    return table, said, evaluate(table, said, Settings(replicates=120))


def test_every_forecast_is_judged_on_the_same_ripe_rows(judged):
    table, _, found = judged
    for horizon in (24, 48, 72):
        one = found.horizon(str(horizon))
        assert one.rows == table[f"y{horizon}"].notna().sum()
        assert one.events == (table[f"y{horizon}"] == 1).sum()
        assert set(one.figures) == {"forewarn", "forest", "rate"}
    assert found.horizon("72").rows < len(table)


def test_third_day_drops_what_fails_within_48_hours(judged):
    table, _, found = judged
    assert found.horizon("48-72").events == ((table.y72 == 1) & (table.y48 == 0)).sum()
    assert found.horizon("48-72").calibration is None


def test_gains_are_paired_and_signed(judged):
    _, _, found = judged
    one = found.horizon("72")
    gain = one.gains["forest"]["ap"]
    assert gain.value == pytest.approx(one.figures["forewarn"]["ap"].value - one.figures["forest"]["ap"].value)
    assert gain.low > 0
    assert one.gains["forest"]["log_loss"].high < 0
    assert "forewarn" not in one.gains
    assert one.figures["rate"]["auc"].value == pytest.approx(0.5)


def test_a_forecast_has_no_gain_over_itself():
    table = fleet.frame(machines=12, days=40)
    p = fleet.forecast(table)
    found = evaluate(table, {"own": p, "same": p.copy()}, Settings(replicates=30))
    for gain in found.horizon("72").gains["same"].values():
        assert (gain.value, gain.low, gain.high) == (0.0, 0.0, 0.0)
    for gain in found.budgets[0].gains["same"].values():
        assert gain.value == 0.0


def test_calibration_holds_for_honest_probabilities_and_not_for_bold_ones(judged):
    table, said, found = judged
    honest = found.horizon("72").calibration
    assert honest.holds
    assert honest.slope.low < 1 < honest.slope.high
    p = said["forewarn"]
    bold = evaluate(table, {"bold": p**2 / (p**2 + (1 - p) ** 2)}, Settings(replicates=60)).horizon("72").calibration
    assert not bold.holds
    assert bold.slope.high < 0.8


def test_order_of_rows_does_not_matter(judged):
    table, said, found = judged
    order = np.random.default_rng(4).permutation(len(table))
    again = evaluate(
        table.iloc[order].reset_index(drop=True), {name: p[order] for name, p in said.items()}, Settings(replicates=120)
    )
    for name in said:
        for key, figure in found.horizon("72").figures[name].items():
            assert again.horizon("72").figures[name][key].value == pytest.approx(figure.value), key
        for key, figure in found.budgets[0].figures[name].items():
            assert again.budgets[0].figures[name][key].value == pytest.approx(figure.value), key


def test_segments_split_the_machine_models(judged):
    _table, _, found = judged
    assert {one.name for one in found.segments} == {"model0", "model1"}
    assert sum(one.rows for one in found.segments) == found.horizon("72").rows


def test_nothing_to_judge_by_is_said(judged):
    table, said, _ = judged
    calm = table.assign(y24=0.0, y48=0.0, y72=0.0, hours_to_failure=np.nan)
    with pytest.raises(ValueError, match="nothing to judge by"):
        evaluate(calm, said)
