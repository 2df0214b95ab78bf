"""Retrained as it would have happened: nothing that became known after a cut-off enters it, and what is finished is kept."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner

from features.build import build
from features.errors import BadInput, NotFound
from features.lake import Lake
from features.observations import Grid
from features.settings import Settings
from features.simulator.fleet import simulate
from features.simulator.world import load_world
from tests.training import fleet
from training import backtest, backtest_report, cli_retrain, over_time, reconstruct, rivals, splits, tracking
from training.backtest import KEPT, Part, Run, load, plan, rolling, save
from training.config import GbmConfig, SamplingConfig, TrainConfig
from training.outcomes import outcomes
from training.panel import SERVED
from training.report_words import Text
from training.rows import Past, moment

runner = CliRunner()
QUICK = GbmConfig(rounds=6, members=2, num_leaves=4, learning_rate=0.2)
CONFIG = TrainConfig(threads=1, gbm=QUICK, sampling=SamplingConfig(max_negatives=1500))
PAGE = backtest_report.Page(Text("mill (mill)", "磨机"), datetime(2026, 1, 1, tzinfo=UTC), {"a": "b"}, {"c": "d"}, True)
DAY = 24 * splits.MICROS_PER_HOUR


@pytest.fixture(scope="module", autouse=True)
def quick_rival():
    """The afternoon's LightGBM with a few rounds: its quality is not the question here."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(backtest, "RIVAL", replace(backtest.RIVAL, fit=partial(rivals.afternoon, rounds=5)))
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = tmp_path_factory.mktemp("home")
    lake = Lake.open(made / "lake", create=True, buckets=2)
    lake.ingest(
        simulate(load_world(), machines=40, days=150, every_hours=12, seed=3), imported_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    build(lake, "pump", Grid(every_hours=24), home=made, threads=1)
    return made


@pytest.fixture(scope="module")
def past(home):
    from features.snapshots import open_snapshot

    snapshot = open_snapshot(home, kind="pump")
    return Past.of(snapshot, Lake.open(snapshot.lake))


@pytest.fixture(scope="module")
def cuts(past):
    return splits.cutoffs(past.as_of, count=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="module")
def run(past, cuts, folder):
    return rolling(past, CONFIG, cuts, folder)


def same(one, other):
    return all(np.array_equal(one.said[name], other.said[name], equal_nan=True) for name in one.said)


def late_failure(past, cut, recorded):
    """A failure of every machine forty days before the cut-off, recorded at a given moment."""
    machines = pc.unique(past.observations.column("machine_id").cast(pa.string())).to_pylist()
    rows = past.failures.slice(0, 1).to_pylist()
    event = moment(cut - 40 * DAY)
    more = [rows[0] | {"machine_id": name, "event_time": event, "recorded_at": moment(recorded)} for name in machines]
    added = pa.Table.from_pylist(more, schema=past.failures.schema)
    return replace(past, failures=pa.concat_tables([past.failures, added]))


def test_label_known_only_after_the_cutoff_does_not_enter(past, cuts, run, folder, tmp_path):
    later = rolling(late_failure(past, cuts[0], cuts[0] + DAY), CONFIG, cuts[:1], tmp_path / "later")
    known = rolling(past, CONFIG, cuts[:1], tmp_path / "known")
    assert same(later.parts[0], known.parts[0])
    in_time = rolling(late_failure(past, cuts[0], cuts[0] - 39 * DAY), CONFIG, cuts[:1], tmp_path / "in_time")
    assert not same(in_time.parts[0], known.parts[0])  # the same rows, had they been known, would have


def test_history_after_the_cutoff_changes_nothing(past, cuts, tmp_path):
    """The law of the house, for a retraining: f(all that is known today) == f(what was known at the cut-off)."""
    cut = cuts[1]
    known = past.failures.filter(pc.less_equal(past.failures.column("recorded_at"), moment(cut)))
    watched = past.watched.column("event_time")
    clipped = pa.array(np.minimum(watched.cast(pa.int64()).to_numpy(), cut)).cast(watched.type)
    then = replace(past, failures=known, watched=past.watched.set_column(1, "event_time", clipped))
    assert known.num_rows < past.failures.num_rows
    for name, one in (("then", then), ("now", past)):
        rolling(one, CONFIG, [cut], tmp_path / name)
    parts = [load(next((tmp_path / name).glob("*-used-*"))) for name in ("then", "now")]
    assert same(*parts)


def test_planted_leak_is_caught(past, cuts, tmp_path, monkeypatch):
    """Labels as they are known today instead of at the cut-off: the test above must see it."""
    honest = Past.labels
    monkeypatch.setattr(Past, "labels", lambda self, **how: honest(self, **(how | {"known_until": None})))
    later = rolling(late_failure(past, cuts[0], cuts[0] + DAY), CONFIG, cuts[:1], tmp_path / "later")
    known = rolling(past, CONFIG, cuts[:1], tmp_path / "known")
    assert not same(later.parts[0], known.parts[0])


def test_periods_follow_each_other_and_training_ends_before(past, cuts, run):
    assert [len(part.rows) for part in run.parts] == [
        int(((past.as_of >= cut) & (past.as_of < until)).sum()) for cut, until in zip(cuts, [*cuts[1:], 2**62], strict=True)
    ]
    assert np.array_equal(run.rows, np.flatnonzero(past.as_of >= cuts[0]))
    for cutoff, part in zip(run.cutoffs, run.parts, strict=True):
        assert datetime.fromisoformat(part.facts["calibrated_until"]) <= moment(cutoff.cut - 3 * DAY)
        assert (past.as_of[part.rows] >= cutoff.cut).all()
    number = np.searchsorted(cuts, past.as_of[run.rows], side="right")
    assert np.array_equal(run.stretch, number)


def test_forecasts_stand_at_their_rows(past, run):
    assert run.names == (SERVED, KEPT, "lightgbm")
    for name in (SERVED, "lightgbm"):
        said = dict(zip(run.rows.tolist(), run.p72(name), strict=True))
        for part in run.parts:
            assert [said[row] for row in part.rows.tolist()] == part.said[name][:, 2].tolist()
    first = run.stretch == 1
    assert np.array_equal(run.p72(KEPT)[first], run.p72(SERVED)[first])
    assert not np.array_equal(run.p72(KEPT)[~first], run.p72(SERVED)[~first])
    at = np.searchsorted(run.kept.rows, run.rows[~first])
    assert np.array_equal(run.kept.said[SERVED][at, 2], run.p72(KEPT)[~first])


def test_finished_cutoffs_are_taken_from_the_disk(past, cuts, run, folder, monkeypatch):
    monkeypatch.setattr(backtest, "learn", lambda *_, **__: pytest.fail("learnt again"))
    again = rolling(past, CONFIG.model_copy(update={"threads": 2, "name": "other words"}), cuts, folder)
    assert again.id == run.id
    assert all(same(one, other) for one, other in zip(run.parts, again.parts, strict=True))
    assert same(run.kept, again.kept)


@pytest.mark.parametrize("place", ["learn", "save"])
def test_killed_in_the_middle_goes_on_with_the_same_result(past, cuts, run, tmp_path, monkeypatch, place):
    honest, seen = getattr(backtest, place), []

    def die(*what, **how):
        seen.append(1)
        if len(seen) == (2 if place == "learn" else 3):  # of the first cut-off two parts are saved
            if place == "save":
                (tmp_path / ".half.part").write_bytes(b"half")
            raise KeyboardInterrupt
        return honest(*what, **how)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(backtest, place, die)
        rolling(past, CONFIG, cuts, tmp_path)
    learnt = []
    learn = backtest.learn
    monkeypatch.setattr(backtest, "learn", lambda *what, **how: learnt.append(1) or learn(*what, **how))
    again = rolling(past, CONFIG, cuts, tmp_path)
    assert len(learnt) == 2
    assert all(same(one, other) for one, other in zip(run.parts, again.parts, strict=True))


def test_other_config_or_damage_is_learnt_anew(past, cuts, run, folder, tmp_path):
    end = int(past.as_of.max()) + 1
    other = plan(past.snapshot, CONFIG.model_copy(update={"seed": 8}), cuts, end)
    assert not {one.digest for one in other} & {one.digest for one in run.cutoffs}
    path = tmp_path / "part.parquet"
    save(run.parts[0], path)
    assert same(load(path), run.parts[0]) and load(path).facts == run.parts[0].facts
    path.write_bytes(path.read_bytes()[:-100])
    assert load(path) is None and load(tmp_path / "none.parquet") is None


def test_too_early_cutoff_is_named(past, tmp_path):
    early = int(past.as_of.min()) + 12 * DAY
    with pytest.raises(BadInput, match="start later") as told:
        rolling(past, CONFIG, [early], tmp_path)
    assert told.value.where == f"cut-off {moment(early):%Y-%m-%d}"


@pytest.mark.parametrize(
    "how",
    [
        {"count": 0}, {"every_days": 30.0}, {"first": datetime(2024, 3, 1, tzinfo=UTC)},
        {"count": 3, "every_days": 30.0, "first": datetime(2024, 3, 1, tzinfo=UTC)},
        {"every_days": 0.1, "first": datetime(2024, 3, 1, tzinfo=UTC)},
        {"every_days": 30.0, "first": datetime(2030, 3, 1, tzinfo=UTC)},
        {"every_days": 30.0, "first": datetime(2020, 3, 1, tzinfo=UTC)},
    ],
)  # fmt: skip
def test_cutoffs_that_make_no_sense(past, how):
    with pytest.raises(BadInput, match="cut-off"):
        splits.cutoffs(past.as_of, **how)


def test_a_first_date_alone_is_not_called_two_ways(past):
    with pytest.raises(BadInput, match="go together"):
        splits.cutoffs(past.as_of, first=datetime(2024, 3, 1, tzinfo=UTC))


def test_cutoffs_by_number_and_by_date(past):
    last = int(past.as_of.max())
    found = splits.cutoffs(past.as_of, count=3)
    assert len(found) == 3 and all(cut % DAY == 0 for cut in found) and found[-1] < last
    first = moment(found[0])
    dated = splits.cutoffs(past.as_of, every_days=20, first=first)
    assert dated[0] == found[0] and set(np.diff(dated)) == {20 * DAY} and last - dated[-1] < 20 * DAY


@pytest.fixture(scope="module")
def invented():
    """A run whose forecasts are made up: retrained is good, kept and rival are blunt."""
    table = fleet.frame(machines=40, days=60)
    order = np.argsort(table.as_of.to_numpy(), kind="stable")
    thirds = np.array_split(order, 3)
    good, blunt = fleet.forecast(table, 0.5), fleet.forecast(table, 2.0)
    rows = [np.sort(one) for one in thirds]
    parts = tuple(
        Part(one, {SERVED: good[one], "lightgbm": blunt[one]},
             {"train_until": "2024-01-01", "calibrated_until": "2024-02-01", "training_rows": 10, "failing_machines": 3,
              "networks": [], "seconds": 1.0, "bundle": "b"})
        for one in rows
    )  # fmt: skip
    rest = np.sort(np.concatenate(rows[1:]))
    cutoffs = tuple(backtest.Cutoff(n, 1_709_251_200_000_000 + n * DAY, 1, "d") for n in (1, 2, 3))
    return table, Run("backtest-mill-1", cutoffs, parts, Part(rest, {SERVED: blunt[rest]}, {}))


def test_figures_over_time_are_those_of_each_period(invented):
    table, made = invented
    found = over_time.judged(made, table)
    assert found.names == (SERVED, KEPT, "lightgbm") and len(found.periods) == 3
    assert found.together.gains[KEPT]["log_loss"].high < 0
    second = made.parts[1].rows
    alone = over_time.compare(table.iloc[second], {SERVED: made.parts[1].said[SERVED][:, 2]}, replicates=60)
    assert found.periods[1].figures[SERVED]["ap"].value == alone.figures[SERVED]["ap"].value
    assert found.periods[1].failures == alone.failures
    assert found.periods[0].gains[KEPT]["log_loss"].value == 0.0  # the first model is still the first model


def test_champion_is_compared_only_where_it_may_be_asked(invented):
    table, made = invented
    said = np.where(made.stretch == 3, made.p72("lightgbm"), np.nan)
    found = over_time.judged(made, table, ("machine-mill-1", said))
    assert [over_time.CHAMPION in one.names for one in found.periods] == [False, False, True]
    assert found.of_champion.rows == found.periods[2].rows
    assert found.of_champion.gains["champion"]["log_loss"].value == pytest.approx(
        found.periods[2].gains["lightgbm"]["log_loss"].value
    )
    nothing = over_time.judged(made, table, ("machine-mill-1", np.full(len(table), np.nan)))
    assert nothing.of_champion is None and nothing.champion == "machine-mill-1"


def test_champion_that_cannot_be_asked_is_left_out_and_said(past, invented, tmp_path):
    rows = np.arange(5)
    assert backtest.champion_says(tmp_path, past, rows, 72.0, 1) is None
    pointer = tmp_path / "champion" / "machine" / "pump.json"
    pointer.parent.mkdir(parents=True)
    now = {"bundle": "machine-pump-1", "path": "bundles/machine-pump-1", "promoted_at": "2026-01-01T00:00:00Z"}
    pointer.write_text(json.dumps(now))
    with pytest.raises(NotFound, match="no bundle machine-pump-1"):
        backtest.champion_says(tmp_path, past, rows, 72.0, 1)
    table, made = invented
    found = over_time.judged(made, table)
    page = replace(PAGE, left_out="no bundle machine-pump-1")
    text = backtest_report.write(page, made, found, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "left out: no bundle machine-pump-1." in text and "未参与比较：no bundle machine-pump-1" in text
    unasked = replace(found, champion="machine-mill-1")
    text = backtest_report.write(PAGE, made, unasked, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "The champion (machine-mill-1) is left out" in text


def test_page_has_a_picture_for_each_figure_and_no_hole(invented, tmp_path):
    table, made = invented
    quiet = table.copy()
    rows = made.parts[1].rows
    quiet.loc[rows, ["y24", "y48", "y72"]] = 0.0
    quiet.loc[rows, "hours_to_failure"] = np.nan
    unripe = quiet.assign(y72=np.where(made.stretch == 3, np.nan, quiet.y72))
    for number, came in enumerate((table, quiet, unripe)):
        found = over_time.judged(made, came)
        text = backtest_report.write(PAGE, made, found, tmp_path / f"{number}.html").read_text(encoding="utf-8")
        assert text.count("<svg") == 6 and "nan" not in text and "结论" in text and "磨机" in text
    assert found.periods[2] is None
    assert set(backtest_report.pictures(made, found)) == {f"{name}.svg" for name in backtest_report.FIGURES}


def test_nothing_failed_is_said(invented):
    table, made = invented
    with pytest.raises(ValueError, match="no failure"):
        over_time.judged(made, table.assign(y24=0.0, y48=0.0, y72=0.0, hours_to_failure=np.nan))


def test_verb_prints_logs_and_keeps(home, folder, monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr(cli_retrain, "settings", lambda: Settings(home=home))
    monkeypatch.setattr("training.config.load_config", lambda name: CONFIG)
    monkeypatch.setattr(tracking, "check", lambda settings: None)
    monkeypatch.setattr(tracking, "record_series", lambda settings, what: told.append(what) or "run1")
    result = runner.invoke(cli_retrain.backtest, ["machine", "--kind", "pump", "--cutoffs", "2", "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["run_id"] == "run1" and len(document["cutoffs"]) == 2
    kept = home / "backtests" / document["id"] / "backtest.json"
    assert json.loads(kept.read_text()) == document
    assert [one.name for one in told[0].parts] == [one["from"] for one in document["cutoffs"]]
    assert told[0].metrics["failures"] == document["together"]["failures"] > 0
    result = runner.invoke(cli_retrain.backtest, ["machine", "--kind", "pump", "--cutoffs", "2"])
    assert result.stdout.splitlines()[0].split()[0] == "forecast" and "The first model, kept" in result.stdout
    for wrong in (["--cutoffs", "2", "--every", "10"], ["--every", "10"], ["--cutoffs", "0"]):
        result = runner.invoke(cli_retrain.backtest, ["machine", "--kind", "pump", *wrong])
        assert isinstance(result.exception, BadInput)


def test_outcomes_of_the_last_days_are_not_counted(past):
    """Of the last four days (72 h and a day of lag) neither failures nor quiet rows count."""
    came, labels = outcomes(past, 24.0), past.labels()
    end = int(np.max(past.as_of))
    ripe = came["y72"].notna().to_numpy()
    assert past.as_of[ripe].max() <= end - 3 * DAY
    young = past.as_of > end - 3 * DAY
    assert labels["y72"][young].notna().any() and not ripe[young].any()
    old = past.as_of < end - 10 * DAY
    assert np.array_equal(came["y72"][old], labels["y72"][old], equal_nan=True)


def test_scores_are_kept_as_they_would_have_been_known(past, run, tmp_path):
    lake = Lake.open(shutil.copytree(past.snapshot.lake, tmp_path / "lake"))
    before = lake.at().read("machine_scores").num_rows
    kept = reconstruct.keep(run, past, lake)
    assert kept == sum(len(part.rows) for part in run.parts)
    rows = lake.at().read("machine_scores").to_pandas()
    rows = rows[rows["reconstructed"]]
    assert len(rows) == kept
    assert before + kept == lake.at().read("machine_scores").num_rows
    assert (rows["recorded_at"] == rows["event_time"]).all()
    assert (rows["low72"] <= rows["p72"]).all()
    assert (rows["p72"] <= rows["high72"]).all()
    assert rows["score_id"].is_unique
    machines = past.observations.column("machine_id").to_pylist()
    place = {key: row for row, key in enumerate(zip(machines, past.as_of.tolist(), strict=True))}
    at = [place[key] for key in zip(rows["machine_id"], rows["event_time"].dt.as_unit("us").astype("int64"), strict=True)]
    told = dict(zip(run.rows.tolist(), run.p72(SERVED), strict=True))
    np.testing.assert_array_equal(rows["p72"].to_numpy(), [told[row] for row in at])
    # No score rests on anything that was learnt after it: the retraining ended before its first row.
    ended = {part.facts["bundle"]: part.facts["calibrated_until"] for part in run.parts}
    assert all(pd.Timestamp(ended[one]) < moment for one, moment in zip(rows["bundle_id"], rows["event_time"], strict=True))
    assert reconstruct.keep(run, past, lake) == 0  # a second time nothing is written
