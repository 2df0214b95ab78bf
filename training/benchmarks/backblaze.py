"""Backblaze's hard drives: will a drive fail within 72 hours? Real drives, real failures, other drives to be judged on.

Protocol. A 24-hour grid of power-on hours per drive, from its first `tstart` while t < last `tstop`; rows whose 72 hours reach
beyond the end of a drive that did not fail are unripe and no row to learn from or to judge by. Without a folder to predict, a
fifth of the drives, by a hash of the serial, is kept from training and judged on in full, beside rivals that were fitted on
the same sampled rows.

import -> features, labels, a sample of the rows (streamed) -> boosters -> calibration on drives unseen -> every row scored
(streamed) -> figures.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features import engine
from features.catalog import Catalog, catalog
from features.clock import times
from features.errors import BadInput
from features.lake import Lake
from features.observations import Grid
from features.schema import EVENT_TIME
from features.settings import settings
from features.sources import backblaze
from training import calibration, drive_networks, evaluation, gbm, report, rivals
from training.benchmarks.result import Result, calibration_facts, write_whole
from training.calibration import Calibration
from training.config import TrainConfig, load_config
from training.drive_networks import DriveNetworks
from training.drive_notes import CLOSING_HOURS, networks_fact, notes
from training.evaluation import Evaluation
from training.gbm import TrainingRows
from training.hazard import INTERVAL_ENDS
from training.intervals import Interval
from training.labels import MICROS_PER_HOUR
from training.model import HazardModel, Matrix
from training.report_notes import period
from training.report_words import Text
from training.rivals import Sample
from training.runs import OWN, OWN_WORDS, flat_params, importance
from training.splits import machine_share
from training.streaming import Chunk, Flags, Fleet, counted, training_rows

NAME = "backblaze"
GRID = Grid(every_hours=24, anchor="machine")
HELD_OUT, FOR_CALIBRATION = 0.2, 0.2
BUDGETS = (0.01, 0.001)
TITLE = Text("Hard drives: failure within 72 hours", "硬盘：72 小时内故障")
WORDS = {OWN: OWN_WORDS, **{rival.name: rival.words for rival in rivals.LARGE}}
COLUMNS = ["serial_number", "as_of_hours", *(f"p{hours:g}" for hours in INTERVAL_ENDS)]

Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32]
Say = Callable[[str], None]
Row = dict[str, Interval | float | int | str | None]
Forecast = Callable[[Matrix], Floats]


def run(train: Path, predict: Path | None, out: Path | None, progress: Say) -> Result:
    """Train on the drives of `train` and judge on a fifth of them, or predict every drive and row of `predict` to `out`."""
    config = load_config(NAME)
    with tempfile.TemporaryDirectory(prefix="forewarn-") as scratch:
        fleet = imported(train, Path(scratch) / "train", progress)
        if predict is None or out is None:
            return _inner_split(fleet, config, progress)
        rows = _sampled(fleet, None, config, progress)
        model = with_networks(fit(rows, config, progress), fleet, rows, config, progress)
        other = imported(predict, Path(scratch) / "predict", progress, fleet.catalog)
        return _predicted(other, model, config, out, progress)


def imported(folder: Path, root: Path, say: Say, wanted: Catalog | None = None) -> Fleet:
    """A folder's drives in a lake of their own. `wanted`: the catalog of the drives that the model was trained on."""
    say(f"import {folder}")
    lake = Lake.open(root, create=True, buckets=16)
    lake.ingest(backblaze.read(folder), imported_at=datetime.now(UTC))
    fleet = Fleet(lake, wanted or catalog(lake.kind(backblaze.NAME)), GRID)
    if not fleet.ids:
        raise BadInput("no drive could be read", where=str(folder), mend="name a folder of Drive Stats")
    return fleet


# Training


@dataclass(frozen=True)
class Model:
    """Boosters and the one monotone map that calibrates them; first: boosters that did not see the drives it was fitted on."""

    boosters: HazardModel
    monotone: Calibration
    first: HazardModel
    networks: DriveNetworks | None = None

    def __call__(self, x: Matrix) -> Floats:
        """[n, features] to [n, 3] probabilities at 24, 48, 72 h."""
        return self.monotone.probability(self.boosters.point_scores(x))


def fit(rows: TrainingRows, config: TrainConfig, say: Say) -> Model:
    """Fit on most drives, calibrate the whole ensemble on the others, then fit again on all; the map stays."""
    unseen = _unseen(rows)
    say("fit on four fifths of the drives")
    first = gbm.fit(_part(rows, ~unseen), config.gbm, seed=config.seed, threads=config.threads, progress=say)
    say("calibrate on the others")
    judged = _part(rows, unseen)
    scores = first.point_scores(judged.x, threads=config.threads)
    how, on = config.calibration, config.calibrated_on
    monotone = calibration.fit(scores, judged.outcomes, judged.weight, judged.machine, how, on=on)
    if not config.split.refit:
        return Model(first, monotone, first)
    say("fit on all drives")
    return Model(gbm.fit(rows, config.gbm, seed=config.seed, threads=config.threads, progress=say), monotone, first)


