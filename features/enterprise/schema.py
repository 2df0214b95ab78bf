"""Contracts of the enterprise tables. Clocks, keys and corrections are those of every table (features/schema.py).

What holds for all of them, on the way in (features/enterprise/rules.py): a row names an enterprise of the `enterprises` table,
nothing happens to an enterprise before it exists, and its amounts are in its own currency (CNY where it names none).
An exposure of 0 is a fact (nobody worked); a missing one is none, and is refused.
"""

from features.enterprise.published import CASE_RATES, INDUSTRY_RATES, MACHINE_RISK
from features.enterprise.vocabulary import EXPOSURE_BASES, INDUSTRY_CODES, PURPOSES
from features.schema import ENTERPRISE, FLAG, NUMBER, TEXT, TIME, Column, Order, TableContract

INDUSTRY = "industry"
LONGEST_NARRATIVE = 20_000


def _text(name: str, *, codes: tuple[str, ...] = (), nullable: bool = False) -> Column:
    return Column(name, TEXT, nullable=nullable, codes=codes)


def _number(name: str, unit: str = "", *, nullable: bool = False, low: float | None = 0.0, high: float | None = None) -> Column:
    return Column(name, NUMBER, unit, nullable=nullable, low=low, high=high)


def _amount(name: str, *, nullable: bool = True) -> Column:
    return _number(name, "currency", nullable=nullable)


def _flag(name: str, *, nullable: bool = False) -> Column:
    return Column(name, FLAG, nullable=nullable)


def _due(name: str, *, nullable: bool = True) -> Column:
    """A time that may lie ahead of its recording."""
    return Column(name, TIME, nullable=nullable, ahead=True)


_CURRENCY = Column("currency", TEXT, nullable=True, pattern="[A-Z]{3}")
_SITE = _text("site_id", nullable=True)
_PROCESS = _text("process", nullable=True)
_CAUSE = _text("cause", nullable=True)
_STARTS = Column("starts", TIME)
_PERIOD = (Order("starts", "event_time", strict=True),)


def _table(
    name: str, *own: Column, key: tuple[str, ...] = (), orders: tuple[Order, ...] = (), periods: bool = False
) -> TableContract:
    return TableContract(name, own, key, entity=ENTERPRISE, orders=orders, periods=periods)


