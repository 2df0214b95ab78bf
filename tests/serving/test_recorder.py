"""Evidence is committed before a score is answered; nothing is dropped in silence."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from serving.errors import Unavailable
from serving.evidence import inflated
from serving.recorder import Recorder
from serving.store import Store, StoredScore, opened
from tests.serving.test_store import ROW


class Slow(Store):
    """A store that counts its groups and may fail."""

    def __init__(self, fails: bool = False) -> None:
        self.groups: list[int] = []
        self.fails = fails

    def record(self, rows: Sequence[StoredScore]) -> None:
        import time

        time.sleep(0.05)
        self.groups.append(len(rows))
        if self.fails:
            raise OSError("disk full")


def test_recorded_is_stored_and_deflated(url: str) -> None:
    with opened(url) as store:
        recorder = Recorder(store)

        async def many() -> None:
            rows = [replace(ROW, score_id=f"s_{i}", evidence=b"x" * 1000) for i in range(300)]
            await asyncio.gather(*(recorder.record(row) for row in rows))
            assert store.count() == 300

        asyncio.run(many())
        recorder.close()
        kept = store.get("s_7").evidence
        assert len(kept) < 100
        assert inflated(kept) == b"x" * 1000


def test_requests_that_wait_share_a_commit() -> None:
    store = Slow()
    recorder = Recorder(store)

    async def many() -> None:
        await asyncio.gather(*(recorder.record(replace(ROW, score_id=str(i))) for i in range(40)))

    asyncio.run(many())
    recorder.close()
    assert sum(store.groups) == 40
    assert len(store.groups) <= 3


def test_a_store_that_fails_fails_the_request_and_not_the_writer() -> None:
    store = Slow(fails=True)
    recorder = Recorder(store)

    async def twice() -> None:
        for _ in range(2):
            with pytest.raises(Unavailable, match="could not be stored"):
                await recorder.record(ROW)
        store.fails = False
        await recorder.record(ROW)

    asyncio.run(twice())
    recorder.close()


def test_a_full_queue_refuses() -> None:
    recorder = Recorder(Slow(), capacity=2)

    async def flood() -> list[Any]:
        return await asyncio.gather(*(recorder.record(ROW) for _ in range(10)), return_exceptions=True)

    results = asyncio.run(flood())
    recorder.close()
    assert any(isinstance(result, Unavailable) for result in results)
    assert any(result is None for result in results)


def test_close_writes_what_waits() -> None:
    store = Slow()
    recorder = Recorder(store)

    async def leave() -> None:
        tasks = [asyncio.ensure_future(recorder.record(ROW)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()

    asyncio.run(leave())
    recorder.close()
    assert sum(store.groups) == 5


def test_who_comes_after_the_end_is_refused_and_waits_for_nothing(url: str) -> None:
    with opened(url) as store:
        recorder = Recorder(store)
        recorder.close()
        with pytest.raises(Unavailable, match="is going down"):
            asyncio.run(asyncio.wait_for(recorder.record(ROW), 5))
