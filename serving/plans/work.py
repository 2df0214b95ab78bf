"""What the planning process does: it plans and stores, while its service answers others.

A process of its own for each plan: in a thread, planning 640 sites holds up the endpoints beside it for up to 0.7 s at a time
(in another process for 5 ms), and the memory that the ways between places took goes back. `python -m serving.plans.work`
reads a task from stdin, a line of JSON and the request's body, and writes a line of JSON and the plan.
"""

import fcntl
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from features.errors import BadInput, Conflict, ForewarnError, NotFound, UserError
from features.lake import Lake
from serving.errors import TooLarge, Unavailable, Withheld
from serving.plans.request import plan_of, replan_of, type_of

# A plan has matrices of the ways between all places: that many take a few GiB.
MOST_PLACES = 6_000
LOCK = ".planning"
BUSY_SECONDS = 10
_NICE = 10
_KINDS: dict[str, type[UserError]] = {kind.__name__: kind for kind in (BadInput, NotFound, Conflict, TooLarge, Withheld)}


@dataclass(frozen=True)
class Task:
    """What to plan and where. plan_id: replan this one, else plan a week; bundle_id: of the champion, none: by rule;
    wait_until: by the clock of time.monotonic, for other processes to have planned.
    """

    home: str
    store: str
    threads: int
    wait_until: float
    bundle_id: str | None = None
    plan_id: str | None = None
    body: bytes = b""

    @property
    def sent(self) -> bytes:
        """As it goes to the process."""
        return orjson.dumps({**asdict(replace(self, body=b"")), "body": None}) + b"\n" + self.body


@dataclass(frozen=True)
class Answer:
    """A plan as JSON; plan_id: where it was stored."""

    plan_id: str | None
    body: bytes


def done(task: Task) -> Answer:
    """A plan as a task asks for it, stored if that is asked for. Raises UserError; Unavailable while another one is made."""
    with _turn(task):
        told, plan_id = _planned(task) if task.plan_id is None else _replanned(task, task.plan_id)
    return Answer(plan_id, orjson.dumps({"plan_id": plan_id, **told}))


def main(read: BinaryIO, write: BinaryIO) -> None:
    """Do one task."""
    try:
        answer = done(Task(**orjson.loads(read.readline()) | {"body": read.read()}))
    except UserError as error:
        write.write(
            orjson.dumps({"kind": type_of(error).__name__, "what": error.what, "where": error.where, "mend": error.mend})
        )
    except ForewarnError as error:
        write.write(orjson.dumps({"kind": "", "what": str(error)}))
    else:
        write.write(orjson.dumps({"plan_id": answer.plan_id}) + b"\n" + answer.body)


def answer_of(said: bytes) -> Answer:
    """What `main` wrote. Raises what it wrote of."""
    line, _, body = said.partition(b"\n")
    told: dict[str, Any] = orjson.loads(line)
    if "kind" not in told:
        return Answer(told["plan_id"], body)
    if not told["kind"]:
        raise Unavailable(told["what"], retry_after=BUSY_SECONDS)
    raise _KINDS.get(told["kind"], BadInput)(told["what"], where=told["where"], mend=told["mend"])


def busy() -> Unavailable:
    return Unavailable("another plan is being made; send this again later", retry_after=BUSY_SECONDS)


def _planned(task: Task) -> tuple[dict[str, Any], str | None]:
    from serving.plans import week as plan_week
    from serving.plans.document import document
    from serving.plans.store import PlanStore
    from serving.risk_champion import load_risk_bundle
    from serving.store import opened

    home = Path(task.home)
    asked, keep = plan_of(task.body)
    lake = Lake.open(home / "lake")
    champion = None if task.bundle_id is None else load_risk_bundle(home, task.bundle_id)
    with opened(task.store) as store:
        plans = PlanStore(store.engine)
        made = plan_week.made(lake, champion, asked, threads=task.threads, most_places=MOST_PLACES, plans=plans)
        told = document(made)
        return told, plan_week.keep(made, told, store) if keep else None


def _replanned(task: Task, plan_id: str) -> tuple[dict[str, Any], str | None]:
    from serving.plans.lists import checklists_at
    from serving.plans.replanning import replanned
    from serving.plans.store import opened

    checklists = partial(checklists_at, Lake.open(Path(task.home) / "lake"))
    asked, ways = replan_of(task.body)
    with opened(task.store) as store:
        old = store.plan(plan_id)
        told, visits, _ = replanned(old, asked.at or datetime.now(UTC), asked.alarm, asked.absent, ways, checklists)
        if not asked.keep:
            return told, None
        kept = store.add_plan(told, week=old.week, as_of=old.as_of, currency=old.currency, visits=visits, parent=plan_id)
    return told, kept


@contextmanager
def _turn(task: Task) -> Iterator[None]:
    """One at a time among the workers of a service. Raises Unavailable."""
    with (Path(task.home) / LOCK).open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > task.wait_until:
                    raise busy() from None
                time.sleep(0.1)
        yield


def _with_its_service() -> None:
    """A plan whose service has died is stored for nobody: this process ends as well."""
    service = os.getppid()

    def watched() -> None:
        while os.getppid() == service:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watched, daemon=True).start()


if __name__ == "__main__":
    _with_its_service()
    # After whoever answers requests.
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    main(sys.stdin.buffer, sys.stdout.buffer)
