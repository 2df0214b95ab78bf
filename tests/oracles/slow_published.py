"""The slow oracles of the tables that are published of enterprises: each row from lists of dicts, by what their modules say."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from features.enterprise.industry_rates import FEWEST, SHAPE, SHAPES, K
from features.enterprise.schema import CASES, ENTERPRISE_TABLES
from features.enterprise.vocabulary import CAUSE_GROUPS, INDUSTRY_CODES
from features.schema import MACHINE_SCORES, MACHINES
from tests.oracles.slow_enterprises import _group, known

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]
DAY = timedelta(days=1)


def _worker_years(rows: list[Row], as_of: datetime, days: float) -> tuple[float, float] | None:
    """(worker-years of the window, worker-years a year) by exposure rows of hours, else of people; None without either."""
    for basis in ("hours_worked", "headcount"):
        told = [row for row in rows if row["basis"] == basis]
        if not told:
            continue
        total = 0.0
        for row in told:
            length = (row["event_time"] - row["starts"]) / DAY / 365.25
            amount = row["amount"] / 2000 if basis == "hours_worked" else row["amount"] * length
            inside = max(row["event_time"] - max(row["starts"], as_of - days * DAY), timedelta(0)) / DAY / 365.25
            total += amount * inside / length
            rate = amount / length
        return total + rate * min((as_of - told[-1]["event_time"]) / DAY, days, 365.0) / 365.25, rate
    return None


def _of_policies(rows: list[Row], as_of: datetime, days: float) -> tuple[float, float] | None:
    told = [row["headcount"] for row in rows if row["headcount"] is not None]
    age = max((as_of - row["event_time"]) / DAY for row in rows) if rows else 0.0
    return (told[-1] * min(age, days) / 365.25, told[-1]) if told else None


def rates(tables: Tables, as_of: datetime) -> dict[str, dict[str, float]]:
    """The rows of `industry_rates` at `as_of`, by group."""
    seen = {name: known(ENTERPRISE_TABLES[name], rows, as_of) for name, rows in tables.items()}
    people = []
    for row in sorted(seen["enterprises"], key=lambda row: row["enterprise_id"]):
        own = {name: [one for one in seen[name] if one["enterprise_id"] == row["enterprise_id"]] for name in seen}
        spent = [
            _worker_years(own["exposures"], as_of, w) or _of_policies(own["policies"], as_of, w) for w in (1095.0, 365.0)
        ]  # fmt: skip
        happened = [one for one in own["accidents"] if one["event_time"] > as_of - 1095 * DAY]
        groups = {name for whose in ("all", "industry", "process", "region") if (name := _group(row, whose))}
        people.append((row, groups, spent, happened))
    found: dict[str, dict[str, float]] = {}
    names = sorted({name for _, groups, _, _ in people for name in groups}, key=lambda name: (name != "all", "/" in name, name))
    for name in names:
        mine = [one for one in people if name in one[1]]
        told = [one for one in mine if one[2][0] is not None]
        found[name] = {
            "enterprises": len(mine),
            "exposure": sum(spent[0][0] for _, _, spent, _ in told),
            "accidents": sum(len(happened) for *_, happened in told),
        }
    if not found or found["all"]["exposure"] <= 0:
        return found
    for name in names:
        _numbers(name, people, found, as_of)
    expected = {
        row["enterprise_id"]: spent[0][0] * found[_group(row, "process") or ""]["rate"]
        for row, _, spent, _ in people
        if spent[0]
    }
    for name in names:
        told = [one for one in people if name in one[1] and one[2][0] is not None]
        pairs = [(len(happened), expected[row["enterprise_id"]]) for row, _, _, happened in told]
        found[name]["relativity"] = (sum(n for n, _ in pairs) + K) / (sum(mu for _, mu in pairs) + K)
        rest = sum((n - mu) ** 2 - mu for n, mu in pairs)
        shape = min(max(sum(mu**2 for _, mu in pairs) / rest, SHAPES[0]), SHAPES[1]) if rest > 0 else SHAPES[1]
        few = found[name]["accidents"] < FEWEST
        found[name]["shape"] = shape if not few else SHAPE if name == "all" else found[_wider(name)]["shape"]
    return found


def _wider(name: str) -> str:
    return name.split("/")[0] if "/" in name and not name.startswith("region:") else "all"


def _numbers(name: str, people: list[Any], found: dict[str, dict[str, float]], as_of: datetime) -> None:
    told = [one for one in people if name in one[1] and one[2][0] is not None]
    here, wider = found[name], found[_wider(name)]
    happened = [(row, one) for row, _, _, rows in told for one in rows]
    n, e = here["accidents"], here["exposure"]
    in_cny = [(row, one) for row, one in happened if row["currency"] in (None, "CNY")]
    loss = sum(one["direct_loss"] or 0.0 for _, one in in_cny)
    losses = sum(one["direct_loss"] is not None for _, one in in_cny)
    deaths = sum(one["deaths"] for _, one in happened)
    if name == "all":
        here |= {"rate": max(n, 0.5) / e, "deaths": deaths / max(n, 1), "loss": loss / max(losses, 1)}
    else:
        here["rate"] = (n + K) / (e + K / wider["rate"])
        here["deaths"] = (deaths + K * wider["deaths"]) / (n + K)
        here["loss"] = (loss + K * wider["loss"]) / (losses + K)
    sizes = [spent[0][1] for _, _, spent, _ in told]
    here["size"] = sum(sizes) / len(sizes) if sizes else wider["size"]
    n1 = sum(one["event_time"] > as_of - 365 * DAY for _, one in happened)
    here["recent"] = (n1 + K) / (here["rate"] * sum(spent[1][0] for _, _, spent, _ in told) + K)


def risk(tables: Tables, enterprise: str, as_of: datetime) -> dict[str, float]:
    """The row of `machine_risk` of an enterprise at `as_of`; missing numbers left out."""
    mine = [row["machine_id"] for row in known(MACHINES, tables["machines"], as_of) if row["enterprise_id"] == enterprise]
    scores = known(MACHINE_SCORES, tables["machine_scores"], as_of)
    newest = [told[-1] for one in sorted(mine) if (told := [row for row in scores if row["machine_id"] == one])]
    fresh = [row for row in newest if as_of - row["event_time"] <= 30 * DAY]
    found = {"machines": float(len(mine)), "scored": float(len(fresh))}
    if not fresh:
        # No share of nothing.
        return found
    p = [row["p72"] for row in fresh]
    ages = [(as_of - row["event_time"]) / DAY for row in fresh]
    return found | {
        "p72_sum": sum(p), "p72_max": max(p), "p72_mean": sum(p) / len(p), "oldest_days": max(ages), "newest_days": min(ages),
        "above_05": sum(one > 0.05 for one in p) / len(p), "above_20": sum(one > 0.2 for one in p) / len(p),
        "reconstructed": sum(row["reconstructed"] for row in fresh) / len(p),
    }  # fmt: skip


# Cases

CAUSES_TOLD = {code: group for group, codes in CAUSE_GROUPS.items() for code in codes}


def cases(rows: Sequence[Row], as_of: datetime) -> dict[str, dict[str, Any]]:
    """The rows of `case_rates` at `as_of`, by group; missing numbers left out."""
    seen = known(CASES, rows, as_of)
    if not any(row["event_time"] <= as_of and row["recorded_at"] <= as_of for row in rows):
        return {name: {} for name in ("all", *INDUSTRY_CODES)}
    first: dict[str, datetime] = {}
    for row in sorted(rows, key=lambda row: row["recorded_at"]):
        first.setdefault(row["case_id"], max(row["event_time"], row["recorded_at"]))
    seen = [{**row, "published": first[row["case_id"]]} for row in seen]
    processes = sorted({_group(row, "process") or "" for row in seen if row["process"] is not None})
    found: dict[str, dict[str, Any]] = {}
    for name in ("all", *INDUSTRY_CODES, *processes):
        mine = [row for row in seen if name in ("all", row["industry"], f"{row['industry']}/{row['process']}")]
        found[name] = _of_cases(mine, found.get(_wider(name), {}) if name != "all" else None, as_of)
    return found


def _of_cases(rows: list[Row], wider: dict[str, Any] | None, as_of: datetime) -> dict[str, Any]:
    by_years = {years: [row for row in rows if row["event_time"] > as_of - 365 * years * DAY] for years in (1, 3, 5)}
    here: dict[str, Any] = {f"count_{years}y": len(recent) for years, recent in by_years.items()}
    newer, new = (sum(row["published"] > as_of - days * DAY for row in rows) for days in (365, 1095))
    here["recent"] = (newer + 5) / (new / 3 + 5)

    def mean(name: str, values: list[float], to: dict[str, Any] | None) -> None:
        if to is None and values:
            here[name] = sum(values) / len(values)
        if to is not None and name in to:
            here[name] = (sum(values) + 5 * to[name]) / (len(values) + 5)

    told = [row for row in by_years[5] if row["deaths"] is not None]
    mean("deadly", [row["deaths"] > 0 for row in told], wider)
    mean("grade", [grade for row in by_years[5] if (grade := _grade(row)) is not None], wider)
    for group in CAUSE_GROUPS:
        coded = [row["cause"] for row in by_years[5] if row["cause"] is not None]
        mean(f"share_{group}", [CAUSES_TOLD.get(cause) == group for cause in coded], wider)
        deadly = [row["deaths"] > 0 for row in told if CAUSES_TOLD.get(row["cause"]) == group]
        mean(f"deadly_{group}", deadly, {f"deadly_{group}": here["deadly"]} if "deadly" in here else {})
        newest = [row["event_time"] for row in rows if CAUSES_TOLD.get(row["cause"]) == group]
        here |= {f"latest_{group}": max(newest)} if newest else {}
    return here


def _grade(row: Row) -> int | None:
    """By order 493: so many deaths, serious injuries, or CNY lost."""
    loss = row["direct_loss"] if row["currency"] in (None, "CNY") else None
    told = [(row["deaths"], (3, 10, 30)), (row["injuries"], (10, 50, 100)), (loss, (1e7, 5e7, 1e8))]
    steps = [sum(value >= step for step in thresholds) for value, thresholds in told if value is not None]
    return max(steps) if steps else None
