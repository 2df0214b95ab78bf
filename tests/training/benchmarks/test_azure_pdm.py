"""The Azure benchmark: every machine and day once, the future of a day never in its own prediction, an honest table."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.build import Snapshot, build
from features.errors import BadInput
from features.lake import Lake
from features.settings import settings
from training.benchmarks import azure_pdm
from training.config import TrainConfig, load_config
from training.intervals import Interval
from training.rows import Past

SENSORS = ["voltage", "rotation", "pressure", "vibration"]
CODES = ["error1", "error2", "error4", "error5"]
START = pd.Timestamp("2015-01-01")
PROBABILITIES = ["p24", "p48", "p72"]
Files = dict[str, pd.DataFrame]


def fleet(machines: int, seed: int, first: int = 1) -> Files:
    """The publisher's files of a small world: visits every 15 days, old parts fail there after two days of drift."""
    random = np.random.default_rng(seed)
    means = random.normal(0, 1, (machines, 366, 4))
    maintenance, failures, errors = [], [], []
    for place in range(machines):
        born = np.zeros(4)
        for day in range(1 + place % 15, 366, 15):
            moment = START + pd.Timedelta(days=day, hours=6)
            old = (day - born >= 45) & (random.random(4) < 0.4)
            changed = old | (random.random(4) < 0.1)
            changed[random.integers(4)] = True  # no visit without work
            for part in np.flatnonzero(changed):
                maintenance.append((moment, first + place, f"comp{part + 1}"))
                born[part] = day
            for part in np.flatnonzero(old):
                failures.append((moment, first + place, f"comp{part + 1}"))
                errors.append((moment - pd.Timedelta(hours=24), first + place, CODES[part]))
                means[place, max(day - 2, 0) : day, part] += 6.0
    day = pd.date_range(START, periods=366)
    daily = pd.DataFrame({"machineID": np.repeat(np.arange(first, first + machines), 366), "date": np.tile(day, machines)})
    for column, name in enumerate(SENSORS):
        daily[f"mean_daily_{name}"] = 100.0 + means[:, :, column].ravel()
    daily = daily[daily["date"] < "2016-01-01"]
    ids = np.arange(first, first + machines)
    ledger = {"PdM_maint": (maintenance, "comp"), "PdM_failures": (failures, "failure"), "PdM_errors": (errors, "errorID")}
    return {
        "PdM_machines": pd.DataFrame({"machineID": ids, "model": [f"model{1 + i % 3}" for i in ids], "age": ids % 20}),
        "PdM_daily_mean_100machines": daily,
        **{name: pd.DataFrame(rows, columns=["datetime", "machineID", code]) for name, (rows, code) in ledger.items()},
    }


def written(folder: Path, files: Files) -> Path:
    folder.mkdir(parents=True)
    for name, table in files.items():
        table.to_parquet(folder / f"{name}.parquet")
    return folder


def silent(text: str) -> None:
    """Progress that nobody reads."""


def small() -> TrainConfig:
    """The shipped experiment with fewer and smaller boosters."""
    config = load_config("azure_pdm")
    third = config.gbm.third_day
    assert third is not None
    gbm = {"rounds": 30, "members": 2, "min_data_in_leaf": 10, "third_day": third.model_copy(update={"rounds": 30})}
    return config.model_copy(update={"gbm": config.gbm.model_copy(update=gbm), "network": None})


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The small experiment, two rivals, and one training for all folders that are predicted by it."""
    learned: dict[str, Any] = {}

    def once(config: TrainConfig, snapshot: Snapshot, lake: Lake, say: azure_pdm.Say) -> Any:
        if snapshot.id not in learned:
            learned[snapshot.id] = fitted(config, snapshot, lake, say)
        return learned[snapshot.id]

    fitted, config = azure_pdm.fitted, small()
    rivals = tuple(one for one in azure_pdm.rivals.RIVALS if one.name in ("lightgbm", "rate"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(azure_pdm, "load_config", lambda name: config)
        patch.setattr(azure_pdm, "fitted", once)
        patch.setattr(azure_pdm.rivals, "RIVALS", rivals)
        patch.setenv("FOREWARN_HOME", str(tmp_path_factory.mktemp("home")))
        settings.cache_clear()
        yield
    settings.cache_clear()


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("azure") / "train", fleet(20, seed=1))


@pytest.fixture(scope="module")
def other() -> Files:
    """Six machines that the model never saw, one of them of a model that it never saw."""
    files = fleet(6, seed=2, first=101)
    files["PdM_machines"].loc[0, "model"] = "model9"
    return files


@pytest.fixture(scope="module")
def before(train: Path, other: Files, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What is predicted for `other` as it is."""
    return predicted(train, other, tmp_path_factory.mktemp("before") / "other")


def predicted(train: Path, files: Files, folder: Path) -> pd.DataFrame:
    out = folder.with_suffix(".parquet")
    azure_pdm.run(train, written(folder, files), out, silent)
    assert pq.read_schema(out).field("as_of").type == pa.timestamp("us")
    return pq.read_table(out).to_pandas()


def test_inner_split_judges_the_last_months_against_rivals(train: Path) -> None:
    result = azure_pdm.run(train, None, None, silent)
    assert [row["forecast"] for row in result.table][:2] == ["Forewarn", "LightGBM, an afternoon's work"]
    own, gain = result.table[0], result.table[-1]
    assert isinstance(own["AP 72 h"], Interval) and own["AP 72 h"].value > 0.5
    assert str(gain["forecast"]).startswith("gain over") and isinstance(gain["AP third day"], Interval)
    assert result.facts["rows"] == 20 * 119
    assert {"slope", "separated", "ten bins hold 1"} <= set(result.facts["72 h"])
    assert any("simulated" in note for note in result.notes)
    assert result.report is not None
    page = result.report.read_text(encoding="utf-8")
    assert "simulated by its publisher and easy" in page and "Third day alone" in page


