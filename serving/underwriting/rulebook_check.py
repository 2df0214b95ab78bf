"""What is wrong with a rulebook, each fault at its line and with its mend: before it rates anybody."""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from serving.underwriting import rulebook_fair, rulebook_notes, rulebook_whole
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_facts import Finding
from serving.underwriting.rulebook_lines import Lines, lines_of

_WORDS = {"missing": "missing", "extra_forbidden": "unknown key"}
_UNCITED = "uncited: it names no clause"
_CITE = 'name the clause that it rests on (`clause = "..."`)'


@dataclass(frozen=True, order=True)
class Fault:
    """One fault of a rulebook's text. line: from 1."""

    line: int
    what: str
    mend: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}" + (f"; {self.mend}" if self.mend else "")


def read(text: str) -> tuple[Rulebook | None, list[Fault]]:
    """A rulebook and its faults in the order of their lines; None where its form alone is at fault. No clock is read."""
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax(str(error), text)]
    lines = lines_of(text)
    try:
        rulebook = Rulebook.model_validate(document | {"source": text})
    except ValidationError as error:
        found = [_formal(one, lines) for one in error.errors(include_url=False)]
        return None, sorted(set(found))
    findings: Iterable[Finding] = [*rulebook_whole.findings(rulebook), *rulebook_fair.findings(rulebook)]
    return rulebook, sorted({Fault(lines.of(*one.path), one.what, one.mend) for one in findings})


def check(text: str, today: date | None = None, others: Sequence[Rulebook] = ()) -> list[Fault]:
    """All faults of a rulebook's text; with a day also that it is lapsed; with others that two are in force at once."""
    rulebook, faults = read(text)
    if rulebook is None:
        return faults
    lines = lines_of(text)
    dated = (Fault(lines.of(*one.path), one.what, one.mend) for one in _dated(rulebook, today, others))
    return sorted({*faults, *dated})


def notes(text: str) -> list[Fault]:
    """What is worth knowing of a rulebook's text and no fault: none where there are faults, which come first."""
    rulebook, faults = read(text)
    if rulebook is None or faults:
        return []
    lines = lines_of(text)
    return sorted(Fault(lines.of(*one.path), one.what, one.mend) for one in rulebook_notes.notes(rulebook))


def _dated(rulebook: Rulebook, today: date | None, others: Sequence[Rulebook]) -> Iterator[Finding]:
    last = rulebook.effective_to
    if today is not None and today > last:
        yield Finding(("effective_to",), f"lapsed: its last day was {last}", "rate with the rulebook that followed it")
    # An illustration is no tariff: it is only at odds with other illustrations.
    for other in (one for one in others if one.illustrative == rulebook.illustrative):
        if (other.id, other.version) == (rulebook.id, rulebook.version):
            if other.digest != rulebook.digest:
                what = f"another rulebook is {other.id} version {other.version} too"
                yield Finding(("version",), what, "give a changed rulebook a version of its own")
            continue
        both = max(other.effective_from, rulebook.effective_from), min(other.effective_to, last)
        if other.market == rulebook.market and both[0] <= both[1] and _meet(rulebook.industries, other.industries):
            what = f"{other.id} {other.version} of {rulebook.market} is in force at once with it, from {both[0]} to {both[1]}"
            yield Finding(("effective_from",), what, "end the earlier one on the day before the later one begins")


def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    return not one or not other or bool({*one} & {*other})


def _syntax(message: str, text: str) -> Fault:
    """The library's words end with "(at line 3, column 5)" or "(at end of document)"."""
    what, _, place = message.partition(" (at ")
    digits = place.removeprefix("line ").split(",")[0]
    line = int(digits) if digits.isdigit() else text.count("\n") + 1
    return Fault(line, f"not readable as TOML: {what[:1].lower()}{what[1:]}", "correct the line")


def _formal(error: ErrorDetails, lines: Lines) -> Fault:
    """A complaint of the form as a fault: its place, without the names of the variants that were tried, and its words."""
    path = _in_text(error["loc"], lines)
    what = _WORDS.get(error["type"]) or _lower(error["msg"].removeprefix("Value error, "))
    if error["type"] == "missing" and path[-1:] == ("clause",):
        return Fault(lines.of(*path), f"{_dotted(path[:-1])} is {_UNCITED}", _CITE)
    return Fault(lines.of(*path), f"{_dotted(path)}: {what}" if path else what, "")


def _in_text(loc: tuple[str | int, ...], lines: Lines) -> tuple[str | int, ...]:
    """Of a union pydantic adds the variant that it tried, which is no part of the text."""
    path: tuple[str | int, ...] = ()
    for place, part in enumerate(loc):
        last = place == len(loc) - 1
        if (*path, part) in lines.found or last:
            path = (*path, part)
    return path


def _dotted(path: Sequence[Any]) -> str:
    """factors.2.levels: what stands in an array by its number from 1."""
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in path)


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
