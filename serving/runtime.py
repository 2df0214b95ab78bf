"""One serving process without its framework: champions, store, recorder, lake; requests in, documents out."""

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import anyio.to_thread
import orjson

from features import online
from features.errors import BadInput, ForewarnError, NotFound
from features.history import Series
from features.kinds import MachineKind
from features.known import known_machine
from features.settings import Settings
from serving import metrics
from serving.champion import Champion, Champions
from serving.contracts import how_many_reasons
from serving.errors import Unavailable
from serving.evidence import lake_evidence, posted_evidence, stored
from serving.plans.service import PlanService
from serving.plans.visit_service import VisitService
from serving.posted import TOLERANCE, parse
from serving.pricing.service import QuoteService
from serving.recorder import Recorder
from serving.risk_service import RiskService
from serving.risk_service import warm as warm_risk
from serving.scoring import Result, answer, history_notes, posted_vector, score
from serving.store import Store, StoredScore
from serving.stream import Stream

# Bodies of rows that are being received or worked on; of the large ones, which take several times their size, so many at once.
MOST_RECEIVING = 256 * 2**20
LARGE, LARGE_AT_ONCE = 2**20, 3


class Room:
    """Memory for the bodies of requests that are under way. For the threads of one event loop only, which are one."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Hold room for a body. Raises Unavailable if there is none."""
        if size > self._left:
            raise Unavailable("as many rows are being taken as this worker has room for; send them again later")
        self._left -= size
        try:
            yield
        finally:
            self._left += size