def test_every_machine_and_day_of_the_other_folder_is_predicted_once(before: pd.DataFrame) -> None:
    assert before["machineID"].dtype == np.int64
    days = pd.date_range("2015-01-02", "2015-12-31")
    assert list(before["machineID"]) == [one for one in range(101, 107) for _ in days]
    assert list(before["as_of"]) == list(days) * 6
    p = before[PROBABILITIES].to_numpy()
    assert np.isfinite(p).all() and (p >= 0).all() and (p <= 1).all() and (np.diff(p, axis=1) >= 0).all()


def test_own_outcomes_never_change_a_prediction(train: Path, other: Files, before: pd.DataFrame, tmp_path: Path) -> None:
    """What happens after a day goes to another machine: predictions up to that day stay to the bit, later ones do not."""
    cut = pd.Timestamp("2015-10-10")
    changed = dict(other)
    for name in ("PdM_failures", "PdM_maint", "PdM_errors"):
        table = other[name].copy()
        later = table["datetime"] > cut
        table.loc[later, "machineID"] = 101 + (table.loc[later, "machineID"] - 100) % 6
        changed[name] = table
    after, known = predicted(train, changed, tmp_path / "exchanged"), before["as_of"] <= cut
    pd.testing.assert_frame_equal(before[known], after[known], check_exact=True)
    assert not before[~known].equals(after[~known])


def test_neither_failures_nor_stretches_chosen_around_them_are_an_input(
    train: Path, other: Files, before: pd.DataFrame, tmp_path: Path
) -> None:
    """Failures are given to other machines; hourly stretches of block `windows` appear."""
    failures = other["PdM_failures"].copy()
    failures["machineID"] = np.random.default_rng(0).permutation(failures["machineID"])
    stretch = pd.DataFrame(
        {"datetime": pd.date_range("2015-10-01", periods=48, freq="h"), "machineID": 101, "block": "windows"}
    )
    hourly = stretch.assign(volt=170.0, rotate=450.0, pressure=100.0, vibration=40.0)
    changed = other | {"PdM_failures": failures.drop_duplicates(), "PdM_telemetry_hourly_partial": hourly}
    pd.testing.assert_frame_equal(before, predicted(train, changed, tmp_path / "changed"), check_exact=True)


def test_folder_of_another_form_is_refused(train: Path, tmp_path: Path) -> None:
    files = fleet(2, seed=6)
    hourly = files.pop("PdM_daily_mean_100machines").rename(columns={"date": "datetime"})
    names = ["volt", "rotate", "pressure", "vibration"]
    hourly = hourly.rename(columns={f"mean_daily_{old}": new for old, new in zip(SENSORS, names, strict=True)})
    with pytest.raises(BadInput, match="kind azure_pdm,"):
        azure_pdm.run(train, written(tmp_path / "hourly", files | {"PdM_telemetry": hourly}), tmp_path / "out.parquet", silent)


def test_separation_is_seen_and_ties_are_none() -> None:
    y = pd.Series([0.0, 0.0, 1.0, 1.0, np.nan])
    assert azure_pdm.separated(y, np.array([0.1, 0.2, 0.3, 0.9, 0.0]))
    assert not azure_pdm.separated(y, np.array([0.1, 0.3, 0.3, 0.9, 0.0]))
    assert not azure_pdm.separated(y * 0, np.array([0.1, 0.2, 0.3, 0.9, 0.0]))


@pytest.fixture(scope="module")
def published() -> Path:
    folder = Path(os.environ.get("FOREWARN_DATA", "")) / "azure-pdm"
    if "FOREWARN_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("FOREWARN_DATA with azure-pdm is absent")
    return folder


@pytest.mark.data
def test_components_own_what_speaks_for_them(published: Path, tmp_path: Path) -> None:
    """The experiment's map of sensors and error codes is the one that the failures of the training period show."""
    lake, kind = azure_pdm.imported(published, tmp_path / "lake", silent)
    snapshot = build(lake, kind, azure_pdm.TRAINED, home=tmp_path)
    config = load_config("azure_pdm")
    codes = tuple(one.code for one in config.gbm.components)
    labels = Past.of(snapshot, lake).labels(known_until=_micros("2015-09-01"), components=codes)
    frame = snapshot.to_pandas()
    sensors = [sensor.name for sensor in snapshot.kind.sensors]
    errors = [term.code for term in snapshot.kind.error_codes]
    for component in config.gbm.components:
        rows = frame[(labels[f"hours_to_{component.code}"] <= 24).to_numpy()]
        moved = rows[[f"{name}_own_median_z" for name in sensors]].mean().abs()
        assert sensors[int(np.argmax(moved))] == component.own[0] and moved.max() > 4.5
        came = rows[[f"{code}_count_24h" for code in errors]].mean()
        assert component.own[1] in [code for code, share in zip(errors, came, strict=True) if share > 0.8]


@pytest.mark.data
def test_published_fleet_with_small_boosters(published: Path) -> None:
    """A tenth of the boosters already ranks nearly as well as the whole."""
    result = azure_pdm.run(published, None, None, silent)
    own = result.table[0]
    assert own["AP 72 h"].value > 0.85 and own["AUC 48 h"].value > 0.998 and own["AP third day"].value > 0.25
    assert own["alarmed at 5 %"].value > 0.97
    assert result.facts["rows"] == 11_900 and result.facts["failures"] == 222
    assert any(note.startswith("3 of the 222 failures are preceded by no judged day") for note in result.notes)


def _micros(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1_000_000)
