"""A problem of planning as PyVRP sees it: inspector-days are vehicles, visits are clients, what is left out costs its prize.

- Skills, regions and the lot: profiles, in which the way to a visit that an inspector may not make is longer than any week.
- Windows: one client for each stretch of windows that shifts see as one, in a group of which at most one is visited.
- Pinned visits cut a day in two: the way to them ends one vehicle's day, the way from them begins that of the next.
- Remote visits take place at a home: before leaving it, after coming back, or with a way home between.
- Tiers: each stage has prizes for one tier; what stages before it planned is required, what is of a later tier is not there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyvrp

from serving.inspection.model import Mode, Problem, Tier, Wanted, Window
from serving.inspection.solver_days import Shift, may

FAR = 200_000  # minutes: the way to what is not allowed
DEAREST = 10**9  # any way costs at most so much: PyVRP adds up whole numbers, which must not run over
PRIZE = 200_000  # of the visit worth most, of a stage
LEAST = 20_000  # of any visit that is owed: more than any day's travel
CROWD = 8  # remote visits offered at each home: more of them crowd out of PyVRP's neighbourhoods what is near

Matrix = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Leg:
    """A stretch of a shift between pinned visits: a vehicle. start, end: places."""

    shift: int
    window: Window
    start: int
    end: int


@dataclass(frozen=True)
class Built:
    """Data of PyVRP with the visit and place of each client and the vehicle type of each leg."""

    data: pyvrp.ProblemData
    legs: tuple[Leg, ...]
    visit_of: tuple[str, ...]
    place_of: tuple[int, ...]
    type_of: tuple[int, ...]
    clients_of: Mapping[str, tuple[int, ...]]


def legs(problem: Problem, shifts: Sequence[Shift]) -> tuple[Leg, ...]:
    """Shifts cut by the pinned visits that they hold (their order)."""
    found = []
    for number, shift in enumerate(shifts):
        here, now = shift.inspector.place, shift.window.start
        for one in shift.order:
            assert one.pinned is not None
            there = here if one.mode == Mode.REMOTE else one.place
            if one.pinned[1] > now:
                found.append(Leg(number, Window(now, one.pinned[1]), here, there))
            here, now = there, one.pinned[1] + one.minutes
        if now < shift.window.end:
            found.append(Leg(number, Window(now, shift.window.end), here, shift.inspector.place))
    return tuple(found)


def stretches(one: Wanted, blocks: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """When a visit may take place, [start, end), cut to the hours that anybody works; what shifts see as one is one.

    blocks: hours worked by anybody, apart from each other and in order.
    """
    found: list[tuple[int, int, int, int]] = []  # first and last block, start, end
    for window in sorted(one.windows):
        for number, (start, end) in enumerate(blocks):
            first, last = max(window.start, start), min(window.end, end)
            if last - first < one.minutes:
                continue
            if found:
                _, block, since, until = found[-1]
                if number == block + 1 and until == blocks[block][1] and first == start:
                    found[-1] = (found[-1][0], number, since, last)
                    continue
            found.append((number, number, first, last))
    return [(start, end) for _, _, start, end in found]


def blocks(shifts: Sequence[Shift]) -> list[tuple[int, int]]:
    """Hours worked by anybody, apart from each other and in order."""
    found: list[tuple[int, int]] = []
    for window in sorted(shift.window for shift in shifts):
        if found and window.start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], window.end))
        else:
            found.append((window.start, window.end))
    return found


def build(problem: Problem, shifts: Sequence[Shift], tier: Tier, required: set[str], most: float) -> Built | None:
    """The stage of a tier; None where nobody could make any visit of it. Shifts hold their pinned visits alone.

    most: what the visit is worth that has the greatest prize.
    """
    cut = legs(problem, shifts)
    chosen = [one for one in problem.wanted if one.pinned is None and (one.tier == tier or one.visit_id in required)]
    if not cut or not any(one.tier == tier for one in chosen):
        return None
    return _Stage(problem, shifts, cut, tier, required, most).build(chosen)


class _Stage:
    def __init__(
        self, problem: Problem, shifts: Sequence[Shift], cut: tuple[Leg, ...], tier: Tier, required: set[str], most: float
    ) -> None:
        self.problem, self.shifts, self.cut, self.tier, self.required = problem, shifts, cut, tier, required
        self.hours = blocks(shifts)
        self.people = list({shift.inspector.inspector_id: shift.inspector for shift in shifts}.values())
        self.homes = 1  # at so many each remote visit is offered
        self.scale = PRIZE / most if most > 0 else 0.0

    def build(self, chosen: list[Wanted]) -> Built | None:
        remote = sum(one.mode == Mode.REMOTE for one in chosen)
        self.homes = max(1, CROWD * len({who.place for who in self.people}) // max(1, remote))
        alike = self._alike_days(chosen)
        places = sorted({place for leg in self.cut for place in (leg.start, leg.end)})
        depot = {place: number for number, place in enumerate(places)}
        spots: list[tuple[int, Wanted | None]] = [(place, None) for place in places]
        clients: list[pyvrp.Client] = []
        groups: list[pyvrp.ClientGroup] = []
        visit_of: list[str] = []
        place_of: list[int] = []
        clients_of: dict[str, tuple[int, ...]] = {}
        for one in chosen:
            times, where = stretches(one, self.hours), self._where(one)
            copies = []
            many = len(times) * len(where) > 1
            for place in where:
                if times:
                    spots.append((place, one))
                for start, end in times:
                    copies.append(len(clients))
                    clients.append(
                        pyvrp.Client(
                            location=len(spots) - 1,
                            service_duration=one.minutes,
                            tw_early=0 if alike else start,
                            tw_late=self.hours[-1][1] if alike else end - one.minutes,
                            prize=0 if one.visit_id in self.required else self._prize(one),
                            required=one.visit_id in self.required and not many,
                            group=len(groups) if many else None,
                        )
                    )
                    visit_of.append(one.visit_id)
                    place_of.append(place)
            if many:
                groups.append(pyvrp.ClientGroup(copies, required=one.visit_id in self.required))
            if copies:
                clients_of[one.visit_id] = tuple(copies)
        if not clients:
            return None
        at = np.array([place for place, _ in spots])
        way = np.ascontiguousarray(self.problem.travel[np.ix_(at, at)], dtype=np.int64)
        profile_of, ways, costs = self._profiles(spots, way)
        type_of, vehicles = self._vehicles(depot, profile_of, alike)
        data = pyvrp.ProblemData(
            locations=[pyvrp.Location(*each) for each in _points(way, len(spots))], clients=clients,
            depots=[pyvrp.Depot(location=number) for number in range(len(places))], vehicle_types=vehicles,
            distance_matrices=cast(Any, costs), duration_matrices=cast(Any, ways), groups=groups,
        )  # fmt: skip
        return Built(data, self.cut, tuple(visit_of), tuple(place_of), type_of, clients_of)

    def _alike_days(self, chosen: Sequence[Wanted]) -> bool:
        """Whether each visit may take place whenever anybody works: then days differ in nothing but their length."""
        week = (self.hours[0][0], self.hours[-1][1])
        return all(found in ([], [week]) for found in (stretches(one, self.hours) for one in chosen))

    def _vehicles(
        self, depot: Mapping[int, int], profile_of: Mapping[str, int], alike: bool
    ) -> tuple[tuple[int, ...], list[pyvrp.VehicleType]]:
        """The vehicle type of each leg, and the types: legs that differ in nothing are of one, which spares the search much."""
        count: dict[tuple[int, int, int, int, int], int] = {}
        keys = []
        for leg in self.cut:
            begins, ends = (0, leg.window.end - leg.window.start) if alike else (leg.window.start, leg.window.end)
            profile = profile_of[self.shifts[leg.shift].inspector.inspector_id]
            keys.append((depot[leg.start], depot[leg.end], begins, ends, profile))
            count[keys[-1]] = count.get(keys[-1], 0) + 1
        number = {key: at for at, key in enumerate(count)}
        types = [
            pyvrp.VehicleType(many, start_depot=start, end_depot=end, tw_early=begins, tw_late=ends, profile=profile)
            for (start, end, begins, ends, profile), many in count.items()
        ]
        return tuple(number[key] for key in keys), types

    def _where(self, one: Wanted) -> list[int]:
        able = [inspector for inspector in self.people if may(inspector, one)]
        if one.mode != Mode.REMOTE:
            return [one.place] if able else []
        homes = list(dict.fromkeys(inspector.place for inspector in able))
        turn = sum(one.visit_id.encode()) % len(homes) if homes else 0
        return (homes[turn:] + homes[:turn])[: self.homes]

    def _prize(self, one: Wanted) -> int:
        worth = max(0, round(one.value * self.scale))
        return worth if self.tier == Tier.VALUE else LEAST + worth

    def _profiles(
        self, spots: list[tuple[int, Wanted | None]], way: Matrix
    ) -> tuple[dict[str, int], list[Matrix], list[Matrix]]:
        """The profile of each inspector, and minutes and costs of each profile."""
        cost = self.problem.costs
        unfamiliar = round(min(cost.unfamiliar * self.scale, DEAREST)) if self.tier == Tier.VALUE else 0
        minute = cost.minute_of_travel * self.scale if self.tier == Tier.VALUE else 1.0
        priced = np.maximum(np.rint(np.minimum(way * minute, DEAREST)).astype(np.int64), way) if minute != 1.0 else way
        barred = {
            who.inspector_id: np.array([one is not None and not may(who, one) for _, one in spots]) for who in self.people
        }
        strange = {
            who.inspector_id: np.array([bool(one and one.known and one.known != who.inspector_id) for _, one in spots])
            for who in self.people
        }
        keys = {name: each.tobytes() + (strange[name].tobytes() if unfamiliar else b"") for name, each in barred.items()}
        number: dict[bytes, int] = {}
        ways: list[Matrix] = []
        costs: list[Matrix] = []
        for name, key in keys.items():
            if key in number:
                continue
            number[key] = len(ways)
            own, owed = way.copy(), priced.copy()
            own[:, barred[name]] = FAR
            owed[:, barred[name]] = FAR
            if unfamiliar:
                owed[:, strange[name]] += unfamiliar
            np.fill_diagonal(own, 0)
            np.fill_diagonal(owed, 0)
            ways.append(own)
            costs.append(owed)
        return {name: number[key] for name, key in keys.items()}, ways, costs


def _points(way: Matrix, count: int) -> Iterator[tuple[float, float]]:
    """Coordinates, which PyVRP asks for and does not use: ways from two places."""
    for number in range(count):
        yield float(way[number, 0]), float(way[number, count // 2])
