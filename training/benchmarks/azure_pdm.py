"""Azure PdM: which of 100 machines fails within 72 hours? Simulated by Microsoft, and easy: read the third day.

Protocol. One observation per machine and day at 00:00 UTC, from what was known by then: daily means (kind `azure_pdm_daily`),
errors, maintenance, machine. Fitted on as_of before 2015-08-29, so that the last training label ends before the first test row;
judged on as_of 2015-09-01 to 2015-12-28. January is history only: the rhythm of a machine's visits has to be seen before it
says anything. Features, boosters, this start, and to do without a calibration map were chosen on rolling origins inside the
training period.

Networks are fitted on the first three quarters of the training days; the last quarter decides whether they enter beside the
boosters, which then know all days. Figures of each network alone are told in any case.

With a folder to predict, every machine and day of it is written: `machineID` int64, `as_of` as the publisher writes times
(timestamp[us] without zone, UTC is meant), p24, p48, p72; the table is that of its test days.

import -> snapshot -> labels -> boosters -> features of the days to judge -> rivals on the same rows -> figures, report.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.build import Snapshot, build
from features.catalog import Catalog
from features.clock import micros
from features.errors import BadInput
from features.history import HOUR
from features.lake import Lake
from features.observations import AS_OF, Grid
from features.schema import MACHINE
from features.sequences import windows
from features.settings import settings
from features.sources import azure_pdm
from training import evaluation, report, rivals
from training.benchmarks.result import Result, calibration_facts, write_whole
from training.bundle import Bundle
from training.config import TrainConfig, load_config
from training.evaluation import THIRD_DAY, Evaluation
from training.gbm import TrainingRows
from training.intervals import Interval
from training.model import Matrix
from training.network_words import entry_document, entry_words
from training.panel import SERVED, Panel, judged, spoken
from training.report_notes import AZURE
from training.report_words import Text
from training.rows import TARGETS, Past
from training.runs import OWN, WORDS, describe
from training.splits import Periods
from training.streaming import Fleet
from training.train import learn

NAME = "azure-pdm"
EXPERIMENT = "azure_pdm"
TRAINED = Grid(start=datetime(2015, 1, 31, tzinfo=UTC), end=datetime(2015, 8, 28, tzinfo=UTC))
TESTED = Grid(start=datetime(2015, 9, 1, tzinfo=UTC), end=datetime(2015, 12, 28, tzinfo=UTC))
EVERY_DAY = Grid()
TITLE = Text("Benchmark: Azure PdM, failure within 72 hours", "基准测试：Azure PdM，72 小时内故障")
BUDGET = 0.05
DECIDING, GAP = 0.25, 72 * HOUR  # the last training days, and what lies before them
COLUMNS = ("p24", "p48", "p72")

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]
Row = dict[str, Interval | float | int | str | None]


def run(train: Path, predict: Path | None, out: Path | None, progress: Say) -> Result:
    """Train on the folder `train` and judge on its last months, or predict every machine and day of `predict` to `out`."""
    config = load_config(EXPERIMENT)
    with tempfile.TemporaryDirectory(prefix="forewarn-") as scratch:
        home = Path(scratch)
        lake, kind = imported(train, home / "train", progress)
        progress("features and labels of the training days")
        snapshot = build(lake, kind, TRAINED, home=home)
        bundle, rows = fitted(config, snapshot, lake, progress)
        panel = with_networks(config, snapshot, lake, progress)
        if predict is None or out is None:
            days = scored(bundle, panel, Fleet(lake, bundle.catalog, TESTED), config, progress)
            return _judged(days, bundle, panel, rows, snapshot, config, progress)
        other, found = imported(predict, home / "predict", progress)
        if found != kind:
            where, mend = str(predict), f"give a folder of the form of {train}"
            raise BadInput(f"machines of kind {found}, the model is for {kind}", where=where, mend=mend)
        days = scored(bundle, panel, Fleet(other, bundle.catalog, EVERY_DAY), config, progress)
        write(days.frame, out)
        return replace(_judged(days.during(TESTED), bundle, panel, rows, snapshot, config, progress), predictions=out)


def imported(folder: Path, root: Path, say: Say) -> tuple[Lake, str]:
    """A folder in a lake of its own, and the kind of its machines."""
    say(f"import {folder}")
    lake = Lake.open(root, create=True)
    lake.ingest(azure_pdm.read(folder), imported_at=datetime.now(UTC))
    kinds = pc.unique(lake.machines().column("kind")).to_pylist()
    if not kinds:
        raise BadInput("no machine could be read", where=str(folder), mend="see PdM_machines")
    return lake, str(kinds[0])


def fitted(config: TrainConfig, snapshot: Snapshot, lake: Lake, say: Say) -> tuple[Bundle, TrainingRows]:
    """The model of all training days. Labels are those known when the test begins; no days are spent on a calibration map."""
    past, cut = Past.of(snapshot, lake), micros(_bound(TESTED.start))
    none = np.empty(0, dtype=np.int64)
    learned = learn(config, past, Periods(np.arange(snapshot.rows), none, none, cut, cut), progress=say)
    return learned.bundle, learned.rows


def with_networks(config: TrainConfig, snapshot: Snapshot, lake: Lake, say: Say) -> Panel | None:
    """The networks of the experiment, decided on the last training days beside boosters that did not see them either."""
    if config.network is None:
        return None
    past, cut = Past.of(snapshot, lake), micros(_bound(TESTED.start))
    first, last = int(past.as_of.min()), int(past.as_of.max())
    later = last - round((last - first) * DECIDING)
    train = np.flatnonzero(past.as_of <= later - GAP)
    periods = Periods(train, np.flatnonzero(past.as_of >= later), train[:0], later, cut)
    early = learn(config.model_copy(update={"network": None}), past, replace(periods, calibration=train[:0]), progress=say)
    return judged(config, past, periods, early.bundle.model, early.bundle.calibration, progress=say)


@dataclass(frozen=True)
class Days:
    """Observations with features, labels and the model's probabilities: frame as `evaluation` wants it, x [n, features].

    singles: probabilities [n, 3] of each single model, where networks were fitted.
    """

    frame: pd.DataFrame
    x: Matrix
    singles: Mapping[str, Floats] = field(default_factory=dict)

    def during(self, grid: Grid) -> "Days":
        inside = self.frame[AS_OF].between(_bound(grid.start), _bound(grid.end)).to_numpy()
        singles = {name: p[inside] for name, p in self.singles.items()}
        return Days(self.frame[inside].reset_index(drop=True), self.x[inside], singles)


def scored(bundle: Bundle, panel: Panel | None, fleet: Fleet, config: TrainConfig, say: Say) -> Days:
    """Every observation of a fleet, by machine and time. The features are those of the bundle, whatever lake they come from."""
    say("features of the days to predict")
    models = dict(zip(fleet.ids, fleet.machines.column("model").to_pylist(), strict=True))
    frames, matrices = [], []
    for chunk in fleet.chunks(threads=config.threads):
        ids = [fleet.ids[place] for place in chunk.machine]
        keys = {MACHINE: ids, AS_OF: pd.to_datetime(chunk.as_of, unit="us", utc=True), "model": [models[one] for one in ids]}
        frames.append(fleet.labels(chunk).assign(**keys))
        matrices.append(chunk.x)
    if not frames:
        raise BadInput("no machine is under observation on any day to predict", where="folder", mend="check its dates")
    say("predict")
    x = np.ascontiguousarray(np.concatenate(matrices))
    frame = pd.concat(frames, ignore_index=True)
    said = {SERVED: bundle.predict(x, ranges=False, threads=config.threads).p}
    if panel is not None:
        kind, hours = fleet.catalog.kind, panel.windows.facts.hours
        keys = pa.table({MACHINE: pa.array(frame[MACHINE], pa.string()), AS_OF: pa.array(frame[AS_OF])})
        source = windows(fleet.lake.at(), kind, keys, hours=hours, threads=config.threads)
        said = spoken(panel, bundle.model, bundle.calibration, x, source, threads=config.threads)
    own = said.pop(SERVED)
    return Days(frame.assign(**{name: own[:, place] for place, name in enumerate(COLUMNS)}), x, said)


def write(frame: pd.DataFrame, out: Path) -> None:
    """The predictions with the publisher's keys; the file whole or not at all."""
    machine = pa.array(frame[MACHINE].astype("int64"))
    as_of = pa.array(frame[AS_OF].dt.tz_localize(None), pa.timestamp("us"))
    rows = pa.table({"machineID": machine, AS_OF: as_of, **{name: pa.array(frame[name]) for name in COLUMNS}})
    rows = rows.sort_by([("machineID", "ascending"), (AS_OF, "ascending")])
    write_whole(rows, out)


