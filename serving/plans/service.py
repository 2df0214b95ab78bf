"""Plans for the service: made in a process of their own, stored before they are answered, and as they were stored."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import orjson

from features.errors import NotFound, UserError
from features.settings import Settings
from serving.errors import Unavailable
from serving.plans.request import of_request, plan_of, replan_of
from serving.plans.store import PlanStore
from serving.plans.text import calendar
from serving.plans.work import BUSY_SECONDS, Answer, Task, answer_of, busy
from serving.risk_service import RiskService
from serving.store import Store

# For so long a plan waits for the one before it.
PATIENCE_SECONDS = 10.0
_COMMAND = (sys.executable, "-m", "serving.plans.work")


async def in_process(task: Task) -> Answer:
    """A plan by a process of its own, which is killed where the request is given up. Raises as `work.done` does."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    # In a session of its own, so that Ctrl+C at the terminal is the service's alone.
    run = await asyncio.create_subprocess_exec(*_COMMAND, stdin=PIPE, stdout=PIPE, env=env, start_new_session=True)
    try:
        said, _ = await run.communicate(task.sent)
    except BaseException:
        run.kill()
        await run.wait()
        raise
    status = run.returncode or 0
    if status < 0:
        what = "the planning process was killed; is memory short? send fewer sites at once, or again later"
        raise Unavailable(what, retry_after=BUSY_SECONDS)
    if status:
        raise RuntimeError(f"the planning process failed with {status}; what it said stands before this")
    return answer_of(said)


class PlanService:
    """Plans weeks for one serving process, one at a time, with the champion of enterprises that it serves."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        enterprises: RiskService,
        run: Callable[[Task], Awaitable[Answer]] = in_process,
    ) -> None:
        self._settings, self._store, self._enterprises, self._run = settings, store, enterprises, run
        self._turn = anyio.Semaphore(1)

    async def make(self, body: bytes) -> Answer:
        """A plan as the body asks for it. Raises UserError; Unavailable where another one is being made."""
        return await self._made(body, plan_of, None)

    async def replan(self, plan_id: str, body: bytes) -> Answer:
        """The rest of a day of a stored plan anew. Raises as `make` does, and NotFound."""
        return await self._made(body, replan_of, plan_id)

    async def _made(self, body: bytes, read: Callable[[bytes], object], plan_id: str | None) -> Answer:
        try:
            await anyio.to_thread.run_sync(read, body)  # what is at fault need not wait for its turn
            if plan_id is not None:
                await anyio.to_thread.run_sync(self._kept, plan_id)
            async with self._place(plan_id, body) as task:
                return await self._run(task)
        except UserError as error:
            raise of_request(error) from None

    async def show(self, plan_id: str) -> bytes:
        """A plan as it was stored. Raises NotFound."""
        return orjson.dumps({"plan_id": plan_id, **await anyio.to_thread.run_sync(self._kept, plan_id)})

    async def calendar(self, plan_id: str, inspector_id: str) -> bytes:
        """The visits of one inspector as an iCalendar. Raises NotFound for a plan or an inspector that it does not know."""
        return (await anyio.to_thread.run_sync(self._calendar, plan_id, inspector_id)).encode()

    def _kept(self, plan_id: str) -> dict[str, Any]:
        return PlanStore(self._store.engine).plan(plan_id).document

    def _calendar(self, plan_id: str, inspector_id: str) -> str:
        told = self._kept(plan_id)
        if inspector_id not in {one["inspector_id"] for one in told["problem"]["inspectors"]}:
            raise NotFound(f"no inspector {inspector_id} in this plan", where="inspector", mend="name one whom it plans for")
        return calendar(told, [one for one in told["visits"] if one["inspector_id"] == inspector_id])

    def _bundle_id(self) -> str | None:
        """Of the champion that is served; none: planned by rule. Raises Unavailable where it does not load."""
        champions = self._enterprises.champions
        found = next(iter(champions.all()), None)
        if found is None and champions.missing():
            raise Unavailable("the champion of enterprises does not load; the service's log has the cause", retry_after=30)
        return None if found is None else found.bundle_id

    @asynccontextmanager
    async def _place(self, plan_id: str | None, body: bytes) -> AsyncIterator[Task]:
        """The turn to plan, once the one before has its plan. Raises Unavailable."""
        bundle_id = self._bundle_id() if plan_id is None else None
        until = time.monotonic() + PATIENCE_SECONDS
        with anyio.move_on_after(PATIENCE_SECONDS) as patience:
            await self._turn.acquire()
        if patience.cancelled_caught:
            raise busy()
        try:
            settings = self._settings
            yield Task(str(settings.home), settings.store, settings.threads, until, bundle_id, plan_id, body)
        finally:
            self._turn.release()
