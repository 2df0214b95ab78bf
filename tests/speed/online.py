"""How long a score takes: one machine with 168 h of history in process on one core, and a million machines from a snapshot.

`make bench NAME=online`. Peers and floors of the same run: LightGBM's own predict for the trees; plain NumPy for the features
of the windows alone; for the batch, reading the snapshot and writing the scores without computing anything. `--quick` is less.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from features import build, drafts, online, snapshots
from features.catalog import catalog
from features.history import READINGS, from_tables
from features.lake import Lake
from features.observations import Grid, at
from features.schema import MACHINES
from features.sequences import over
from serving.batch import keep
from serving.champion import Champion, load_champion
from serving.posted import parse
from serving.ready import score_snapshot
from serving.scoring import posted_vector, score
from serving.store import opened
from tests.serving.world import END, HOURS, PUMP, START, World, hour, made_world, point_at, posted
from tests.training.networks import fresh
from training.bundle import Bundle
from training.calibration import Calibration
from training.config import load_config
from training.gbm import TrainingRows, fit
from training.manifest import Facts

Matrix = npt.NDArray[np.float32]
ONE_MS, REASONS_MS, BATCH_SECONDS = 1.5, 15.0, 60.0
GROUP = 65_536


def rows_like(world: World, count: int, seed: int) -> Matrix:
    """Feature rows of the world's machines at random moments, shaken a little, so that trees find much to split on."""
    ids = sorted(str(one) for one in world.tables["machines"].column("machine_id").unique().to_pylist())
    history = from_tables(PUMP, world.tables, ids)
    moments = np.array([int(hour(h).timestamp() * 1e6) for h in range(48, HOURS)], dtype=np.int64)
    x = build.compute(catalog(PUMP), history, np.repeat(np.arange(len(ids)), len(moments)), np.tile(moments, len(ids)))
    rng = np.random.default_rng(seed)
    seen = np.isfinite(x)
    spread = np.where(seen, x, 0).std(axis=0)
    chosen = x[rng.integers(0, len(x), count)]
    return np.asarray(chosen + rng.normal(size=chosen.shape) * 0.5 * spread, dtype=np.float32)


def full_bundle(world: World, rows: int) -> Bundle:
    """A bundle by the shipped recipe whose trees have all the leaves that it allows."""
    x = rows_like(world, rows, 3)
    rng = np.random.default_rng(3)
    filled = np.nan_to_num(x)
    standard = (filled - filled.mean(axis=0)) / np.maximum(filled.std(axis=0), 1e-9)
    weight = rng.normal(size=x.shape[1]) * (rng.random(x.shape[1]) < 0.3)
    risk = 1 / (1 + np.exp(np.clip(3 - 2 * standard @ weight / np.linalg.norm(weight), -30, 30)))
    fails = np.where(rng.random(rows) < risk, rng.uniform(1, 72, rows), np.nan)
    names = tuple(catalog(PUMP).names)
    training = TrainingRows(x, fails, np.full(rows, 72.0), np.ones(rows), rng.integers(0, 500, rows), names)
    facts = Facts(PUMP, "pump-20260112-000000000000", {}, START, END, END, END, {"made": "for the bench"})
    spread = tuple(tuple(row) for row in (0.01 * np.eye(4)).tolist())
    mapped = Calibration(knots=(-4.0, -2.0), level=-4.1, slopes=(0.9, 1.1, 1.0), events=60, covariance=spread)
    return Bundle.assemble(fit(training, load_config("machine").gbm, seed=3, threads=2), mapped, facts, x[:3])


def times_of(work: Callable[[], object], rounds: int) -> float:
    """Median milliseconds, warmed."""
    work()
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return 1000 * statistics.median(taken)


def said(words: str, ours: float, unit: str, reach: float | None = None, peer: tuple[str, float] | None = None) -> bool:
    reached = reach is None or ours <= reach
    beside = f"  {peer[0]} {peer[1]:.3f} {unit}, ratio {ours / peer[1]:.2f}" if peer else ""
    verdict = "" if reach is None else f"  to reach {reach:g} {unit}: {'reached' if reached else 'NOT REACHED'}"
    print(f"{words:44s} {ours:9.3f} {unit}{verdict}{beside}", flush=True)
    return reached


