"""`make bench NAME=features`: the full catalog over a fleet's year, against the floor, Polars and pandas.

1,000 machines, hourly readings of four sensors over a year (8.76 M rows), 200 k events and the other tables of the catalog,
2 % of the rows late, some corrected, as an appended lake and as the same lake compacted; observations every 3 h. The floor
reads the same files and writes as many rows of the same numbers by the same writer, on as many threads, and computes nothing;
both wait until their files are on the disk. Every run is a process of its own: its time counts from when its modules and
kernels are loaded, its peak memory from its start. The peers compute the same features of a share of the machines in memory,
reading included; their time is scaled up to all machines, which favours them. Inputs are made once and kept under --folder.
"""

import argparse
import importlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from features import build, compaction, drafts, groups, reference, snapshots
from features.catalog import catalog
from features.history import from_tables
from features.lake import Lake
from features.observations import Grid
from features.schema import MACHINE
from tests.speed.hourly import KIND, make_lake

THREADS = 2
GRID = Grid(every_hours=3.0)
FLOOR, PEAK_GB, POLARS, PANDAS = 1.6, 0.6, 4.0, 10.0
Figures = dict[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "forewarn-bench", help="keeps the inputs")
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-machines", type=int, default=40, help="share of the machines that the peers compute")
    parser.add_argument("--no-growth", dest="growth", action="store_false", help="leave out four times the rows")
    parser.add_argument("--quick", action="store_true", help="100 machines, one round")
    parser.add_argument("--job", nargs=2, metavar=("NAME", "LAKE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quick:
        args.machines, args.rounds, args.peer_machines = 100, 1, 10
    if args.job:
        print(json.dumps(JOBS[args.job[0]](Path(args.job[1]), args)))
        return 0
    return report(args)


def report(args: argparse.Namespace) -> int:
    """Run everything and print it; 1 if a figure of the issue is missed."""
    reached = []
    lakes = {name: inputs(args.folder, args.machines, name) for name in ("appended", "compacted")}
    runs: dict[tuple[str, str], list[Figures]] = {}
    for turn in range(args.rounds):
        for lake in lakes:
            for job in ("ours", "floor"):
                runs.setdefault((lake, job), []).append(child(job, lakes[lake], args))
            print(f"round {turn + 1} {lake}: {told(runs[lake, 'ours'][-1])}; floor {told(runs[lake, 'floor'][-1])}", flush=True)
    own = {key: {name: statistics.median(run[name] for run in found) for name in found[0]} for key, found in runs.items()}
    rows = own["compacted", "ours"]["rows"]
    size = f"{rows:,.0f} observations x {len(catalog(KIND).names)} features of {args.machines:,} machines"
    print(f"{size}, medians of {args.rounds}:")
    for lake in lakes:
        ours, floor = own[lake, "ours"], own[lake, "floor"]
        each = 1e6 / rows
        print(f"{lake:10s} {told(ours)}; floor {told(floor)}")
        print(f"{'':10s} processor time: {ours['cpu'] * each:.2f} us an observation, floor {floor['cpu'] * each:.2f}")
        reached.append(judged(f"{lake}: times the floor", ours["wall"] / floor["wall"], FLOOR, most=True))
        reached.append(judged(f"{lake}: peak GB", ours["peak"], PEAK_GB, most=True))
    wall = own["compacted", "ours"]["wall"]
    for peer, factor in (("polars", POLARS), ("pandas", PANDAS)):
        if importlib.util.find_spec(f"tests.oracles.{peer}_catalog") is None:
            print(f"{peer}: no peer in this checkout")
            continue
        found = child(peer, lakes["compacted"], args)
        whole = found["wall"] * args.machines / args.peer_machines
        print(f"{peer}: {told(found)} for {args.peer_machines} machines, {whole:.0f} s for all")
        reached.append(judged(f"times as fast as {peer}", whole / wall, factor, most=False))
    if args.growth:
        found = child("ours", inputs(args.folder, 4 * args.machines, "compacted"), args)
        print(f"four times the rows: {told(found)}")
        reached.append(judged("peak at four times the rows, GB", found["peak"], PEAK_GB, most=True))
    return 0 if all(reached) else 1


def told(run: Figures) -> str:
    return f"{run['wall']:.1f} s ({run['cpu']:.1f} s of processor time, peak {run['peak']:.2f} GB)"


def judged(what: str, value: float, limit: float, *, most: bool) -> bool:
    good = value <= limit if most else value >= limit
    print(f"  {what}: {value:.2f}, {'at most' if most else 'at least'} {limit}: {'reached' if good else 'MISSED'}")
    return good


def inputs(folder: Path, machines: int, name: str) -> Path:
    """The lake of a fleet with its reference table, made unless it is there."""
    root = folder / f"{machines}-{name}"
    if (root / "made").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    start = time.perf_counter()
    if name == "appended":
        make_lake(root / "lake", machines)
    else:
        shutil.copytree(inputs(folder, machines, "appended") / "lake", root / "lake")
        compaction.compact(Lake.open(root / "lake"), whole=True)
    reference.publish(Lake.open(root / "lake"), KIND)
    (root / "made").touch()
    print(f"made {root} in {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return root


def child(job: str, root: Path, args: argparse.Namespace) -> Figures:
    """Run a job in a process of its own, when everything written before is on the disk."""
    os.sync()
    command = [
        sys.executable,
        "-m",
        "tests.speed.features",
        "--job",
        job,
        str(root),
        "--peer-machines",
        str(args.peer_machines),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: Figures = json.loads(done.stdout)
    return found


def measured(work: Any) -> Figures:
    """Time of `work`, which returns a number of rows, and the peak memory of this process so far."""
    wall, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    rows = work()
    wall, now = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_SELF)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    # Not ru_maxrss, which begins with the memory of the parent.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {"wall": wall, "cpu": cpu, "rows": rows, "peak": int(status["VmHWM"].split()[0]) / 1e6}


def ours(root: Path, args: argparse.Namespace) -> Figures:
    """A snapshot of the whole lake. Its first row group stays, for the floor to write."""
    lake, home = Lake.open(root / "lake"), root / "home"
    shutil.rmtree(home, ignore_errors=True)
    # Every kernel is loaded from its cache, or compiled.
    build.compute(catalog(KIND), from_tables(KIND, {}, ["m"]), *np.zeros((2, 1), dtype=np.int64))
    found = measured(lambda: build.build(lake, KIND.name, GRID, home=home, threads=THREADS).rows)
    snapshot = snapshots.open_snapshot(home)
    file = pq.ParquetFile(snapshot.path / snapshot.manifest["parts"][0]["file"])
    pq.write_table(file.read_row_group(0), root / "sample.parquet")
    shutil.rmtree(home)
    return found


def floor(root: Path, args: argparse.Namespace) -> Figures:
    """Read every file that the catalog needs, write as many rows: bucket by bucket."""
    lake, wanted, home = Lake.open(root / "lake"), catalog(KIND), root / "floor"
    view = lake.at()
    sample = pq.read_table(root / "sample.parquet")
    numbers = np.stack([column.to_numpy() for column in sample.columns[2:]]).T
    grids = [build.watched(view, wanted, bucket, GRID) for bucket in range(lake.buckets)]
    draft = drafts.Draft.of(wanted, view.versions, GRID, lake_root=lake.root, lake_id=lake.id)

    def part(bucket: int) -> drafts.Part:
        for name in (*groups.tables_of(wanted), "coverage"):
            for file in DeltaTable(lake.path(name)).file_uris(file_pruning_predicate=[("bucket", "=", str(bucket))]):
                pq.ParquetFile(file).read()
        table = grids[bucket]
        cuts = (table.slice(start, len(numbers)) for start in range(0, table.num_rows, len(numbers)))
        return work.write(bucket, 0, ((cut, numbers[: cut.num_rows]) for cut in cuts))

    def everything() -> int:
        with ThreadPoolExecutor(THREADS) as pool:
            return sum(part.rows for part in pool.map(part, range(lake.buckets)))

    with draft.open(home) as work:
        found = measured(everything)
    shutil.rmtree(home)
    return found


def peer(name: str, root: Path, args: argparse.Namespace) -> Figures:
    """An oracle on the first machines of the lake, all in memory."""
    os.environ["POLARS_MAX_THREADS"] = str(THREADS)
    module = importlib.import_module(f"tests.oracles.{name}_catalog")
    lake, wanted = Lake.open(root / "lake"), catalog(KIND)
    view = lake.at()
    ids = sorted(view.read("machines", columns=[MACHINE]).column(MACHINE).to_pylist())[: args.peer_machines]
    grids = [build.watched(view, wanted, bucket, GRID) for bucket in range(lake.buckets)]
    looks = pa.concat_tables(table.set_column(0, MACHINE, table.column(MACHINE).cast(pa.string())) for table in grids)
    looks = looks.filter(pc.is_in(looks.column(MACHINE), value_set=pa.array(ids)))

    def work() -> int:
        tables = {name: view.read(name, machine_ids=ids) for name in groups.tables_of(wanted)}
        tables[KIND.reference_table] = view.read(KIND.reference_table)
        return sum(len(part) for part in module.by_machines(wanted, tables, looks, machines=20))

    return measured(work)


JOBS = {
    "ours": ours,
    "floor": floor,
    "polars": lambda root, args: peer("polars", root, args),
    "pandas": lambda root, args: peer("pandas", root, args),
}

if __name__ == "__main__":
    sys.exit(main())
