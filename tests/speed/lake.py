"""make bench NAME=lake: readings into the log while it is compacted and machines are scored; the floor: the same bytes raw.

Two runs on one lake: a sprint as fast as batches are acknowledged, then the given rate for the given time. One thread sends,
one compacts, one asks for the vector of the machine whose row was acknowledged last and looks whether the value is in it. At
the end everything that was sent is compared with what the tables hold. Exit code 1 where a figure is missed or a row is lost
or doubled.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

from features import online
from features.catalog import catalog
from features.clock import times
from features.compactor import Compactor, compacted, drain
from features.kinds import MachineKind, Sensor, Term
from features.known import known_machine
from features.lake import Lake
from features.live import Live
from features.log import Writer
from features.log_records import encode
from features.receive import receive
from features.schema import EVENT_TIME, MACHINES, RECORDED_AT, readings

TO_REACH = 50_000
MOST_FILES = 64
MOST_FRESH_SECONDS = 1.0
SENSORS = ("volt", "rotate", "pressure", "vibration")
KIND = MachineKind(
    name="pump", words_en="pump", words_zh="泵",
    sensors=tuple(Sensor(name=name, unit="1", low=-1e6, high=1e6, words_en=name, words_zh=name) for name in SENSORS),
    error_codes=(Term(code="e1", words_en="overload", words_zh="过载"),),
    components=(Term(code="seal", words_en="seal", words_zh="密封"),),
)  # fmt: skip
READINGS, WANTED = readings(KIND), catalog(KIND)
START = datetime(2015, 1, 1, tzinfo=UTC)
HOUR = 3_600_000_000
LATE, CORRECTED, TWICE = 0.02, 0.002, 0.002


class Fleet:
    """Hourly readings of all machines, hour after hour: 2 % come some hours late, a few are corrected, a few sent twice."""

    def __init__(self, machines: int, seed: int) -> None:
        self.ids = [f"m{number:06d}" for number in range(machines)]
        self._all = pa.array(self.ids)
        self._rng = np.random.default_rng(seed)
        self._start = int(START.timestamp() * 1e6)
        self._next = 0
        self._held: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.sent: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def batch(self, rows: int) -> pa.Table:
        """The next `rows` readings, about, as one table. What it holds is noted in `sent`: machine, hour, first sensor."""
        rng, machines = self._rng, len(self.ids)
        places = np.arange(self._next, self._next + rows)
        self._next += rows
        machine, hour = places % machines, places // machines
        values = rng.normal(100.0, 5.0, (len(SENSORS), rows))
        late = rng.random(rows) < LATE
        parts = [(machine[~late], hour[~late], values[:, ~late])]
        self._held.append((machine[late], hour[late], values[:, late]))
        if len(self._held) > 5:
            parts.append(self._held.pop(0))
        for share, changed in ((CORRECTED, 1.0), (TWICE, 0.0)):
            again = rng.random(len(parts[0][0])) < share
            parts.append((parts[0][0][again], parts[0][1][again], parts[0][2][:, again] + changed))
        whole = [np.concatenate(column, axis=-1) for column in zip(*parts, strict=True)]
        self.sent.append((whole[0], whole[1], whole[2][0]))
        moments = pa.array(self._start + whole[1] * HOUR).cast(pa.timestamp("us", tz="UTC"))
        columns = {"machine_id": self._all.take(pa.array(whole[0])), EVENT_TIME: moments, RECORDED_AT: moments}
        return pa.table(columns | dict(zip(SENSORS, map(pa.array, whole[2]), strict=True)))


@dataclass
class Run:
    """What was measured while streaming; times in seconds."""

    rows: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0
    acks: list[float] = field(default_factory=list)
    fresh: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    unseen: int = 0
    left: int = 0


def stream(lake: Lake, fleet: Fleet, args: argparse.Namespace, seconds: float, rate: float, before: int) -> Run:
    """Send for so many seconds, at `rate` rows per second or as fast as batches are acknowledged (0).

    before: rows sent by earlier runs.
    """
    run, live, writer = Run(), Live(lake), Writer.open(lake.root)
    kinds, kind_of = lake.kinds(), dict.fromkeys(fleet.ids, KIND.name)
    latest: list[tuple[str, datetime, float, float]] = []
    done = threading.Event()
    compactor = Compactor(lake.root, args.compact_seconds)
    readers = [
        threading.Thread(target=watch, args=(live, latest, run, done)),
        threading.Thread(target=follow, args=(live, done)),
    ]
    for reader in readers:
        reader.start()
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        table = fleet.batch(args.batch)
        begun = time.perf_counter()
        entry = receive(READINGS, table, datetime.now(UTC), lambda _: kind_of, kinds)
        writer.append(entry)
        now = time.perf_counter()
        run.acks.append(now - begun)
        run.rows += entry.rows_in
        run.peak_mb = max(run.peak_mb, psutil.Process().memory_info().rss / 2**20)
        first = table.slice(0, 1).to_pylist()[0]
        latest[:] = [(first["machine_id"], first[EVENT_TIME], first[SENSORS[0]], now)]
        if rate:
            time.sleep(max(0.0, run.rows / rate - (now - started)))
    run.seconds = time.perf_counter() - started
    run.left = waiting(lake, before + run.rows)
    done.set()
    for reader in readers:
        reader.join()
    compactor.close()
    writer.close()
    return run


def watch(live: Live, latest: list[tuple[str, datetime, float, float]], run: Run, done: threading.Event) -> None:
    """How long after its acknowledgement a row's value is in the vector of its machine."""
    place = WANTED.names.index(f"{SENSORS[0]}_last")
    while not done.wait(0.02):
        if not latest:
            continue
        machine_id, event, value, acknowledged = latest[0]
        begun = time.perf_counter()
        known = live.machine(machine_id)
        if not known.covers(WANTED, event):
            known = known_machine(live.lake.at(known.versions), machine_id, known.added)
        x = online.vector(WANTED, known.history(KIND), event)
        now = time.perf_counter()
        run.scores.append(now - begun)
        run.fresh.append(now - acknowledged)
        run.unseen += x[place] != np.float32(value)


