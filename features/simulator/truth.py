"""The truth behind a simulated fleet, kept apart from the lake: for tests and for the report's ceiling, never for a feature.

Definition. Let a machine's world be everything but the draws that decide whether and which part fails: load, weather, errors,
part qualities, visits. At `as_of` its past is as it was, failures included. Let lambda_c(s) be the hazard of component c in
hour s on the path on which nothing fails from `as_of` on, planned work, inspections and early replacements included as they
will come on that path, 0 while the machine still stands for an earlier failure. Then with Lambda = sum of the lambda_c

    p(h)   = P(a failure within (as_of, as_of + h]) = 1 - exp(-sum over hours s < h of Lambda(s))
    p_c(h) = P(the first of them is c's)            = sum over s of S(s) (1 - exp(-Lambda(s))) lambda_c(s) / Lambda(s)

where S(s) is the chance to reach hour s. So p(h) = sum of p_c(h), and both are exact: the simulator draws failures from these
numbers and from nothing else. They know the load and the visits of the coming three days, which no model can; a model's ceiling
lies slightly below them. The simulation runs three days longer than its tables, so that the last rows are whole.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from features.errors import NotFound
from features.kernel import jit
from features.schema import MACHINE, TEXT, TIME
from features.simulator.chance import Ints
from features.simulator.life import Life
from features.simulator.world import KindWorld, Signs

FOLDER = "truth"
HORIZONS = (24, 48, 72)
AS_OF = "as_of"


def chances(life: Life, at: Ints) -> npt.NDArray[np.float64]:
    """[moment, horizon, 1 + component]: the chance of any failure and of each component's, from the start of the hours `at`."""
    return np.asarray(_chances(life.hazard, life.failed, life.ghosts, at, np.array(HORIZONS, dtype=np.int64)))


@jit
def _chances(hazard, failed, ghosts, at, horizons):  # type: ignore[no-untyped-def]
    hours, parts = hazard.shape
    out = np.zeros((len(at), len(horizons), 1 + parts))
    follows = np.zeros(hours + 1, np.int64)  # the first failure at or after each hour, or -1
    follows[hours] = -1
    ordinal = np.zeros(hours, np.int64)
    count = 0
    for t in range(hours):
        if failed[t] >= 0:
            ordinal[t] = count
            count += 1
    for t in range(hours - 1, -1, -1):
        follows[t] = t if failed[t] >= 0 else follows[t + 1]
    share = np.zeros(parts)
    for i in range(len(at)):
        alive, k = 1.0, 0
        for p in range(parts):
            share[p] = 0.0
        end = follows[at[i]] if at[i] < hours else -1
        for ahead in range(horizons[-1]):
            t = at[i] + ahead
            if end >= 0 and t >= end:
                now = ghosts[ordinal[end], t - end]
            elif t < hours:
                now = hazard[t]
            else:
                break
            total = 0.0
            for p in range(parts):
                total += now[p]
            if total > 0.0:
                falls = -alive * np.expm1(-total)
                for p in range(parts):
                    share[p] += falls * now[p] / total
                alive -= falls
            if ahead + 1 == horizons[k]:
                out[i, k, 0] = 1.0 - alive
                for p in range(parts):
                    out[i, k, 1 + p] = share[p]
                k += 1
    return out


def columns_of(kind: KindWorld) -> list[str]:
    """p24, p48, p72, then p24_<component>, ... in the order of `chances`."""
    return [f"p{h}" + (f"_{part}" if part else "") for h in HORIZONS for part in ("", *(each.code for each in kind.parts))]


