"""The quarantine: each row once, whenever and however often it comes; few files; a screen at a time."""

from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from features import delta, quarantine
from features.quarantine import QUARANTINE
from tests.features.plant import NOW


def rows(file: str, numbers: range, value: str = "9", table: str = "events", at: datetime = NOW) -> pa.Table:
    count = len(numbers)
    columns = [["plant"] * count, [file] * count, list(numbers), [table] * count, ["code"] * count, ["bad"] * count]
    return pa.table([*columns, [value] * count, [at] * count], names=QUARANTINE.names).cast(QUARANTINE)


def add(path: Path, *parts: pa.Table) -> None:
    files = [name for part in parts for name in part["file"].to_pylist()]
    quarantine.add(path, iter(parts), "plant", (min(files), max(files)))


def stored(path: Path) -> list[tuple[str, int, str]]:
    table = quarantine.read(path, table=None, limit=None)
    return list(zip(table["file"].to_pylist(), table["row"].to_pylist(), table["value"].to_pylist(), strict=True))


def test_a_row_is_stored_once(tmp_path: Path) -> None:
    add(tmp_path, rows("a", range(3)), rows("a", range(2, 5)), rows("b", range(1)))
    add(tmp_path, rows("a", range(6), at=NOW + timedelta(days=1)), rows("c", range(1)))
    add(tmp_path, rows("a", range(1), value="8"))  # the file has changed since
    expected = [("a", 0, "8"), *(("a", number, "9") for number in range(6)), ("b", 0, "9"), ("c", 0, "9")]
    assert sorted(stored(tmp_path)) == expected
    version = DeltaTable(tmp_path).version()
    add(tmp_path, rows("b", range(1)))
    assert DeltaTable(tmp_path).version() == version


def test_only_rows_of_the_same_files_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in ("log/w0/1", "log/w0/2", "log/w0/3"):
        add(tmp_path, rows(file, range(5)))
    looked = []
    hashes = quarantine._hashes
    monkeypatch.setattr(quarantine, "_hashes", lambda part: looked.append(part.num_rows) or hashes(part))
    add(tmp_path, rows("log/w0/3", range(7)))
    assert looked == [5, 7]


def test_many_small_additions_leave_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "MOST_FILES", 4)
    for number in range(9):
        add(tmp_path, rows(f"f{number}", range(2)))
        assert len(DeltaTable(tmp_path).file_uris()) <= 4
    assert len(stored(tmp_path)) == 18
    assert len(list(tmp_path.glob("*.parquet"))) > 4  # somebody may be reading them
    monkeypatch.setattr(delta, "READ_HOURS", 0)
    for number in range(9, 14):
        add(tmp_path, rows(f"f{number}", range(2)))
    assert len(list(tmp_path.glob("*.parquet"))) <= 4
    assert len(stored(tmp_path)) == 28


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_screen_is_the_first_rows_of_the_whole(tmp_path: Path, limit: int) -> None:
    add(tmp_path, rows("z", range(4), table="coverage"), rows("a", range(4), table="machines"))
    add(tmp_path, rows("b", range(4), table="machines"))
    whole = quarantine.read(tmp_path, table=None, limit=None)
    assert whole["table"].to_pylist() == ["machines"] * 8 + ["coverage"] * 4
    assert quarantine.read(tmp_path, table=None, limit=limit).equals(whole.slice(0, limit))
    assert quarantine.read(tmp_path, table="coverage", limit=limit).equals(whole.slice(8, limit))
    assert quarantine.read(tmp_path / "none", table=None, limit=limit).num_rows == 0


def test_nothing_to_add_makes_no_table(tmp_path: Path) -> None:
    quarantine.add(tmp_path / "none", iter([]), "plant", ("", ""))
    delta.add_rows(tmp_path / "none", QUARANTINE, iter(QUARANTINE.empty_table().to_batches()))
    assert not (tmp_path / "none").exists()
