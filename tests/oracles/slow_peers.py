"""The slow oracle: a machine against its peers, from the dated reference table."""

import math

from features.spec import FeatureSpec
from tests.oracles.slow_look import DAY_HOURS, NAN, Look, Operation, Row

# Fewer machines are no peers; an older row says nothing of today.
FEWEST = 5
HOLDS_HOURS = 7 * DAY_HOURS


def newest(look: Look, group: str) -> Row | None:
    """The newest known row of a group of peers, unless it is too old."""
    rows = [row for row in look.rows.get("reference", []) if row["peer_group"] == group and look.ago(row) <= HOLDS_HOURS]
    return max(rows, key=lambda row: row["event_time"], default=None)


def of_kind(look: Look) -> Row | None:
    return newest(look, look.kind.name)


def of_model(look: Look) -> Row | None:
    models = [row["model"] for row in look.rows.get("machines", []) if row["model"] in look.kind.models]
    return newest(look, f"{look.kind.name}/{models[0]}") if models and of_kind(look) else None


def peers(look: Look, spec: FeatureSpec) -> float:
    """The machine's own mean over a day against those of its model, or of its kind where those are too few."""
    sensor = spec.column.removesuffix("_mean")
    day = max(DAY_HOURS, look.kind.period_hours)
    seen = [row[sensor] for row in look.rows.get("readings", []) if row[sensor] is not None and look.ago(row) < day]
    for row in (of_model(look), of_kind(look)):
        if row is not None and (row[f"{sensor}_machines"] or 0) >= FEWEST:
            mean, spread = row[f"{sensor}_mean"], row[f"{sensor}_std"]
            known = seen and mean is not None and spread is not None and spread > 0
            return float((math.fsum(seen) / len(seen) - mean) / spread) if known else NAN
    return NAN


def rate_of_kind(look: Look, spec: FeatureSpec) -> float:
    row = of_kind(look)
    return NAN if row is None or row[spec.column] is None else float(row[spec.column])


def rate_of_model(look: Look, spec: FeatureSpec) -> float:
    row = of_model(look)
    return rate_of_kind(look, spec) if row is None or row[spec.column] is None else float(row[spec.column])


PEERS: dict[str, Operation] = {one.__name__: one for one in (peers, rate_of_kind, rate_of_model)}
