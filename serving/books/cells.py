"""Cells of a spreadsheet -> numbers, codes, flags, days and texts; what is none is a fault with its place."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from features.errors import BadInput
from serving.books.sheet import Cell, Sheet
from serving.underwriting.facts import MOST

Kind = Literal["number", "code", "flag", "date", "text"]
_SHOWN, _LONGEST = 20, 200
# A decimal number of so many digits comes back from a float of 64 bits as it was written.
_EXACT_DIGITS = 15
_MOST = float(MOST)
_NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d*)?([eE][+-]?\d{1,2})?|[+-]?\.\d+")
_DAYS = (
    re.compile(r"(\d{4})[-](\d{1,2})[-](\d{1,2})(?:[T ]00:00(?::00)?)?"),
    re.compile(r"(\d{4})[/](\d{1,2})[/](\d{1,2})(?: 0?0:00(?::00)?)?"),
    re.compile(r"(\d{4})[.](\d{1,2})[.](\d{1,2})"),
    re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日"),
)
_YES = {"true": True, "yes": True, "y": True, "1": True, "是": True, "有": True}
_ERRORS = frozenset(("#REF!", "#DIV/0!", "#N/A", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"))
_FLAGS = _YES | {"false": False, "no": False, "n": False, "0": False, "否": False, "无": False}


@dataclass
class Faults:
    """What is wrong with a file, as it is found: the first ones in words, all of them counted. among: " in the file"."""

    among: str = Sheet.among
    count: int = 0
    lines: list[BadInput] = field(default_factory=list)

    def add(self, what: str, where: str, mend: str) -> None:
        self.count += 1
        if len(self.lines) < _SHOWN:
            self.lines.append(BadInput(what, where=where, mend=mend))

    def check(self) -> None:
        """Raises the first with the number of the others (`FaultyBook`)."""
        if self.lines:
            raise FaultyBook(self.lines, self.count, self.among)


class FaultyBook(BadInput):
    """A file that is refused whole: its first fault, and `others`, the lines of the next ones."""

    def __init__(self, faults: Sequence[BadInput], count: int, among: str = Sheet.among) -> None:
        first = faults[0]
        more = f" ({count - 1} more fault{'s' if count > 2 else ''}{among})" if count > 1 else ""
        super().__init__(f"{first.what}{more}", where=first.where, mend=first.mend)
        self.others = tuple(str(one) for one in faults[1:])


@dataclass(frozen=True)
class Column:
    """What a column holds. codes: by every word for a code, in lower case, the code; least, most, whole: of a number."""

    name: str
    kind: Kind
    words_en: str
    words_zh: str
    required: bool = False
    codes: Mapping[str, str] = field(default_factory=dict)
    least: float | None = None
    most: float | None = None
    whole: bool = False


def values(sheet: Sheet, place: int, column: Column, faults: Faults) -> list[Any]:
    """The values [rows] of one column of a sheet; None where a cell is empty or at fault."""
    read = {"number": _number, "code": _code, "flag": _flag, "date": _day, "text": _text}[column.kind]
    found: list[Any] = []
    header = sheet.header[place]
    for row, cell in enumerate(sheet.columns[place]):
        if cell is None:
            found.append(None)
            continue
        try:
            found.append(read(cell, column))
        except _Fault as fault:
            found.append(None)
            faults.add(fault.what, sheet.spot(row, header), fault.mend)
    if column.required:
        for row, cell in enumerate(sheet.columns[place]):
            if cell is None:
                faults.add(f"no {column.words_en}", sheet.spot(row, header), sheet.fill)
    return found


class _Fault(Exception):
    def __init__(self, what: str, mend: str) -> None:
        self.what, self.mend = what, mend


def _shown(cell: Cell) -> str:
    if not isinstance(cell, str):
        return str(cell)
    return repr(cell if len(cell) <= 40 else cell[:40] + "...")


def _number(cell: Cell, column: Column) -> float:
    if isinstance(cell, str) and _NUMBER.fullmatch(cell):
        if not _comes_back(cell.replace(",", "")):
            raise _Fault(f"{cell} has more digits than are kept", f"round it to {_EXACT_DIGITS} digits")
        number = float(cell.replace(",", ""))
    elif isinstance(cell, int | float) and not isinstance(cell, bool):
        number = float(cell)
    else:
        raise _Fault(f"{_shown(cell)} is no number", "write it plainly, such as 1250000.50, without unit or currency sign")
    if column.whole and not number.is_integer():
        raise _Fault(f"{number:.15g} is no whole number", f"correct {column.words_en}")
    if column.least is not None and number < column.least:
        raise _Fault(f"{number:.15g} is below {column.least:.15g}", f"correct {column.words_en}")
    if column.most is not None and number > column.most:
        raise _Fault(f"{number:.15g} is above {column.most:.15g}", f"correct {column.words_en}")
    if not abs(number) < _MOST:
        raise _Fault(f"{cell} is not to be reckoned with", "write a number below 1e15")
    return number


def _comes_back(written: str) -> bool:
    """Whether a number is had again from its float, as it was written: any of fifteen digits is, and many of seventeen."""
    number = float(written)
    return math.isinf(number) or Decimal(repr(number)) == Decimal(written)


def _code(cell: Cell, column: Column) -> str:
    code = column.codes.get(_text(cell, column).lower())
    if code is None:
        codes = list(dict.fromkeys(column.codes.values()))
        shown = ", ".join(codes[:12]) + (", ..." if len(codes) > 12 else "")
        raise _Fault(f"{_shown(cell)} is no {column.words_en}", f"write one of {shown}")
    return code


def _flag(cell: Cell, column: Column) -> bool:
    found = _FLAGS.get(_text(cell, column).lower())
    if found is None:
        raise _Fault(f"{_shown(cell)} is neither yes nor no", "write yes or no")
    return found


def _day(cell: Cell, column: Column) -> date:
    if isinstance(cell, date):
        return cell
    for form in _DAYS:
        if isinstance(cell, str) and (parts := form.fullmatch(cell)):
            try:
                return date(*(int(part) for part in parts.groups()))
            except ValueError:
                raise _Fault(f"{cell} is not in the calendar", "correct it") from None
    raise _Fault(f"{_shown(cell)} is no date that reads one way", "write it as 2026-01-31")


def _text(cell: Cell, column: Column) -> str:
    """A text as it stands; a whole number as spreadsheets keep it (3.0) without its point."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 10**_EXACT_DIGITS:
        return str(int(cell))
    text = str(cell)
    if text in _ERRORS:
        raise _Fault(f"{text}: a formula that gave no value", "let the spreadsheet compute it, or write the value")
    if len(text) > _LONGEST:
        raise _Fault(f"a text of {len(text)} characters", f"at most {_LONGEST} are kept")
    return text
