"""A small judged fleet for the tests of evaluation and report: labels as they would come, forecasts of known quality."""

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression


def frame(machines=40, days=60, seed=0):
    """One observation per machine and day with ripe and unripe labels, and a hidden risk that rises before a failure."""
    random = np.random.default_rng(seed)
    rows = []
    for machine in range(machines):
        failures = np.sort(random.uniform(0, days * 24, random.poisson(2)))
        for day in range(days):
            ahead = failures[failures > day * 24.0]
            rows.append((f"m{machine:03d}", day * 24.0, f"model{machine % 2}", ahead[0] - day * 24.0 if len(ahead) else np.inf))
    table = pd.DataFrame(rows, columns=["machine_id", "hour", "model", "to"])
    table["as_of"] = pd.Timestamp("2024-03-01", tz="UTC") + pd.to_timedelta(table.hour, unit="h")
    left = days * 24 - table.hour
    for horizon in (24, 48, 72):
        table[f"y{horizon}"] = np.where(table.to <= horizon, 1.0, np.where(left < horizon, np.nan, 0.0))
    table["followed_hours"] = left.clip(upper=72)
    table["hours_to_failure"] = table.to.where(table.to <= 72)
    table["risk"] = 6.0 * np.clip(1 - table.to / 110, 0, 1) - 5 + random.normal(0, 0.8, len(table))
    return table.drop(columns=["hour", "to"])


def forecast(table, noise=0.0, seed=1):
    """Probabilities [n, 3], about calibrated: the rising step function of the hidden risk that fits best."""
    risk = table.risk.to_numpy() + np.random.default_rng(seed).normal(0, noise, len(table))
    columns = []
    for horizon in (24, 48, 72):
        y = table[f"y{horizon}"].to_numpy()
        known = ~np.isnan(y)
        rising = IsotonicRegression(out_of_bounds="clip").fit(risk[known], y[known])
        columns.append(rising.predict(risk))
    tilt = 1 + 1e-4 * (risk - risk.min())
    return np.maximum.accumulate(np.clip(np.stack(columns, axis=1) * tilt[:, None], 1e-5, 1 - 1e-5), axis=1)
