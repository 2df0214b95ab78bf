"""Where in a TOML text each value stands, so that a fault is named at its line.

The standard library's reader says nothing of lines. This one reads a text that the library has accepted already, so that it
needs to know where values begin, not whether they are right.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]\}\s#]+(?: [0-9][^,\]\}\s#]*)?")  # a date and its time may stand a space apart
_STRING = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\])*"|\'[^\']*\'', re.DOTALL)
_FILL = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")


@dataclass
class Lines:
    """Line numbers (from 1) by path: keys of tables, places in arrays."""

    found: dict[Path, int] = field(default_factory=dict)

    def of(self, *path: str | int) -> int:
        """The line of a value, or of the nearest table around it; 1 where nothing of it is there."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.found:
                return self.found[path[:length]]
        return 1

    def under(self, *path: str | int) -> Iterator[Path]:
        """All paths below one."""
        return (one for one in self.found if len(one) > len(path) and one[: len(path)] == path)


def lines_of(text: str) -> Lines:
    """The lines of a text that is valid TOML."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.lines = Lines()
        self._starts = [0, *(one.end() for one in re.finditer("\n", text))]
        self._arrays: dict[Path, int] = {}  # arrays of tables: the place of the newest one

    def read(self) -> Lines:
        table: Path = ()
        self._fill()
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._fill()
        return self.lines

    def _header(self) -> Path:
        line, many = self._line(), self.text.startswith("[[", self.at)
        self.at += 1 + many
        path = self._rooted(keys := self._keys())
        self.at += 1 + many
        if many:
            # `[[a.b]]`: the last key's own array, not its newest table.
            array = (*self._rooted(keys[:-1]), keys[-1])
            place = self._arrays[array] = self._arrays.get(array, -1) + 1
            path = (*array, place)
        for length in range(1, len(path)):
            self.lines.found.setdefault(path[:length], line)
        self._note(path, line)
        return path

    def _rooted(self, keys: tuple[str, ...]) -> Path:
        """Keys as a path: through an array of tables they mean its newest table."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return path

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = (*table, *self._keys())
        for length in range(len(table) + 1, len(path)):
            self.lines.found.setdefault(path[:length], line)
        self._note(path, line)
        self.at += 1  # the equals sign
        self._blank()
        self._value(path)

    def _keys(self) -> tuple[str, ...]:
        keys: list[str] = []
        while True:
            self._blank()
            quoted = self.text[self.at] in "\"'"
            match = (_STRING if quoted else _BARE).match(self.text, self.at)
            assert match is not None, "not valid TOML"
            keys.append(str(tomllib.loads(f"key = {match[0]}")["key"]) if quoted else match[0])
            self.at = match.end()
            self._blank()
            if self.text[self.at] != ".":
                return tuple(keys)
            self.at += 1

    def _value(self, path: Path) -> None:
        head = self.text[self.at]
        if head == "[":
            self.at += 1
            place = 0
            while self._more("]"):
                self._note((*path, place), self._line())
                self._value((*path, place))
                place += 1
        elif head == "{":
            self.at += 1
            while self._more("}"):
                self._pair(path)
        else:
            match = (_STRING if head in "\"'" else _SCALAR).match(self.text, self.at)
            assert match is not None, "not valid TOML"
            self.at = match.end()

    def _more(self, end: str) -> bool:
        """Go to the next member of an array or an inline table, or past its end."""
        self._fill()
        if self.text[self.at] == ",":
            self.at += 1
            self._fill()
        if self.text[self.at] == end:
            self.at += 1
            return False
        return True

    def _note(self, path: Path, line: int) -> None:
        self.lines.found[path] = line

    def _line(self) -> int:
        return bisect_right(self._starts, self.at)

    def _blank(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1

    def _fill(self) -> None:
        match = _FILL.match(self.text, self.at)
        assert match is not None
        self.at = match.end()