# event_time of an enterprise is the start of its observation.
ENTERPRISES = TableContract(
    "enterprises",
    (
        _text("industry", codes=INDUSTRY_CODES),
        _PROCESS,
        _text("region", nullable=True),
        Column("founded", TIME, nullable=True, since=1500),
        _CURRENCY,
    ),
    timeless_key=True,
    entity=ENTERPRISE,
)
# Whoever has no row here has consented to being scored and trained on, not to sharing (features/enterprise/consent.py).
CONSENTS = _table("consents", _text("purpose", codes=PURPOSES), _flag("granted"), key=("purpose",))
SITES = _table(
    "sites",
    _text("site_id"),
    _PROCESS,
    _text("region", nullable=True),
    _number("latitude", "°", nullable=True, low=-90.0, high=90.0),
    _number("longitude", "°", nullable=True, low=-180.0, high=180.0),
    _flag("major_hazard", nullable=True),
    key=("site_id",),
)
# event_time is the end of the period. Periods of one basis do not overlap: the one that comes later is refused.
EXPOSURES = _table(
    "exposures",
    _text("basis", codes=tuple(EXPOSURE_BASES)),
    _STARTS,
    _number("amount"),
    _CURRENCY,
    key=("basis",),
    orders=_PERIOD,
    periods=True,
)
# event_time: when it was found. A hazard that was rectified is a correction with a later recorded_at.
HAZARDS = _table(
    "hazards",
    _text("hazard_id"),
    _SITE,
    _text("found_by", codes=("self", "insurer", "authority", "third_party")),
    _text("grade", codes=("general", "major")),
    _text("kind", nullable=True),
    _due("due"),
    Column("rectified", TIME, nullable=True),
    Column("verified", TIME, nullable=True),
    _flag("supervised"),
    _flag("repeated", nullable=True),
    key=("hazard_id",),
    orders=(Order("event_time", "rectified"), Order("event_time", "verified")),
)
INSPECTIONS = _table(
    "inspections",
    _text("visit_id"),
    _SITE,
    _text("visitor", codes=("insurer", "authority", "third_party")),
    _text("mode", codes=("on_site", "remote", "unannounced")),
    _text("outcome", codes=("done", "partial", "refused")),
    _number("findings", nullable=True),
    _number("hours", "h", nullable=True),
    # Drawn by lot (双随机): visits that nobody aimed are the honest sample.
    _flag("by_lot", nullable=True),
    key=("visit_id",),
)
VIOLATIONS = _table(
    "violations",
    _text("violation_id"),
    _text("code"),
    _text("grade", nullable=True),
    _amount("penalty"),
    _CURRENCY,
    key=("violation_id",),
)
PERMITS = _table(
    "permits",
    _text("permit_id"),
    _text("kind"),
    _text("state", codes=("granted", "suspended", "revoked", "expired")),
    _due("expires"),
    key=("permit_id",),
)
CREDIT = _table("credit", _text("rating", codes=("AA", "A", "B", "C", "bad")), _flag("blacklisted"), _flag("repaired"))
STANDARDISATION = _table("standardisation", _text("level", codes=("none", "3", "2", "1")))
TRAININGS = _table(
    "trainings",
    _text("training_id"),
    _text("topic", nullable=True),
    _number("attended", "persons"),
    _number("required", "persons"),
    key=("training_id",),
)
CERTIFICATES = _table("certificates", _text("kind"), _number("held"), _number("required"), key=("kind",))
DRILLS = _table(
    "drills", _text("drill_id"), _text("kind", nullable=True), _number("people", "persons", nullable=True), key=("drill_id",)
)
SPENDING = _table(
    "spending", _text("purpose"), _STARTS, _amount("amount", nullable=False), _CURRENCY, key=("purpose",), orders=_PERIOD
)
SUBCONTRACTING = _table("subcontracting", _number("depth"), _number("share", nullable=True, high=1.0))
SERVICES = _table(
    "services",
    _text("service_id"),
    _text("item"),
    _text("provider", nullable=True),
    _number("hours", "h", nullable=True),
    key=("service_id",),
)
# injuries are serious ones. The grade follows from deaths, injuries and loss (features/enterprise/grades.py).
ACCIDENTS = _table(
    "accidents",
    _text("accident_id"),
    _SITE,
    _text("machine_id", nullable=True),
    _PROCESS,
    _CAUSE,
    _number("deaths", "persons"),
    _number("injuries", "persons"),
    _amount("direct_loss"),
    _CURRENCY,
    key=("accident_id",),
)
# event_time is the start of cover.
POLICIES = _table(
    "policies",
    _text("policy_id"),
    _due("ends", nullable=False),
    _amount("premium"),
    _CURRENCY,
    _amount("limit_per_person"),
    _amount("limit_per_accident"),
    _amount("limit_aggregate"),
    _amount("deductible"),
    _number("headcount", "persons", nullable=True),
    key=("policy_id",),
    orders=(Order("event_time", "ends", strict=True),),
)
# event_time is the accident's; valued_at the valuation date: each valuation of a claim is a fact of its own.
CLAIMS = _table(
    "claims",
    _text("claim_id"),
    Column("valued_at", TIME),
    _text("accident_id", nullable=True),
    _amount("paid", nullable=False),
    _amount("reserved"),
    _CURRENCY,
    _text("status", nullable=True),
    key=("claim_id", "valued_at"),
    orders=(Order("event_time", "valued_at"),),
)
# Accidents of whole industries, as published; recorded_at is the publication.
CASES = TableContract(
    "cases",
    (
        _text("case_id"),
        _PROCESS,
        _CAUSE,
        _number("deaths", "persons", nullable=True),
        _number("injuries", "persons", nullable=True),
        _amount("direct_loss"),
        _CURRENCY,
        Column("title", TEXT, nullable=True, longest=1_000),
        Column("narrative_zh", TEXT, nullable=True, longest=LONGEST_NARRATIVE),
        Column("narrative_en", TEXT, nullable=True, longest=LONGEST_NARRATIVE),
        Column("source", TEXT, nullable=True, longest=1_000),
        _text("enterprise_id", nullable=True),
    ),
    ("case_id",),
    entity=INDUSTRY,
    entity_codes=INDUSTRY_CODES,
)

ENTERPRISE_TABLES: dict[str, TableContract] = {
    contract.name: contract
    for contract in (
        ENTERPRISES, CONSENTS, SITES, EXPOSURES, HAZARDS, INSPECTIONS, VIOLATIONS, PERMITS, CREDIT, STANDARDISATION, TRAININGS,
        CERTIFICATES, DRILLS, SPENDING, SUBCONTRACTING, SERVICES, ACCIDENTS, POLICIES, CLAIMS, CASES,
    )
}  # fmt: skip
# Published by Forewarn from the others and dated, as reference tables are: no import and no sender writes them.
PUBLISHED_TABLES: dict[str, TableContract] = {
    contract.name: contract for contract in (INDUSTRY_RATES, CASE_RATES, MACHINE_RISK)
}
