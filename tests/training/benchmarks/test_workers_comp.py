"""Credibility on a small set in the publisher's form, and on the set itself."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.errors import BadInput
from training.benchmarks import workers_comp
from training.intervals import Interval


def written(folder: Path, years: int = 6, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    classes = np.repeat(np.arange(1, 61), years)
    payroll = np.exp(random.normal(size=60))[classes - 1] * 1e6 * random.uniform(0.9, 1.1, len(classes))
    truth = random.gamma(4.0, 0.01 / 4.0, 60)[classes - 1]
    loss = np.maximum(payroll * (truth + random.normal(size=len(classes)) * np.sqrt(25.0 / payroll)), 0).astype(int)
    frame = pd.DataFrame({"CL": classes, "YR": np.tile(np.arange(1, years + 1), 60), "PR": payroll, "LOSS": loss})
    folder.mkdir()
    frame.to_csv(folder / "usworkcomp.csv", index=False)
    return frame


def test_credibility_beats_its_parts(tmp_path: Path) -> None:
    written(tmp_path / "set")
    table = workers_comp.run(tmp_path / "set", None, None, lambda text: None).table
    error = {str(row["forecast"]): row["squared error x 10,000"] for row in table}
    values = {name: one.value for name, one in error.items() if isinstance(one, Interval)}
    assert min(values, key=lambda name: values[name]) == workers_comp.OWN
    for row in table[1:]:
        assert isinstance(row["gain"], Interval)
        assert row["gain"].value == pytest.approx(values[str(row["forecast"])] - values[workers_comp.OWN])


def test_predictions_do_not_know_their_own_losses(tmp_path: Path) -> None:
    frame = written(tmp_path / "train")
    asked = pd.concat([frame.assign(YR=7), frame.assign(CL=999, YR=7).head(1), frame.assign(PR=0.0, YR=7).head(1)])
    said = []
    for name, loss in (("one", asked["LOSS"]), ("two", asked["LOSS"].to_numpy()[::-1])):
        (tmp_path / name).mkdir()
        asked.assign(LOSS=loss).to_csv(tmp_path / name / "usworkcomp.csv", index=False)
        out = tmp_path / f"{name}.parquet"
        workers_comp.run(tmp_path / "train", tmp_path / name, out, lambda text: None)
        said.append(pq.read_table(out).to_pandas())
    pd.testing.assert_frame_equal(*said)
    assert list(said[0]) == ["CL", "YR", "expected_loss"]
    assert len(said[0]) == len(asked)
    assert said[0]["expected_loss"].iloc[-1] == 0.0


def test_too_few_years_are_one_clear_line(tmp_path: Path) -> None:
    written(tmp_path / "set", years=3)
    with pytest.raises(BadInput, match="too few years"):
        workers_comp.run(tmp_path / "set", None, None, lambda text: None)


@pytest.mark.data
def test_credibility_pays_on_the_real_classes() -> None:
    folder = Path(os.environ.get("FOREWARN_DATA", "")) / "workers-comp"
    if "FOREWARN_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("FOREWARN_DATA with workers-comp is absent")
    table = workers_comp.run(folder, None, None, lambda text: None).table
    for row in table[1:]:
        assert isinstance(row["gain"], Interval)
        assert row["gain"].value > 0