def follow(live: Live, done: threading.Event) -> None:
    while not done.wait(0.2):
        live.pull()
        live.renew()


def raw(folder: Path, size: int, count: int) -> float:
    """Seconds to write and sync the same bytes in as many pieces."""
    content, path = os.urandom(size), folder / "raw"
    started = time.perf_counter()
    with path.open("wb") as file:
        for _ in range(count):
            file.write(content)
            file.flush()
            os.fdatasync(file.fileno())
    seconds = time.perf_counter() - started
    path.unlink()
    return seconds


def lost_and_doubled(lake: Lake, fleet: Fleet) -> tuple[int, int, int]:
    """What was sent against what the tables hold, by (machine, hour, value): missing, in excess, and expected."""
    machine, hour, value = (np.concatenate(column) for column in zip(*fleet.sent, strict=True))
    expected = np.unique(np.rec.fromarrays([machine.astype(np.int64), hour.astype(np.int64), value]))
    stored = lake.read(READINGS.name, columns=["machine_id", EVENT_TIME, SENSORS[0]])
    place = {name: number for number, name in enumerate(fleet.ids)}
    codes = stored.column("machine_id").combine_chunks().dictionary_encode()
    numbers = np.array([place[name] for name in codes.dictionary.to_pylist()], dtype=np.int64)[codes.indices.to_numpy()]
    hours = (times(stored, EVENT_TIME) - int(START.timestamp() * 1e6)) // HOUR
    found = np.rec.fromarrays([numbers, hours, stored.column(SENSORS[0]).to_numpy()])
    unique = np.unique(found)
    lost = len(np.setdiff1d(expected, unique))
    return lost, len(found) - len(unique) + len(np.setdiff1d(unique, expected)), len(expected)


def files_of(lake: Lake) -> dict[str, int]:
    """Live files of each table."""
    return {name: len(table.files) for name in lake.tables() if (table := lake.current(lake.contract(name))) is not None}


def waiting(lake: Lake, rows: int) -> int:
    """How many of `rows` sent rows are not in the tables yet."""
    return rows - sum(count.rows_in for count in compacted(lake.root).tables.values())


