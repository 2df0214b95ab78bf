"""The lines of a CSV file before they are parsed: whether they are text, and quotes that are never closed."""

import codecs
import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from features.errors import BadInput

OUT = "\x1aout"  # opens a line that was taken out; no text file holds this control character
_SCAN_BLOCK = 1 << 22


@dataclass(frozen=True)
class Form:
    """How a CSV is written."""

    delimiter: str = ","
    encoding: str = "utf-8"


PLAIN = Form()


def first(path: Path, form: Form) -> Path | BytesIO:
    """The first line that is not blank: a header without the block of rows that a CSV reader parses on opening."""
    if not path.is_file():
        return path
    with path.open("rb") as file:
        line = next((line for line in file if line.strip()), b"")
    try:
        line.decode(form.encoding)
    except UnicodeDecodeError:
        raise _not_text(path, 1, form) from None
    if b"\0" in line:
        raise _not_text(path, 1, form)
    return BytesIO(line)


def _not_text(path: Path, line: int, form: Form) -> BadInput:
    mend = "save it as UTF-8, or name its encoding in a mapping"
    return BadInput(f"line {line} is not {form.encoding} text", where=str(path), mend=mend)


def unclosed(path: Path, form: Form) -> list[int]:
    """Positions of lines whose quote is never closed: it would swallow the lines after it, to the next quote or the end.

    A field may go over several lines; the quote that closes it has a delimiter or the end of its line behind it, and one that
    has not opens another field. Raises BadInput on a file that is not text.
    """
    found, opened, position = [], -1, 0
    closing = re.compile(rb'[^"]*"(["\r\n]|$|' + re.escape(form.delimiter.encode()) + rb")")
    utf8 = codecs.lookup(form.encoding).name == "utf-8"
    with path.open("rb") as file:
        while lines := file.readlines(_SCAN_BLOCK):
            if utf8:
                _check_text(path, b"".join(lines), position, form)
            for number, line in enumerate(lines, start=position):
                if line.count(b'"') % 2 == 0:
                    continue
                if opened >= 0 and closing.match(line):
                    opened = -1
                    continue
                found += [opened] if opened >= 0 else []
                opened = number
            position += len(lines)
    return found + ([opened] if opened >= 0 else [])


def _check_text(path: Path, block: bytes, position: int, form: Form) -> None:
    try:
        block.decode()
    except UnicodeDecodeError as error:
        raise _not_text(path, position + block[: error.start].count(b"\n") + 1, form) from None


def without(path: Path, numbers: list[int], form: Form) -> tuple[BytesIO, list[str]]:
    """The file's content with some lines made unreadable as rows, each ending in its place among the texts returned."""
    lines = path.read_bytes().split(b"\n")
    texts = [lines[number].decode(form.encoding, errors="replace").rstrip("\r") for number in numbers]
    header = next(line for line in lines if line.strip())
    fields = header.count(form.delimiter.encode()) + 2
    for place, number in enumerate(numbers):
        lines[number] = f"{OUT}{form.delimiter * fields}{place}".encode()
    return BytesIO(b"\n".join(lines)), texts
