"""Opening a spreadsheet of a book: CSV or XLSX -> sheets of cells whose rows can be named, bounded in size.

The first row that is not empty is the header: one cell a column. Cells that are merged hide which column or row a value is of,
and cells that could not be computed hold none: both stop the file. calamine reads 100,000 rows in seconds, openpyxl in minutes.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from html import unescape
from pathlib import Path
from typing import ClassVar

from features.errors import BadInput

Cell = str | float | bool | date | time | timedelta | None
MOST_ROWS, MOST_COLUMNS = 1_000_000, 400
MOST_BYTES = 1 << 29
# An XLSX is a deflated archive: what it unpacks to is bounded too, or a small file could fill the memory.
_MOST_UNPACKED = 1 << 31
_ENCODINGS = ("utf-8-sig", "gb18030")
_FAULTY = re.compile(rb'<c r="([A-Z]+)([0-9]+)"[^>]*?(?: t="e"[^>]*>|><f>(?:[^<]*)</f>(?:<v></v>|<v ?/>)?</c>)')
_ATTRIBUTE = re.compile(r'([\w:]+)="([^"]*)"')


@dataclass(frozen=True)
class Sheet:
    """One sheet. header: names of the columns; columns: their cells; rows: the number of each row in the file."""

    where: str
    header: tuple[str, ...]
    columns: tuple[list[Cell], ...]
    rows: list[int]

    # What else is at fault is so many more "in the file"; what mends a cell that is missing.
    among: ClassVar[str] = " in the file"
    fill: ClassVar[str] = "fill in the cell"

    def line(self, row: int) -> str:
        """Where a row lies, for people."""
        return f"{self.where}, row {self.rows[row]}"

    def spot(self, row: int, column: str) -> str:
        """Where a cell lies, for people."""
        return f"{self.line(row)}, column {column}"


def read_sheets(
    path: Path, encoding: str | None = None, only: Collection[str] | None = None, *, bare: bool = False
) -> dict[str, Sheet]:
    """All sheets that hold anything, by name; a CSV is one, named by its file. Raises BadInput.

    only: of a workbook the sheets to read; the others, covers and notes, may be as they like.  bare: whether a header alone
    will do, as of a book that has had no claim.
    """
    if not path.is_file():
        raise BadInput("no such file", where=str(path), mend="name an existing CSV or XLSX file")
    if path.stat().st_size > MOST_BYTES:
        raise BadInput(f"larger than {MOST_BYTES >> 20} MiB", where=str(path), mend="bring the book in several files")
    kind = path.suffix.lower()
    if kind == ".csv":
        return {path.stem: _csv(path, encoding, bare)}
    if kind == ".xlsx":
        return _xlsx(path, only, bare)
    raise BadInput(f"{kind or 'no suffix'} is not read", where=str(path), mend="save it as .csv or .xlsx")


def _csv(path: Path, encoding: str | None, bare: bool) -> Sheet:
    text = _text(path, encoding)
    if "\x00" in text[:10_000]:
        raise BadInput("not a text file", where=path.name, mend="save it as CSV in UTF-8")
    head = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)

    def numbered() -> Iterator[tuple[int, Sequence[Cell]]]:
        before = 0
        try:
            for cells in reader:
                # A record may span lines, where a quoted cell does: it is named by its first.
                yield before + 1, cells
                before = reader.line_num
        except csv.Error as error:
            raise BadInput(f"broken line: {error}", where=f"{path.name}, row {before + 1}", mend="close the quote") from None

    return _sheet(path.name, numbered(), bare, ragged=True)


def _text(path: Path, encoding: str | None) -> str:
    data = path.read_bytes()
    for name in (encoding,) if encoding else _ENCODINGS:
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
        except LookupError:
            raise BadInput(f"no encoding {name!r}", where="mapping", mend="use a name such as utf-8 or gb18030") from None
    raise BadInput("not readable as text", where=path.name, mend="save it in UTF-8, or name its encoding in the mapping")


def _xlsx(path: Path, only: Collection[str] | None, bare: bool) -> dict[str, Sheet]:
    import python_calamine as calamine

    _check_archive(path, only)
    found: dict[str, Sheet] = {}
    try:
        with calamine.load_workbook(str(path)) as book:
            for name in book.sheet_names:
                sheet = book.get_sheet_by_name(name)
                if not sheet.height or (only is not None and name not in only):
                    continue
                where = f"{path.name}, sheet {name}"
                if sheet.total_height > MOST_ROWS + 50 or sheet.total_width > MOST_COLUMNS:
                    what = f"{sheet.total_height} rows by {sheet.total_width} columns"
                    mend = f"at most {MOST_ROWS} rows and {MOST_COLUMNS} columns are read; delete what is empty"
                    raise BadInput(what, where=where, mend=mend)
                for first, last in (sheet.merged_cell_ranges or ())[:1]:
                    cells = f"{_letters(first[1])}{first[0] + 1}:{_letters(last[1])}{last[0] + 1}"
                    mend = "unmerge them: one header cell a column, one value a cell; or name the book's sheets in --mapping"
                    raise BadInput(f"cells {cells} are merged", where=where, mend=mend)
                rows = sheet.to_python(skip_empty_area=False)
                found[name] = _sheet(where, enumerate(rows, start=1), bare)
    except (calamine.CalamineError, calamine.XmlError, calamine.ZipError, calamine.PasswordError) as error:
        reason = (str(error).splitlines() or ["damaged"])[0].rstrip(".")
        raise BadInput(f"not readable as XLSX ({reason})", where=path.name, mend="save it again as .xlsx or .csv") from None
    return found


def _check_archive(path: Path, only: Collection[str] | None) -> None:
    """Raises BadInput on what is no archive, unpacks to too much, or has cells without a value that should have one."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(one.file_size for one in archive.infolist()) > _MOST_UNPACKED:
                raise BadInput("unpacks to more than 2 GiB", where=path.name, mend="bring the book in several files")
            titles = _titles(archive)
            for name in archive.namelist():
                title = titles.get(name, Path(name).stem)
                if not re.fullmatch(r"xl/worksheets/[^/]+\.xml", name) or (only is not None and title not in only):
                    continue
                if faulty := _FAULTY.search(archive.read(name)):
                    column, row = (part.decode() for part in faulty.groups())
                    where = f"{path.name}, sheet {title}, row {row}, column {column}"
                    mend = "let the spreadsheet compute it, or write the value"
                    raise BadInput("a formula that gave no value", where=where, mend=mend)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, RuntimeError, NotImplementedError, EOFError, zlib.error):
        raise BadInput("not readable as XLSX", where=path.name, mend="save it again as .xlsx or .csv") from None


