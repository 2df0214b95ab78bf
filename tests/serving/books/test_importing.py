"""Books from spreadsheets: what comes in, and every mistake in a line with its sheet, row and column."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from openpyxl import Workbook

from features.errors import BadInput
from serving.books.cells import FaultyBook
from serving.books.columns import FileMapping, load_mapping
from serving.books.importing import read_book
from tests.serving import book_world

POLICIES = {
    "policy_id": ["P1", "P2"],
    "starts": [date(2025, 1, 1), date(2025, 7, 1)],
    "ends": [date(2025, 12, 31), date(2026, 6, 30)],
    "premium": [1000.10, 2000.20],
    "headcount": [10, 20],
}
CLAIMS = {
    "claim_id": ["C1", "C1"],
    "policy_id": ["P1", "P1"],
    "happened": [date(2025, 3, 1)] * 2,
    "valued_at": [date(2025, 6, 30), date(2025, 12, 31)],
    "paid": [0, 500],
    "reserved": [800, 100],
}


def test_a_workbook_and_two_csv_files_are_the_same_book(tmp_path: Path) -> None:
    policies, claims = book_world.book(60)
    whole = read_book(book_world.write_xlsx(tmp_path / "b.xlsx", Policies=policies, Claims=claims))
    files = [book_world.write_csv(tmp_path / f"{name}.csv", of) for name, of in (("b", policies), ("claims", claims))]
    apart = read_book(*files)
    assert whole.digest == apart.digest and whole.policies.drop_columns("row").equals(apart.policies.drop_columns("row"))
    assert (len(whole), whole.currency, whole.charged) == (60, "CNY", sum(map(Decimal, map(str, policies["premium"]))))
    assert whole.claim_count == len(set(claims["claim_id"]))


def test_the_order_of_rows_and_columns_does_not_matter(tmp_path: Path) -> None:
    policies, claims = book_world.book(40)
    turned = {name: values[::-1] for name, values in reversed(policies.items())}
    one, other = (
        read_book(book_world.write_csv(tmp_path / f"{name}.csv", of), book_world.write_csv(tmp_path / "c.csv", claims))
        for name, of in (("a", policies), ("b", turned))
    )
    assert one.digest == other.digest


def test_chinese_headers_and_a_mapping(tmp_path: Path) -> None:
    columns = {
        "保单号": ["P1"], "起保日期": ["2025年1月1日"], "终保日期": ["2025年12月31日"], "保费": ["1,000.50"],
        "行业": ["建筑施工"], "安全生产标准化等级": [3], "经办人": ["x"],
    }  # fmt: skip
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('ignore = ["经办人"]\n[columns]\n"保费" = "premium"\n', encoding="utf-8")
    found = read_book(book_world.write_xlsx(tmp_path / "b.xlsx", 保单=columns), mapping=load_mapping(mapping))
    row = found.policies.to_pylist()[0]
    assert (row["premium"], row["industry"], row["standardisation"]) == (1000.5, "construction", "3")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"policy_id": ["P1", "P1"]}, "b.csv, row 3, column policy_id: policy P1 is in row 2 already"),
        ({"headcuont": [1, 2]}, "b.csv, column headcuont: unknown column 'headcuont'; did you mean headcount?"),
        ({"从业人数": [1, 2]}, "headcount is told by column 'headcount' already"),
        ({"currency": ["CNY", "USD"]}, "b.csv, row 3, column currency: USD where the book is in CNY"),
        ({"starts": ["2025-01-01", "1/2/25"]}, "b.csv, row 3, column starts: '1/2/25' is no date that reads one way"),
        ({"ends": [date(2024, 1, 1), date(2026, 1, 1)]}, "b.csv, row 2, column ends: cover ends on 2024-01-01, before"),
        ({"premium": ["", 5]}, "b.csv, row 2, column premium: no premium charged; fill in the cell"),
        ({"premium": ["x", "y"]}, "b.csv, row 2, column premium: 'x' is no number (1 more fault in the file)"),
        ({"accidents_1y": [0.5, 0]}, "row 2, column accidents_1y: 0.5 is no whole number"),
        ({"industry": ["mining", "minning"]}, "row 3, column industry: 'minning' is no industry; write one of mining"),
    ],
)
def test_a_faulty_book_is_refused_where_it_is_at_fault(tmp_path: Path, change: dict, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_book(book_world.write_csv(tmp_path / "b.csv", POLICIES | change))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"policy_id": ["P1", "P9"]}, "c.csv, row 3, column policy_id: no policy P9 in the book"),
        ({"valued_at": [date(2025, 6, 30)] * 2}, "claim C1 is valued on 2025-06-30 already"),
        ({"valued_at": [date(2025, 1, 1), date(2025, 12, 31)]}, "valued on 2025-01-01, before 2025-03-01"),
        ({"happened": [date(2025, 3, 1), date(2025, 3, 2)]}, "claim C1 was of policy P1 on 2025-03-01 before"),
        ({"currency": ["CNY", "EUR"]}, "EUR where the book is in CNY"),
    ],
)
def test_faulty_claims_are_refused_where_they_are_at_fault(tmp_path: Path, change: dict, said: str) -> None:
    book = book_world.write_csv(tmp_path / "b.csv", POLICIES)
    with pytest.raises(BadInput) as refused:
        read_book(book, book_world.write_csv(tmp_path / "c.csv", CLAIMS | change))
    assert said in str(refused.value)


def test_a_book_that_had_no_claim_yet_comes_in(tmp_path: Path) -> None:
    """A sheet or a file of claims with its header alone, and notes of one line beside them, stop nothing."""
    book = book_world.write_csv(tmp_path / "b.csv", POLICIES)
    found = read_book(book, book_world.write_csv(tmp_path / "c.csv", {name: [] for name in CLAIMS}))
    assert (len(found), found.claims.num_rows) == (2, 0)
    whole = book_world.write_xlsx(
        tmp_path / "b.xlsx", Notes={"Read me": []}, Policies=POLICIES, Claims={name: [] for name in CLAIMS}, Empty={}
    )
    assert read_book(whole).digest == found.digest


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        (None, "c.csv: no such file; name an existing CSV or XLSX file"),
        ("", "c.csv: the sheet is empty"),
        ("claim_id,policy_id\n", "c.csv: no column happened (day of the accident, 出险日期)"),
        ('claim_id\n"C1\n', "c.csv, row 2: broken line"),
    ],
)
def test_a_file_of_claims_that_cannot_be_read_is_named(tmp_path: Path, claims: str | None, said: str) -> None:
    if claims is not None:
        (tmp_path / "c.csv").write_text(claims, encoding="utf-8")
    with pytest.raises(BadInput) as refused:
        read_book(book_world.write_csv(tmp_path / "b.csv", POLICIES), tmp_path / "c.csv")
    assert said in str(refused.value)


def test_a_book_without_policies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"b\.csv: no row below the header; name a file that holds the policies"):
        read_book(book_world.write_csv(tmp_path / "b.csv", {name: [] for name in POLICIES}))
    with pytest.raises(BadInput, match=r"b\.xlsx: no sheet with a column policy_id .*no sheet that holds anything"):
        read_book(book_world.write_xlsx(tmp_path / "b.xlsx", Empty={}))


def test_a_cover_with_merged_cells_is_not_looked_at_where_the_sheets_are_named(tmp_path: Path) -> None:
    workbook = Workbook()
    workbook.active.title = "Cover"
    workbook.active["A1"] = "Our book"
    workbook.active.merge_cells("A1:D1")
    for title, columns in (("R&D", POLICIES), ("Claims", CLAIMS)):
        sheet = workbook.create_sheet(title)
        for row in [list(columns), *zip(*columns.values(), strict=True)]:
            sheet.append(row)
    workbook.save(path := tmp_path / "b.xlsx")
    with pytest.raises(BadInput, match=r"sheet Cover: cells A1:D1 are merged.* name the book's sheets in --mapping"):
        read_book(path)
    found = read_book(path, mapping=FileMapping(sheet="R&D", claims_sheet="Claims"))
    assert (len(found), found.claim_count) == (2, 1)
    workbook["R&D"]["E3"] = "=1/0"
    workbook.save(path)
    with pytest.raises(BadInput, match=r"b\.xlsx, sheet R&D, row 3, column E: a formula that gave no value"):
        read_book(path)


def test_a_missing_column_is_named_in_both_languages(tmp_path: Path) -> None:
    columns = {name: values for name, values in POLICIES.items() if name != "starts"}
    with pytest.raises(BadInput, match=r"no column starts \(first day of cover, 起保日期\); the header has policy_id, ends"):
        read_book(book_world.write_csv(tmp_path / "b.csv", columns))


def test_each_further_fault_has_a_line_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(FaultyBook) as refused:
        read_book(book_world.write_csv(tmp_path / "b.csv", POLICIES | {"premium": ["x", "y"], "headcount": ["z", 1]}))
    assert len(refused.value.others) == 2 and "row 3, column premium" in refused.value.others[0]
