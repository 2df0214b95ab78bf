"""What becomes of rows: every one is accounted for, reruns change nothing, what breaks its contract stands in quarantine."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.account import TableCount
from features.errors import BadInput
from features.lake import Lake
from features.schema import EVENTS, MACHINES
from tests.features.plant import FLEET, NOW, READINGS, Rows, counts, event, hours, machine, reading, source


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True, buckets=4)


def test_every_row_is_accounted_for(lake: Lake) -> None:
    same_hour = [reading("m1", 1, oil) for oil in (1.0, 1.0, 5.0)]
    rows = [*same_hour, reading("m1", 2, 999.0), reading("ghost", 1, 1.0)]
    account = lake.ingest(source(FLEET, (READINGS, rows)), imported_at=NOW)
    assert counts(account.tables["readings_press"]) == (5, 1, 1, 1, 2)
    assert counts(account.total) == (7, 3, 1, 1, 2)
    assert lake.accounts() == [account.document()]
    stored = lake.quarantined(table="readings_press").to_pylist()
    assert [(row["file"], row["row"], row["column"], row["reason"], row["value"]) for row in stored] == [
        ("readings_press.csv", 4, "oil", "above 150 °C", "999"),
        ("readings_press.csv", 5, "machine_id", "unknown machine", "ghost"),
    ]
    assert {(row["source"], row["imported_at"]) for row in stored} == {("plant", NOW)}


def test_a_rerun_changes_nothing_and_counts_everything(lake: Lake) -> None:
    plant = source(FLEET, (READINGS, [reading("m1", 1, 1.0), reading("m1", 1, 2.0), reading("m1", 2, 999.0)]))
    lake.ingest(plant, imported_at=NOW)
    before, versions = lake.read("readings_press"), lake.versions()
    again = lake.ingest(plant, imported_at=NOW + timedelta(days=1))
    assert counts(again.tables["readings_press"]) == (3, 0, 0, 2, 1)
    assert lake.read("readings_press").equals(before)
    assert lake.versions() == versions
    assert lake.quarantined().num_rows == 1
    assert len(lake.accounts()) == 2


def test_an_account_that_was_taken_away_costs_no_other(lake: Lake) -> None:
    kept = [lake.ingest(source(FLEET), imported_at=NOW + timedelta(days=day)).document() for day in range(3)]
    (lake.root / "accounts" / "000002.json").unlink()
    last = lake.ingest(source(FLEET), imported_at=NOW + timedelta(days=3)).document()
    assert lake.accounts() == [kept[0], kept[2], last]


def test_a_program_appends_rows_through_the_same_checks(lake: Lake) -> None:
    lake.ingest(source(FLEET), imported_at=NOW)
    table = pa.table({"machine_id": ["m1", "ghost"], "event_time": [hours(1)] * 2, "code": ["E1", "E1"]})
    assert counts(lake.append_rows(EVENTS, table, NOW, "monitor").total) == (2, 1, 0, 0, 1)


def test_one_bad_file_stores_nothing_of_the_import(lake: Lake) -> None:
    plant = source(FLEET, (READINGS, [{"machine_id": "m1", "event_time": hours(1), "oel": 1.0}]))
    with pytest.raises(BadInput, match=r"readings_press\.csv: unknown column 'oel'.*did you mean 'oil'"):
        lake.ingest(plant, imported_at=NOW)
    assert (lake.tables(), lake.accounts()) == ([], [])


def test_an_import_without_rows_is_an_error(lake: Lake) -> None:
    with pytest.raises(BadInput, match="no rows in any file"):
        lake.ingest(source(), imported_at=NOW)


def test_text_that_no_database_takes_is_quarantined_and_machines_stand_first(lake: Lake) -> None:
    names = ["a" * 200, "b" * 201, "c\0", "d\te"]
    plant = source((MACHINES, [machine(name) for name in names]), (EVENTS, [event(name) for name in names]))
    lake.ingest(plant, imported_at=NOW)
    assert lake.machines().column("machine_id").to_pylist() == names[:1]
    refused = lake.quarantined().to_pylist()
    assert [row["table"] for row in refused] == ["machines"] * 3 + ["events"] * 3
    reasons = ["text of more than 200 characters", "text with a control character", "text with a control character"]
    assert [row["reason"] for row in refused] == reasons * 2


def test_an_account_that_does_not_balance_is_a_defect() -> None:
    with pytest.raises(ValueError, match="does not balance: 3 rows in, 2 accounted for"):
        TableCount(rows_in=3, accepted=1, duplicate=1)


RANDOM_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "machine_id": st.sampled_from(["m1", "m2", "ghost", ""]),
            "hour": st.integers(0, 2),
            "oil": st.sampled_from([None, float("nan"), 1.0, 2.0, 999.0]),
        }
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=10)
@given(RANDOM_ROWS, RANDOM_ROWS)
def test_accounts_balance_and_reruns_are_idempotent(
    tmp_path_factory: pytest.TempPathFactory, first: Rows, second: Rows
) -> None:
    lake = Lake.open(tmp_path_factory.mktemp("lake"), create=True, buckets=2)
    lake.ingest(source(FLEET), imported_at=NOW)
    totals = TableCount()
    for round_, rows in enumerate((first, second, first, [*second, *second])):
        batch = (READINGS, [reading(row["machine_id"], row["hour"], row["oil"]) for row in rows])
        before = lake.tables() and lake.read("readings_press").num_rows
        account = lake.ingest(source(FLEET, batch), imported_at=NOW + timedelta(days=round_))
        count = account.tables["readings_press"]
        assert count.rows_in == len(rows)
        assert count.quarantined == sum(row["machine_id"] in {"ghost", ""} or row["oil"] == 999.0 for row in rows)
        assert lake.read("readings_press").num_rows - before == count.accepted + count.corrected
        if round_ >= 2:
            assert count.accepted == count.corrected == 0
        totals += count
    good = [row for row in first + second if row["machine_id"] in {"m1", "m2"} and row["oil"] != 999.0]
    assert totals.accepted == len({(row["machine_id"], row["hour"]) for row in good})


# Where a process is killed: the function that dies (before or after its work) on its nth call.