# Figures


def _judged(
    days: Days, bundle: Bundle, panel: Panel | None, rows: TrainingRows, snapshot: Snapshot, config: TrainConfig, say: Say
) -> Result:
    if not (days.frame["y72"] == 1).any():
        return Result(NAME, [], notes=("No failure in the test days of the folder: nothing to judge by.", AZURE.en))
    own = days.frame[list(COLUMNS)].to_numpy(np.float64)
    said = _rivals(days, rows, bundle.catalog, config, say)
    say("figures and report")
    forecasts, how = {OWN: own, **days.singles, **said}, evaluation.Settings(budgets=(BUDGET, 0.01))
    found = evaluation.evaluate(days.frame, forecasts, how, singles=tuple(days.singles))
    parted = [f"{target[1:]} h" for place, target in enumerate(TARGETS) if separated(days.frame[target], own[:, place])]
    notes = [
        *([entry_words(panel.entry)] if panel else []),
        *NOTES,
        *map(_separated, parted),
        *_seen_early_only(days.frame, found.failures),
    ]
    page = describe(bundle, snapshot, found)
    page = replace(page, title=TITLE, notes=[*page.notes, *notes])
    path = report.write(page, found, settings().reports / f"{NAME}.html")
    said_en = tuple(note.en for note in (AZURE, *notes))
    facts = _facts(found, parted, days.frame) | ({"networks": entry_document(panel.entry)} if panel else {})
    return Result(NAME, table(found), report=path, notes=said_en, facts=facts)


