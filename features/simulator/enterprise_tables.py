"""Enterprises, sites, exposures, hazards and inspections as contract tables, with the delays and gaps of real reporting."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.enterprise import schema
from features.schema import TableContract
from features.simulator import tables as machine_tables
from features.simulator.chance import Ints
from features.simulator.enterprise_life import OUTCOMES, REFUSED, VISITORS, YEAR, Life
from features.simulator.enterprise_roll import Draw, Roll, pick, stream
from features.simulator.enterprise_rows import DAY, NONE, Columns, Frame, numbered, one, repeated, stacked, table
from features.simulator.world import Floats

Told = tuple[TableContract, pa.Table]
MODES = ("on_site", "remote", "unannounced")
SOURCES = ("self", "insurer", "authority", "third_party")


def tables(roll: Roll, life: Life, frame: Frame, days: int) -> Iterator[Told]:
    """Everything that follows from the roll and from hazards and visits."""
    yield schema.ENTERPRISES, _enterprises(roll, frame)
    yield schema.SITES, _sites(roll, frame)
    yield schema.EXPOSURES, _exposures(roll, life, frame, days)
    site = sites_of(roll, life.visits.enterprise, Draw.FOUND)
    yield schema.HAZARDS, _hazards(roll, life, frame, days, site)
    yield schema.INSPECTIONS, _inspections(roll, life, frame, site)


def site_words(roll: Roll) -> tuple[str, ...]:
    """Ids of sites, as the machines' table names them."""
    return machine_tables.numbered("site", len(roll.site_of))


def sites_of(roll: Roll, enterprise: Ints, purpose: Draw) -> Ints:
    """A site of each enterprise by lot."""
    first = np.searchsorted(roll.site_of, np.arange(roll.size + 1))
    many = (first[1:] - first[:-1])[enterprise]
    draw = stream(roll.seed, purpose, 9).random(len(enterprise))
    return np.asarray(first[enterprise] + np.minimum((draw * many).astype(np.int64), many - 1))


def process_words(roll: Roll) -> list[str]:
    return [process.code for industry in roll.world.industries for process in industry.processes]


def process_places(roll: Roll) -> Ints:
    """Place of each enterprise's process in `process_words`."""
    first = np.cumsum([0, *(len(industry.processes) for industry in roll.world.industries)])[:-1]
    return np.asarray(first[roll.industry] + roll.process)


def causes_of(roll: Roll, enterprise: Ints, draw: Floats) -> tuple[list[str], Ints]:
    """(words, places): a kind of accident as the enterprise's process has them."""
    flat = [process for industry in roll.world.industries for process in industry.processes]
    words = sorted({code for process in flat for code in process.causes})
    place, found = process_places(roll)[enterprise], np.zeros(len(enterprise), dtype=np.int64)
    for at in np.unique(place):
        of = place == at
        codes = flat[int(at)].causes
        found[of] = np.array([words.index(code) for code in codes])[pick(draw[of], list(codes.values()))]
    return words, found


def _enterprises(roll: Roll, frame: Frame) -> pa.Table:
    of = np.arange(roll.size)
    columns: Columns = {
        "industry": ([industry.code for industry in roll.world.industries], roll.industry),
        "process": (process_words(roll), process_places(roll)),
        "region": ([region.code for region in roll.world.regions], roll.region),
        "founded": frame.at(-np.round(roll.founded * YEAR)),
        "currency": one("CNY", roll.size),
    }
    return table(frame, schema.ENTERPRISES, of, frame.joins, frame.joins, columns)


def _sites(roll: Roll, frame: Frame) -> pa.Table:
    of = roll.site_of
    rng = stream(roll.seed, Draw.SITES)
    where = _where(roll, rng.standard_normal((len(of), 2)))
    grave = np.array([sum(industry.graver[1:]) for industry in roll.world.industries])[roll.industry[of]]
    columns: Columns = {
        "site_id": (site_words(roll), np.arange(len(of))),
        "process": (process_words(roll), process_places(roll)[of]),
        "region": ([region.code for region in roll.world.regions], roll.region[of]),
        "latitude": np.round(where[:, 0], 4),
        "longitude": np.round(where[:, 1], 4),
        "major_hazard": rng.random(len(of)) < 20 * grave,
    }
    return table(frame, schema.SITES, of, frame.joins[of], frame.joins[of], columns)


def _where(roll: Roll, apart: Floats) -> Floats:
    """Degrees of each site: around the town of its enterprise, some around another of its region. apart: standard normal."""
    law, rng = roll.world.towns, stream(roll.seed, Draw.SITES, 2)
    middle = np.array([(region.latitude, region.longitude) for region in roll.world.regions])
    towns = middle[:, None] + rng.standard_normal((len(middle), law.count, 2)) * law.apart_degrees
    at = rng.integers(law.count, size=roll.size)[roll.site_of]
    away = rng.random(len(at)) < law.elsewhere_share
    at[away] = rng.integers(law.count, size=int(away.sum()))
    return np.asarray(towns[roll.region[roll.site_of], at] + apart * law.around_degrees)


