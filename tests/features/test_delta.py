"""Delta tables: what evidence names stays readable."""

import json
import os
import time
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

from features import delta
from features.datafiles import Where
from features.schema import TIME

SCHEMA = pa.schema([("machine_id", pa.string()), ("event_time", TIME)])
ROW = pa.table({"machine_id": ["m"], "event_time": [0]}).cast(SCHEMA)
UNTIL_THE_NEXT_CHECKPOINT = 98
LONG_AGO = time.time() - 90 * 86_400


def commit(path: Path, times: int) -> None:
    for _ in range(times):
        delta.append(path, SCHEMA, [(0, [ROW])], dict)


def age(log: Path) -> None:
    """Make all commits so far ninety days old."""
    for file in log.iterdir():
        if file.suffix == ".json":
            actions = [json.loads(line) for line in file.read_text().splitlines()]
            for action in actions:
                if "commitInfo" in action:
                    action["commitInfo"]["timestamp"] = int(LONG_AGO * 1000)
            file.write_text("\n".join(json.dumps(action) for action in actions))
        os.utime(file, (LONG_AGO, LONG_AGO))


def test_a_version_that_is_older_than_a_month_is_still_there(tmp_path: Path) -> None:
    path = tmp_path / "table"
    commit(path, 3)
    DeltaTable(path).create_checkpoint()
    age(path / "_delta_log")
    commit(path, UNTIL_THE_NEXT_CHECKPOINT)
    assert sum(part.num_rows for part in delta.Frozen(path, 1).read(SCHEMA, Where("machine_id"))) == 2
