"""A backtest of the enterprise scores from a snapshot to a page: cut-offs, figures over time, document, runs in the tracker."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from features.documents import write_json
from features.enterprise.catalog import EVERY
from features.errors import BadInput
from features.lake import Lake
from features.settings import Settings
from features.snapshots import open_snapshot
from training import splits, tables, tracking
from training.backtest_runs import When
from training.enterprise import backtest, backtest_report
from training.enterprise.config import EnterpriseConfig
from training.enterprise.evaluation import Judged
from training.enterprise.rows import Past
from training.enterprise.words import ALARM, PRICE
from training.report_words import Text
from training.runs import flat_params


@dataclass(frozen=True)
class Outcome:
    """What a backtest left behind."""

    run: backtest.Run
    found: backtest.OverTime
    snapshot: str
    config: str
    report: Path
    tracked: str
    seconds: float

    def verdict(self) -> list[Text]:
        """The backtest in a few sentences."""
        return backtest_report.verdict(self.run, self.found)

    def table(self) -> list[dict[str, Any]]:
        """Figures of a year: forecasts, gains, cut-offs."""
        return backtest_report.table(self.run, self.found)

    def document(self) -> dict[str, Any]:
        """The backtest as JSON."""
        periods = zip(self.run.cutoffs, self.run.parts, self.found.periods, strict=True)
        cutoffs = [{"from": cutoff.date, **part.facts, **_judged(one)} for cutoff, part, one in periods]
        return {
            "id": self.run.id, "snapshot": self.snapshot, "config": self.config,
            "together": [_judged(one) for one in self.found.together], "cutoffs": cutoffs,
            "verdict": [{"en": one.en, "zh": one.zh} for one in self.verdict()],
            "report": str(self.report), "run_id": self.tracked, "seconds": self.seconds,
        }  # fmt: skip


def run_backtest(
    settings: Settings,
    config: EnterpriseConfig,
    when: When,
    *,
    snapshot_id: str = "latest",
    progress: Callable[[str], None] | None = None,
) -> Outcome:
    """Learn at every cut-off, judge, write page and document under home, log a run with one nested run for each cut-off.

    Raises NotFound without the snapshot or lake, BadInput if there is nothing to learn from or to judge by.
    """
    started, say = time.monotonic(), progress or (lambda text: None)
    snapshot = open_snapshot(settings.home, snapshot_id, EVERY.name)
    snapshot.check_current()
    past = Past.of(snapshot, Lake.open(snapshot.lake))
    cuts = splits.cutoffs(past.as_of, count=when.count, every_days=when.every_days, first=when.first)
    tracking.check(settings)
    run = backtest.rolling(past, config, cuts, settings.home / "backtests" / "parts", progress=say)
    say("judge")
    try:
        found = backtest.judged(run, past, config)
    except ValueError as error:
        raise BadInput(str(error), where="periods after the cut-offs", mend="earlier cut-offs, or more history") from None
    identity = {
        "Backtest 回测": run.id,
        "Snapshot 特征快照": snapshot.id,
        "Experiment 实验": config.name,
        "Cut-offs 重训时点": f"{len(run.cutoffs)} · {run.cutoffs[0].date} … {run.cutoffs[-1].date}",
        "Judged by 评估样本": f"{found.together[-1].enterprises:,} enterprises 家企业 · {len(run.rows):,} rows 行",
    }
    parameters = flat_params(config.model_dump(mode="json"))
    page = settings.reports / f"{run.id}.html"
    backtest_report.write(run, found, identity, parameters, datetime.now(UTC), page)
    say("log the runs")
    folder = settings.home / "backtests" / run.id
    folder.mkdir(parents=True, exist_ok=True)
    document = folder / "backtest.json"
    made = Outcome(run, found, snapshot.id, config.name, page, "", round(time.monotonic() - started, 1))
    write_json(document, tables.plain(made.document()))
    parts = [
        tracking.Nested(cutoff.date, {key: str(value) for key, value in part.facts.items()}, _flat(one))
        for cutoff, part, one in zip(run.cutoffs, run.parts, found.periods, strict=True)
    ]
    tracked = tracking.record_series(
        settings,
        tracking.Series(
            kind=EVERY.name, name=run.id, of="cutoff", parameters=parameters, versions={"snapshot": snapshot.id},
            metrics=_flat(found.together[-1]), parts=parts, files=(page, document),
            pictures=backtest_report.pictures(run, found),
        ),
    )  # fmt: skip
    made = replace(made, tracked=tracked, seconds=round(time.monotonic() - started, 1))
    write_json(document, tables.plain(made.document()))
    return made


def _judged(one: Judged | None) -> dict[str, Any]:
    if one is None:
        return {"rows": 0, "accidents": 0, "figures": {}, "gains": []}
    gains = [{"of": ours, "over": rival, **tables.plain(of)} for (ours, rival), of in one.gains.items()]
    return {
        "days": one.days, "rows": one.rows, "accidents": one.accidents, "figures": tables.plain(one.figures), "gains": gains,
    }  # fmt: skip


def _flat(one: Judged | None) -> dict[str, float]:
    """Figures of both scores and their gains in deviance as name -> number; what is not a number is left out."""
    if one is None:
        return {}
    flat = {f"{name}_{key}": value.value for name in (PRICE, ALARM) for key, value in one.figures[name].items()}
    flat |= {f"{ours}_deviance_gain_over_{rival}": of["deviance"].value for (ours, rival), of in one.gains.items()}
    return {key: float(value) for key, value in flat.items() if np.isfinite(value)} | {"accidents": one.accidents}
