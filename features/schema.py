"""Table contracts: columns, units, ranges, keys and the two clocks.

Every table has `event_time` (when it happened) and `recorded_at` (when it became known), microseconds, aware UTC. A row is
identified by its key; a second version of the same key is a correction with a later `recorded_at`.
"""

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from features.kinds import MachineKind, slug

TIME = pa.timestamp("us", tz="UTC")
TEXT = pa.string()
NUMBER = pa.float64()
FLAG = pa.bool_()

MACHINE = "machine_id"
ENTERPRISE = "enterprise_id"
PEER_GROUP = "peer_group"
EVENT_TIME = "event_time"
RECORDED_AT = "recorded_at"


@dataclass(frozen=True)
class Column:
    """One column: type, unit, whether it may be empty, and the closed range of what is believable.

    Of texts: codes, if only these are known; pattern, a regular expression for the whole; longest, in characters.
    Of times: since, the first year; ahead, whether it may lie in the future (a due date).
    """

    name: str
    type: pa.DataType = NUMBER
    unit: str = ""
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    codes: tuple[str, ...] = ()
    pattern: str = ""
    longest: int = 200
    since: int = 1970
    ahead: bool = False


@dataclass(frozen=True)
class Order:
    """Two times of a row of which the first is not after the second (strict: before it); missing ones are in order."""

    first: str
    second: str
    strict: bool = False


@dataclass(frozen=True)
class TableContract:
    """A table's columns in order, its entity, and its key (which always contains entity and event time).

    entity_codes: the entities, where only these are known. periods: each row is a period from `starts` to its event time, and
    those of one entity and own key do not overlap.
    """

    name: str
    own: tuple[Column, ...]
    own_key: tuple[str, ...] = ()
    timeless_key: bool = False
    entity: str = MACHINE
    entity_codes: tuple[str, ...] = ()
    orders: tuple[Order, ...] = ()
    periods: bool = False

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        clocks = (Column(EVENT_TIME, TIME), Column(RECORDED_AT, TIME))
        return (Column(self.entity, TEXT, codes=self.entity_codes), *clocks, *self.own)

    @property
    def key(self) -> tuple[str, ...]:
        """What identifies a row; `timeless_key` tables (one row per entity) leave the event time out."""
        if self.timeless_key:
            return (self.entity, *self.own_key)
        return (self.entity, EVENT_TIME, *self.own_key)

    @property
    def arrow(self) -> pa.Schema:
        return pa.schema([pa.field(column.name, column.type, nullable=column.nullable) for column in self.columns])


# event_time of a machine is the start of its observation; age_hours is its age at that moment.
MACHINES = TableContract(
    "machines",
    (
        Column("kind", TEXT),
        Column("model", TEXT, nullable=True),
        Column("age_hours", NUMBER, "h", nullable=True, low=0.0, high=1_000_000.0),
        Column("capacity", NUMBER, nullable=True, low=0.0),
        Column("site_id", TEXT, nullable=True),
        Column("enterprise_id", TEXT, nullable=True),
    ),
    timeless_key=True,
)
EVENTS = TableContract("events", (Column("code", TEXT), Column("severity", NUMBER, nullable=True)), ("code",))
MAINTENANCE = TableContract("maintenance", (Column("component", TEXT), Column("action", TEXT, nullable=True)), ("component",))
FAILURES = TableContract("failures", (Column("component", TEXT),), ("component",))
OPERATIONS = TableContract(
    "operations",
    (
        Column("action", TEXT),
        Column("mode", TEXT, nullable=True),
        Column("load", NUMBER, "share of rated load", nullable=True, low=0.0, high=2.0),
        Column("shift", TEXT, nullable=True),
    ),
    ("action",),
)
ENVIRONMENT = TableContract(
    "environment",
    (
        Column("ambient_temperature_c", NUMBER, "°C", nullable=True, low=-90.0, high=90.0),
        Column("humidity_pct", NUMBER, "%", nullable=True, low=0.0, high=100.0),
    ),
)
# A row says: the machine was under observation until event_time. Only cohorts and labels read it, never a feature.
COVERAGE = TableContract("coverage", (Column("state", TEXT, nullable=True),))

# What a bundle said of a machine: event_time is the score's as_of. Each run of the batch is a fact of its own, hence the key.
MACHINE_SCORES = TableContract(
    "machine_scores",
    (
        Column("score_id", TEXT),
        Column("bundle_id", TEXT),
        Column("p24", NUMBER, low=0.0, high=1.0),
        Column("p48", NUMBER, low=0.0, high=1.0),
        Column("p72", NUMBER, low=0.0, high=1.0),
        Column("low72", NUMBER, low=0.0, high=1.0),
        Column("high72", NUMBER, low=0.0, high=1.0),
        Column("reconstructed", FLAG),
    ),
    ("score_id",),
)

# The tables of machines; those of enterprises stand in features/enterprise/schema.py, all of them in features/tables.py.
FIXED = {
    contract.name: contract
    for contract in (MACHINES, EVENTS, MAINTENANCE, FAILURES, OPERATIONS, ENVIRONMENT, COVERAGE, MACHINE_SCORES)
}


def readings(kind: MachineKind) -> TableContract:
    """The wide readings table of one kind: a nullable float column per sensor."""
    columns = tuple(
        Column(sensor.name, NUMBER, sensor.unit, nullable=True, low=sensor.low, high=sensor.high) for sensor in kind.sensors
    )
    return TableContract(kind.readings_table, columns)


def reference(kind: MachineKind) -> TableContract:
    """The peers of one kind, day by day: a row says at 00:00 UTC what was known of a group's machines (see `reference`).

    peer_group: the kind's name (all its machines) or `kind/model`. Per sensor the mean and standard deviation over machines of
    the machine's own 24 h mean, and how many machines had one; rates are failures per machine-year. The counts of rows known
    show which days are to be made anew once rows with an older knowledge time have come in.
    """
    of_sensors = [
        Column(f"{sensor.name}_{part}", NUMBER, unit, nullable=True)
        for sensor in kind.sensors
        for part, unit in (("mean", sensor.unit), ("std", sensor.unit), ("machines", ""))
    ]
    rates = ["rate_90d", "rate_365d", *(f"rate_{slug(term.code)}_365d" for term in kind.components)]
    of_rates = [Column(name, NUMBER, "failures per machine-year", nullable=True) for name in rates]
    counts = [Column(name, pa.int64()) for name in ("machines", "readings_known", "machines_known", "failures_known")]
    return TableContract(kind.reference_table, (*of_sensors, *of_rates, *counts), entity=PEER_GROUP)
