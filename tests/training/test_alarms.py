"""Alarm figures on histories small enough to count by hand."""

import numpy as np
import pytest

from training import alarms, metrics
from training.alarms import MICROS_PER_HOUR

HOUR = MICROS_PER_HOUR


def line_of(days=10, failures=(("a", 126.0), ("b", 222.0)), names=("a", "b", "c"), order=None):
    """One observation a day at 00:00 of each machine; failures at given hours."""
    machine = np.repeat(np.arange(len(names)), days).astype(np.int32)
    hours = np.tile(np.arange(days) * 24.0, len(names))
    lead = np.full(len(machine), np.nan)
    for name, moment in failures:
        ahead = moment - hours
        inside = (machine == names.index(name)) & (ahead > 0) & (ahead <= 72)
        lead[inside] = np.fmin(np.nan_to_num(lead[inside], nan=np.inf), ahead[inside])
    y = ~np.isnan(lead)
    order = np.arange(len(machine)) if order is None else order
    return alarms.timeline(
        np.array(names, dtype=object), machine[order], (hours[order] * HOUR).astype(np.int64), y[order], lead[order]
    )


def alarm_at(line, *places):
    """Alarms at (machine code, hour)."""
    wanted = np.zeros(len(line.machine), dtype=bool)
    for machine, hour in places:
        wanted |= (line.machine == machine) & (line.as_of == hour * HOUR)
    assert wanted.sum() == len(places)
    return wanted


def test_observations_before_one_failure_are_one_event():
    line = line_of()
    assert line.events == 2
    assert line.event_time.tolist() == [126 * HOUR, 222 * HOUR]
    assert sorted(np.flatnonzero(line.y) % 10) == [3, 4, 5, 7, 8, 9]
    assert line.every_hours == 24.0
    assert line.machine_months == pytest.approx(30 * 24 / 730.5)


def test_event_is_the_same_whether_hours_are_single_or_double_precision():
    line = line_of(failures=(("a", 126.1), ("a", 222.7)))
    again = alarms.timeline(
        np.array(["a", "b", "c"], dtype=object), line.machine, line.as_of, line.y, line.lead_hours.astype(np.float32)
    )
    assert again.events == line.events == 2


def test_event_recall_and_lead_count_the_first_alarm_inside_72_hours():
    line = line_of()
    alarm = alarm_at(line, (0, 72), (0, 120), (1, 48), (2, 0))
    assert alarms.longest_lead(line, alarm)[0] == 54.0
    assert np.isnan(alarms.longest_lead(line, alarm)[1])
    assert metrics.value(alarms.event_recall(line, alarm), 3) == 0.5
    assert metrics.value(alarms.event_recall(line, alarm, 51.0), 3) == 0.5
    assert metrics.value(alarms.event_recall(line, alarm, 55.0), 3) == 0.0


def test_false_alarms_are_alarmed_observations_without_a_failure_in_72_hours():
    line = line_of()
    alarm = alarm_at(line, (0, 72), (0, 24), (1, 48), (2, 0))
    assert metrics.value(alarms.false_alarms_per_month(line, alarm), 3) == pytest.approx(3 / line.machine_months)


def test_chronic_alarm_is_not_fresh():
    line = line_of(days=60, failures=(("a", 1206.0), ("b", 1206.0)))
    alarm = alarm_at(line, (0, 0), (0, 1200), (1, 1200))
    assert metrics.value(alarms.event_recall(line, alarm), 3) == 1.0
    assert metrics.value(alarms.fresh_share(line, alarm), 3) == 0.5


def test_alarm_before_the_failure_before_does_not_make_the_next_one_chronic():
    line = line_of(days=60, failures=(("a", 102.0), ("a", 1206.0)))
    alarm = alarm_at(line, (0, 96), (0, 1200))
    assert metrics.value(alarms.fresh_share(line, alarm), 3) == 1.0


def test_alarm_after_the_last_failure_belongs_to_no_event():
    line = line_of(failures=(("a", 78.0),))
    alarm = alarm_at(line, (0, 72), (0, 216))
    assert metrics.value(alarms.fresh_share(line, alarm), 3) == 1.0


@pytest.mark.parametrize("budget", [0.0, 0.1, 0.34, 1.0])
def test_budget_is_kept_even_if_every_score_is_the_same(budget):
    line = line_of()
    assert alarms.alarms(line, np.full(30, 0.2), budget).sum() == int(budget * 30 + 1e-9)


def test_ties_are_broken_the_same_way_whatever_the_order_of_rows_and_blind_to_the_outcome():
    line = line_of()
    score = np.round(np.random.default_rng(0).random(30), 1)
    chosen = alarms.alarms(line, score, 0.2)
    order = np.random.default_rng(1).permutation(30)
    shuffled = line_of(order=order)
    assert np.array_equal(alarms.alarms(shuffled, score[order], 0.2), chosen[order])
    other = line_of(failures=(("c", 30.0),))
    assert np.array_equal(alarms.alarms(other, score, 0.2), chosen)


def test_budget_counts_weights():
    line = line_of()
    heavy = alarms.Timeline(**{**vars(line), "weight": np.where(line.y, 1.0, 4.0)})
    alarm = alarms.alarms(heavy, np.arange(30.0), 0.1)
    assert heavy.weight[alarm].sum() <= 0.1 * heavy.weight.sum()
    assert alarm.sum() < 4


def test_alarm_curve_counts_by_hand():
    line = line_of()
    score = np.zeros(30)
    score[line.event == 0] = [0.2, 0.5, 0.9]
    score[line.event == 1] = [0.1, 0.3, 0.4]
    score[np.flatnonzero(~line.y)[:3]] = [0.95, 0.4, 0.6]
    curve = alarms.alarm_curve(line, score)
    assert curve.threshold.tolist() == [0.9, 0.4]
    assert curve.recall.tolist() == [0.5, 1.0]
    assert (curve.false_alarms * line.machine_months).tolist() == pytest.approx([1.0, 3.0])


def test_top_k_lists_each_machine_once_a_day():
    line = line_of()
    best = alarms.top_k(line, np.where(line.y, 1.0, 0.0), 1)
    assert best.days == 10
    assert best.hits_per_day == pytest.approx(0.6) == best.best_per_day
    worst = alarms.top_k(line, np.where(line.y, 0.0, 1.0), 1)
    assert worst.hits_per_day == 0.0
    everyone = alarms.top_k(line, np.zeros(30), 5)
    assert everyone.precision == pytest.approx(6 / 30)


def test_top_k_of_hourly_observations_takes_a_machines_riskiest_hour():
    hours = np.arange(48.0)
    machine = np.zeros(48, np.int32)
    y = hours >= 30
    line = alarms.timeline(
        np.array(["a"], dtype=object), machine, (hours * HOUR).astype(np.int64), y, np.where(y, 100.0 - hours, np.nan)
    )
    found = alarms.top_k(line, hours, 1)
    assert (found.days, found.hits_per_day) == (2, 0.5)