def plain_windows(values: npt.NDArray[np.float64], hours: npt.NDArray[np.float64], now: float) -> list[float]:
    """Mean, standard deviation, extremes, slope and last of each window of each column, as anyone would write it."""
    found: list[float] = []
    for column in values:
        for width in PUMP.window_hours:
            inside = (hours > now - width) & (hours <= now) & ~np.isnan(column)
            x, t = column[inside], hours[inside]
            slope = np.cov(t, x)[0, 1] / t.var(ddof=1) if len(x) > 1 else np.nan
            found += [x.mean(), x.std(ddof=1), x.min(), x.max(), slope, x[-1]]
    return found


def one_machine(world: World, champion: Champion, rounds: int) -> bool:
    """The online figures, on one core."""
    body = orjson.dumps(posted(world, "p03", END, hours=167))
    now = datetime.now(UTC)
    request = parse(body, lambda _: PUMP, now=now)
    history = online.history_from_request(request.kind, request.payload)
    x = online.vector(champion.catalog, history, request.as_of)
    row, forest = x.reshape(1, -1), champion.bundle.model.members
    peer = lgb.Booster(model_str=forest.text)
    many = rows_like(world, 4000, 9)
    series = history.series[READINGS]
    hours = series.event / 3.6e9

    trees = len(forest.text.split("\nTree=")) - 1
    print(f"{len(x)} features, {trees} trees, body {len(body) / 1024:.0f} KiB, one core")
    lgb_one = times_of(lambda: peer.predict(row, raw_score=True, num_threads=1), rounds)
    lgb_many = times_of(lambda: peer.predict(many, raw_score=True, num_threads=1), 3)
    plain = times_of(lambda: plain_windows(series.values, hours, END.timestamp() / 3600), max(20, rounds // 10))
    said("trees, one row", times_of(lambda: forest.raw(row), rounds), "ms", peer=("LightGBM", lgb_one))
    block = times_of(lambda: forest.raw(many), 5) * 1000 / len(many)
    said("trees, a row of a block", block, "us", peer=("LightGBM", lgb_many * 1000 / len(many)))
    vector = times_of(lambda: online.vector(champion.catalog, history, request.as_of), rounds)
    said("features of a history", vector, "ms", peer=("NumPy, windows alone", plain))

    def scored() -> None:
        x, window, _ = posted_vector(champion, request)
        score(champion, x, 0, window)

    def whole() -> None:
        x, window, _ = posted_vector(champion, parse(body, lambda _: PUMP, now=now))
        score(champion, x, 0, window)

    reached = said("features and score", times_of(scored, rounds), "ms", ONE_MS)
    said("the same from the posted bytes", times_of(whole, rounds), "ms")
    why = times_of(lambda: score(champion, posted_vector(champion, request)[0], 5), max(20, rounds // 5))
    return said("with five reasons", why, "ms", REASONS_MS) & reached


def blended(world: World, champion: Champion, rounds: int) -> None:
    """What a score costs where a network of the shipped experiment has entered; no figure is to be reached by it."""
    wanted = load_config("machine_blend").network
    assert wanted is not None
    ids = sorted(set(world.tables["machines"].column("machine_id").to_pylist()))
    history = from_tables(PUMP, world.tables, ids)
    moments = np.full(len(ids), int(END.timestamp() * 1e6), dtype=np.int64)
    windows = over(PUMP, history, np.arange(len(ids)), moments, hours=wanted.hours)
    families = wanted.families
    networks = fresh(
        PUMP, windows.take(np.arange(len(ids))), tuple(families), wanted.seeds, wanted.hours, wanted.fewest_steps, families
    )
    golden = np.array(champion.bundle.manifest.golden.x, dtype=np.float32)
    facts = Facts(PUMP, "pump-20260112-000000000000", {}, START, END, END, END, {"made": "for the bench, blended"})
    bundle = Bundle.assemble(champion.bundle.model, champion.bundle.calibration, facts, golden, networks)
    with_networks = Champion(bundle, champion.catalog, bundle.manifest.bundle_id)
    request = parse(orjson.dumps(posted(world, "p03", END, hours=10_000)), lambda _: PUMP, now=datetime.now(UTC))
    seen = online.history_from_request(request.kind, request.payload)
    window = with_networks.window(seen, request.as_of)
    assert window is not None
    print(f"\nblended with {', '.join(families)}: windows of {window.steps.shape[1]} steps x {window.steps.shape[2]} channels")
    said("window of a history", times_of(lambda: with_networks.window(seen, request.as_of), rounds), "ms")
    said("network through ONNX", times_of(lambda: networks.model.logs(window), rounds), "ms")

    def whole() -> None:
        x, own, _ = posted_vector(with_networks, request)
        score(with_networks, x, 0, own)

    said("features, window and score, blended", times_of(whole, rounds), "ms")
    rows, every = rows_like(world, len(ids), 5), np.arange(len(ids))
    both = times_of(lambda: bundle.predict(rows, windows.take(every)), max(5, rounds // 20)) / len(ids)
    alone = times_of(lambda: bundle.predict(rows), max(5, rounds // 20)) / len(ids)
    said("a row of a batch, blended", 1000 * both, "us", peer=("LightGBM alone", 1000 * alone))
    print(f"a batch of a million machines takes about {1000 * (both - alone) / 60:.0f} minutes more of one core")


def ready_fleet(home: Path, world: World, machines: int) -> tuple[Lake, snapshots.Snapshot]:
    """A lake that knows so many machines, and a snapshot of one moment of each."""
    lake = Lake.open(home / "lake")
    ids = [f"m{number:07d}" for number in range(machines)]
    known = pa.table(
        {"machine_id": ids, "kind": ["pump"] * machines, "event_time": [START] * machines, "recorded_at": [START] * machines}
    )
    lake.append_rows(MACHINES, known, datetime.now(UTC), "bench")
    draft = drafts.Draft.of(
        catalog(PUMP), {"machines": lake.versions()["machines"]}, Grid(every_hours=24.0), lake_root=lake.root, lake_id=lake.id
    )
    pool, places = rows_like(world, 20_000, 5), lake.bucket_of(ids)

    def chunks(own: list[str]) -> Iterator[tuple[pa.Table, Matrix]]:
        rng = np.random.default_rng(len(own))
        for start in range(0, len(own), GROUP):
            part = own[start : start + GROUP]
            yield at(part, END), np.asfortranarray(pool[rng.integers(0, len(pool), len(part))])

    with draft.open(home) as work:
        parts = [work.write(b, 0, chunks([ids[i] for i in np.flatnonzero(places == b).tolist()])) for b in range(lake.buckets)]
        return lake, work.publish(parts)


def batch(home: Path, world: World, champion: Champion, machines: int) -> bool:
    """The batch figures, on two threads."""
    lake, snapshot = ready_fleet(home, world, machines)
    print(f"\n{machines:,} machines from a ready snapshot, two threads")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    for bucket in snapshot.buckets:
        for part, (rows, x) in enumerate(snapshot.taken(bucket, np.arange(machines, dtype=np.int64))):
            table = pa.table({"rows": rows, **{f"p{k}": np.ascontiguousarray(x[:, 0], dtype=np.float64) for k in range(9)}})
            pq.write_table(table, home / f"floor-{bucket}-{part}.parquet")
    floor = time.perf_counter() - started
    spent = 0.0
    for bucket in snapshot.buckets:
        for _, x in snapshot.taken(bucket, np.arange(machines, dtype=np.int64)):
            started = time.perf_counter()
            champion.bundle.predict(x, threads=2)
            spent += time.perf_counter() - started
    said("prediction alone, with ranges", spent, "s")
    started, worked = time.perf_counter(), time.process_time()
    scores = score_snapshot(lake, champion, snapshot, threads=2)
    read = time.perf_counter() - started
    said("read and scored", read, "s", peer=("read and write alone", floor))
    with opened(f"sqlite:///{home}/batch.db") as store:
        keep(scores, store, lake)
    whole = time.perf_counter() - started
    reached = said("read, scored, kept in lake and store", whole, "s", BATCH_SECONDS * machines / 1e6)
    print(f"processor time of all that: {time.process_time() - worked:.1f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory {peak / 2**20:.2f} GiB ({before / 2**20:.2f} before the batch)")
    print(f"the store has grown to {(home / 'batch.db').stat().st_size / 2**20:.0f} MiB")
    return reached


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="50,000 machines, a smaller model, fewer rounds")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        world = made_world(home)
        point_at(home, full_bundle(world, 5_000 if quick else 40_000))
        champion = load_champion(home, "pump")
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cores)})
        reached = one_machine(world, champion, 100 if quick else 1000)
        blended(world, champion, 100 if quick else 1000)
        os.sched_setaffinity(0, cores)
        reached &= batch(home, world, champion, 50_000 if quick else 1_000_000)
    print("all figures reached" if reached else "not all figures reached")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
