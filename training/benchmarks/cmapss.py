"""C-MAPSS: how many flight cycles has each engine left? Simulated by NASA; what most sequence models are compared on.

Protocol. Remaining life is capped at 125 cycles in training; every test engine is asked at its last cycle on record; RMSE and
the score of the PHM08 challenge (an answer too late costs more than one too early), both with the true life capped as well, and
the RMSE with the true life as it is beside them. One configuration for the four sets, each model fitted with five seeds. A
fifth of the training engines of each set (by a hash of set and unit) is held out, each cut off at random as the test engines
were, and judged with paired intervals that resample engines; where the folder tells what the test engines had left, the
official figures stand beside that.

The models learn from the engines of all sets of the folder together, which know more degradations than one set's hundred; most
published figures use one set's engines alone, so a LightGBM that does so is the rival. With a folder to predict, the engines of
its test files are written at their last cycles: `set`, `unit`, `rul`, the mean of the blends of all seeds; beside it, in
`<name>.seeds.parquet`, what each model says with each seed. Outcomes in that folder are not read.

read -> standardise by flight condition -> windows and features -> fits side by side -> weights on engines unseen -> figures.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.errors import BadInput
from features.sources import cmapss as source
from features.sources.cmapss import Engines
from training import life
from training.benchmarks.result import Result, write_whole
from training.cycles import Fleet, Reference
from training.intervals import Interval, draw, resample
from training.life import BOOSTERS, Asked, LifeConfig, Task
from training.metrics import Floats, Statistic

NAME = "cmapss"
ALONE, BLEND = "own", "blend"
WORDS = {ALONE: "LightGBM of one set", BOOSTERS: "LightGBM", "gru": "GRU", "tcn": "TCN", BLEND: "blend"}
REPLICATES = 1000

Say = Callable[[str], None]
Rows = npt.NDArray[np.int64]
Choose = Callable[[Fleet], Rows]
Row = dict[str, Interval | float | int | str | None]


@dataclass(frozen=True)
class Said:
    """What every forecast says of engines of one set, the blend included.

    unit, left: cycles to the end of the engine's record [n]; by_forecast [seeds, n]; weights of the blend by model.
    """

    name: str
    unit: npt.NDArray[np.int64]
    left: Floats
    by_forecast: Mapping[str, Floats]
    weights: Mapping[str, float]


def run(train: Path, predict: Path | None, out: Path | None, progress: Say) -> Result:
    """Train on the folder's engines; judge on those held out and the official ones, or write what `predict`'s have left."""
    config = life.load_life(NAME)
    progress(f"read {train}")
    names = source.sets_in(train, "train")
    engines = [source.engines(train, "train", name) for name in names]
    official = _official(train, names)
    wanted = _wanted(predict, names) if predict else []
    rows: list[Row] = []
    inner: list[Said] = []
    if not predict:
        progress("engines held out")
        kept, held = life.split(engines, config.held_out, "judged")
        inner = forecast(config, kept, held, lambda fleet: life.cut(fleet, config.cuts, seed=0), progress)
        rows += [row for said in inner for row in held_out_rows(said, config.cap)]
    progress("all training engines")
    found = forecast(config, engines, [*(tested for tested, _ in official), *wanted], lambda fleet: fleet.last, progress)
    for said, (_, truth) in zip(found, official, strict=False):
        rows += official_rows(said, truth, config.cap)
    if out is not None:
        write(found[len(official) :], out)
    weights = {said.name: dict(said.weights) for said in [*inner, *found]}
    facts = {"weights": weights, "seeds": list(config.seeds), "engines": {one.name: len(one.starts) for one in engines}}
    return Result(NAME, rows, predictions=out, notes=[*NOTES, *_mixed(weights)], facts=facts)


def _official(folder: Path, names: Sequence[str]) -> list[tuple[Engines, Floats]]:
    """The test engines of the trained sets whose remaining lives the folder tells, and these lives."""
    found = []
    for name in names:
        if source.holds(folder, f"test_{name}") and source.holds(folder, f"RUL_{name}"):
            tested = source.engines(folder, "test", name)
            found.append((tested, source.cycles_left(folder, tested)))
    return found


def _wanted(folder: Path, names: Sequence[str]) -> list[Engines]:
    """The test engines of the folder to predict; its outcomes are not looked at."""
    found = source.sets_in(folder, "test")
    for name in found:
        if name not in names:
            raise BadInput(
                f"test_{name} is there, but no train_{name} was", where=str(folder), mend="train on that set as well"
            )
    return [source.engines(folder, "test", name) for name in found]


def forecast(config: LifeConfig, engines: Sequence[Engines], asked: Sequence[Engines], choose: Choose, say: Say) -> list[Said]:
    """Every model and seed fitted on `engines`, and what they say of each of `asked` at the rows that `choose` picks."""
    found: dict[int, Said] = {}
    for group in [list(engines)] if config.pooled else [[one] for one in engines]:
        places = [place for place, one in enumerate(asked) if one.name in {fitted.name for fitted in group}]
        if places:
            found |= zip(places, _of_group(config, group, [asked[place] for place in places], choose, say), strict=True)
    return [found[place] for place in range(len(asked))]


def _of_group(config: LifeConfig, group: Sequence[Engines], asked: Sequence[Engines], choose: Choose, say: Say) -> list[Said]:
    joined, parts = _joined(Reference.of(group), asked, choose)
    answers = life.blended(config, group, joined, say)
    rivals = _rivals(config, group, asked, choose, say)
    said = []
    for place, (one, part) in enumerate(zip(asked, parts, strict=True)):
        by_forecast = {ALONE: rivals[place]} | {name: by_seed[:, part] for name, by_seed in answers.by_model.items()}
        rows = joined.rows[part]
        left = joined.fleet.left[rows].astype(np.float64)
        said.append(
            Said(one.name, joined.fleet.unit[rows], left, by_forecast | {BLEND: answers.blend[:, part]}, answers.weights)
        )
    return said


def _joined(reference: Reference, asked: Sequence[Engines], choose: Choose) -> tuple[Asked, list[slice]]:
    """The rows chosen of each of `asked`, as one question, and where each one's rows stand in it."""
    chosen = [choose(Fleet.of(reference, [one])) for one in asked]
    before, ends = np.cumsum([0, *map(len, asked)]), np.cumsum([0, *map(len, chosen)]).tolist()
    rows = np.concatenate([one + at for one, at in zip(chosen, before[:-1], strict=True)])
    return Asked(Fleet.of(reference, asked), rows), [slice(*bounds) for bounds in pairwise(ends)]


