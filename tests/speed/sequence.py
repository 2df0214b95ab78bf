"""`make bench NAME=sequence`: windows per second against a torch DataLoader, memory against the raw series, one window by ONNX.

The fleet of `tests.speed.hourly`: 1,000 machines, hourly readings of four sensors over a year (8.76 M rows), 2 % of the rows
late, some corrected; windows of 168 h, 36 channels. Ours: `Windows.take` of random rows into a batch that is used again, on as
many threads as the peer has processes. The peer (`tests.speed.plain_windows`): a `Dataset` whose items slice a machine's own
arrays and compute the same channels, known at as_of, in NumPy; a `DataLoader` puts them together in as many worker processes,
or in its own process where that is faster. It works on a share of the machines, which favours it. Its windows are compared with
ours first. Also told: a `Dataset` that slices channels made beforehand, which sees late rows too early. The ceiling: copying a
batch of that size from memory to memory on as many threads.

Memory is the growth of a process that loads all windows from the lake, over the raw series: every row of the kind's tables as
its event time and its numbers (or one code) of 8 bytes each, no knowledge time, no machine id.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from features import build, sequences
from features.catalog import catalog
from features.clock import micros
from features.history import HOUR, TABLES, from_tables
from features.lake import Lake
from features.observations import Grid
from features.schema import MACHINE
from tests.speed.features import inputs, judged
from tests.speed.hourly import KIND, START, YEAR

CPU, CUDA, MEMORY, ONNX_MS, ONLINE_MS = 10.0, 20.0, 1.5, 0.3, 0.5
BATCHES = (256, 512, 1024)
# Numbers, or one code, in a row of each table that windows are made of.
RAW = {KIND.readings_table: 4, "events": 1, "maintenance": 1, "failures": 1, "operations": 4, "environment": 2}
Figures = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "forewarn-bench", help="keeps the inputs")
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--peer-machines", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each pace is measured")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--quick", action="store_true", help="100 machines, one second")
    parser.add_argument("--job", nargs=2, metavar=("NAME", "LAKE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quick:
        args.machines, args.peer_machines, args.seconds = 100, 10, 1.0
    if args.job:
        print(json.dumps(JOBS[args.job[0]](Path(args.job[1]), args)))
        return 0
    root = inputs(args.folder, args.machines, "compacted")
    return report({job: child(job, root, args) for job in JOBS})


def report(found: dict[str, Figures]) -> int:
    """Print all figures; 1 if one of the issue is missed."""
    memory, pace, onnx = found["memory"], found["pace"], found["onnx"]
    print(f"{memory['rows']:,} readings, {memory['windows']:,} windows loaded in {memory['seconds']:.1f} s")
    print(f"  raw {memory['raw']:.3f} GB, held {memory['held']:.3f} GB, peak {memory['peak']:.3f} GB")
    reached = [judged("peak memory over the raw series", memory["peak"] / memory["raw"], MEMORY, most=True)]
    print(f"  over the raw series with float32 numbers: {memory['peak'] / memory['raw32']:.2f}")
    for batch in BATCHES:
        ours, ceiling = pace[f"ours {batch}"], pace[f"copy {batch}"]
        written = ours * pace["bytes"] / 1e9
        print(
            f"batches of {batch}: {ours:,.0f} windows/s, {written:.1f} GB/s written, "
            f"{100 * written / ceiling:.0f} % of copying ({ceiling:.1f} GB/s)"
        )
    plain, ready, best = pace["plain"], pace["ready-made"], max(pace[f"ours {batch}"] for batch in BATCHES)
    print(f"DataLoader: {plain:,.0f} windows/s ({pace['plain workers']} workers); ready-made channels: {ready:,.0f} windows/s")
    reached.append(judged("times as fast as the DataLoader", best / plain, CPU, most=False))
    print(f"  times as fast as slicing channels made beforehand: {best / ready:.1f}")
    if "cuda" in pace:
        reached.append(judged("on CUDA, times as fast as the DataLoader", pace["cuda"] / pace["cuda plain"], CUDA, most=False))
        print(f"  {pace['cuda']:,.0f} windows/s on the device, {100 * pace['cuda share']:.0f} % of copying there")
    else:
        print("  on CUDA: left out, torch finds no device")
    reached.append(judged("gathering one window of 168 h of history, ms", onnx["one"], ONLINE_MS, most=True))
    for family in [name for name in ("gru", "tcn") if name in onnx]:
        reached += [judged(f"one window through ONNX on one core, {family}, ms", onnx[family], ONNX_MS, most=True)]
    return 0 if all(reached) else 1


def child(job: str, root: Path, args: argparse.Namespace) -> Figures:
    """Run a job in a process of its own."""
    command = [sys.executable, "-m", "tests.speed.sequence", "--job", job, str(root)]
    for name in ("peer_machines", "seconds", "threads"):
        command += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: Figures = json.loads(done.stdout)
    return found


def loaded(root: Path, threads: int, every_hours: float = 24.0) -> tuple[sequences.Windows, Lake]:
    lake = Lake.open(root / "lake")
    view, wanted, grid = lake.at(), catalog(KIND), Grid(every_hours=every_hours)
    parts = [build.watched(view, wanted, bucket, grid) for bucket in range(lake.buckets)]
    observations = pa.concat_tables(parts).unify_dictionaries()
    return sequences.windows(view, KIND, observations, threads=threads), lake


def memory(root: Path, args: argparse.Namespace) -> Figures:
    """What loading takes, when modules and kernels are there already."""
    lake = Lake.open(root / "lake")
    view, wanted = lake.at(), catalog(KIND)
    grids = [build.watched(view, wanted, bucket, Grid(every_hours=24.0)) for bucket in range(lake.buckets)]
    observations = pa.concat_tables(grids).unify_dictionaries()
    sequences.windows(view, KIND, observations.slice(0, 1), threads=args.threads).take(np.zeros(1, dtype=np.int64))
    pa.default_memory_pool().release_unused()
    before, start = status("VmRSS"), time.perf_counter()
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark counts from here
    windows = sequences.windows(view, KIND, observations, threads=args.threads)
    seconds, peak = time.perf_counter() - start, status("VmHWM") - before
    rows = {name: lake.at().read(name, columns=[MACHINE]).num_rows for name in RAW}
    raw = {size: sum(count * (8 + size * RAW[name]) for name, count in rows.items()) / 1e9 for size in (8, 4)}
    return {
        "rows": rows[KIND.readings_table], "windows": len(windows), "seconds": seconds, "held": windows.held_bytes / 1e9,
        "peak": peak, "raw": raw[8], "raw32": raw[4],
    }  # fmt: skip


def status(field: str) -> float:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0]) * 1024 / 1e9


def pace(root: Path, args: argparse.Namespace) -> Figures:
    """Windows per second: ours, the peers', and the ceiling, in turns."""
    import torch

    from tests.speed import plain_windows as plain

    torch.set_num_threads(args.threads)
    windows, lake = loaded(root, args.threads)
    random = np.random.default_rng(5)
    found: Figures = {"bytes": 4 * (windows.layout.steps * len(windows.layout.names) + len(windows.layout.static))}
    for batch in BATCHES:
        found[f"ours {batch}"] = per_second(taking(windows, batch, random), batch, args)
        found[f"copy {batch}"] = copying(batch * found["bytes"], args)
    ids = sorted({str(one) for one in lake.read("machines", columns=[MACHINE]).column(MACHINE).to_pylist()})
    few, view = ids[: args.peer_machines], lake.at()
    history = from_tables(KIND, {name: view.read(name, machine_ids=few) for name in [*TABLES, KIND.readings_table]}, few)
    machines = [plain.Machine(KIND, history, place) for place in range(args.peer_machines)]
    entity = random.integers(0, args.peer_machines, 1_000_000)
    as_of = micros(START) + random.integers(200, YEAR, len(entity)) * HOUR
    check(sequences.over(KIND, history, entity[:50], as_of[:50]), plain.Plain(machines, windows.layout, entity, as_of))
    found |= {"plain": 0.0, "ready-made": 0.0}
    for name, peer in (("plain", plain.Plain), ("ready-made", plain.ReadyMade)):
        data = peer(machines, windows.layout, entity, as_of)
        for workers in (0, args.threads):
            reached = fed(data, workers, args.seconds)
            if reached > found[name]:
                found |= {name: reached, f"{name} workers": workers}
    if torch.cuda.is_available():
        found |= on_cuda(windows, plain.Plain(machines, windows.layout, entity, as_of), found, args)
    return found


