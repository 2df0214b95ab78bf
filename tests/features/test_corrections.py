"""Corrections: a new row with a later knowledge time; what was known before stays as it was known."""

from datetime import timedelta
from pathlib import Path

import pytest

from features import clock
from features.lake import Lake
from tests.features.plant import FLEET, NOW, READINGS, counts, hours, reading, source


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True, buckets=4)


def test_a_correction_is_a_new_row_and_history_before_it_stays(lake: Lake) -> None:
    lake.ingest(source(FLEET, (READINGS, [reading("m1", 1, 1.0)])), imported_at=NOW)
    later = NOW + timedelta(days=30)
    account = lake.ingest(source((READINGS, [reading("m1", 1, 7.0)])), imported_at=later)
    assert counts(account.total) == (1, 0, 1, 0, 0)
    table = lake.read("readings_press")
    assert [(row["recorded_at"], row["oil"]) for row in table.to_pylist()] == [(hours(1), 1.0), (later, 7.0)]
    for as_of, oil in ((later - timedelta(seconds=1), 1.0), (later, 7.0)):
        assert clock.known_at(table, READINGS, as_of)["oil"].to_pylist() == [oil]
    # The first file, imported once more, does not bring the old value back.
    assert counts(lake.ingest(source((READINGS, [reading("m1", 1, 1.0)])), imported_at=later).total) == (1, 0, 0, 1, 0)


def test_a_correction_with_its_own_later_clock_keeps_it(lake: Lake) -> None:
    rows = [reading("m1", 1, 7.0, recorded_at=hours(50)), reading("m1", 1, 1.0, recorded_at=hours(1))]
    account = lake.ingest(source(FLEET, (READINGS, rows)), imported_at=NOW)
    assert counts(account.tables["readings_press"]) == (2, 1, 1, 0, 0)
    assert lake.read("readings_press")["recorded_at"].to_pylist() == [hours(1), hours(50)]
