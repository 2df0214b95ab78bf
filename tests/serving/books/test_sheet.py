"""Spreadsheets that are read, and those that are refused with the place of the fault."""

import zipfile
from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook

from features.errors import BadInput
from serving.books.cells import Column, Faults, values
from serving.books.sheet import Sheet, read_sheets


def saved(path: Path, *rows: list[object], merge: str | None = None, sheet: str = "Book") -> Path:
    workbook = Workbook()
    workbook.active.title = sheet
    for row in rows:
        workbook.active.append(row)
    if merge:
        workbook.active.merge_cells(merge)
    workbook.save(path)
    return path


def test_a_workbook_and_a_csv_of_the_same_cells(tmp_path: Path) -> None:
    book = saved(
        tmp_path / "b.xlsx", [None], ["policy_id", "premium", "day"], ["P1", 12.5, date(2025, 1, 31)], [], ["P2", 7, None]
    )
    sheet = read_sheets(book)["Book"]
    assert sheet.header == ("policy_id", "premium", "day") and sheet.rows == [3, 5]
    assert sheet.columns == (["P1", "P2"], [12.5, 7.0], [date(2025, 1, 31), None])
    assert sheet.spot(1, "premium") == "b.xlsx, sheet Book, row 5, column premium"
    text = tmp_path / "b.csv"
    text.write_text('policy_id;premium;day\nP1; 12.5 ;2025-01-31\n\n"P\n2";7;\nP3;8;\n', encoding="utf-8-sig")
    sheet = read_sheets(text)["b"]
    assert sheet.rows == [2, 4, 6] and sheet.columns[1] == ["12.5", "7", "8"] and sheet.columns[0][1] == "P\n2"


def test_a_csv_in_gb18030(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_bytes("保单号,行业\nP1,建筑施工\n".encode("gb18030"))
    assert read_sheets(path)["b"].header == ("保单号", "行业")


@pytest.mark.parametrize(
    ("rows", "merge", "said"),
    [
        ([["Accidents", None], ["1y", "3y"], [1, 2]], "A1:B1", "b.xlsx, sheet Book: cells A1:B1 are merged; unmerge them"),
        ([["a", "b"], [1, 2], [3, None]], "A2:A3", "cells A2:A3 are merged"),
        ([["a", "a"], [1, 2]], None, "row 1, column B: column 'a' is there twice"),
        ([["a", None, "c"], [1, 2, 3]], None, "row 1, column B: a column without a name"),
        ([["a"], [1, 2]], None, "row 2, column B: a value in a column without a name"),
        ([["a", "b"]], None, "no row below the header"),
        ([["a", "b"], [1, "=1/0"]], None, "b.xlsx, sheet Book, row 2, column B: a formula that gave no value"),
        ([["a", "b"], [1, "#REF!"]], None, "b.xlsx, sheet Book, row 2, column B: a formula that gave no value"),
    ],
)  # fmt: skip
def test_what_stops_a_workbook(tmp_path: Path, rows: list[list[object]], merge: str | None, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_sheets(saved(tmp_path / "b.xlsx", *rows, merge=merge))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("b.csv", b"a,b\n1,2,3\n", "b.csv, row 2: 3 cells where the header has 2"),
        ("b.csv", b'a,b\n1,"2\n', "b.csv, row 2: broken line"),
        ("b.csv", b"\n\n", "the sheet is empty"),
        ("b.csv", b"a\x00\x00,b", "not a text file"),
        ("b.csv", b"\x81\xff\xff", "not readable as text"),
        ("b.xls", b"", ".xls is not read; save it as .csv or .xlsx"),
        ("b.xlsx", b"no archive", "not readable as XLSX"),
    ],
)
def test_what_stops_other_files(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadInput) as refused:
        read_sheets(path)
    assert said in str(refused.value)


def test_no_file_and_a_damaged_archive(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read_sheets(tmp_path / "none.csv")
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<broken")
    with pytest.raises(BadInput, match="not readable as XLSX"):
        read_sheets(tmp_path / "b.xlsx")


CODES = {"none": "none", "无": "none", "3": "3", "三级": "3"}


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("number", "1,250,000.50", 1250000.5),
        ("number", 3, 3.0),
        ("number", "1e6", 1e6),
        ("number", "0.8888888888888888", 0.8888888888888888),
        ("date", "2025/1/31", date(2025, 1, 31)),
        ("date", "2025年1月31日", date(2025, 1, 31)),
        ("date", "2025-01-31 00:00:00", date(2025, 1, 31)),
        ("flag", "是", True),
        ("flag", 0.0, False),
        ("flag", False, False),
        ("code", 3.0, "3"),
        ("code", "三级", "3"),
        ("text", 20250001.0, "20250001"),
    ],
)
def test_cells_that_read(kind, cell, value) -> None:
    faults = Faults()
    sheet = Sheet("b.csv", ("x",), ([cell],), [2])
    assert values(sheet, 0, Column("x", kind, "x", "x", codes=CODES), faults) == [value] and not faults.count


@pytest.mark.parametrize(
    ("kind", "cell", "said"),
    [
        ("number", "¥ 5", "b.csv, row 2, column x: '¥ 5' is no number"),
        ("number", "12,50", "is no number"),
        ("number", True, "is no number"),
        ("number", "1234567890123456.78", "more digits than are kept; round it to 15 digits"),
        ("number", -1.0, "-1 is below 0"),
        ("number", "9e99", "is above"),
        ("date", "01/02/2025", "no date that reads one way; write it as 2026-01-31"),
        ("date", "2025-02-30", "not in the calendar"),
        ("date", 45000.0, "no date that reads one way"),
        ("flag", "maybe", "neither yes nor no"),
        ("code", "4", "'4' is no level; write one of none, 3"),
        ("text", "#N/A", "b.csv, row 2, column x: #N/A: a formula that gave no value"),
        ("text", "x" * 300, "a text of 300 characters"),
    ],
)
def test_cells_that_are_faults_with_their_place(kind, cell, said) -> None:
    faults = Faults()
    sheet = Sheet("b.csv", ("x",), ([cell],), [2])
    assert values(sheet, 0, Column("x", kind, "level", "等级", codes=CODES, least=0.0, most=1e12), faults) == [None]
    assert said in str(faults.lines[0])