def one_vector(lake: Lake, fleet: Fleet, count: int = 30) -> tuple[float, float, float]:
    """Seconds for a machine's vector: read from the tables, read into memory, and from memory."""
    live, parts = Live(lake), ([], [], [])
    for machine_id in fleet.ids[:: max(1, len(fleet.ids) // count)]:
        ways = (lambda name: known_machine(lake.at(), name), live.machine, live.machine)
        for way, seconds in zip(ways, parts, strict=True):
            begun = time.perf_counter()
            known = way(machine_id)
            online.vector(WANTED, known.history(KIND), known.end())
            seconds.append(time.perf_counter() - begun)
    return tuple(statistics.median(part) for part in parts)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=75_000, help="rows per second of the sustained run")
    parser.add_argument("--sprint", type=float, default=10.0, help="seconds of the run without a rate")
    parser.add_argument("--batch", type=int, default=10_000, help="rows of an Arrow batch")
    parser.add_argument("--machines", type=int, default=1_000)
    parser.add_argument("--compact-seconds", type=float, default=5.0)
    parser.add_argument("--quick", action="store_true", help="10 and 3 seconds, 100 machines")
    args = parser.parse_args()
    if args.quick:
        args.seconds, args.sprint, args.machines = 10.0, 3.0, 100
    with tempfile.TemporaryDirectory(dir=os.environ.get("FOREWARN_BENCH_DIR")) as folder:
        return bench(Path(folder), args)


def bench(folder: Path, args: argparse.Namespace) -> int:
    fleet, lake = Fleet(args.machines, seed=1), Lake.open(folder / "lake", create=True)
    lake.put_kind(KIND)
    count = len(fleet.ids)
    machines = pa.table({"machine_id": fleet.ids, EVENT_TIME: [START] * count, "kind": ["pump"] * count})
    lake.append_rows(MACHINES, machines, START + timedelta(days=1), "fleet")
    # Compiled before the clock runs.
    online.vector(WANTED, Live(lake).machine(fleet.ids[0]).history(KIND), START + timedelta(days=1))
    size = payload(args)
    batch = f"batches of {args.batch:,} rows ({size / 1e6:.2f} MB)"
    print(f"{args.machines} machines; {batch}; rounds every {args.compact_seconds:g} s")
    runs: dict[str, Run] = {}
    for name, seconds, rate in (("sprint", args.sprint, 0.0), ("sustained", args.seconds, args.rate)):
        sent = sum(run.rows for run in runs.values())
        runs[name] = run = stream(lake, fleet, args, seconds, rate, sent)
        report(name, run, raw(folder, size, len(run.acks)))
        drained = time.perf_counter()
        drain(lake)
        print(f"  the rest was in the tables {time.perf_counter() - drained:.1f} s later")
    return judged(lake, fleet, runs)


def report(name: str, run: Run, floor: float) -> None:
    rate, spent = run.rows / run.seconds, sum(run.acks)
    print(f"{name}: {rate:,.0f} readings/s for {run.seconds:.0f} s; {run.left:,} rows were not in the tables yet")
    print(f"  peak memory {run.peak_mb:,.0f} MiB")
    print(f"  {shown('acknowledged', run.acks)}; checks, log and sync took {spent:.2f} s")
    print(f"  floor, the same bytes written and synced raw: {floor:.2f} s; ours takes {spent / floor:.1f}x")
    print(f"  {len(run.scores)} vectors meanwhile: {shown('each', run.scores)}")
    print(f"  {shown('from acknowledgement to vector', run.fresh)}")


def shown(words: str, seconds: list[float]) -> str:
    """p50 and p99 in words."""
    ordered = sorted(seconds) or [float("nan")]
    p50, p99 = statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return f"{words} p50 {1e3 * p50:.1f} ms, p99 {1e3 * p99:.1f} ms"


def judged(lake: Lake, fleet: Fleet, runs: dict[str, Run]) -> int:
    files = files_of(lake)
    lost, doubled, expected = lost_and_doubled(lake, fleet)
    count = compacted(lake.root).account().total
    tables, loaded, memory = one_vector(lake, fleet)
    parts = [f"{getattr(count, part):,} {part}" for part in ("accepted", "corrected", "duplicate", "quarantined")]
    print(f"{count.rows_in:,} rows in = {' + '.join(parts)}; {compacted(lake.root).round} rounds")
    print(f"{expected:,} versions expected in the tables: {lost} lost, {doubled} doubled; live files {files}")
    print(f"one machine's vector: {1e3 * tables:.1f} ms read from the tables, {1e3 * loaded:.1f} ms read into memory, "
          f"{1e3 * memory:.1f} ms from memory")  # fmt: skip
    run = runs["sustained"]
    verdicts = {
        f"at least {TO_REACH:,} readings/s sustained": run.rows / run.seconds >= TO_REACH,
        f"at most {MOST_FILES} live files per table": max(files.values()) <= MOST_FILES,
        f"in the vector within {MOST_FRESH_SECONDS:g} s": max(run.fresh) <= MOST_FRESH_SECONDS and not run.unseen,
        "nothing lost or doubled": not lost and not doubled and count.rows_in == sum(one.rows for one in runs.values()),
    }
    for words, reached in verdicts.items():
        print(f"{'reached' if reached else 'MISSED'}: {words}")
    return 0 if all(verdicts.values()) else 1


def payload(args: argparse.Namespace) -> int:
    """Bytes of one batch in the log."""
    fleet = Fleet(args.machines, seed=2)
    kind_of = dict.fromkeys(fleet.ids, KIND.name)
    return len(encode(receive(READINGS, fleet.batch(args.batch), datetime.now(UTC), lambda _: kind_of, {KIND.name: KIND})))


if __name__ == "__main__":
    sys.exit(main())