def with_networks(model: Model, fleet: Fleet, rows: TrainingRows, config: TrainConfig, say: Say) -> Model:
    """The model with the experiment's networks, judged beside boosters that saw four fifths of the drives, on the others."""
    networks = drive_networks.fitted(fleet, rows, _unseen(rows), model.first, model.monotone, config, say)
    return replace(model, networks=networks)


def _unseen(rows: TrainingRows) -> Flags:
    """The rows of the drives that the first boosters do not see."""
    drives, drive = np.unique(rows.machine, return_inverse=True)
    return machine_share([str(code) for code in drives], FOR_CALIBRATION, salt="calibration")[drive]


def _sampled(fleet: Fleet, chosen: Flags | None, config: TrainConfig, say: Say) -> TrainingRows:
    until = fleet.end - round(CLOSING_HOURS * MICROS_PER_HOUR)
    say("features of every drive and day; a sample is kept to fit on")
    rows = training_rows(
        fleet, config.sampling, chosen, until=until, seed=config.seed, threads=config.threads, progress=counted(say)
    )
    say(f"{len(rows.x):,} rows kept, {int((rows.hours_to_failure <= INTERVAL_ENDS[-1]).sum()):,} of them before a failure")
    return rows


def _part(rows: TrainingRows, chosen: Flags) -> TrainingRows:
    arrays = ("x", "hours_to_failure", "followed_hours", "weight", "machine", "moments")
    return replace(rows, **{name: getattr(rows, name)[chosen] for name in arrays})


# The inner split


def _inner_split(fleet: Fleet, config: TrainConfig, say: Say) -> Result:
    held_out = machine_share(fleet.ids, HELD_OUT)
    rows = _sampled(fleet, ~held_out, config, say)
    model = with_networks(fit(rows, config, say), fleet, rows, config, say)
    forecasts: dict[str, Forecast] = {OWN: model}
    sample = _sample(rows, fleet.catalog, config.seed)
    for rival in rivals.LARGE:
        say(f"rival: {rival.words.en}")
        forecasts[rival.name] = _spread(rival.fit(sample), rows)
    del rows, sample
    frame, said = scored(fleet, held_out, forecasts, config, say)
    say("figures")
    judged = _judged(frame, said)
    page = report.write(_describe(judged, fleet, config, model), judged, settings().reports / f"{NAME}.html")
    return Result(
        NAME,
        table(judged),
        page,
        notes=[note.en for note in notes(model.networks)],
        facts=_facts(judged) | networks_fact(model.networks),
    )


def scored(
    fleet: Fleet, chosen: Flags | None, forecasts: Mapping[str, Forecast], config: TrainConfig, say: Say
) -> tuple[pd.DataFrame, dict[str, Scores]]:
    """Every observation of the chosen drives as `evaluation` wants it, and each forecast's probabilities float32[n, 3]."""
    count = counted(say)

    def one(chunk: Chunk) -> tuple[Chunk, pd.DataFrame, list[Scores]]:
        x = np.ascontiguousarray(chunk.x)
        found = [forecast(x) for forecast in forecasts.values()]
        for place, forecast in enumerate(forecasts.values()):
            if isinstance(forecast, Model) and forecast.networks is not None:
                found[place] = forecast.networks.improved(fleet, chunk, x, forecast.boosters, found[place])
        said = [p.astype(np.float32) for p in found]
        return replace(chunk, x=chunk.x[:0]), fleet.labels(chunk).astype(np.float32), said

    machine, as_of, labels, parts = [], [], [], []
    for chunk, known, said in engine.run(one, fleet.chunks(chosen), threads=config.threads):
        machine.append(chunk.machine.astype(np.int32))
        as_of.append(chunk.as_of)
        labels.append(known)
        parts.append(said)
        count(len(known))
    code = np.concatenate(machine)
    models = fleet.machines.column("model").cast(pa.string()).to_numpy(zero_copy_only=False)
    frame = pd.concat(labels, ignore_index=True).assign(
        machine_id=pd.Categorical.from_codes(code, fleet.ids),
        as_of=pd.to_datetime(np.concatenate(as_of), unit="us", utc=True),
        model=models[code],
    )
    return frame, {name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(forecasts)}


