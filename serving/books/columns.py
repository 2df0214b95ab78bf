"""What the columns of a book are called: policies, their terms and facts, and claims, each by its name or its words."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from features.documents import read_toml, validated
from features.enterprise.vocabulary import INDUSTRIES
from serving.books.cells import Column, Faults
from serving.books.sheet import Sheet
from serving.underwriting.facts import VOCABULARY, FactKind
from serving.underwriting.rulebook_parts import OwnFact

_MONEY = {"least": 0.0, "most": 1e12}
_CURRENCY = Column("currency", "text", "currency", "币种")
POLICY = (
    Column("policy_id", "text", "policy number", "保单号", required=True),
    Column("enterprise_id", "text", "enterprise", "企业编号"),
    Column("name", "text", "name of the enterprise", "企业名称"),
    Column("starts", "date", "first day of cover", "起保日期", required=True),
    Column("ends", "date", "last day of cover", "终保日期", required=True),
    Column("as_of", "date", "day of the facts", "事实截至日"),
    Column("premium", "number", "premium charged", "已收保费", required=True, **_MONEY),  # type: ignore[arg-type]
    _CURRENCY,
    Column("limit_per_person", "number", "limit per person", "每人限额", **_MONEY),  # type: ignore[arg-type]
    Column("limit_per_accident", "number", "limit per accident", "每次事故限额", **_MONEY),  # type: ignore[arg-type]
    Column("limit_aggregate", "number", "aggregate limit", "累计限额", **_MONEY),  # type: ignore[arg-type]
    Column("deductible", "number", "deductible", "免赔额", **_MONEY),  # type: ignore[arg-type]
    Column("expiring_premium", "number", "premium of the expiring policy a year", "上年保费", **_MONEY),  # type: ignore[arg-type]
)
CLAIM = (
    Column("claim_id", "text", "claim number", "赔案号", required=True),
    Column("policy_id", "text", "policy number", "保单号", required=True),
    Column("happened", "date", "day of the accident", "出险日期", required=True),
    Column("valued_at", "date", "valuation date", "估值日期", required=True),
    Column("paid", "number", "amount paid", "已付赔款", required=True, **_MONEY),  # type: ignore[arg-type]
    Column("reserved", "number", "amount reserved", "未决赔款", **_MONEY),  # type: ignore[arg-type]
    _CURRENCY,
)


class FileMapping(BaseModel):
    """How a file differs from what is expected. columns: the file's name -> ours; ignore: the file's columns to leave out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, str] = {}
    ignore: tuple[str, ...] = ()
    sheet: str | None = None
    claims_sheet: str | None = None
    encoding: str | None = None
    currency: str | None = Field(default=None, pattern="^[A-Z]{3}$")


def load_mapping(path: Path) -> FileMapping:
    """A mapping file (TOML). Raises BadInput."""
    mend = "name a TOML file with [columns], ignore, sheet, claims_sheet, encoding or currency"
    return validated(FileMapping, read_toml(path, mend), str(path), mend)


def policy_columns(declared: Iterable[OwnFact] = ()) -> dict[str, Column]:
    """Columns of policies by name: their own, the standard facts, and the facts that rulebooks declare."""
    facts: list[FactKind | OwnFact] = [*VOCABULARY.values(), *declared]
    return {column.name: column for column in (*POLICY, *map(_of_fact, facts))}


def claim_columns() -> dict[str, Column]:
    """Columns of claims by name."""
    return {column.name: column for column in CLAIM}


def _of_fact(kind: FactKind | OwnFact) -> Column:
    codes = {code.lower(): code for code in kind.codes}
    if kind.name == "industry":
        codes |= {word.lower(): one.code for one in INDUSTRIES for word in (one.words_zh, one.words_en)}
    return Column(
        kind.name, "text" if kind.kind == "code" and not codes else kind.kind, kind.words_en, kind.words_zh, codes=codes,
        least=None if kind.least is None else float(kind.least), most=None if kind.most is None else float(kind.most),
        whole=isinstance(kind, FactKind) and kind.whole,
    )  # fmt: skip


def match(sheet: Sheet, known: Mapping[str, Column], mapping: FileMapping, faults: Faults) -> dict[str, int]:
    """Which place of the sheet holds which column: {our name: place}. What is not known or is there twice is a fault."""
    by_word = {word.lower(): name for name, column in known.items() for word in (column.words_zh, column.words_en, name)}
    found: dict[str, int] = {}
    for place, header in enumerate(sheet.header):
        if header in mapping.ignore:
            continue
        name = mapping.columns.get(header) or by_word.get(header.lower().replace(" ", "_")) or by_word.get(header.lower())
        where = f"{sheet.where}, column {header}"
        if name is None or name not in known:
            faults.add(f"unknown column {header!r}", where, _nearest(header if name is None else name, by_word, known))
        elif name in found:
            other = sheet.header[found[name]]
            faults.add(f"{name} is told by column {other!r} already", where, "leave one of them out (ignore in --mapping)")
        else:
            found[name] = place
    for name, column in known.items():
        if column.required and name not in found:
            shown = ", ".join(sheet.header[:12]) + (", ..." if len(sheet.header) > 12 else "")
            faults.add(f"no column {name} ({column.words_en}, {column.words_zh})", sheet.where, f"the header has {shown}")
    return found


def _nearest(header: str, by_word: Mapping[str, str], known: Mapping[str, Column]) -> str:
    near = difflib.get_close_matches(header.lower().replace(" ", "_"), by_word, n=1, cutoff=0.6)
    meant = f"did you mean {by_word[near[0]]}? " if near else ""
    return f"{meant}map it to one of {len(known)} known columns, or ignore it, in a mapping file (--mapping)"


def chosen(sheets: Mapping[str, Sheet], name: str | None, key: str, words: Sequence[str], mapping: FileMapping) -> Sheet | None:
    """The sheet of a name, or the first whose header has the column `key` under one of its words; None if there is none."""
    if name is not None:
        return sheets.get(name)
    wanted = {word.lower() for word in (key, *words)} | {
        theirs.lower() for theirs, ours in mapping.columns.items() if ours == key
    }
    return next((one for one in sheets.values() if wanted & {header.lower() for header in one.header}), None)
