"""A rulebook: how a province or market makes a premium, dated and cited, as a TOML file that people write and review.

What a file holds becomes frozen types (rulebook_parts, rulebook_charging); whether it is whole and fair is judged by
rulebook_check, which `load` asks too: a rulebook with a fault never rates anybody.
"""

import hashlib
import json
import tomllib
from datetime import date
from decimal import Decimal
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from features.errors import BadInput, NotFound
from serving.underwriting.rulebook_charging import Cover, Limits, Loading, ModelClause, Premium, Prevention, Rebate, Term
from serving.underwriting.rulebook_parts import Base, Clause, Factor, OwnFact, Part, Text

FOLDER = Path(__file__).with_name("rulebooks")
MEND = "correct the file (`forewarn rulebook check FILE` names every fault)"


class Rulebook(Part):
    """One rulebook. effective_from, effective_to: the first and the last day on which a policy may start under it.

    illustrative: a published example, not a tariff in force. industries: those it is for; none named means all.
    source: the text of the file.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)
    version: Text
    title_en: Text
    title_zh: Text
    market: str = Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,6})*$")
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    effective_from: date
    effective_to: date
    illustrative: bool
    note_en: str = ""
    note_zh: str = ""
    industries: tuple[Text, ...] = ()
    clauses: dict[str, Clause] = Field(min_length=1)
    facts: tuple[OwnFact, ...] = ()
    base: Base
    factors: tuple[Factor, ...] = ()
    model: ModelClause | None = None
    incentives: tuple[Factor, ...] = ()
    limits: Limits | None = None
    loading: Loading
    cover: Cover
    premium: Premium
    term: Term | None = None
    prevention: Prevention
    rebate: Rebate | None = None
    source: str = Field(default="", repr=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content in hexadecimal: comments, spaces and the order of keys change nothing."""
        document = _canonical(self.model_dump(exclude={"source"}))
        return hashlib.sha256(json.dumps(document, ensure_ascii=False, sort_keys=True).encode()).hexdigest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def clause(self, name: str) -> Clause:
        """A clause by the name that an element gives."""
        return self.clauses[name]

    def in_force(self, day: date) -> "Rulebook":
        """Itself, where a policy may start under it on a day. Raises BadInput naming the dates."""
        if self.effective_from <= day <= self.effective_to:
            return self
        state = "not yet in force" if day < self.effective_from else "lapsed"
        what = f"{state} on {day}: it is in force from {self.effective_from} to {self.effective_to}"
        raise BadInput(what, where=f"rulebook {self.id}", mend="name the rulebook of that time")

    def serves(self, industry: str | None) -> bool:
        """Whether it is for an industry; one that is not known is only served by a rulebook for all."""
        return not self.industries or industry in self.industries


def _canonical(value: Any) -> Any:
    """Plain JSON in which equal content is equal text: 1.10 is 1.1."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, dict):
        return {key: _canonical(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


def document_of(text: str, where: str) -> dict[str, Any]:
    """The tables of a rulebook's text, fractions as decimals. Raises BadInput naming the line."""
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"not readable as TOML: {error}", where=where, mend="correct the file") from None


@lru_cache(maxsize=64)
def parse(text: str, where: str = "rulebook") -> Rulebook:
    """A rulebook from its text. Raises BadInput at the line of the first fault."""
    from serving.underwriting.rulebook_check import read

    rulebook, faults = read(text)
    if rulebook is None or faults:
        raise BadInput(faults[0].what, where=f"{where}, line {faults[0].line}", mend=faults[0].mend or MEND)
    return rulebook


def load(name_or_path: str | Path) -> Rulebook:
    """A shipped rulebook by its id, or one from a file. Raises NotFound, or BadInput "FILE, line N: ..."."""
    path = path_of(name_or_path)
    return parse(text_of(path), path.name if path.parent == FOLDER else str(path))


def path_of(name_or_path: str | Path) -> Path:
    """The file of a rulebook: a path that ends in .toml is one, anything else the id of a shipped one. Raises NotFound."""
    if Path(name_or_path).suffix == ".toml":
        return Path(name_or_path)
    known = {path.stem: path for path in FOLDER.glob("*.toml")}
    if str(name_or_path) not in known:
        mend = f"name a .toml file or one of {', '.join(sorted(known))}"
        raise NotFound(f"no rulebook '{name_or_path}'", where="rulebook", mend=mend)
    return known[str(name_or_path)]


def text_of(path: Path) -> str:
    """The text of a rulebook's file. Raises NotFound or BadInput."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("no such file", where=str(path), mend="name a rulebook's TOML file") from None
    except OSError as error:
        raise BadInput(f"not readable: {error.strerror}", where=str(path), mend="name a rulebook's TOML file") from None
    except UnicodeDecodeError:
        raise BadInput("not text in UTF-8", where=str(path), mend="save the file as UTF-8") from None


def shipped() -> tuple[Rulebook, ...]:
    """The rulebooks that come with the program: published examples, each marked illustrative."""
    return tuple(load(path) for path in sorted(FOLDER.glob("*.toml")))
