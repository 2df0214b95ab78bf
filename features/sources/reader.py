"""What every reader of an origin yields: batches of rows in contract columns, each row traceable to its file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.kinds import MachineKind
from features.schema import TableContract


class Refusal(NamedTuple):
    """A row that the reader cannot or must not use: its number, the column at fault, the reason, the offending text."""

    row: int
    column: str
    reason: str
    value: str = ""


@dataclass(frozen=True)
class Batch:
    """Rows for one table, before they are checked against its contract.

    table: columns named as the contract names them; types may be looser (text where a number is due): what does not parse is
    quarantined row by row. A missing `recorded_at` means the reader's rule of knowledge time is "at once".
    rows: 1-based number of each row in `file`, as a person would count the data rows.
    refused: rows that the reader already knows to be unusable; each is counted once and quarantined. A refused row may stand in
    `table` (it is taken out) or not (a line that did not even split into columns).
    received_at: when a batch came in that was checked then and has waited since; such batches count in the order in which they
    are given. own_recorded: whether their `recorded_at` is the sender's own. refused_then: what was refused of them, with its
    numbers (intake.REFUSED); none of it stands in `table`.
    closes_part: no later batch brings rows of an entity that has come so far: a large import may be committed up to here.
    """

    contract: TableContract
    table: pa.Table
    file: str
    rows: npt.NDArray[np.int64]
    refused: tuple[Refusal | tuple[int, str, str], ...] = ()
    received_at: datetime | None = None
    own_recorded: bool = False
    refused_then: pa.Table | None = None
    closes_part: bool = False


@dataclass(frozen=True)
class Source:
    """One import: its name, the kinds it declares, and a lazy stream of batches (bounded in memory)."""

    name: str
    kinds: tuple[MachineKind, ...]
    batches: Callable[[], Iterator[Batch]]
    notes: tuple[str, ...] = field(default=())


Reader = Callable[[Path], Source]
