"""The lines of a CSV file before they are parsed: whether they are text, quotes that are never closed, records in blocks."""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from features.errors import BadInput

OUT = "\x1aout"  # opens a line that was taken out; no text file holds this control character
_BLOCK = 1 << 23
# A field is not that long: whatever its quote says, the file is cut here.
_LONGEST = 8 * _BLOCK


@dataclass(frozen=True)
class Form:
    """How a CSV is written."""

    delimiter: str = ","
    encoding: str = "utf-8"


PLAIN = Form()


def header(path: Path, form: Form) -> bytes:
    """The first line that is not blank, as UTF-8 with its end. Raises BadInput if it is not text."""
    with path.open("rb") as file:
        line = next((line for line in file if line.strip()), b"")
    if b"\0" in line:
        raise _not_text(path, 1, form)
    line = _as_utf8(path, line, 0, form)
    return line if not line or line.endswith(b"\n") else line + b"\n"


def unclosed(path: Path, form: Form) -> list[int]:
    """Positions of lines whose quote is never closed: it would swallow the lines after it, to the next quote or the end.

    A field may go over several lines; the quote that closes it has a delimiter or the end of its line behind it, and one that
    has not opens another field. Raises BadInput on a file that is not text.
    """
    found, opened, position = [], -1, 0
    closing = re.compile(rb'[^"]*"(["\r\n]|$|' + re.escape(form.delimiter.encode()) + rb")")
    for block in _blocks(path):
        _as_utf8(path, block, position, form)
        for number, line in _odd(block):
            if opened >= 0 and closing.match(line):
                opened = -1
                continue
            found += [opened] if opened >= 0 else []
            opened = position + number
        position += block.count(b"\n")
    return found + ([opened] if opened >= 0 else [])


def records(path: Path, form: Form, without: Sequence[int]) -> Iterator[tuple[bytes, list[str]]]:
    """What stands behind the header, as UTF-8, in blocks that no field is cut by; at least one, if an empty one.

    without: positions of lines that are made unreadable as rows, each ending in its place among the texts given with its block.
    """
    out, position, headed = set(without), 0, False
    held, texts = b"", list[str]()
    fields = header(path, form).count(form.delimiter.encode()) + 2
    open_ = False
    for block in _blocks(path):
        count = block.count(b"\n")
        lines = block.split(b"\n") if b'"' in block or not headed else []
        for number, line in enumerate(lines):
            if number == count and not line:
                break  # behind the block's last line end the next block begins
            if not headed:
                headed = bool(line.strip())
                lines[number] = b""
            elif position + number in out:
                texts.append(line.decode(form.encoding, errors="replace").rstrip("\r"))
                lines[number] = f"{OUT}{form.delimiter * fields}{len(texts) - 1}".encode()
            elif line.count(b'"') % 2:
                open_ = not open_
        held += _as_utf8(path, b"\n".join(lines) if lines else block, position, form)
        position += count
        if not open_ or len(held) > _LONGEST:
            yield held, texts
            held, texts, open_ = b"", [], False
    if held or not position:
        yield held, texts


def _blocks(path: Path) -> Iterator[bytes]:
    """A file in blocks of whole lines."""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block if block.endswith(b"\n") else block + file.readline()


def _odd(block: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines with an odd number of quotes, with their places."""
    if b'"' in block:
        for number, line in enumerate(block.split(b"\n")):
            if line.count(b'"') % 2:
                yield number, line


def _as_utf8(path: Path, block: bytes, position: int, form: Form) -> bytes:
    """Whole lines, the first of them at `position`, as UTF-8. Raises BadInput if they are not text."""
    try:
        text = block.decode(form.encoding)
    except UnicodeDecodeError as error:
        raise _not_text(path, position + block[: error.start].count(b"\n") + 1, form) from None
    return block if codecs.lookup(form.encoding).name == "utf-8" else text.encode()


def _not_text(path: Path, line: int, form: Form) -> BadInput:
    mend = "save it as UTF-8, or name its encoding in a mapping"
    return BadInput(f"line {line} is not {form.encoding} text", where=str(path), mend=mend)
