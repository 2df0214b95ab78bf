"""The slow oracle: numbers that hold until the next row, of operation and environment."""

import math
from itertools import pairwise

from features.spec import FeatureSpec
from tests.oracles.slow_look import NAN, Look, Operation, Pairs, Row, window


def number(look: Look, column: str, row: Row) -> float | None:
    """What a row says of a state: a number, the place of a code (-1 for one that is not declared), 1 or 0 for on and off."""
    if column in ("mode", "shift"):
        places = [term.code for term in (look.kind.modes if column == "mode" else look.kind.shifts)]
        code = row[column]
        return None if code is None else float(places.index(code)) if code in places else -1.0
    if column.startswith("mode:"):
        return None if row["mode"] is None else float(row["mode"] == column.removeprefix("mode:"))
    if column == "running":
        (state,) = {action.state for action in look.kind.actions if action.code == row["action"]} or {None}
        return None if state is None else float(state == "running")
    if column == "hot":
        degrees = row["ambient_temperature_c"]
        return None if degrees is None else float(look.kind.hot_c is not None and degrees >= look.kind.hot_c)
    return None if row[column] is None else float(row[column])


def states(look: Look, spec: FeatureSpec) -> Pairs:
    """(hours ago, state) of the rows that say something, oldest first; of several at one moment the last by key."""
    rows = sorted(look.rows.get(spec.table, []), key=lambda row: (row["event_time"], row.get("action") or ""))
    found = {look.ago(row): x for row in rows if (x := number(look, spec.column, row)) is not None}
    return list(found.items())


def parts(look: Look, spec: FeatureSpec) -> list[tuple[float, float]]:
    """(hours, state) of the stretches of the window in which the state is known."""
    pairs = states(look, spec)
    ends = [ago for ago, _ in [*pairs[1:], (0.0, NAN)]][: len(pairs)]
    cut = [(min(ago, window(spec)) - min(end, window(spec)), x) for (ago, x), end in zip(pairs, ends, strict=True)]
    return [(hours, x) for hours, x in cut if hours > 0]


def standing(look: Look, spec: FeatureSpec, hours: float) -> float:
    """The state `hours` ago."""
    earlier = [x for ago, x in states(look, spec) if ago >= hours]
    return earlier[-1] if earlier else NAN


def state(look: Look, spec: FeatureSpec) -> float:
    return standing(look, spec, 0.0)


def state_code(look: Look, spec: FeatureSpec) -> float:
    now = state(look, spec)
    return now if now >= 0 else NAN


def held(look: Look, spec: FeatureSpec) -> float:
    """Hours since the present state began; a row that says it again does not begin it anew."""
    pairs = states(look, spec)
    begun = [ago for (_, before), (ago, x) in pairwise([(math.inf, NAN), *pairs]) if x != before]
    return begun[-1] if begun else NAN


def held_on(look: Look, spec: FeatureSpec) -> float:
    """Hours since which the state has been above zero without a break; 0 while it is not."""
    pairs = states(look, spec)
    if not pairs:
        return NAN
    since = 0.0
    for ago, x in reversed(pairs):
        if x <= 0:
            break
        since = ago
    return since


def state_mean(look: Look, spec: FeatureSpec) -> float:
    known = parts(look, spec)
    total = math.fsum(hours for hours, _ in known)
    return math.fsum(hours * x for hours, x in known) / total if known else NAN


def state_std(look: Look, spec: FeatureSpec) -> float:
    known, centre = parts(look, spec), state_mean(look, spec)
    total = math.fsum(hours for hours, _ in known)
    return math.sqrt(math.fsum(hours * (x - centre) ** 2 for hours, x in known) / total) if known else NAN


def over(look: Look, spec: FeatureSpec) -> list[float]:
    """The states of the window, the one that stood when it began first."""
    pairs = states(look, spec)
    before = [x for ago, x in pairs if ago >= window(spec)]
    return before[-1:] + [x for ago, x in pairs if ago < window(spec)]


def state_min(look: Look, spec: FeatureSpec) -> float:
    return min(over(look, spec), default=NAN)


def state_max(look: Look, spec: FeatureSpec) -> float:
    return max(over(look, spec), default=NAN)


def state_change(look: Look, spec: FeatureSpec) -> float:
    return state(look, spec) - standing(look, spec, window(spec))


def state_changes(look: Look, spec: FeatureSpec) -> float:
    found = over(look, spec)
    return float(sum(x != before for before, x in pairwise(found))) if found else NAN


STATES: dict[str, Operation] = {
    one.__name__: one
    for one in (state, state_code, held, held_on, state_mean, state_std, state_min, state_max, state_change, state_changes)
}