def _rivals(days: Days, rows: TrainingRows, wanted: Catalog, config: TrainConfig, say: Say) -> dict[str, Floats]:
    labels = pd.DataFrame(rows.outcomes, columns=list(TARGETS))
    return rivals.forecasts(
        rows.x, labels, rows.weight, days.x, wanted.specs, seed=config.seed, threads=config.threads, progress=say
    )


def separated(outcome: pd.Series, p: Floats) -> bool:
    """Whether every event scored above everything else: a calibration slope then has no upper bound."""
    y = outcome.to_numpy(np.float64)
    return bool((y == 1).any() and (y == 0).any() and p[y == 1].min() > p[y == 0].max())


def table(judged: Evaluation) -> list[Row]:
    """The protocol's figures: one row per forecast, then one per rival with the model's paired gain over it."""
    budget = judged.budgets[0]
    share, ahead = f"{BUDGET * 100:g} %", f"{judged.settings.ahead_hours:g} h"

    def row(title: str, rows: Mapping[str, Mapping[str, Interval]], alarm: Mapping[str, Interval]) -> Row:
        return {
            "forecast": title,
            "AP 72 h": rows["72"]["ap"],
            "log loss 72 h": rows["72"]["log_loss"],
            "AUC 48 h": rows["48"]["auc"],
            "AP third day": rows[THIRD_DAY]["ap"],
            f"alarmed at {share}": alarm["event_recall"],
            f"{ahead} ahead at {share}": alarm["event_recall_ahead"],
        }

    by_name = {one.name: one for one in judged.horizons}
    own = [
        row(WORDS[name].en, {key: one.figures[name] for key, one in by_name.items()}, budget.figures[name])
        for name in judged.names
    ]
    gains = [
        row(f"gain over {WORDS[name].en}", {key: one.gains[name] for key, one in by_name.items()}, budget.gains[name])
        for name in judged.names[1:]
    ]
    return [*own, *gains]


def _facts(judged: Evaluation, parted: list[str], frame: pd.DataFrame) -> dict[str, object]:
    bins = {name: one | {"separated": name in parted} for name, one in calibration_facts(judged).items()}
    return {"machines": judged.machines, "failures": judged.failures, "rows": len(frame), **bins}


def _bound(moment: datetime | None) -> datetime:
    assert moment is not None
    return moment


NOTES = (
    Text(
        "The third day is ranked by p72 among the observations that see no failure within 48 hours. Its signal is the next "
        "visit and the age that each component has then; telemetry and errors say nothing before the last two days.",
        "第三天按 p72 在 48 小时内无故障的观测中排序。其信号来自下次维护的时间及届时各部件的使用时间；"
        "遥测与错误在最后两天之前不含信息。",
    ),
    Text(
        "Alarms 51 hours ahead stand on few failures and many like chances: read the interval, not the point.",
        "提前 51 小时的预警所依据的故障很少且机会相近：请看区间而非点估计。",
    ),
    Text(
        "The probabilities are the boosters' own: on rolling origins inside the training period no calibration map improved "
        "them. Calibration slopes are of the outcome on logit p, with p held 1e-9 away from 0 and 1.",
        "概率直接取自提升树：在训练期内的滚动检验中，任何校准映射都未能改善。"
        "校准斜率为结果对 logit p 的回归，p 距 0 与 1 至少 1e-9。",
    ),
)


def _seen_early_only(frame: pd.DataFrame, failures: int) -> list[Text]:
    """How many failures have no judged day in their last 48 hours, because the test ends before."""
    near = frame[frame["y72"] == 1]
    moment = near[AS_OF] + pd.to_timedelta(near["hours_to_failure"].round(3), unit="h")
    early = int((near["hours_to_failure"].groupby([near[MACHINE], moment]).min() > 48).sum())
    if not early:
        return []
    return [
        Text(
            f"{early} of the {failures} failures are preceded by no judged day in their last 48 hours, because the test ends: "
            "only the third day can alarm them.",
            f"{failures} 次故障中有 {early} 次在最后 48 小时内没有评估日（评估期已结束），只能靠第三天预警。",
        )
    ]


def _separated(horizon: str) -> Text:
    return Text(
        f"At {horizon} every observation before a failure scored above all others: the slope has no upper bound there and is "
        "no test.",
        f"在 {horizon} 预测期，故障前的观测得分全部高于其余观测：斜率无上界，不构成检验。",
    )
