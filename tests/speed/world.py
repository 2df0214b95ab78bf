"""make bench NAME=world: a model of the simulated fleet against its true probabilities, seed by seed and kind by kind.

Each seed is a fleet of its own: simulated, built on a daily grid, trained by the shipped experiment, judged on the last fifth
of its time. Three figures, of the probability within 72 h:
  slope     calibration slope against the true probabilities, 0.95 to 1.05
  range     bins of 1,000 like predictions whose mean true probability lies within their mean 90 % range, at least 85 %
  recall    failures announced in sensors and codes that are alarmed on 5 % of the observations, at least 90 % of the oracle's
By failure mode what is found; of the failures that show in the order of readings alone and that LightGBM misses, half is
asked of a blend. No model can find more of them than an observer who is told how every knock stands (tests.speed.told): as
the world is, and as it was with two pairs of knocks a day.
One fleet has a few hundred such failures, and a slope of its own is known to about 0.1 only: what decides is the last line, all
test rows together, each predicted by its own model. The exit code is 1 where a figure is missed there.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from features.build import build
from features.lake import Lake
from features.observations import Grid
from features.simulator import truth as simulated
from features.simulator.fleet import Fleet, source
from features.simulator.world import load_world
from tests.speed.told import rescued, told
from training import truth
from training.blend import BOOSTERS
from training.ceiling import Ceiling, slope_against
from training.config import TrainConfig, load_config
from training.evaluation import Evaluation, Settings, evaluate
from training.intervals import Interval, draw, ratio, resample
from training.train import train_machine

SLOPE, RANGE, RECALL, RESCUED = (0.95, 1.05), 0.85, 0.90, 0.50
REPLICATES = 100
BUDGET = 0.05
PAIRS_PER_DAY = 2.0  # as the world had it at first
FLEETS = (1000, 450, (1006, 1007, 1008))
QUICK = (200, 300, (14,))
OWN, ORDER = "forewarn", "order"
HEAD = (
    f"{'':>14}{'rows':>9}{'announced':>11}{'slope 24 h':>12}{'48 h':>8}{'72 h':>8}{'':>16}{'':>8}"
    f"{'bins':>6}{'range':>8}{'':>8}{'model':>8}{'oracle':>8}{'share':>8}{'':>8}{'seconds':>9}"
)


@dataclass(frozen=True)
class Judged:
    """A test period: machine codes [n], prediction and truth [n, 3], and what the evaluation found.

    told: by component that shows in the order of readings, [machines, 4]: failures that LightGBM misses, and those of them that
    the model finds, an observer who is told how knocks stand, and one who was told of pairs.
    """

    name: str
    machine: np.ndarray
    p: np.ndarray
    true: np.ndarray
    ceiling: Ceiling
    seconds: float = 0.0
    blended: bool = False
    told: Mapping[str, np.ndarray] = field(default_factory=dict)


def judge(home: Path, seed: int, machines: int, days: int, config: TrainConfig) -> list[Judged]:
    """Simulate one fleet and judge a model of each of its kinds. Progress goes to stderr."""
    started = time.monotonic()
    lake = Lake.open(home / "lake", create=True)
    with simulated.writing(home) as writer:
        fleet = Fleet(load_world(), machines, days, 1, seed)
        lake.ingest(source(fleet, writer=writer, threads=config.threads), imported_at=datetime.now(UTC))
    say(f"seed {seed}: {machines} machines x {days} days simulated in {time.monotonic() - started:.0f} s")
    return [judge_kind(home, lake, kind, fleet, config) for kind in sorted(lake.kinds())]


def judge_kind(home: Path, lake: Lake, kind: str, fleet: Fleet, config: TrainConfig) -> Judged:
    started = time.monotonic()
    snapshot = build(lake, kind, Grid(), home=home, threads=config.threads)
    built = time.monotonic()
    training = train_machine(config, snapshot, lake)
    frame, singles = training.predictions, training.singles
    known = truth.of(home, kind, frame)
    assert known is not None, "the simulator wrote no truth"
    p = frame[["p24", "p48", "p72"]].to_numpy(np.float64)
    how = Settings(replicates=REPLICATES, lists=(), budgets=(BUDGET,))
    judged = evaluate(frame, {OWN: p, **singles}, how, truth=known, singles=tuple(singles))
    found = judged.ceiling
    assert found is not None
    ended = time.monotonic()
    say(f"seed {fleet.seed}: {kind} built in {built - started:.0f} s, trained and judged in {ended - built:.0f} s")
    codes = np.unique(frame["machine_id"], return_inverse=True)[1].astype(np.int32)
    said = observed(fleet, kind, frame, p[:, -1], singles.get(BOOSTERS, p)[:, -1])
    if BOOSTERS in singles:
        print(f"{fleet.seed} {kind}: " + "; ".join(gain(judged, figure) for figure in ("ap", "log_loss")), flush=True)
    return Judged(f"{fleet.seed} {kind}", codes, p, known.p, found, ended - started, BOOSTERS in singles, said)


def gain(judged: Evaluation, figure: str) -> str:
    """A figure of the blend and of LightGBM alone at 72 hours, and the difference with its interval, paired by machine."""
    (at,) = [one for one in judged.horizons if one.name == "72"]
    own, alone, apart = at.figures[OWN][figure], at.figures[BOOSTERS][figure], at.gains[BOOSTERS][figure]
    return f"{figure} {alone.value:.4f} -> {own.value:.4f}, difference {apart.value:.4f} [{apart.low:.4f}, {apart.high:.4f}]"


def observed(fleet: Fleet, kind: str, frame: pd.DataFrame, p: np.ndarray, boosters: np.ndarray) -> dict[str, np.ndarray]:
    """`Judged.told`: the observers' hazard of the one component is added to LightGBM's."""
    (own,) = [one for one in fleet.world.kinds if one.name == kind]
    (component, clear), (_, paired) = told(fleet, own, frame), told(fleet, own, frame, PAIRS_PER_DAY)
    others = (p, *(1 - (1 - boosters) * (1 - one) for one in (clear, paired)))
    counts = [rescued(frame, component, boosters, other, BUDGET) for other in others]
    return {component: np.concatenate([counts[0][:, :1], *(one[:, 1:] for one in counts)], axis=1)}


def line(
    name: str, rows: int, slopes: Sequence[Interval], inside: np.ndarray, hits: np.ndarray, seconds: float
) -> tuple[str, bool]:
    """One line of the table and whether all figures are reached. hits: failures announced, alarmed by model, by oracle."""
    slope, within, share = slopes[-1], float(inside.mean()), hits[1] / max(hits[2], 1)
    reached = [SLOPE[0] <= slope.value <= SLOPE[1], within >= RANGE, share >= RECALL]
    marks = [f"{'ok' if one else 'MISSED':>8}" for one in reached]
    spread = f"[{slope.low:.2f}, {slope.high:.2f}]"
    found, known = hits[1:] / max(hits[0], 1)
    text = (
        f"{name:>14}{rows:9,d}{hits[0]:11,.0f}{slopes[0].value:12.3f}{slopes[1].value:8.3f}{slope.value:8.3f}{spread:>16}{marks[0]}"
        f"{len(inside):6d}{within:8.2f}{marks[1]}{found:8.3f}{known:8.3f}{share:8.3f}{marks[2]}{seconds:9.0f}"
    )
    return text, all(reached)


def hits_of(ceiling: Ceiling) -> np.ndarray:
    found = ceiling.windows
    return np.zeros(3) if found is None else found.failures * np.array([1.0, found.model.value, found.oracle.value])


def report(judged: Sequence[Judged]) -> bool:
    """The table; whether the last line, all test rows together, reaches the figures."""
    print(HEAD)
    for one in judged:
        slopes = list(one.ceiling.slopes.values())
        print(line(one.name, len(one.p), slopes, one.ceiling.bins.inside, hits_of(one.ceiling), one.seconds)[0])
    first = np.cumsum([0, *(one.machine.max() + 1 for one in judged)])
    machine = np.concatenate([one.machine + start for one, start in zip(judged, first, strict=False)]).astype(np.int32)
    p, true = (np.concatenate([getattr(one, name) for one in judged]) for name in ("p", "true"))
    resamples = resample(int(first[-1]), REPLICATES, 20)
    slopes = [slope_against(true[:, k], p[:, k], machine, resamples) for k in range(3)]
    inside = np.concatenate([one.ceiling.bins.inside for one in judged])
    hits = np.sum([hits_of(one.ceiling) for one in judged], axis=0)
    text, reached = line("all", len(p), slopes, inside, hits, sum(one.seconds for one in judged))
    print(text)
    return reached


def modes(judged: Sequence[Judged]) -> None:
    """By failure mode what is alarmed; where networks have entered also by LightGBM alone."""
    found: dict[tuple[str, str], np.ndarray] = {}
    for one in judged:
        for mode in one.ceiling.modes:
            alone = mode.singles[BOOSTERS].value if mode.singles else mode.model.value
            counts = mode.failures * np.array([1.0, mode.model.value, alone, mode.oracle.value])
            key = (mode.name, mode.signs)
            found[key] = found.get(key, np.zeros(4)) + counts
    for (name, signs), (failures, model, alone, oracle) in found.items():
        shares = f"model {model / failures:.3f}  LightGBM alone {alone / failures:.3f}  oracle {oracle / failures:.3f}"
        print(f"{name:>14} ({signs}) {failures:5.0f} failures  {shares}")


def missed(judged: Sequence[Judged]) -> bool:
    """Of the failures that show in the order of readings and that LightGBM misses, who finds how many; whether it is enough."""
    reached = True
    each: dict[str, list[np.ndarray]] = {}
    for one in judged:
        for name, counts in one.told.items():
            each.setdefault(name, []).append(counts)
            each.setdefault(ORDER, []).append(counts)
    for name in sorted(each, key=lambda name: name == ORDER):
        counts = np.concatenate(each[name])
        resamples = resample(len(counts), REPLICATES, 20)
        shares = [draw(ratio(counts[:, place], counts[:, 0]), resamples).interval() for place in (1, 2, 3)]
        texts = [f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" for one in shares]
        reached = shares[0].value >= RESCUED
        text = f"{name:>14} {counts[:, 0].sum():5.0f} failures that LightGBM misses: the model finds {texts[0]}"
        print(f"{text}, who is told how knocks stand {texts[1]}, of pairs {texts[2]}")
    return reached


def run(machines: int, days: int, seeds: Sequence[int], config: str) -> bool:
    """Judge a model of each kind of each fleet and print the table; whether all of them together reach the figures."""
    judged = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as home:
            judged += judge(Path(home), seed, machines, days, load_config(config))
    print(f"fleets of {machines:,} machines x {days} days, hourly readings; experiment {config}")
    modes(judged)
    blended = any(one.blended for one in judged)
    found = missed(judged)
    return report(judged) and (found or not blended)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=FLEETS[0])
    parser.add_argument("--days", type=int, default=FLEETS[1])
    parser.add_argument("--seeds", default=",".join(map(str, FLEETS[2])), help="fleets, by their seeds")
    parser.add_argument("--config", default="machine", help="experiment, a TOML file or a shipped one's name")
    parser.add_argument("--quick", action="store_true", help="one small fleet, for development: its figures say little")
    arguments = parser.parse_args()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    if arguments.quick:
        return 0 if run(*QUICK, arguments.config) else 1
    return 0 if run(arguments.machines, arguments.days, seeds, arguments.config) else 1


if __name__ == "__main__":
    sys.exit(main())
