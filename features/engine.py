"""Hands tasks (buckets) to threads; the one seam for a cluster. Results come back in order, a few at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def run(work: Callable[[Task], Result], tasks: Iterable[Task], *, threads: int = 1) -> Iterator[Result]:
    """`work` on each task; results in the tasks' order. At most threads + 1 results are held, so memory stays bounded."""
    return map(work, tasks) if threads <= 1 else _pooled(work, tasks, threads)


def prefetch(work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """Like `run` with one thread beside the caller's: the next result is made while the caller works on this one."""
    return _pooled(work, tasks, 1)


def _pooled(work: Callable[[Task], Result], tasks: Iterable[Task], threads: int) -> Iterator[Result]:
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(work, task))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