def _titles(archive: zipfile.ZipFile) -> dict[str, str]:
    """What the sheets in the files of an archive are called."""
    try:
        parts = [archive.read(name).decode() for name in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels")]
    except (KeyError, UnicodeDecodeError):
        return {}
    sheets, files = (
        [dict(_ATTRIBUTE.findall(tag)) for tag in re.findall(rf"<{name}\s[^>]*>", part)]
        for name, part in zip(("sheet", "Relationship"), parts, strict=True)
    )
    targets = {one.get("Id"): f"xl/{one.get('Target', '').removeprefix('/xl/')}" for one in files}
    return {targets.get(one.get("r:id"), ""): unescape(one.get("name", "")) for one in sheets}


def _sheet(where: str, rows: Iterator[tuple[int, Sequence[Cell]]], bare: bool, *, ragged: bool = False) -> Sheet:
    """Cells by column under the first row that is not empty. ragged: rows may differ in length, which stops the file."""
    header: tuple[str, ...] = ()
    kept: list[Sequence[Cell]] = []
    numbers: list[int] = []
    for number, cells in rows:
        if all(cell is None or cell == "" for cell in cells):
            continue
        if not header:
            header = _header(where, number, cells)
            continue
        if ragged and len(cells) != len(header):
            what = f"{len(cells)} cells where the header has {len(header)}"
            raise BadInput(what, where=f"{where}, row {number}", mend="quote a cell that holds the delimiter")
        kept.append(cells)
        numbers.append(number)
        if len(kept) > MOST_ROWS:
            raise BadInput(f"more than {MOST_ROWS} rows", where=where, mend="bring the book in several files")
    if not header:
        raise BadInput("the sheet is empty", where=where, mend="the first row names the columns")
    if not kept and bare:
        return Sheet(where, header, tuple([] for _ in header), [])
    if not kept:
        raise BadInput("no row below the header", where=where, mend="fill it in, or name another file")
    columns = tuple([_clean(cell) for cell in column] for column in zip(*kept, strict=True))
    for place in range(len(header), len(columns)):
        if row := next((number for number, cell in zip(numbers, columns[place], strict=True) if cell is not None), None):
            spot = f"{where}, row {row}, column {_letters(place)}"
            raise BadInput("a value in a column without a name", where=spot, mend="name the column in the header")
    return Sheet(where, header, columns[: len(header)], numbers)


def _header(where: str, number: int, cells: Sequence[Cell]) -> tuple[str, ...]:
    names = [str(cell).strip() if cell is not None else "" for cell in cells]
    while names and not names[-1]:
        names.pop()
    for place, name in enumerate(names):
        spot = f"{where}, row {number}, column {_letters(place)}"
        if not name:
            raise BadInput("a column without a name", where=spot, mend="name it in the header, or delete the column")
        if name in names[:place]:
            raise BadInput(f"column {name!r} is there twice", where=spot, mend="rename or drop one of them")
    return tuple(names)


def _clean(cell: Cell) -> Cell:
    """An empty cell is None, a text is trimmed, a moment is its day."""
    if isinstance(cell, str):
        return cell.strip() or None
    return cell.date() if isinstance(cell, datetime) else cell


def _letters(place: int) -> str:
    """The letters of a column as spreadsheets write them: 0 is A, 26 is AA."""
    letters = ""
    place += 1
    while place:
        place, left = divmod(place - 1, 26)
        letters = chr(65 + left) + letters
    return letters
