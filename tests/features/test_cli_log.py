"""The verb `ingest`: files into the log, the log into the tables, in one line where that cannot be."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from features import cli_lake, cli_log
from features.errors import BadInput, NotFound
from features.lake import Lake
from features.log import Writer
from features.settings import settings
from tests.features.streams import KIND, READINGS, made_lake, posts, send

ROWS = pa.table({"machine_id": ["m1", "m2", "ghost"], "event_time": ["2026-01-02T00:00:00Z"] * 3, "oil": ["20", "x", "30"],
                 "force": ["2", "2", "2"]})  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield made_lake(tmp_path / "home" / "lake")
    settings.cache_clear()


def said(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli_log.ingest, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_what_waits_goes_into_the_tables(lake: Lake) -> None:
    writer = Writer.open(lake.root)
    send(lake, writer, posts(1, 8))
    writer.close()
    document = said()
    assert document["total"]["rows_in"] == 96
    assert sum(document["total"][part] for part in ("accepted", "corrected", "duplicate", "quarantined")) == 96
    assert said() == {"tables": {}, "total": {}, "logged": []}
    result = CliRunner().invoke(cli_log.ingest, [])
    assert result.stdout == "Nothing was waiting in the log.\n"
    [_, of_the_log] = json.loads(CliRunner().invoke(cli_lake.lake, ["accounts", "--json"]).stdout)
    assert of_the_log["source"] == "log" and of_the_log["total"] == document["total"]


@pytest.mark.parametrize("form", ["csv", "parquet", "arrows"])
def test_files_are_logged_as_sent_rows_are(lake: Lake, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"rows.{form}"
    if form == "csv":
        pacsv.write_csv(ROWS, path)
    elif form == "parquet":
        pq.write_table(ROWS, path)
    else:
        with pa.ipc.new_stream(path, ROWS.schema) as stream:
            stream.write_table(ROWS)
    document = said(READINGS.name, str(path))
    assert document["tables"][READINGS.name] == {"rows_in": 3, "accepted": 1, "corrected": 0, "duplicate": 0, "quarantined": 2}
    [logged] = document["logged"]
    assert {(one["first_row"], one["reason"]) for one in logged["reasons"]} == {(2, "not a number"), (3, "unknown machine")}
    assert lake.read(READINGS.name).num_rows == 1
    # Once more, a duplicate: its first version keeps the moment at which it came in.
    assert said(READINGS.name, str(path))["tables"][READINGS.name]["duplicate"] == 1


def test_mistakes_are_one_line(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "a.arrow").write_bytes(b"no stream")
    (tmp_path / "a.csv").write_text("machine_id,event_time,oel,force\nm1,2026-01-02T00:00:00Z,1,2\n")
    (tmp_path / "b.csv").write_text("machine_id,oil\nm1,1\n")
    for arguments, error, line in (
        ((READINGS.name,), BadInput, "no files"),
        (("reading", "a.csv"), NotFound, "no table 'reading'"),
        ((KIND.reference_table, "a.csv"), BadInput, "is written by Forewarn alone"),
        (("machine_scores", "a.csv"), BadInput, "is written by Forewarn alone"),
        ((READINGS.name, str(tmp_path / "none.csv")), BadInput, "no such file"),
        ((READINGS.name, str(tmp_path / "a.arrow")), BadInput, "not readable as an Arrow stream"),
        ((READINGS.name, str(tmp_path / "a.csv")), BadInput, "unknown column 'oel'.*did you mean 'oil'"),
        ((READINGS.name, str(tmp_path / "b.csv")), BadInput, "no column 'event_time'"),
    ):
        with pytest.raises(error, match=line):
            CliRunner().invoke(cli_log.ingest, list(arguments), catch_exceptions=False)
    assert lake.read(READINGS.name).num_rows == 0


def test_following_publishes_peers(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[str]()
    monkeypatch.setattr("features.compactor.publish_peers", lambda lake, now: told.append(f"{now:%Y}"))

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_log.time, "sleep", stop)
    CliRunner().invoke(cli_log.ingest, ["--follow"])
    assert told == [f"{datetime.now(UTC):%Y}"]


def test_following_goes_on_until_it_is_interrupted(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer.open(lake.root)

    slept = 0

    def sleep(_: float) -> None:
        nonlocal slept
        slept += 1
        if slept == 3:
            raise KeyboardInterrupt
        send(lake, writer, [posts(3, 3)[slept]])

    monkeypatch.setattr(cli_log.time, "sleep", sleep)
    result = CliRunner().invoke(cli_log.ingest, ["--follow"])
    assert result.exit_code != 0 and "Nothing was waiting" in result.stdout
    assert sum(lake.read(name).num_rows for name in lake.tables()) > 5
    writer.close()