def _exposures(roll: Roll, life: Life, frame: Frame, days: int) -> pa.Table:
    """Hours worked month by month and mean headcount quarter by quarter, known some days after the period; some never."""
    hours = np.concatenate([np.zeros((1, roll.size)), np.cumsum(life.workers, axis=0)]) / YEAR
    hours *= roll.world.hours_per_worker_year
    law = roll.world.reporting
    soonest, latest = law.exposure_days
    first = np.datetime64(frame.begin // DAY, "D")
    parts = []
    for at, (basis, step) in enumerate((("hours_worked", 1), ("headcount", 3))):
        edges, rng = months(first, days, step), stream(roll.seed, Draw.REPORTING, at)
        for low, high in pairwise(edges):
            draws = rng.random((roll.size, 3))
            of = np.flatnonzero((draws[:, 0] >= law.exposure_lost_share) & (roll.joins <= low))
            worked = (hours[high] - hours[low])[of]
            amount = worked if basis == "hours_worked" else worked / (high - low) * YEAR / roll.world.hours_per_worker_year
            parts.append((
                of, np.full(len(of), high), high + soonest + (latest - soonest) * draws[of, 1],
                {"basis": (("hours_worked", "headcount"), np.full(len(of), at)), "starts": frame.at(np.full(len(of), low)),
                 "amount": np.round(amount * (1 + 2 * law.exposure_blur * (draws[of, 2] - 0.5)))},
            ))  # fmt: skip
    if not parts:  # no month is over yet
        return schema.EXPOSURES.arrow.empty_table()
    of, event, known = (np.concatenate([part[at] for part in parts]) for at in range(3))
    return table(frame, schema.EXPOSURES, of, frame.at(event), frame.at(known), stacked([part[3] for part in parts]))


def months(first: np.datetime64, days: int, step: int) -> list[int]:
    """First days of months (of every `step`-th) from the first day on, as days from it, as far as they are over."""
    month = first.astype("datetime64[M]")
    starts = (month + np.arange(0, days // 28 + 2, step)).astype("datetime64[D]")
    return [int(day) for day in (starts - first).astype(np.int64) if 0 <= day <= days]


def _hazards(roll: Roll, life: Life, frame: Frame, days: int, site_of_visit: Ints) -> pa.Table:
    """A row when it is found, another when it is rectified, a third when somebody has looked."""
    found, law = life.found, roll.world.reporting
    draws = stream(roll.seed, Draw.REPORTING, 2).random((len(found.day), 9))
    told = np.flatnonzero(found.day < days)
    day, of, visit = found.day[told], found.enterprise[told], found.visit[told]
    draws = draws[told]
    outside = visit >= 0
    own_site = sites_of(roll, of, Draw.HAZARDS)
    culture = roll.lasting[of] + life.wander[day, of]
    event = np.floor((day + 0.3 + 0.4 * draws[:, 0]) * 24) / 24
    term = roll.world.hazards.due_days
    visitor = np.array([SOURCES.index(name) for name in VISITORS])
    columns: Columns = {
        "hazard_id": numbered("hazard", len(told)),
        "site_id": (site_words(roll), np.where(outside, site_of_visit[np.maximum(visit, 0)], own_site)),
        "found_by": (SOURCES, np.where(outside, visitor[life.visits.visitor[np.maximum(visit, 0)]], 0)),
        "grade": (("general", "major"), found.major[told].astype(np.int64)),
        "kind": causes_of(roll, of, draws[:, 1]),
        "due": frame.at(day + term),
        "rectified": np.full(len(told), NONE),
        "verified": np.full(len(told), NONE),
        "supervised": found.major[told] & (draws[:, 2] < law.supervised_share),
        "repeated": draws[:, 3] < law.repeated_share * np.exp(law.repeated_culture * culture),
    }
    known = event + 0.1 + np.where(outside, law.found_days, law.self_found_days) * draws[:, 4]
    mended = np.maximum(found.rectified[told] + 0.3 + 0.4 * draws[:, 5], event + 0.05)
    mended_known = np.maximum(mended, known) + 0.1 + law.rectified_days * draws[:, 6]
    soonest, latest = law.verified_days
    seen = mended_known + soonest + (latest - soonest) * draws[:, 7]
    second: Columns = {**columns, "rectified": frame.at(mended)}
    looked = np.flatnonzero(draws[:, 8] < law.verified_share)
    third = repeated({**second, "verified": frame.at(seen)}, looked)
    when = frame.at(event)
    owners, events = np.concatenate([of, of, of[looked]]), np.concatenate([when, when, when[looked]])
    versions = np.concatenate([frame.at(known), frame.at(mended_known), frame.at(seen[looked] + 0.5)])
    return table(frame, schema.HAZARDS, owners, events, versions, stacked([columns, second, third]))


def _inspections(roll: Roll, life: Life, frame: Frame, site: Ints) -> pa.Table:
    visits = life.visits
    draws = stream(roll.seed, Draw.VISITS, 1).random((len(visits.day), 4))
    mode: npt.NDArray[np.int64] = np.zeros(len(visits.day), dtype=np.int64)
    for at, name in enumerate(VISITORS):
        of = visits.visitor == at
        mode[of] = pick(draws[of, 0], [*roll.world.reporting.modes[name]])
    lot = visits.visitor == len(VISITORS) - 1
    mode[lot] = 0
    event = visits.day + 0.35 + 0.3 * draws[:, 1]
    refused = visits.outcome == REFUSED
    columns: Columns = {
        "visit_id": numbered("visit", len(visits.day)),
        "site_id": (site_words(roll), site),
        "visitor": (("insurer", "authority", "third_party"), np.array([0, 1, 2, 0])[visits.visitor]),
        "mode": (MODES, mode),
        "outcome": (OUTCOMES, visits.outcome),
        "findings": np.where(refused, np.nan, visits.found),
        "hours": np.where(refused, 0.5, np.round(2.0 + 6.0 * draws[:, 2], 1)),
        "by_lot": lot,
    }
    known = frame.at(event + 0.2 + roll.world.reporting.visit_days * draws[:, 3])
    return table(frame, schema.INSPECTIONS, visits.enterprise, frame.at(event), known, columns)
