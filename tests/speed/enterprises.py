"""`make bench NAME=enterprises`: the features and the scores of many enterprises at one moment, from the lake, on two threads.

A simulated portfolio over a year is copied under other ids until there are as many enterprises as asked for, so that each has
as much history as a simulated one. Its published tables are made once, as a build makes them, and timed apart. The run is a
process of its own: its time counts from when its modules and kernels are loaded, its peak memory from its start. Beside it,
what the same files cost to be read, decoded and dropped. Scores are those of a bundle of the shipped size, fitted on invented
enterprises: both of them with ranges, without reasons, from the tables to the store. Inputs are made once, kept under --folder.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features import delta, engine
from features.clock import in_order
from features.enterprise.build import USED, at, publish
from features.enterprise.catalog import catalog
from features.enterprise.schema import ENTERPRISE_TABLES
from features.lake import Lake
from features.schema import ENTERPRISE
from features.simulator.enterprise import portfolio, source
from features.simulator.enterprise_world import load_enterprises
from features.simulator.world import DEFAULT, load_world

BUCKETS, THREADS, SEED = 16, 2, 1
ORIGINALS, DAYS, EVERY_HOURS = 500, 365, 24
SECONDS = {"features": 15.0, "scores": 30.0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "forewarn-bench", help="keeps the inputs")
    parser.add_argument("--enterprises", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="5,000 enterprises")
    parser.add_argument("--job", nargs=2, metavar=("NAME", "LAKE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        print(json.dumps(JOBS[args.job[0]](Path(args.job[1]), args.folder)))
        return 0
    count = 5_000 if args.quick else args.enterprises
    lake = many(args.folder, count)
    rows = sum(lake.read(name, columns=["event_time"]).num_rows for name in USED if name in lake.tables())
    print(f"{count:,} enterprises, {rows:,} rows known of them")
    bundle_of(args.folder)
    missed = False
    for name in JOBS:
        command = [sys.executable, "-m", "tests.speed.enterprises", "--folder", str(args.folder), "--job", name, str(lake.root)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{name:>10}  {found['seconds']:7.1f} s  {found['processor']:7.1f} s of processor  {found['peak_gb']:5.2f} GB")
        if name in SECONDS:
            wanted = SECONDS[name] * count / 100_000
            missed |= found["seconds"] > wanted
            print(f"{name:>10}: wanted at most {wanted:.1f} s: {'MISSED' if found['seconds'] > wanted else 'reached'}")
    return int(missed)


def bundle_of(folder: Path) -> Path:
    """A bundle of as many and as large models as the shipped experiment makes, on this catalog; made once."""
    from tests.training.enterprise import planted
    from training.enterprise.bundle import RiskBundle, RiskFacts
    from training.enterprise.config import load_enterprise
    from training.enterprise.fit import learn, periods
    from training.enterprise.severity import Severity

    path = folder / f"enterprise-bundle-{catalog().hash}"
    if not path.exists():
        config, past, now = load_enterprise(), planted.past(300), datetime.now(UTC)
        learned = learn(config, past, periods(past.as_of, config.periods))
        facts = RiskFacts("planted", {}, (), now, now, now, {})
        RiskBundle.assemble(learned.models, Severity.fit(past, learned.cuts.test_from), facts, past.x[:8]).save(path)
    return path


def many(folder: Path, count: int) -> Lake:
    """A lake of so many enterprises, made once."""
    root = folder / f"enterprises-{count}"
    if (root / "done").exists():
        return Lake.open(root / "lake")
    wanted = portfolio(
        load_enterprises(), load_world(DEFAULT), ORIGINALS, ORIGINALS, DAYS, EVERY_HOURS, SEED, readings=False, scores=True
    )
    small = Lake.open(root / "originals", create=True, buckets=1)
    small.ingest(source(wanted), imported_at=datetime.now(UTC))
    publish(small)
    lake = Lake.open(root / "lake", create=True, buckets=BUCKETS)
    ids = sorted(small.read("enterprises").column(ENTERPRISE).unique().to_pylist())
    for name in (*ENTERPRISE_TABLES, "machine_risk"):
        if name in small.tables() and small.contract(name).entity == ENTERPRISE:
            _copy(small, lake, name, ids, count)
    publish(lake)
    (root / "done").touch()
    return lake


def _copy(small: Lake, lake: Lake, name: str, ids: list[str], count: int) -> None:
    contract = small.contract(name)
    table = small.read(name)
    owner = pc.index_in(table.column(ENTERPRISE), value_set=pa.array(ids)).to_numpy()
    first = np.searchsorted(owner, np.arange(len(ids) + 1))
    copies = [f"{ids[number % len(ids)]}-{number // len(ids):05d}" for number in range(count)]
    bucket_of = lake.bucket_of(copies)

    def buckets() -> Iterator[tuple[int, list[pa.Table]]]:
        for bucket in range(BUCKETS):
            mine = np.flatnonzero(bucket_of == bucket)
            rows = [np.arange(first[one % len(ids)], first[one % len(ids) + 1]) for one in mine]
            part = table.take(pa.array(np.concatenate(rows)))
            names = pa.array([copies[one] for one in mine]).take(
                pa.array(np.repeat(np.arange(len(mine)), [len(r) for r in rows]))
            )
            yield bucket, [in_order(part.set_column(0, table.schema.field(0), names).cast(contract.arrow), contract)]

    with lake.writing():
        lake.append(contract, buckets(), lambda: {delta.ORIGIN: "bench", delta.SOURCE: "copies"})


def _features(root: Path, _folder: Path) -> dict[str, float]:
    lake = Lake.open(root)
    first = lake.read("enterprises", buckets=[0], columns=[ENTERPRISE]).column(0)[0].as_py()
    as_of = lake.read("industry_rates").column("event_time")[-1].as_py()
    at(lake, [first], as_of)
    return _timed(lambda: at(lake, None, as_of, threads=THREADS)[0].num_rows)


def _scores(root: Path, folder: Path) -> dict[str, float]:
    from serving import risk_batch
    from serving.risk_champion import RiskChampion
    from serving.risk_service import warm
    from serving.store import opened
    from training.enterprise.bundle import RiskBundle

    lake, champion = Lake.open(root), RiskChampion(RiskBundle.load(bundle_of(folder)), catalog())
    first = lake.read("enterprises", buckets=[0], columns=[ENTERPRISE]).column(0)[0].as_py()
    as_of = lake.read("industry_rates").column("event_time")[-1].as_py()
    at(lake, [first], as_of)
    warm(champion)
    with tempfile.TemporaryDirectory() as place, opened(f"sqlite:///{place}/scores.db") as store:

        def work() -> int:
            scores = risk_batch.score_enterprises(lake, champion, as_of=as_of, threads=THREADS)
            risk_batch.keep(scores, store)
            return len(scores)

        return _timed(work)


def _reading(root: Path, _folder: Path) -> dict[str, float]:
    view = Lake.open(root).at()

    def read(bucket: int) -> int:
        return sum(view.read(name, buckets=[bucket], coded=True).num_rows for name in USED if name in view.versions)

    return _timed(lambda: sum(engine.run(read, range(BUCKETS), threads=THREADS)))


def _publishing(root: Path, _folder: Path) -> dict[str, float]:
    from features.enterprise import publish as module

    lake = Lake.open(root)
    view = lake.at({name: one for name, one in lake.versions().items() if name != "industry_rates"})
    return _timed(lambda: module._rates(lake, view)[1].num_rows)


def _timed(work: object) -> dict[str, float]:
    started, spent = time.perf_counter(), time.process_time()
    rows = work()  # type: ignore[operator]
    # Not ru_maxrss, which begins with the memory of the parent.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1024**2
    return {
        "seconds": time.perf_counter() - started, "processor": time.process_time() - spent, "peak_gb": peak, "rows": rows,
    }  # fmt: skip


JOBS = {"reading": _reading, "features": _features, "publishing": _publishing, "scores": _scores}

if __name__ == "__main__":
    sys.exit(main())
