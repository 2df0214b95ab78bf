"""make bench NAME=simulate: the simulated world against the public sets, and how fast and in how much memory a fleet is made.

Sections, each of which says what it reached; the exit code is 1 where one missed.
  world    the aggregates that the world was fitted to, public beside simulated (public: with FOREWARN_DATA)
  speed    `forewarn simulate` into a fresh home at two sizes, 1:4: rows a second, peak memory and peak of spilled bytes must
           not grow with the fleet; extrapolated to 20,000 machines x 730 days, or run with --full. Floor: making the same
           rows without storing them.
  enterprises   `forewarn simulate --enterprises` with daily readings at two sizes, 1:4, and without readings: seconds and peak
           memory; extrapolated to 1,000 enterprises with 20,000 machines over two years, or run with --full (15 minutes, 2 GB)
  learnt   models of simulated fleets against their true probabilities: slope, range, share of the oracle's recall
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from features.lake import Lake
from features.settings import settings
from features.simulator import aggregates, public_aggregates
from features.simulator.fleet import Fleet, source
from features.simulator.world import load_world
from tests.speed import world as learning

FULL = (20_000, 730)
MOST_GB = 1.5
# Enterprises, machines, days; minutes and GB.
PORTFOLIO, PORTFOLIO_MINUTES, PORTFOLIO_GB = (1_000, 20_000, 730), 15.0, 2.0
QUICK_SECONDS = 60.0
MOST_GROWTH = 1.15
GIGA = 1e9


@dataclass(frozen=True)
class Run:
    """One `forewarn simulate` as seen from outside. rows: of all tables; bytes of spill: the most at any moment."""

    machines: int
    days: int
    seconds: float
    rows: int
    readings: int
    peak_bytes: int
    spilled_bytes: int
    lake_bytes: int
    truth_bytes: int
    truth_rows: int

    def line(self) -> str:
        return (
            f"{self.machines:8,d}{self.days:6d}{self.readings / 1e6:11.2f}{self.rows / 1e6:10.2f}{self.seconds:9.1f}"
            f"{self.machines * self.days / self.seconds:16,.0f}{self.rows / self.seconds:12,.0f}"
            f"{self.peak_bytes / GIGA:9.2f}{self.spilled_bytes / GIGA:10.2f}{self.lake_bytes / GIGA:9.2f}"
            f"{self.truth_bytes / GIGA:10.3f}"
        )


HEAD = (
    f"{'machines':>8s}{'days':>6s}{'M readings':>11s}{'M rows':>10s}{'s':>9s}{'machine-days/s':>16s}{'rows/s':>12s}"
    f"{'GB peak':>9s}{'GB spill':>10s}{'GB lake':>9s}{'GB truth':>10s}"
)


def run(machines: int, days: int, seed: int, *more: str) -> Run:
    """Simulate in a process of its own, in a home of its own, which goes afterwards. more: options of the verb."""
    home = Path(tempfile.mkdtemp(prefix="forewarn-simulate-"))
    try:
        command = [sys.executable, "-m", "forewarn", "simulate", "--machines", str(machines), "--days", str(days), *more]
        begun = time.perf_counter()
        with (home / "said").open("w") as said:
            environment = os.environ | {"FOREWARN_HOME": str(home)}
            process = subprocess.Popen([*command, "--seed", str(seed)], env=environment, stdout=subprocess.DEVNULL, stderr=said)
        peak = spilled = 0
        seen = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                peak = max(peak, seen.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            spilled = max(spilled, size_of(home / "lake" / ".spill"))
            time.sleep(0.05)
        seconds = time.perf_counter() - begun
        if process.wait():
            raise RuntimeError((home / "said").read_text())
        (account,) = Lake.open(home / "lake").accounts()
        truths = [pq.read_metadata(path).num_rows for path in (home / "truth").glob("*.parquet")]
        return Run(
            machines,
            days,
            seconds,
            account["total"]["accepted"],
            sum(count["accepted"] for name, count in account["tables"].items() if name.startswith("readings")),
            peak,
            spilled,
            size_of(home / "lake"),
            size_of(home / "truth"),
            sum(truths),
        )
    finally:
        shutil.rmtree(home, ignore_errors=True)


def size_of(folder: Path) -> int:
    """Bytes under a folder whose files come and go."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(root, name)).st_size  # noqa: PTH116, PTH118
            except FileNotFoundError:
                continue
    return total


def floor(machines: int, days: int, seed: int) -> tuple[float, int]:
    """(seconds, rows) of making a fleet's rows on two threads and throwing them away."""
    plan = Fleet(load_world(), machines, days, 1, seed)
    for _ in source(Fleet(load_world(), 2, 2, 1, seed)).batches():
        pass  # what is compiled at first use
    begun = time.perf_counter()
    rows = sum(batch.table.num_rows for batch in source(plan, threads=settings().threads).batches())
    return time.perf_counter() - begun, rows


