"""A backtest from a snapshot to a page: cut-offs, figures over time, document, report, runs in the tracker."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from features.documents import write_json
from features.errors import BadInput, UserError
from features.lake import Lake
from features.settings import Settings
from features.snapshots import open_snapshot
from training import backtest, backtest_report, backtest_words, over_time, reconstruct, splits, tables, tracking
from training.comparison import Comparison
from training.config import TrainConfig
from training.outcomes import outcomes
from training.over_time import OverTime
from training.report_notes import SIMULATED
from training.report_words import Text
from training.rows import Past
from training.runs import flat_params


@dataclass(frozen=True)
class When:
    """The cut-offs asked for: a number of them, or every so many days from a first date on; by default six."""

    count: int | None = None
    every_days: float | None = None
    first: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    """What a backtest left behind."""

    run: backtest.Run
    found: OverTime
    snapshot: str
    config: str
    report: Path
    tracked: str
    seconds: float

    def verdict(self) -> list[Text]:
        """The backtest in a few sentences."""
        return backtest_words.verdict(self.run, self.found)

    def table(self) -> list[dict[str, tables.Cell]]:
        """A row for each forecast over all periods, two (*) where the champion may be asked, one for each cut-off."""
        own = self.found.names[0]
        rows = [_row(backtest_words.WORDS[name].en, self.found.together, name) for name in self.found.together.names]
        if self.found.of_champion is not None:
            beside = self.found.of_champion
            words = {name: backtest_words.WORDS[name].en for name in (own, over_time.CHAMPION)}
            rows += [_row(f"{text} *", beside, name) for name, text in words.items()]
        periods = zip(self.run.cutoffs, self.found.periods, strict=True)
        return [*rows, *(_row(f"from {cutoff.date}", one, own) for cutoff, one in periods if one is not None)]

    def document(self) -> dict[str, Any]:
        """The backtest as JSON."""
        found = self.found
        cutoffs = [
            {"from": cutoff.date, **part.facts, **_judged(one)}
            for cutoff, part, one in zip(self.run.cutoffs, self.run.parts, found.periods, strict=True)
        ]
        return {
            "id": self.run.id, "snapshot": self.snapshot, "config": self.config, "forecasts": list(found.names),
            "champion": found.champion, "together": _judged(found.together), "beside_champion": _judged(found.of_champion),
            "cutoffs": cutoffs, "verdict": [{"en": one.en, "zh": one.zh} for one in self.verdict()],
            "report": str(self.report), "run_id": self.tracked, "seconds": self.seconds,
        }  # fmt: skip


def run_backtest(
    settings: Settings,
    kind: str,
    config: TrainConfig,
    when: When,
    *,
    snapshot_id: str = "latest",
    budget: float = 0.05,
    keep_scores: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Outcome:
    """Retrain at every cut-off, judge, write page and document under home, log a run with one nested run for each cut-off.

    keep_scores: what was said is kept in the lake as reconstructed scores (see `reconstruct`).
    Raises NotFound without the snapshot or lake, BadInput if there is nothing to learn from or to judge by.
    """
    started, say = time.monotonic(), progress or (lambda text: None)
    snapshot = open_snapshot(settings.home, snapshot_id, kind)
    snapshot.check_current()
    lake = Lake.open(snapshot.lake)
    past = Past.of(snapshot, lake)
    cuts = splits.cutoffs(past.as_of, count=when.count, every_days=when.every_days, first=when.first)
    tracking.check(settings)
    run = backtest.rolling(past, config, cuts, settings.home / "backtests" / "parts", progress=say)
    kept = reconstruct.keep(run, past, lake) if keep_scores else None
    say("judge" if kept is None else f"{kept:,} scores kept in the lake as reconstructed; judge")
    gap = config.split.gap_hours
    champion, left_out = None, None
    try:
        champion = backtest.champion_says(settings.home, past, run.rows, gap, config.threads)
    except UserError as error:
        left_out = str(error)
        say(f"the champion is left out: {left_out}")
    try:
        found = over_time.judged(run, outcomes(past, config.split.reporting_lag_hours), champion, budget=budget)
    except ValueError as error:
        raise BadInput(str(error), where="periods after the cut-offs", mend="earlier cut-offs, or more history") from None
    page = backtest_report.Page(
        subject=Text(f"{snapshot.kind.words_en} ({kind})", snapshot.kind.words_zh),
        created_at=datetime.now(UTC),
        identity=_identity(run, found, snapshot.id, snapshot.manifest["catalog_hash"], config.name),
        parameters=flat_params(config.model_dump(mode="json")),
        simulated=kind in SIMULATED,
        left_out=left_out,
    )
    report = backtest_report.write(page, run, found, settings.reports / f"{run.id}.html")
    say("log the runs")
    folder = settings.home / "backtests" / run.id
    folder.mkdir(parents=True, exist_ok=True)
    made = Outcome(run, found, snapshot.id, config.name, report, "", round(time.monotonic() - started, 1))
    write_json(folder / "backtest.json", tables.plain(made.document()))
    tracked = tracking.record_series(settings, _record(kind, made, folder / "backtest.json", page.parameters))
    made = Outcome(run, found, snapshot.id, config.name, report, tracked, round(time.monotonic() - started, 1))
    write_json(folder / "backtest.json", tables.plain(made.document()))
    return made


def _identity(run: backtest.Run, found: OverTime, snapshot: str, catalog_hash: str, config: str) -> dict[str, str]:
    together = found.together
    return {
        "Backtest 回测": run.id,
        "Snapshot 特征快照": snapshot,
        "Feature catalog 特征目录": catalog_hash,
        "Experiment 实验": config,
        "Cut-offs 重训时点": f"{len(run.cutoffs)} · {run.cutoffs[0].date} … {run.cutoffs[-1].date}",
        "Judged on 评估": f"{together.first:%Y-%m-%d} … {together.last:%Y-%m-%d}",
        "Judged by 评估样本": f"{together.machines:,} machines 台 · {together.failures:,} failures 次故障",
        "Champion 现役模型": found.champion or "–",
    }


def _row(title: str, compared: Comparison, name: str) -> dict[str, tables.Cell]:
    heads = {"log_loss": "log loss", "brier_skill": "Brier skill", "ap": "AP", "event_recall": "alarmed at 5 %",
             "slope": "slope", "observed_over_expected": "obs/exp"}  # fmt: skip
    figures = compared.figures[name]
    return {"forecast": title, "failures": compared.failures, **{head: figures[key] for key, head in heads.items()}}


def _judged(compared: Comparison | None) -> dict[str, Any]:
    if compared is None:
        return {"rows": 0, "failures": 0, "figures": {}, "gains": {}}
    figures: Mapping[str, Any] = {"figures": tables.plain(compared.figures), "gains": tables.plain(compared.gains)}
    return {"rows": compared.rows, "failures": compared.failures, "failing_machines": compared.failing, **figures}


def _record(kind: str, made: Outcome, document: Path, parameters: Mapping[str, str]) -> tracking.Series:
    own, found = made.found.names[0], made.found
    parts = [
        tracking.Nested(cutoff.date, {str(key): str(value) for key, value in part.facts.items()}, _flat(one, own))
        for cutoff, part, one in zip(made.run.cutoffs, made.run.parts, found.periods, strict=True)
    ]
    return tracking.Series(
        kind=kind,
        name=made.run.id,
        of="cutoff",
        parameters=parameters,
        versions={"snapshot": made.snapshot},
        metrics=_flat(found.together, own),
        parts=parts,
        files=(made.report, document),
        pictures=backtest_report.pictures(made.run, found),
    )


def _flat(compared: Comparison | None, own: str) -> dict[str, float]:
    """Figures of the retrained model and its gains as name -> number; what is not a number is left out."""
    if compared is None:
        return {}
    flat = {key: one.value for key, one in compared.figures[own].items()}
    flat |= {f"{key}_gain_over_{name}": one.value for name, gains in compared.gains.items() for key, one in gains.items()}
    return {key: value for key, value in flat.items() if np.isfinite(value)} | {"failures": float(compared.failures)}
