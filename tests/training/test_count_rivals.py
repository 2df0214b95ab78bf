"""Rivals of a panel: what they are made of, and that none reads a row's own outcome."""

from dataclasses import replace

import numpy as np

from tests.training.test_experience import DESIGN, EARLY, PANEL, TRUTH, with_counts
from training import count_rivals
from training.count_metrics import unit_deviance
from training.count_rivals import AFTERNOON, GLM, RATE, STRAUB
from training.experience import Periods
from training.glm import linear


def said(panel: Periods) -> dict[str, np.ndarray]:
    return count_rivals.forecasts(panel, np.full(len(panel.rows), 2.0), EARLY, ~EARLY, DESIGN, linear("noise"))


def test_rivals_say_what_their_names_say() -> None:
    found = said(PANEL)
    came, rows = PANEL.rows.count, PANEL.rows
    assert set(found) == {RATE, GLM, STRAUB, AFTERNOON}
    np.testing.assert_allclose(found[RATE], came[EARLY].mean())
    error = {name: unit_deviance(came[~EARLY], one).mean() for name, one in found.items()}
    assert error[STRAUB] < 0.85 * error[GLM] < 0.95 * error[RATE]
    assert error[STRAUB] > unit_deviance(came[~EARLY], TRUTH[~EARLY]).mean()
    assert rows.names == ("size", "noise")


def test_outcomes_of_the_last_period_enter_none_of_them() -> None:
    last = PANEL.period == PANEL.period.max()
    plain, changed = said(PANEL), said(with_counts(np.where(last, PANEL.rows.count[::-1], PANEL.rows.count)))
    for name, one in plain.items():
        np.testing.assert_array_equal(changed[name], one)
    earlier = said(replace(PANEL, rows=replace(PANEL.rows, count=np.where(EARLY, PANEL.rows.count, PANEL.rows.count + 1))))
    assert (earlier[STRAUB] != plain[STRAUB]).any()