def speed(arguments: argparse.Namespace) -> bool:
    small, days = (60, 180) if arguments.quick else (250, 730)
    print(f"\nspeed and memory: forewarn simulate, seed {arguments.seed}\n{HEAD}", flush=True)
    found = []
    for machines in (small, 4 * small):
        found.append(run(machines, days, arguments.seed))
        print(found[-1].line(), flush=True)
    seconds, rows = floor(4 * small, days, arguments.seed)
    ratio = found[1].seconds / seconds
    print(
        f"floor, the same rows made and thrown away: {seconds:.1f} s, {rows / seconds:,.0f} rows/s; stored / floor {ratio:.2f}"
    )
    growth = found[1].peak_bytes / found[0].peak_bytes
    print(f"peak memory at four times the fleet: x {growth:.2f} (flat: at most {MOST_GROWTH}) {verdict(growth <= MOST_GROWTH)}")
    largest = found[1]
    if arguments.full:
        largest = run(*FULL, arguments.seed)
        print(largest.line())
    else:
        days_each = (found[1].seconds - found[0].seconds) / ((found[1].machines - found[0].machines) * days)
        hours = days_each * FULL[0] * FULL[1] / 3600
        print(f"extrapolated to {FULL[0]:,} machines x {FULL[1]} days: {hours:.2f} h (not run; --full runs it)")
    held = largest.peak_bytes / GIGA <= MOST_GB
    print(
        f"peak memory at {largest.machines:,} machines: {largest.peak_bytes / GIGA:.2f} GB (at most {MOST_GB}) {verdict(held)}"
    )
    whole = found[1].truth_rows == found[1].machines * (days + 1)
    print(f"truth rows: {found[1].truth_rows:,} = machines x days {verdict(whole)}")
    return bool(held and growth <= MOST_GROWTH and whole)


def enterprises(arguments: argparse.Namespace) -> bool:
    """Portfolios with the readings of their machines once a day, and one without."""
    count, machines, days = PORTFOLIO
    parts = (40, 10) if arguments.quick else (20, 5)
    sizes = [*((count // part, machines // part) for part in parts), *([(count, machines)] if arguments.full else [])]
    print(f"\nenterprises: forewarn simulate --enterprises, readings once a day, seed {arguments.seed}\n{HEAD}", flush=True)
    found = []
    for some, own in sizes:
        found.append(run(own, days, arguments.seed, "--every", "1d", "--enterprises", str(some)))
        print(found[-1].line(), flush=True)
    each = (found[1].seconds - found[0].seconds) / (found[1].machines - found[0].machines)
    whole = found[2].seconds if arguments.full else found[1].seconds + each * (machines - found[1].machines)
    peak = max(one.peak_bytes for one in found) / GIGA
    told = "run" if arguments.full else "extrapolated; --full runs it"
    in_time, fits = whole / 60 <= PORTFOLIO_MINUTES, peak <= PORTFOLIO_GB
    large = f"{count:,} enterprises, {machines:,} machines x {days} days"
    minutes = f"{whole / 60:.1f} min ({told}; at most {PORTFOLIO_MINUTES:g}) {verdict(in_time)}"
    print(f"{large}: {minutes}; peak {peak:.2f} GB of what was run (at most {PORTFOLIO_GB:g}) {verdict(fits)}")
    bare = run(3 * count, days, arguments.seed, "--every", "1d", "--enterprises", str(count), "--no-readings", "--scores")
    quick = bare.seconds <= QUICK_SECONDS
    print(
        f"{count:,} enterprises, {3 * count:,} machines without readings: {bare.seconds:.0f} s, "
        f"{bare.peak_bytes / GIGA:.2f} GB (at most {QUICK_SECONDS:.0f} s) {verdict(quick)}",
        flush=True,
    )
    return in_time and fits and quick


def world(arguments: argparse.Namespace) -> bool:
    data = settings().data
    public: dict[str, float] = {}
    if data is None or public_aggregates.missing(data):
        print("public aggregates are not recomputed: FOREWARN_DATA with azure-pdm, backblaze-hds and cmapss is absent")
    else:
        public = public_aggregates.of(data)
    lines = aggregates.compare(load_world(), public, 120 if arguments.quick else 400, 365, arguments.seed)
    print(aggregates.text(lines))
    held = not any(line.strays for line in lines)
    print(f"the world keeps to its aggregates {verdict(held)}", flush=True)
    return held


def verdict(held: bool) -> str:
    return "REACHED" if held else "MISSED"


def learnt(arguments: argparse.Namespace) -> bool:
    """Models of simulated fleets against their true probabilities: `make bench NAME=world`."""
    return learning.run(*(learning.QUICK if arguments.quick else learning.FLEETS), "machine")


SECTIONS: dict[str, Callable[[argparse.Namespace], bool]] = {
    "world": world,
    "speed": speed,
    "enterprises": enterprises,
    "learnt": learnt,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small fleets, for development")
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"run {FULL[0]:,} machines x {FULL[1]} days in earnest, hourly and among enterprises",
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", choices=SECTIONS, action="append", help="this section only")
    arguments = parser.parse_args()
    results = {name: SECTIONS[name](arguments) for name in arguments.only or SECTIONS}
    missed = [name for name, held in results.items() if not held]
    print("\nall sections reached their figures" if not missed else f"\nmissed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
