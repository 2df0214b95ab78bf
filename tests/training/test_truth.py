"""Truth is joined to what is judged, row by row, and nobody but the judging may look at it."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.schema import TIME
from features.simulator import truth as simulated
from training import truth

ROOT = Path(truth.__file__).resolve().parent.parent
# Who may know the truth: the simulator and the verb that writes it; of training, the judging alone.
WRITERS = {"features/cli.py", "training/truth.py"}
READERS = {"training/runs.py", "training/evaluation.py", "training/ceiling.py"}
# Of serving, the judging of plans by a replay, which nothing but its verb may call.
REPLAY = "serving/plans/replay_run.py"


@pytest.fixture
def home(tmp_path):
    days = pd.date_range("2024-03-01", periods=4, tz="UTC").as_unit("us")
    ids = np.repeat(["m1", "m2"], 4)
    p = np.arange(8) / 100
    table = pa.table(
        {
            "machine_id": ids,
            "as_of": pa.array([*days, *days]).cast(TIME),
            "up": np.ones(8, bool),
            **{name: p * scale for name, scale in (("p24", 1.0), ("p48", 2.0), ("p72", 3.0))},
        }
    )
    told = table.replace_schema_metadata({"forewarn.signs.belt": "windows"})
    (tmp_path / simulated.FOLDER).mkdir()
    pq.write_table(told, tmp_path / simulated.FOLDER / "mill.parquet")
    return tmp_path


def rows(*keys):
    ids, days = zip(*keys, strict=True)
    return pd.DataFrame({"machine_id": ids, "as_of": pd.to_datetime(list(days), utc=True, format="ISO8601")})


def test_truth_follows_the_order_of_the_rows(home):
    found = truth.of(home, "mill", rows(("m2", "2024-03-02"), ("m1", "2024-03-04"), ("m2", "2024-03-01")))
    np.testing.assert_allclose(found.p, np.array([[5, 10, 15], [3, 6, 9], [4, 8, 12]]) / 100)
    assert found.signs == {"belt": "windows"}


def test_no_truth_of_another_kind_nor_of_half_the_rows(home):
    assert truth.of(home, "press", rows(("m1", "2024-03-02"))) is None
    assert truth.of(home, "mill", rows(("m1", "2024-03-02"), ("m1", "2024-03-02T12:00"))) is None
    assert truth.of(home / "elsewhere", "mill", rows(("m1", "2024-03-02"))) is None


def imports(path):
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)) if "truth" in text else ():
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_only_the_judging_looks_at_the_truth():
    enterprises = ("features.simulator.enterprise_truth", "training.enterprise.truth")
    knowing = {name: set() for name in ("features.simulator.truth", "training.truth", *enterprises)}
    for path in [*ROOT.glob("features/**/*.py"), *ROOT.glob("training/**/*.py"), *ROOT.glob("serving/**/*.py")]:
        for module, found in knowing.items():
            if any(name == module or name.startswith(f"{module}.") for name in imports(path)):
                found.add(path.relative_to(ROOT).as_posix())
    outside = {path for path in knowing["features.simulator.truth"] if not path.startswith("features/simulator/")}
    assert outside == WRITERS
    assert knowing["training.truth"] == READERS
    told, joined = (knowing[name] for name in enterprises)
    assert {path for path in told if not path.startswith("features/simulator/")} == {"training/enterprise/truth.py", REPLAY}
    assert joined == {"training/enterprise/runs.py"}


def test_nothing_but_its_verb_calls_the_judging_of_plans():
    module = REPLAY.removesuffix(".py").replace("/", ".")
    calling = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob("serving/**/*.py")
        if module in path.read_text(encoding="utf-8") or "import replay_run" in path.read_text(encoding="utf-8")
    }
    assert calling == {"serving/plans/cli_replay.py"}