def table_of(
    kind: KindWorld,
    machine_ids: Sequence[str],
    as_of: Ints,
    up: npt.NDArray[np.bool_],
    p: npt.NDArray[np.float64],
) -> pa.Table:
    """Truth rows, machine by machine. as_of: int64[moment], microseconds, the same for all machines.

    up: [machine, moment], whether it runs.  p: [machine, moment, horizon, 1 + component], see `chances`.
    """
    machines, moments = up.shape
    lanes = pa.array(np.repeat(np.arange(machines, dtype=np.int32), moments))
    ids = pa.DictionaryArray.from_arrays(lanes, pa.array(list(machine_ids), TEXT))
    flat = p.reshape(machines * moments, -1).astype(np.float32)
    columns = {name: pa.array(np.ascontiguousarray(flat[:, c])) for c, name in enumerate(columns_of(kind))}
    when = pa.array(np.tile(as_of, machines)).cast(TIME)
    return pa.table({MACHINE: ids.cast(TEXT), AS_OF: when, "up": up.reshape(-1), **columns})


class Writer:
    """Takes truth tables as they come, one file per kind, in bounded memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, pq.ParquetWriter] = {}

    def add(self, kind: KindWorld, table: pa.Table) -> None:
        signs = {b"forewarn.signs." + code.encode(): sign.encode() for code, sign in kind.signs().items()}
        self.put(kind.name, table, signs)

    def put(self, name: str, table: pa.Table, about: Mapping[bytes, bytes] | None = None) -> None:
        """Rows for the file of this name. about: what the file says of itself."""
        if name not in self._open:
            schema = table.schema.with_metadata(dict(about or {}))
            self._open[name] = pq.ParquetWriter(_draft(self._folder, name), schema, compression="zstd")
        self._open[name].write_table(table)

    def publish(self) -> None:
        """Put the files in the place of those of an earlier run."""
        for name, writer in self._open.items():
            writer.close()
            _draft(self._folder, name).replace(path_of(self._folder, name))

    def drop(self) -> None:
        """Close what is open and remove what was not published."""
        for name, writer in self._open.items():
            writer.close()
            _draft(self._folder, name).unlink(missing_ok=True)


@contextmanager
def writing(home: Path) -> Iterator[Writer]:
    """A writer into `home`'s truth; what it has is published if the block ends well, and dropped if not.

    The truth is that of the last simulation, which is no smaller than those before it into the same home (`identity`).
    """
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    writer = Writer(folder)
    try:
        yield writer
        writer.publish()
    finally:
        writer.drop()


def _sweep(folder: Path) -> None:
    """Remove the drafts of simulations that were killed."""
    for draft in folder.glob(".*.draft"):
        try:
            os.kill(int(draft.name.split(".")[-2]), 0)  # asks whether there is such a process
        except (ProcessLookupError, ValueError):
            draft.unlink(missing_ok=True)
        except PermissionError:
            continue


def path_of(folder: Path, kind: str) -> Path:
    return folder / f"{kind}.parquet"


def _draft(folder: Path, kind: str) -> Path:
    return folder / f".{kind}.{os.getpid()}.draft"


def read(home: Path, kind: str, *, columns: Sequence[str] | None = None, machine_ids: Sequence[str] | None = None) -> pa.Table:
    """The truth of a simulated kind: machine_id, as_of, up, p24, p24_<component>, ..., ordered by machine and time.

    columns: only these; machine_ids: only these machines. Raises NotFound where `home` holds no truth of this kind.
    """
    path = _existing(home, kind)
    condition = None if machine_ids is None else ds.field(MACHINE).isin(pa.array(list(machine_ids), TEXT))
    return ds.dataset(path).to_table(columns=None if columns is None else list(columns), filter=condition)


def signs(home: Path, kind: str) -> Mapping[str, Signs]:
    """By component of a simulated kind: where its wear shows (`windows`, `order`, `none`). Raises NotFound."""
    metadata = pq.read_schema(_existing(home, kind)).metadata or {}
    prefix = b"forewarn.signs."
    return {key.removeprefix(prefix).decode(): value.decode() for key, value in metadata.items() if key.startswith(prefix)}


def _existing(home: Path, kind: str) -> Path:
    path = path_of(home / FOLDER, kind)
    if not path.is_file():
        raise NotFound(f"no truth of kind '{kind}'", where=str(path.parent), mend="only a fleet of `forewarn simulate` has one")
    return path


__all__ = ["AS_OF", "FOLDER", "HORIZONS", "Writer", "chances", "columns_of", "read", "signs", "table_of", "writing"]
