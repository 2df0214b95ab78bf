"""The slow oracle of windows: every channel of every step from lists of dicts, by the words of `features.sequences`."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from features.kinds import MachineKind
from tests.oracles.slow import known
from tests.oracles.slow_look import NAN, Row

HOUR = timedelta(hours=1)
Step = dict[str, float]


def window(
    kind: MachineKind,
    tables: Mapping[str, Sequence[Row]],
    machine: str,
    as_of: datetime,
    hours: float,
    most: int,
    baseline: int,
) -> tuple[list[Step], dict[str, float]]:
    """The real steps of a window, oldest first, each by channel; and the static covariates. most: steps that fit, as_of too."""
    rows = known(kind, tables, machine, as_of)
    every = rows.get("readings", [])
    begin = as_of - timedelta(hours=hours)
    seen = [row for row in every if row["event_time"] > begin]
    if kind.sampling == "on_change":
        seen = [row for row in every if row["event_time"] <= begin][-1:] + seen
    seen = seen[max(0, len(seen) - (most - 1)) :]
    older = every[: len(every) - len(seen)]
    own = levels(kind, rows, baseline, hours)
    steps, before = [], older[-1]["event_time"] if older else None
    for row in [*seen, None]:
        moment = as_of if row is None else row["event_time"]
        holds = kind.sampling == "on_change" and seen
        step = clocks(rows, as_of, moment, before)
        for name, value in sensors(kind, seen[-1] if row is None and holds else row).items():
            step[f"sensor:{name}"], step[f"own:{name}"] = value, value - own.get(name, NAN)
        steps.append(step | stood(kind, rows, moment) | counted(kind, rows, before, moment))
        before = moment
    return steps, static(kind, rows, as_of)


def clocks(rows: Mapping[str, list[Row]], as_of: datetime, moment: datetime, before: datetime | None) -> Step:
    service = NAN
    for row in rows.get("machines", []):
        service = (row["age_hours"] or 0.0) + (moment - row["event_time"]) / HOUR
    gap = NAN if before is None else (moment - before) / HOUR
    return {"ago_hours": (as_of - moment) / HOUR, "gap_hours": gap, "service_hours": service}


def sensors(kind: MachineKind, row: Row | None) -> Step:
    """What a reading says of each sensor, as it is kept: in single precision."""
    found = {}
    for sensor in kind.sensors:
        value = None if row is None else row[sensor.name]
        if sensor.packed:
            words: list[float] = [NAN, NAN]
            if value is not None and 0 <= value < 2**48:
                words = [math.log1p(int(value) // 65536**place % 65536) for place in (0, 1)]
            found |= {f"{sensor.name}_word{place}": words[place] for place in (0, 1)}
        elif value is None:
            found[sensor.name] = NAN
        else:
            small = math.copysign(math.log1p(abs(value)), value)
            found[sensor.name] = small if kind.sampling == "on_change" else value
    return {name: float(np.float32(value)) for name, value in found.items()}


def levels(kind: MachineKind, rows: Mapping[str, list[Row]], baseline: int, hours: float) -> Step:
    """The machine's own level of each sensor; of a history that was cut short none."""
    every = rows.get("readings", [])
    started = [row["event_time"] for row in rows.get("machines", [])]
    if not every or (started and (every[0]["event_time"] - started[0]) / HOUR > hours):
        return {}
    numbers: dict[str, list[float]] = {}
    for row in every[: 8 * baseline]:
        for name, value in sensors(kind, row).items():
            if not math.isnan(value):
                numbers.setdefault(name, []).append(value)
    return {name: sum(values[:baseline]) / len(values[:baseline]) for name, values in numbers.items()}


def stood(kind: MachineKind, rows: Mapping[str, list[Row]], moment: datetime) -> Step:
    """What held at a moment: age of the components, operation, environment."""
    found = {}
    for term in kind.components:
        new = [
            row["event_time"] for row in rows["replacements"] if row["component"] == term.code and row["event_time"] <= moment
        ]
        found[f"age_hours:{term.code}"] = (moment - max(new)) / HOUR if new else NAN

    def last(table: str, value: Callable[[Row], object]) -> object:
        # Of several at one moment the last in the order of their key counts.
        past = [row for row in rows.get(table, []) if row["event_time"] <= moment]
        said = [value(row) for row in sorted(past, key=lambda row: (row["event_time"], row.get("action", "")))]
        return next((one for one in reversed(said) if one is not None), None)

    if kind.operated:
        shows = {action.code: action.state for action in kind.actions}
        runs = last("operations", lambda row: shows.get(row["action"]))
        found["load"] = number(last("operations", lambda row: row["load"]))
        found["running"] = NAN if runs is None else float(runs == "running")
    for name, terms in (("mode", kind.modes), ("shift", kind.shifts)):
        now = last("operations", lambda row, name=name: row[name])  # type: ignore[misc]
        found |= {f"{name}:{term.code}": NAN if now is None else float(now == term.code) for term in terms}
    if kind.environment:
        for name in ("ambient_temperature_c", "humidity_pct"):
            found[name] = number(last("environment", lambda row, name=name: row[name]))  # type: ignore[misc]
    return found


def number(value: object) -> float:
    return NAN if value is None else float(str(value))


def counted(kind: MachineKind, rows: Mapping[str, list[Row]], before: datetime | None, moment: datetime) -> Step:
    """How often each code came after the step before, up to the step."""
    tables = {
        "error": ("events", "code", kind.error_codes),
        "action": ("operations", "action", kind.actions),
        "maintenance": ("maintenance", "component", kind.components),
    }
    return {
        f"{what}:{term.code}": float(
            sum(
                row[column] == term.code and (before is None or row["event_time"] > before) and row["event_time"] <= moment
                for row in rows.get(table, [])
            )
        )
        for what, (table, column, terms) in tables.items()
        for term in terms
    }


def static(kind: MachineKind, rows: Mapping[str, list[Row]], as_of: datetime) -> dict[str, float]:
    found = dict.fromkeys(("age_hours", "observed_hours", "capacity", *(f"model:{model}" for model in kind.models)), NAN)
    days = (as_of - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(days=1)
    found |= {"made_days": NAN} if "made" in kind.calendar else {}
    for row in rows.get("machines", []):
        observed = (as_of - row["event_time"]) / HOUR
        age = number(row["age_hours"]) + observed
        found |= {"age_hours": age, "observed_hours": observed, "capacity": number(row["capacity"])}
        found |= {f"model:{model}": float(row["model"] == model) for model in kind.models}
        found |= {"made_days": days - age / 24} if "made" in kind.calendar else {}
    turns = {"season": math.floor(days) % 365.25 / 365.25, "weekday": as_of.weekday() / 7}
    for sort, turn in turns.items():
        if sort in kind.calendar:
            found |= {f"{sort}_sin": math.sin(2 * math.pi * turn), f"{sort}_cos": math.cos(2 * math.pi * turn)}
    failed = [row["component"] for row in rows.get("failures", [])]
    return found | {"failures": len(failed)} | {f"failures:{term.code}": failed.count(term.code) for term in kind.components}