def taking(windows: sequences.Windows, batch: int, random: np.random.Generator) -> Callable[[], object]:
    """Gather random windows into the same batch again and again."""
    room = sequences.empty(windows.layout, batch)
    return lambda: windows.take(random.integers(0, len(windows), batch), room)


def per_second(work: Callable[[], object], each: int, args: argparse.Namespace) -> float:
    work()
    paces, end = [], time.perf_counter() + args.seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        paces.append(each / (time.perf_counter() - start))
    return statistics.median(paces)


def copying(size: int, args: argparse.Namespace) -> float:
    """GB/s written when arrays of `size` bytes are copied, a part of them on each thread, always from elsewhere."""
    parts = [np.ones((16, size // args.threads // 4), dtype=np.float32) for _ in range(args.threads)]
    into = [np.zeros(part.shape[1], dtype=np.float32) for part in parts]
    turn = 0

    def copy() -> None:
        nonlocal turn
        turn = (turn + 1) % 16
        list(pool.map(lambda k: np.copyto(into[k], parts[k][turn]), range(args.threads)))

    with ThreadPoolExecutor(args.threads) as pool:
        return per_second(copy, size, args) / 1e9


def fed(data: Any, workers: int, seconds: float, **more: Any) -> float:
    """Windows per second out of a shuffled DataLoader, once it runs."""
    from torch.utils.data import DataLoader

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batches = iter(DataLoader(data, batch_size=512, shuffle=True, num_workers=workers, **more))
        next(batches)
        start, count = time.perf_counter(), 0
        while time.perf_counter() < start + seconds:
            count += len(next(batches)[0])
        return count / (time.perf_counter() - start)


def check(ours: sequences.Windows, peer: Any) -> None:
    batch = ours.take(np.arange(len(ours)))
    for row in range(len(ours)):
        for mine, theirs in zip((batch.steps[row], batch.static[row]), peer[row], strict=True):
            np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-5, atol=1e-3)


def on_cuda(windows: sequences.Windows, peer: Any, found: Figures, args: argparse.Namespace) -> Figures:
    """Windows per second on the device: gathered into pinned memory and sent while the next ones are gathered."""
    import torch

    batch, device = 1024, torch.device("cuda")
    shape = (batch, len(windows.layout.names), windows.layout.steps)
    pinned = [(torch.empty(shape).pin_memory(), torch.empty((batch, len(windows.layout.static))).pin_memory()) for _ in "12"]
    rooms = [sequences.Batch(steps.numpy().swapaxes(1, 2), static.numpy()) for steps, static in pinned]
    on_device = [tuple(part.to(device) for part in pair) for pair in pinned]
    sent = [torch.cuda.Event() for _ in pinned]
    random, turn = np.random.default_rng(6), 0

    def send(gather: bool) -> None:
        nonlocal turn
        turn = 1 - turn
        sent[turn].synchronize()
        if gather:
            windows.take(random.integers(0, len(windows), batch), rooms[turn])
        for part, target in zip(pinned[turn], on_device[turn], strict=True):
            target.copy_(part, non_blocking=True)
        sent[turn].record()

    ours, copies = (per_second(lambda gather=gather: send(gather), batch, args) for gather in (True, False))
    from torch.utils.data import DataLoader

    batches = iter(DataLoader(peer, batch_size=512, shuffle=True, num_workers=found["plain workers"], pin_memory=True))
    next(batches)
    start, count = time.perf_counter(), 0
    while time.perf_counter() < start + args.seconds:
        count += len(next(batches)[0].to(device, non_blocking=True))
    torch.cuda.synchronize()
    return {"cuda": ours, "cuda share": ours / copies, "cuda plain": count / (time.perf_counter() - start)}


def onnx(root: Path, args: argparse.Namespace) -> Figures:
    """One window: gathered from 168 h of history as the service does, and through each family of network by ONNX; ms."""
    windows, lake = loaded(root, 1)
    name = str(lake.read("machines", columns=[MACHINE]).column(MACHINE)[0].as_py())
    now = START + timedelta(hours=YEAR - 1)
    since = micros(now) - 168 * HOUR
    view = lake.at()
    tables = {
        table: view.read(table, machine_ids=[name], times=(since, micros(now))) for table in [*TABLES, KIND.readings_table]
    }
    tables["machines"] = view.read("machines", machine_ids=[name])
    history = from_tables(KIND, tables, [name])
    found: Figures = {"one": 1000 / per_second(lambda: sequences.one(windows.layout, KIND, history, now), 1, args)}
    if importlib.util.find_spec("training.onnx_export") is None:
        return found
    from training.loop import fit
    from training.network_config import LoopConfig, NetworkConfig
    from training.onnx_export import to_onnx
    from training.onnx_model import OnnxNetwork

    # What a network has learned does not show in its pace: one short epoch will do.
    random = np.random.default_rng(7)
    outcomes, weight = (random.random((len(windows), 3)) < 0.5).astype(np.float32), np.ones(len(windows))
    rows = random.integers(0, len(windows), 128)
    batch = windows.take(rows[:1])
    one = np.ascontiguousarray(batch.steps), batch.static
    for family in ("gru", "tcn"):
        config = NetworkConfig(family=family)
        fitted = fit(windows, outcomes, weight, rows, rows[:0], config, LoopConfig(epochs=1, batch=64, patience=None), seed=1)
        ready = OnnxNetwork(to_onnx(fitted))
        found[family] = 1000 / per_second(lambda ready=ready: ready.raw(*one), 1, args)
    return found


JOBS: dict[str, Callable[[Path, argparse.Namespace], Figures]] = {"memory": memory, "pace": pace, "onnx": onnx}

if __name__ == "__main__":
    sys.exit(main())