def _rivals(
    config: LifeConfig, group: Sequence[Engines], asked: Sequence[Engines], choose: Choose, say: Say
) -> dict[int, Floats]:
    """[seeds, n] of each of `asked`: the boosters of the engines of its own set alone, as most published figures are made."""
    tasks: list[Task] = []
    places: dict[int, tuple[str, slice]] = {}
    for own in group:
        mine = [place for place, one in enumerate(asked) if one.name == own.name]
        if mine:
            fleet = Fleet.of(Reference.of([own]), [own])
            question, parts = _joined(fleet.reference, [asked[place] for place in mine], choose)
            places |= {place: (own.name, part) for place, part in zip(mine, parts, strict=True)}
            tasks += [Task((own.name, WORDS[ALONE], f"seed {seed}"), BOOSTERS, seed, fleet, question) for seed in config.seeds]
    found = life.answers(config, tasks, say)
    by_set = {name: np.stack([found[task.key] for task in tasks if task.key[0] == name]) for name, _ in places.values()}
    return {place: by_set[name][:, part] for place, (name, part) in places.items()}


def write(said: Sequence[Said], out: Path) -> None:
    """The blend of all seeds by set and unit; beside it every forecast and seed. Each file whole or not at all."""

    def keys(one: Said) -> dict[str, object]:
        return {"set": [one.name] * len(one.unit), "unit": one.unit}

    rows = [pa.table({**keys(one), "rul": one.by_forecast[BLEND].mean(axis=0)}) for one in said]
    write_whole(pa.concat_tables(rows), out)
    parts = [
        pa.table({**keys(one), "forecast": [name] * len(one.unit), "seed": [seed] * len(one.unit), "rul": rul})
        for one in said
        for name, by_seed in one.by_forecast.items()
        for seed, rul in enumerate(by_seed, 1)
    ]
    write_whole(pa.concat_tables(parts), out.with_suffix(".seeds.parquet"))