def _judged(frame: pd.DataFrame, said: Mapping[str, Scores]) -> Evaluation:
    try:
        return evaluation.evaluate(frame, said, evaluation.Settings(budgets=BUDGETS, lists=()))
    except ValueError as error:
        raise BadInput(str(error), where=NAME, mend="bring in more drives, some of which fail") from None


def table(judged: Evaluation) -> list[Row]:
    """The figures of the protocol: one row per forecast, then one per rival with the paired gain over it."""
    horizon = judged.horizon("72")

    def row(title: str, figures: Mapping[str, Interval], *alarmed: Mapping[str, Interval]) -> Row:
        cells: Row = {"forecast": title}
        cells |= {"AUC": figures["auc"], "AP": figures["ap"], "Brier skill": figures["brier_skill"]}
        cells |= {f"alarmed at {share * 100:g} %": of["event_recall"] for share, of in zip(BUDGETS, alarmed, strict=True)}
        return cells | {f"fresh at {BUDGETS[-1] * 100:g} %": alarmed[-1]["fresh_share"]}

    own = [row(WORDS[name].en, horizon.figures[name], *(one.figures[name] for one in judged.budgets)) for name in judged.names]
    gains = [
        row(f"gain over {WORDS[name].en}", horizon.gains[name], *(one.gains[name] for one in judged.budgets))
        for name in judged.names[1:]
    ]
    return [*own, *gains]


def _facts(judged: Evaluation) -> dict[str, object]:
    """Calibration at each horizon, and on how much the figures stand."""
    return {"drives": judged.machines, "failures": judged.failures, **calibration_facts(judged)}


# Another folder


def _predicted(fleet: Fleet, model: Model, config: TrainConfig, out: Path, say: Say) -> Result:
    say("predict every drive and row")
    frame, said = scored(fleet, None, {OWN: model}, config, say)
    write(fleet, frame, said[OWN], out)
    facts: dict[str, object] = {"drives": len(fleet.ids), "rows": len(frame)}
    if not (frame["y72"] == 1).any():
        return Result(NAME, [], predictions=out, facts=facts, notes=["The folder holds no failure to judge by."])
    say("figures")
    judged = _judged(frame, said)
    facts |= _facts(judged) | networks_fact(model.networks)
    return Result(NAME, table(judged), predictions=out, notes=[note.en for note in notes(model.networks)], facts=facts)


def write(fleet: Fleet, frame: pd.DataFrame, p: Scores, out: Path) -> None:
    """serial_number, as_of_hours (power-on hours as published, null without an age), p24, p48, p72; written whole or not."""
    code = frame["machine_id"].cat.codes.to_numpy()
    first, age = times(fleet.machines, EVENT_TIME), fleet.machines.column("age_hours").to_numpy()
    as_of = frame["as_of"].dt.as_unit("us").astype("int64").to_numpy()
    hours = pa.array(np.rint(age[code] + (as_of - first[code]) / MICROS_PER_HOUR), from_pandas=True).cast(pa.int64())
    serials = pa.array(fleet.ids, pa.string()).take(pa.array(code))
    rows = pa.Table.from_arrays([serials, hours, *(pa.array(column.astype(np.float64)) for column in p.T)], COLUMNS)
    write_whole(rows, out)


# Rivals


def _sample(rows: TrainingRows, wanted: Catalog, seed: int) -> Sample:
    y = rows.outcomes[:, -1]
    ripe = ~np.isnan(y)
    return Sample(rows.x[ripe], y[ripe] > 0.5, rows.weight[ripe], wanted.specs, seed)


def _spread(forecast: Forecast, rows: TrainingRows) -> Forecast:
    """A rival answers for 72 h; the earlier horizons get the share of it that their failures have among all."""
    failed = rows.hours_to_failure[rows.hours_to_failure <= INTERVAL_ENDS[-1]]
    share = np.array([(failed <= end).mean() for end in INTERVAL_ENDS])
    return lambda x: np.asarray(forecast(x)[:, None] * share)


def _describe(judged: Evaluation, fleet: Fleet, config: TrainConfig, model: Model) -> report.Run:
    kind = fleet.catalog.kind
    identity = {
        "Feature catalog 特征目录": f"{fleet.catalog.hash} · {len(fleet.catalog.names)}",
        "Grid 观测网格": f"{GRID.every_hours:g} h",
        "Judged on 评估": period(judged.first, judged.last),
        "Judged by 评估样本": f"{judged.machines:,} drives 块硬盘 · {judged.failures:,} failures 次故障",
    }
    return report.Run(
        TITLE, Text(kind.words_en, kind.words_zh), datetime.now(UTC), identity, WORDS,
        importance(model.boosters, fleet.catalog), notes(model.networks), flat_params(config.model_dump(mode="json")),
    )  # fmt: skip
