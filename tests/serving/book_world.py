"""Invented books: policies with facts and terms in a spreadsheet's columns, and claims that are valued year after year."""

import csv
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

INDUSTRIES = ("construction", "machinery", "hazardous_chemicals", "food", "warehousing")
_RISK = dict(zip(INDUSTRIES, (1.6, 1.0, 1.8, 0.7, 0.8), strict=True))
_LEVELS, _CREDIT = ("none", "3", "2", "1"), ("AA", "A", "B", "C", "bad")
Columns = dict[str, list[Any]]
UNTIL = date(2025, 12, 31)


def book(count: int, seed: int = 1, years: int = 3) -> tuple[Columns, Columns]:
    """`count` policies of a year each, begun over `years` until the end of 2025, and the valuations of their claims.

    The premium charged knows headcount and industry; accidents know the record and the standardisation too.
    """
    chance = np.random.default_rng(seed)
    industry = chance.choice(len(INDUSTRIES), count)
    headcount = np.maximum(3, chance.lognormal(4.0, 1.0, count)).round()
    level, credit = chance.choice(4, count, p=(0.4, 0.3, 0.2, 0.1)), chance.choice(5, count, p=(0.1, 0.3, 0.4, 0.15, 0.05))
    risk = np.array([_RISK[INDUSTRIES[place]] for place in industry]) * chance.gamma(4.0, 0.25, count)
    risk *= np.array([1.3, 1.0, 0.8, 0.6])[level]
    rate = 0.004 * headcount * risk
    past = chance.poisson(3.0 * rate)
    last = chance.binomial(past, 1 / 3)
    first = UNTIL.replace(year=UNTIL.year - years) + timedelta(days=1)
    starts = [first + timedelta(days=int(day)) for day in chance.integers(0, 365 * years, count)]
    premium = (headcount * 500.0 * np.array([_RISK[INDUSTRIES[place]] for place in industry])).round(2)
    policies: Columns = {
        "policy_id": [f"P{place:06d}" for place in range(count)],
        "name": [f"Enterprise {place}" for place in range(count)],
        "starts": starts,
        "ends": [day + timedelta(days=364) for day in starts],
        "premium": premium.tolist(),
        "currency": ["CNY"] * count,
        "limit_per_person": chance.choice([400_000.0, 600_000.0, 800_000.0], count).tolist(),
        "limit_per_accident": [5_000_000.0] * count,
        "limit_aggregate": [20_000_000.0] * count,
        "industry": [INDUSTRIES[place] for place in industry],
        "headcount": headcount.tolist(),
        "payroll": (headcount * 90_000).tolist(),
        "project_cost": (headcount * 400_000).tolist(),
        "revenue": (headcount * 600_000).tolist(),
        "accidents_1y": last.astype(float).tolist(),
        "accidents_ordinary_1y": last.astype(float).tolist(),
        "accidents_larger_1y": [0.0] * count,
        "accidents_major_1y": [0.0] * count,
        "accidents_3y": past.astype(float).tolist(),
        "clean_years": np.where(last > 0, 0.0, np.where(past > 0, 1.0, 3.0)).tolist(),
        "record_years": [3.0] * count,
        "standardisation": [_LEVELS[place] for place in level],
        "credit": [_CREDIT[place] for place in credit],
        "blacklisted": (chance.random(count) < 0.01).tolist(),
        "rectification_rate": chance.choice([0.8, 0.95, 1.0], count).tolist(),
    }
    return policies, claims(policies, rate, chance)


def claims(policies: Mapping[str, Sequence[Any]], rate: np.ndarray, chance: np.random.Generator) -> Columns:
    """Valuations on the last days of the years until `UNTIL`: a claim is paid for over three years, from a reserve too low."""
    found: Columns = {name: [] for name in ("claim_id", "policy_id", "happened", "valued_at", "paid", "reserved")}
    number = 0
    for row, count in enumerate(chance.poisson(rate)):
        for _ in range(count):
            happened = policies["starts"][row] + timedelta(days=int(chance.integers(0, 365)))
            cost = float(chance.lognormal(10.5, 1.2))
            valued = [date(year, 12, 31) for year in range(happened.year, UNTIL.year + 1)]
            for age, day in enumerate(valued):
                if day < happened:
                    continue
                paid, seen = (0.2, 0.6, 1.0)[min(age, 2)], (0.7, 0.95, 1.0)[min(age, 2)]
                told = (f"C{number:06d}", policies["policy_id"][row], happened, day, round(paid * cost, 2))
                for name, value in zip(found, (*told, round((seen - min(paid, seen)) * cost, 2)), strict=True):
                    found[name].append(value)
            number += 1
    return found


def write_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """Columns as a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def write_xlsx(path: Path, **sheets: Mapping[str, Sequence[Any]]) -> Path:
    """Columns as sheets of a workbook."""
    from openpyxl import Workbook

    workbook = Workbook(write_only=True)
    for name, columns in sheets.items():
        sheet = workbook.create_sheet(name)
        sheet.append(list(columns))
        for row in zip(*columns.values(), strict=True):
            sheet.append(row)
    workbook.save(path)
    return path
