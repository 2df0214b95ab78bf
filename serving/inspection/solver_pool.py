"""Searches beside each other, in processes: PyVRP keeps the interpreter to itself, so threads would not do."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self

from serving.inspection.solver_search import Search, searched

Found = tuple[list[list[str]], int]


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """So many processes, which end at once with an error or an interrupt, and with the process that asked for them."""
    context = multiprocessing.get_context("spawn")  # a service has threads, which a fork would break
    executor = ProcessPoolExecutor(count, context, initializer=_with_its_parent)
    try:
        yield executor
    except BaseException:
        for process in list((executor._processes or {}).values()):
            process.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


class Pool:
    """So many searches at a time; one: in this process."""

    def __init__(self, workers: int) -> None:
        self.workers = 1 if multiprocessing.current_process().daemon else workers  # which may have no children
        self._executor: ProcessPoolExecutor | None = None
        self._stack = ExitStack()

    def run(self, searches: Sequence[Search]) -> list[Found]:
        """What each search found, in their order. Where the system has ended a process (for want of memory, as a rule), this
        one searches from then on."""
        if self._executor is not None:
            try:
                return list(self._executor.map(searched, searches))
            except BrokenProcessPool:
                self._executor, self.workers = None, 1
        return list(map(searched, searches))

    def __enter__(self) -> Self:
        if self.workers > 1:
            self._executor = self._stack.enter_context(processes(self.workers))
            for _ in range(self.workers):
                self._executor.submit(os.getpid)  # they start while the first plan is made
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)


def _with_its_parent() -> None:
    """A search ends with the process that asked for it, however that ends; so an interrupt from the keyboard is that one's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait, args=(parent,), daemon=True).start()


def _wait(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