class Runtime:
    """Everything a worker holds. `open` loads and warms; `close` writes what waits and stops the watch."""

    def __init__(self, settings: Settings, champions: Champions, store: Store) -> None:
        self.home, self.champions, self.store = settings.home, champions, store
        self.recorder, self.stream = Recorder(store), Stream(settings)
        self.enterprises = RiskService(settings.home, self.recorder)
        self.quotes = QuoteService(settings.home, store, self.enterprises)
        self.visits = VisitService(settings.home, store)
        self.plans = PlanService(settings, store, self.enterprises)
        self.room = Room(MOST_RECEIVING)
        self._large = anyio.CapacityLimiter(LARGE_AT_ONCE)
        self._stop = threading.Event()

    @classmethod
    def open(cls, settings: Settings) -> "Runtime":
        champions = Champions(settings.home)
        champions.refresh()
        store = Store.open(settings.store)
        runtime = cls(settings, champions, store)
        runtime.enterprises.champions.refresh()
        runtime.settle()
        champions.watch(runtime._stop)
        runtime.enterprises.champions.watch(runtime._stop)
        return runtime

    def settle(self) -> None:
        """Compile the kernels by one score per kind and one of enterprises, then take what is loaded out of the garbage
        collector's rounds."""
        for champion in self.champions.all():
            warm(champion)
        for one in self.enterprises.champions.all():
            warm_risk(one)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

    def close(self) -> None:
        self._stop.set()
        self.stream.close()
        self.recorder.close()
        self.store.close()

    def ready(self) -> bool:
        """Whether all that has a champion is served by one that answers its golden rows as on the day it was made."""
        bundles = [one.bundle for one in self.champions.all()] + [one.bundle for one in self.enterprises.champions.all()]
        try:
            for bundle in bundles:
                bundle.check_golden()
        except ForewarnError:
            return False
        return bool(bundles) and not self.champions.missing() and not self.enterprises.champions.missing()

    async def score_posted(self, body: bytes) -> bytes:
        """The JSON answer to a posted history, its evidence committed. Raises UserError, Unavailable."""
        now = datetime.now(UTC)
        chosen: list[Champion] = []  # one champion from check to score, also while another is swapped in

        def kind_of(name: str) -> MachineKind:
            chosen.append(self.champions.get(name))
            return chosen[0].kind

        posted = parse(body, kind_of, now=now)
        champion = chosen[0]
        reference, evidence = None, body
        if champion.kind.reference:
            reference, evidence = await anyio.to_thread.run_sync(self._peers, champion.kind, body)
        x, window, notes = posted_vector(champion, posted, reference)
        n_reasons = how_many_reasons(posted.request.reasons)
        if n_reasons:  # dear enough to make others wait, so it waits for a thread instead
            result = await anyio.to_thread.run_sync(score, champion, x, n_reasons, window)
        else:
            result = score(champion, x, 0, window)
        row = stored(champion, posted.request.machine.machine_id, posted.as_of, now, result, "posted", evidence)
        await self.recorder.record(row)
        metrics.scored(champion.kind.name, "posted", result.p[-1])
        return orjson.dumps(answer(row.score_id, champion, row.entity_id, posted.as_of, result, notes))

    def _peers(self, kind: MachineKind, body: bytes) -> tuple[Series | None, bytes]:
        """What a posted machine is compared with, and the evidence that names it; nothing where the home has no lake."""
        try:
            live = self.stream.live()
        except NotFound:
            return None, body
        reference, versions = live.reference(kind)
        return reference, posted_evidence(body, live.lake.id, versions)

    async def score_known(self, machine_id: str, as_of: datetime | None, n_reasons: int) -> bytes:
        """The JSON answer for a machine in the lake; as_of defaults to the last moment that the lake knows of it."""
        now = datetime.now(UTC)
        if as_of is not None and as_of > now + TOLERANCE:
            raise BadInput("lies in the future", where="as_of", mend="send a moment that has come")
        champion, row, result, notes = await anyio.to_thread.run_sync(self._score_known, machine_id, as_of, n_reasons, now)
        await self.recorder.record(row)
        metrics.scored(champion.kind.name, "lake", result.p[-1])
        return orjson.dumps(answer(row.score_id, champion, row.entity_id, row.as_of, result, notes))

    def _score_known(
        self, machine_id: str, as_of: datetime | None, n_reasons: int, now: datetime
    ) -> tuple[Champion, StoredScore, Result, tuple[str, ...]]:
        live = self.stream.live()
        live.whole_kinds = frozenset(one.kind.name for one in self.champions.all() if one.reads_windows)
        machine = live.machine(machine_id)
        moment = (as_of or machine.end()).astimezone(UTC)
        machine.check_known_at(moment)
        champion = self.champions.get(machine.kind_name)
        if not machine.covers(champion.catalog, moment) or (champion.reads_windows and machine.whole_since is not None):
            machine = known_machine(live.lake.at(machine.versions), machine_id, machine.added)
        history = machine.history(champion.kind)
        x = online.vector(champion.catalog, history, moment)
        result = score(champion, x, n_reasons, champion.window(history, moment))
        evidence = lake_evidence(live.lake.id, machine.versions, machine.added)
        row = stored(champion, machine_id, moment, now, result, "lake", evidence)
        return champion, row, result, history_notes(champion.kind, history, moment)

    async def take(self, table_name: str, media_type: str, body: bytes) -> bytes:
        """The JSON answer to a batch of rows, once it is on the disk. Raises UserError, Unavailable."""
        limiter = self._large if len(body) > LARGE else None
        return orjson.dumps(await anyio.to_thread.run_sync(self.stream.take, table_name, media_type, body, limiter=limiter))


def warm(champion: Champion) -> float:
    """Score an invented history once, with reasons, so that no request pays for compilation. Returns the seconds it took."""
    started = time.perf_counter()
    kind = champion.kind
    hours = [f"2026-01-01T{hour:02d}:00:00Z" for hour in range(3)]
    readings = {"event_time": hours} | {sensor.name: [None, None, None] for sensor in kind.sensors}
    body = {"machine": {"machine_id": "warm", "kind": kind.name}, "as_of": hours[-1], "readings": readings}
    posted = parse(orjson.dumps(body), lambda _: kind, now=datetime(2026, 1, 1, 3, tzinfo=UTC))
    x, window, _ = posted_vector(champion, posted)
    score(champion, x, 1, window)
    return time.perf_counter() - started
