"""What networks are fed from: windows by row number, and arrays held in memory."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from features.digest import digest

Steps = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Layout(Protocol):
    """What a window holds; `features.sequences.Layout` is one. hash: names it, so that a model meets only its own."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def static(self) -> tuple[str, ...]: ...
    @property
    def steps(self) -> int: ...
    @property
    def hash(self) -> str: ...


class Source(Protocol):
    """Windows by row number. `take` gives float32 [n, steps, channels] and [n, static]: right-aligned, NaN = missing.

    digest: names what all windows hold together.
    """

    @property
    def layout(self) -> Layout: ...
    @property
    def digest(self) -> str: ...
    def __len__(self) -> int: ...
    def take(self, rows: Rows, /) -> tuple[Steps, Steps]: ...


@dataclass(frozen=True)
class ArrayLayout:
    """The layout of windows that are held as arrays."""

    names: tuple[str, ...]
    static: tuple[str, ...]
    steps: int

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(repr((self.names, self.static, self.steps)).encode()).hexdigest()[:16]


class Arrays:
    """A source that holds its windows: steps float32[n, steps, channels], static float32[n, s]."""

    def __init__(self, steps: Steps, static: Steps | None = None, names: Sequence[str] = (), fixed: Sequence[str] = ()) -> None:
        if steps.ndim != 3:
            raise ValueError(f"steps are [n, steps, channels], not {steps.ndim}-dimensional")
        self._steps = np.ascontiguousarray(steps, dtype=np.float32)
        given = np.empty((len(steps), 0)) if static is None else static
        self._static = np.ascontiguousarray(given, dtype=np.float32)
        self._layout = ArrayLayout(
            tuple(names) or tuple(f"c{k}" for k in range(steps.shape[2])),
            tuple(fixed) or tuple(f"s{k}" for k in range(given.shape[1])),
            steps.shape[1],
        )

    @property
    def layout(self) -> Layout:
        return self._layout

    @cached_property
    def digest(self) -> str:
        return digest(self._steps, self._static)

    def __len__(self) -> int:
        return len(self._steps)

    def take(self, rows: Rows, /) -> tuple[Steps, Steps]:
        return self._steps[rows], self._static[rows]


def cuts(rows: int, batch: int) -> list[slice]:
    """Batches of so many rows. A last row on its own joins the batch before: it has no spread to be levelled by."""
    starts = [start for start in range(0, rows, batch) if rows - start > 1 or start == 0]
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], rows], strict=True)]


def batches(source: Source, parts: Sequence[Rows]) -> Iterator[tuple[Steps, Steps]]:
    """The windows of each part in turn; the next one is gathered while the present one is used."""
    if not parts:
        return
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(source.take, parts[0])
        for following in parts[1:]:
            ready, coming = coming.result(), pool.submit(source.take, following)
            yield ready
        yield coming.result()