# Figures


def rmse(error: Floats) -> Floats:
    """Root mean squared error by seed: error [seeds, n]."""
    return np.asarray(np.sqrt((error**2).mean(axis=1)))


def phm08(error: Floats) -> Floats:
    """The score of the PHM08 challenge by seed (Saxena et al. 2008): error [seeds, n], answer less truth, in cycles."""
    return np.asarray(np.where(error < 0, np.exp(-error / 13.0), np.exp(error / 10.0)).sum(axis=1) - error.shape[1])


def _spread(by_seed: Floats) -> Interval:
    return Interval(float(by_seed.mean()), float(by_seed.min()), float(by_seed.max()))


def _title(said: Said, name: str) -> str:
    return f"{said.name} {WORDS.get(name, name)}"


def held_out_rows(said: Said, cap: float) -> list[Row]:
    """Of training engines held out: RMSE with the spread of the seeds, and what the blend gains on it."""
    truth = np.minimum(said.left, cap)
    engine = np.unique(said.unit, return_inverse=True)[1]
    weights = resample(int(engine.max()) + 1, REPLICATES, seed=0)
    error = {name: by_seed - truth for name, by_seed in said.by_forecast.items()}
    blend = draw(_rmse_of(error[BLEND], engine), weights)
    rows: list[Row] = []
    for name, one in error.items():
        gain = None if name == BLEND else draw(_rmse_of(one, engine), weights).minus(blend).interval()
        rows.append({"forecast": _title(said, name), "held-out RMSE": _spread(rmse(one)), "blend gains": gain})
    return rows


def _rmse_of(error: Floats, engine: npt.NDArray[np.int64]) -> Statistic:
    """Mean over the seeds of the RMSE, as a function of how often each engine counts."""
    squares = np.stack([np.bincount(engine, weights=one**2) for one in error])
    count = np.bincount(engine).astype(np.float64)
    return lambda weights: np.asarray(np.sqrt((weights @ squares.T) / (weights @ count)[:, None]).mean(axis=1))


def official_rows(said: Said, truth: Floats, cap: float) -> list[Row]:
    """Of the publisher's test engines: RMSE with the spread of the seeds, with uncapped truth, and the PHM08 score."""
    capped = np.minimum(truth, cap)
    of_all = said.by_forecast[BLEND].mean(axis=0, keepdims=True)
    rows: list[Row] = []
    for name, by_seed in [*said.by_forecast.items(), ("blend of all seeds", of_all)]:
        error = by_seed - capped
        rows.append({
            "forecast": f"{_title(said, name)}, official",
            "RMSE": _spread(rmse(error)) if len(by_seed) > 1 else float(rmse(error)[0]),
            "RMSE, life uncapped": float(rmse(by_seed - truth).mean()),
            "PHM08": float(phm08(error).mean()),
        })  # fmt: skip
    return rows


NOTES = (
    "True lives are capped at 125 cycles as in training, for RMSE and PHM08 score; with lives uncapped the RMSE stands apart.",
    "Brackets of an RMSE are the lowest and highest of the seeds; of what the blend gains, the 95 % interval over engines.",
    "Models learn from the engines of all sets of the folder together, but for `LightGBM of one set`; most published figures "
    "are of one set's engines alone.",
    "Held-out engines are cut off where 5 to 150 cycles were left, uniformly, five times each.",
)


def _mixed(weights: Mapping[str, Mapping[str, float]]) -> list[str]:
    told = {", ".join(f"{WORDS[name]} {weight:.2f}" for name, weight in one.items()): None for one in weights.values()}
    return [f"The blend: {one}, by engines that no model in that step had seen." for one in told]
