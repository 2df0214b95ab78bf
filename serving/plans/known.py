"""What the lake knew of sites at a moment: where they are, visits, hazards, machines, people, and what the champion expects."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import known_at, micros
from features.enterprise.machine_risk import HOLDS_DAYS
from features.enterprise.schema import ENTERPRISES, EXPOSURES, HAZARDS, INSPECTIONS, POLICIES, SITES
from features.lake import Lake
from features.schema import ENTERPRISE, EVENT_TIME, MACHINE, MACHINE_SCORES, MACHINES, RECORDED_AT, TEXT, TableContract
from features.view import View
from serving.inspection.checklist import Driver, Machine, OpenHazard
from serving.pricing.enterprise_facts import facts_of
from serving.risk import CURRENCY, reasons_of
from serving.risk_batch import RiskScores, score_enterprises
from serving.risk_champion import RiskChampion
from serving.risk_evidence import Knowledge

Key = tuple[str, str]  # enterprise, site


@dataclass(frozen=True)
class Visited:
    """A visit of the past."""

    at: datetime
    visitor: str
    mode: str
    outcome: str


@dataclass(frozen=True)
class SiteKnown:
    """A site as the lake knew it. since: from when on."""

    enterprise_id: str
    site_id: str
    industry: str
    region: str
    since: datetime
    latitude: float | None
    longitude: float | None
    major_hazard: bool
    headcount: float | None
    visits: tuple[Visited, ...] = ()
    hazards: tuple[OpenHazard, ...] = ()
    machines: tuple[Machine, ...] = ()

    @property
    def key(self) -> Key:
        return self.enterprise_id, self.site_id


@dataclass(frozen=True)
class Scored:
    """What is expected of an enterprise within 365 days: loss, and the chance of any accident; None: nobody tells it."""

    loss: float
    p_any: float | None


@dataclass(frozen=True)
class Known:
    """All sites at a moment, and the scores of their enterprises where there are any (consent, a champion, a usable record).

    insured_until: the end of the last policy of an enterprise; told_until: the end of its last period of exposure; neither of
    one that has told none. news: when the last row of policies, and of exposures, was recorded: nothing is known of later ones.
    """

    as_of: datetime
    sites: tuple[SiteKnown, ...]
    scored: Mapping[str, Scored]
    currency: str
    scores: RiskScores | None
    notes: tuple[str, ...] = ()
    insured_until: Mapping[str, datetime] = field(default_factory=dict)
    told_until: Mapping[str, datetime] = field(default_factory=dict)
    news: Mapping[str, datetime] = field(default_factory=dict)
    _place: Mapping[str, int] = field(default_factory=dict)

    def drivers(self, ids: Iterable[str], count: int) -> dict[str, tuple[Driver, ...]]:
        """What raises the alarm score, of those of the riskiest whose features are kept; the strongest first."""
        if self.scores is None:
            return {}
        chosen = [one for one in dict.fromkeys(ids) if one in self._place]
        told = reasons_of(self.scores.champion, self.scores.best[[self._place[one] for one in chosen]], 3 * count)
        return {
            one: tuple(Driver(why["text_en"], why["text_zh"]) for why in found["alarm"] if why["effect"] > 0)[:count]
            for one, found in zip(chosen, told, strict=True)
            if "alarm" in found
        }


def until(lake: Lake) -> datetime:
    """The end of what the lake knows of enterprises."""
    return Knowledge.of(lake).until


def known(lake: Lake, champion: RiskChampion | None, as_of: datetime, *, threads: int = 1) -> Known:
    """What was known at a moment: rows that had happened and were recorded by then. Raises NotFound where nothing was."""
    view = lake.at()
    enterprises = {row[ENTERPRISE]: row for row in _rows(view.read(ENTERPRISES.name), ENTERPRISES, as_of)}
    rows = [row for row in _rows(view.read(SITES.name), SITES, as_of) if row[ENTERPRISE] in enterprises]
    headcount = _headcount(view, sorted({row[ENTERPRISE] for row in rows}), as_of)
    first = {row[ENTERPRISE]: row["site_id"] for row in sorted(rows, key=lambda one: one["site_id"], reverse=True)}
    there = {(row[ENTERPRISE], row["site_id"]) for row in rows}
    visits, hazards, machines = _visits(view, as_of), _hazards(view, as_of), _machines(view, as_of)
    hazards = _somewhere(hazards, there, first)
    sites = []
    for row in sorted(rows, key=lambda one: (one[ENTERPRISE], one["site_id"])):
        owner = enterprises[row[ENTERPRISE]]
        key = (row[ENTERPRISE], row["site_id"])
        sites.append(
            SiteKnown(
                *key, owner["industry"], row["region"] or owner["region"] or "", row[EVENT_TIME],
                row["latitude"], row["longitude"], bool(row["major_hazard"]), headcount.get(row[ENTERPRISE]),
                tuple(visits.get(key, ())), tuple(hazards.get(key, ())), tuple(machines.get(key, ())),
            )
        )  # fmt: skip
    currencies = {row["currency"] or CURRENCY for row in enterprises.values()}
    scores = None if champion is None else score_enterprises(lake, champion, as_of=as_of, threads=threads)
    notes = () if scores is None else scores.notes
    currency = currencies.pop() if len(currencies) == 1 else CURRENCY
    (insured, policies), (told, exposures) = _last(view, POLICIES, "ends", as_of), _last(view, EXPOSURES, EVENT_TIME, as_of)
    news = {"policies": policies or as_of, "exposures": exposures or as_of}
    return Known(as_of, tuple(sites), _scored(scores), currency, scores, notes, insured, told, news, _places(scores))


def looked_at(
    lake: Lake, keys: Collection[Key], as_of: datetime
) -> dict[Key, tuple[tuple[OpenHazard, ...], tuple[Machine, ...]]]:
    """Open hazards and machines of some sites as they were known at a moment."""
    view = lake.at()
    rows = [(row[ENTERPRISE], row["site_id"]) for row in _rows(view.read(SITES.name), SITES, as_of)]
    hazards = _somewhere(_hazards(view, as_of), set(rows), dict(sorted(rows, reverse=True)))
    machines = _machines(view, as_of)
    return {key: (tuple(hazards.get(key, ())), tuple(machines.get(key, ()))) for key in keys}


def _somewhere(
    hazards: Mapping[Key, list[OpenHazard]], there: Collection[Key], first: Mapping[str, str]
) -> dict[Key, list[OpenHazard]]:
    """Hazards that name no site that is known are looked after at the first site of their enterprise: none is dropped."""
    found: dict[Key, list[OpenHazard]] = defaultdict(list)
    for (enterprise_id, site_id), some in hazards.items():
        if enterprise_id in first:
            key = (enterprise_id, site_id)
            found[key if key in there else (enterprise_id, first[enterprise_id])] += some
    return found


def _rows(table: pa.Table, contract: TableContract, as_of: datetime) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = known_at(table, contract, as_of).to_pylist()
    return found


def _last(view: View, contract: TableContract, column: str, as_of: datetime) -> tuple[dict[str, datetime], datetime | None]:
    """The latest time of a column, by enterprise; and when the last row was recorded, None: there is none."""
    if contract.name not in view.versions:
        return {}, None
    known = known_at(view.read(contract.name), contract, as_of)
    rows = pa.table({"id": known.column(ENTERPRISE).cast(TEXT), "at": known.column(column)})
    last = rows.group_by("id").aggregate([("at", "max")])
    by_id = dict(zip(last.column("id").to_pylist(), last.column("at_max").to_pylist(), strict=True))
    return by_id, pc.max(known.column(RECORDED_AT)).as_py()


def _scored(scores: RiskScores | None) -> dict[str, Scored]:
    if scores is None:
        return {}
    alarm, loss = scores.said.risk["alarm"], scores.said.loss
    expected = alarm.expected[:, -1] * loss
    numbers = zip(scores.ids.to_pylist(), expected.tolist(), alarm.p[:, -1].tolist(), strict=True)
    return {name: Scored(value, p) for name, value, p in numbers if np.isfinite(value) and np.isfinite(p)}


def _places(scores: RiskScores | None) -> dict[str, int]:
    if scores is None:
        return {}
    best = scores.ids.take(pa.array(scores.order[: len(scores.best)])).to_pylist()
    return {name: place for place, name in enumerate(best)}


def _headcount(view: Any, ids: Sequence[str], as_of: datetime) -> dict[str, float]:
    if not ids:
        return {}
    facts = facts_of(view, ids, np.full(len(ids), micros(as_of), dtype=np.int64))
    if "headcount" not in facts.column_names:
        return {}
    told = zip(ids, facts.column("headcount").to_pylist(), strict=True)
    return {name: float(value) for name, value in told if value is not None}


def _visits(view: Any, as_of: datetime) -> dict[Key, list[Visited]]:
    found: dict[Key, list[Visited]] = defaultdict(list)
    for row in _rows(view.read(INSPECTIONS.name), INSPECTIONS, as_of):
        visit = Visited(row[EVENT_TIME], row["visitor"], row["mode"], row["outcome"])
        found[row[ENTERPRISE], row["site_id"] or ""].append(visit)
    return found


def _hazards(view: Any, as_of: datetime) -> dict[Key, list[OpenHazard]]:
    """Hazards that were not rectified by then."""
    found: dict[Key, list[OpenHazard]] = defaultdict(list)
    for row in _rows(view.read(HAZARDS.name), HAZARDS, as_of):
        if row["rectified"] is not None and row["rectified"] <= as_of:
            continue
        hazard = OpenHazard(
            row["hazard_id"], row["grade"], row["kind"] or "", row[EVENT_TIME], row["due"], row["found_by"],
            bool(row["supervised"]), bool(row["repeated"]),
        )  # fmt: skip
        found[row[ENTERPRISE], row["site_id"] or ""].append(hazard)
    return found


def _machines(view: Any, as_of: datetime) -> dict[Key, list[Machine]]:
    """Machines with their newest score, if that is not older than HOLDS_DAYS."""
    if MACHINE_SCORES.name not in view.versions or MACHINES.name not in view.versions:
        return {}
    scores = view.read(MACHINE_SCORES.name)
    since = pa.scalar(as_of - timedelta(days=HOLDS_DAYS), scores.schema.field(EVENT_TIME).type)
    newest: dict[str, dict[str, Any]] = {}
    for row in _rows(scores.filter(pc.field(EVENT_TIME) >= since), MACHINE_SCORES, as_of):
        name = row[MACHINE]
        if name not in newest or newest[name][EVENT_TIME] < row[EVENT_TIME]:
            newest[name] = row
    found: dict[Key, list[Machine]] = defaultdict(list)
    machines = view.read(MACHINES.name)
    machines = machines.filter(pc.is_in(machines.column(MACHINE).cast(TEXT), pa.array(list(newest), TEXT)))
    for row in _rows(machines, MACHINES, as_of):
        if row[ENTERPRISE] is not None and row["site_id"] is not None:
            score = newest[row[MACHINE]]
            found[row[ENTERPRISE], row["site_id"]].append(Machine(row[MACHINE], row["kind"], score["p72"], score[EVENT_TIME]))
    return found
