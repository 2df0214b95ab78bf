"""A spreadsheet of policies and claims -> a book: every mistake one line with its sheet, row and column, or nothing at all."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from features.enterprise.vocabulary import CURRENCY
from features.errors import BadInput
from serving.books import columns as book_columns
from serving.books.cells import Column, Faults, values
from serving.books.columns import FileMapping
from serving.books.sheet import Sheet, read_sheets
from serving.underwriting.rated import total_of
from serving.underwriting.rulebook_parts import OwnFact

ARROW = {"number": pa.float64(), "code": pa.string(), "flag": pa.bool_(), "date": pa.date32(), "text": pa.string()}
ROW, POLICY_ID = "row", "policy_id"
_LONGEST_TERM = timedelta(days=366 * 10)


@dataclass(frozen=True)
class Book:
    """Policies and the valuations of their claims, in one currency.

    policies: one row each, by policy_id; columns as `book_columns.policy_columns`, those that the file has, and `row`, where it
    stood.  claims: one row for each valuation, by claim and day.  digest: of the content, whatever the order of the rows.
    """

    name: str
    currency: str
    policies: pa.Table
    claims: pa.Table

    @property
    def digest(self) -> str:
        """Sixteen characters that follow from the content, in whatever order and row it stood."""
        found = hashlib.sha256(self.currency.encode())
        for table in (self.policies.drop_columns([ROW]), self.claims):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as stream:
                stream.write_table(table.combine_chunks())
            found.update(sink.getvalue())
        return found.hexdigest()[:16]

    @property
    def charged(self) -> Decimal:
        """The sum of the premiums charged, exactly."""
        return total_of(self.policies.column("premium").to_pylist())

    @property
    def claim_count(self) -> int:
        """Claims, however often each was valued."""
        return len(self.claims.column("claim_id").unique())

    def __len__(self) -> int:
        return int(self.policies.num_rows)

    def only(self, kept: pa.Array) -> "Book":
        """The policies of a mask [n], with their claims."""
        policies = self.policies.filter(kept)
        own = pc.is_in(self.claims.column(POLICY_ID), value_set=policies.column(POLICY_ID).combine_chunks())
        return replace(self, policies=policies, claims=self.claims.filter(own))


def read_book(
    path: Path,
    claims: Path | None = None,
    *,
    name: str | None = None,
    mapping: FileMapping | None = None,
    declared: Iterable[OwnFact] = (),
) -> Book:
    """The book of a CSV or XLSX file; its claims from another file, or from another sheet of the same.

    declared: facts that rulebooks declare for themselves. Raises BadInput (`book_cells.FaultyBook` with several lines).
    """
    mapping = mapping or FileMapping()
    # Of a workbook whose sheets are all named the others are not looked at.
    named = mapping.sheet is not None and (mapping.claims_sheet is not None or claims is not None)
    only = [name for name in (mapping.sheet, mapping.claims_sheet) if name] if named else None
    sheets = read_sheets(path, mapping.encoding, only, bare=True)
    known, faults = book_columns.policy_columns(declared), Faults()
    sheet = _sheet(sheets, path, mapping.sheet, known[POLICY_ID], mapping)
    policies = _values(sheet, known, mapping, faults)
    faults.check()
    if not sheet.rows:
        raise BadInput("no row below the header", where=sheet.where, mend="name a file that holds the policies")
    currency = _currency(sheet, policies, mapping.currency, faults)
    _check_policies(sheet, policies, faults)
    faults.check()
    table = _table(policies, known, {ROW: pa.array(sheet.rows, pa.int32())}).sort_by(POLICY_ID)
    others = {key: one for key, one in sheets.items() if one is not sheet} if claims is None else None
    valuations = _claims(others, claims, mapping, currency, table)
    return Book(name or path.stem, currency, table, valuations)


def _sheet(sheets: Mapping[str, Sheet], path: Path, name: str | None, key: Column, mapping: FileMapping) -> Sheet:
    found = book_columns.chosen(sheets, name, key.name, (key.words_en, key.words_zh), mapping)
    if found is None and name is None and len(sheets) == 1:
        return next(iter(sheets.values()))
    if found is None:
        what = f"no sheet {name!r}" if name else f"no sheet with a column {key.name} ({key.words_zh})"
        raise BadInput(what, where=path.name, mend=f"the file has {', '.join(sheets) or 'no sheet that holds anything'}")
    return found


def _values(sheet: Sheet, known: Mapping[str, Column], mapping: FileMapping, faults: Faults) -> dict[str, list[Any]]:
    places = book_columns.match(sheet, known, mapping, faults)
    return {name: values(sheet, place, known[name], faults) for name, place in places.items()}


def _table(found: Mapping[str, Sequence[Any]], known: Mapping[str, Column], more: Mapping[str, pa.Array]) -> pa.Table:
    """Columns in the order in which they are known, so that the order in the file does not matter."""
    told = {name: pa.array(found[name], ARROW[known[name].kind]) for name in known if name in found and name != "currency"}
    return pa.table({**told, **more})


def _currency(sheet: Sheet, found: Mapping[str, list[Any]], named: str | None, faults: Faults) -> str:
    """The one currency of a sheet; rows in another one are faults."""
    told = [one.upper() if isinstance(one, str) else None for one in found.get("currency", ())]
    first = named or next((one for one in told if one), CURRENCY)
    for row, one in enumerate(told):
        if one is not None and one != first:
            mend = "bring one book for each currency: nothing here changes money"
            faults.add(f"{one} where the book is in {first}", sheet.spot(row, "currency"), mend)
    return first


def _check_policies(sheet: Sheet, found: Mapping[str, list[Any]], faults: Faults) -> None:
    """What must hold within a row and between rows."""
    seen: dict[str, int] = {}
    for row, (policy, starts, ends) in enumerate(zip(found[POLICY_ID], found["starts"], found["ends"], strict=True)):
        if policy in seen:
            what = f"policy {policy} is in row {sheet.rows[seen[policy]]} already"
            faults.add(what, sheet.spot(row, POLICY_ID), "give each policy, renewals too, a number of its own")
        seen.setdefault(policy, row)
        if ends < starts:
            faults.add(f"cover ends on {ends}, before it starts on {starts}", sheet.spot(row, "ends"), "correct the days")
        elif ends - starts > _LONGEST_TERM:
            faults.add(f"a cover from {starts} to {ends}", sheet.spot(row, "ends"), "bring policies of at most ten years")


def _claims(
    sheets: Mapping[str, Sheet] | None, path: Path | None, mapping: FileMapping, currency: str, policies: pa.Table
) -> pa.Table:
    """The valuations of claims, by claim and day; an empty table where none are brought."""
    known, faults = book_columns.claim_columns(), Faults()
    key = known["claim_id"]
    if path is not None:
        only = None if mapping.claims_sheet is None else [mapping.claims_sheet]
        sheet = _sheet(read_sheets(path, mapping.encoding, only, bare=True), path, mapping.claims_sheet, key, mapping)
    else:
        found = book_columns.chosen(sheets or {}, mapping.claims_sheet, key.name, (key.words_en, key.words_zh), mapping)
        if found is None:
            if mapping.claims_sheet:
                raise BadInput(f"no sheet {mapping.claims_sheet!r}", where="mapping", mend="correct claims_sheet")
            empty: dict[str, list[Any]] = {name: [] for name in known}
            return _table(empty, known, {})
        sheet = found
    told = _values(sheet, known, mapping, faults)
    faults.check()
    told.setdefault("reserved", [None] * len(sheet.rows))
    told["reserved"] = [0.0 if one is None else one for one in told["reserved"]]
    _currency(sheet, told, currency, faults)
    _check_claims(sheet, told, set(policies.column(POLICY_ID).to_pylist()), faults)
    faults.check()
    return _table(told, known, {}).sort_by([("claim_id", "ascending"), ("valued_at", "ascending")])


def _check_claims(sheet: Sheet, told: Mapping[str, list[Any]], policies: set[str], faults: Faults) -> None:
    first: dict[str, tuple[str, date]] = {}
    valued: set[tuple[str, date]] = set()
    rows = zip(told["claim_id"], told[POLICY_ID], told["happened"], told["valued_at"], strict=True)
    for row, (claim, policy, happened, day) in enumerate(rows):
        if policy not in policies:
            faults.add(f"no policy {policy} in the book", sheet.spot(row, POLICY_ID), "bring the policy or leave the claim out")
        if day < happened:
            faults.add(f"valued on {day}, before {happened}", sheet.spot(row, "valued_at"), "correct the days")
        if (claim, day) in valued:
            mend = "keep one valuation of a claim for a day"
            faults.add(f"claim {claim} is valued on {day} already", sheet.spot(row, "valued_at"), mend)
        valued.add((claim, day))
        if first.setdefault(claim, (policy, happened)) != (policy, happened):
            what = f"claim {claim} was of policy {first[claim][0]} on {first[claim][1]} before"
            faults.add(what, sheet.spot(row, "claim_id"), "keep policy and day of the accident through all valuations")
