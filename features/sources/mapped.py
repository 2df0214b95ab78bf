"""Anyone's own files: a mapping in TOML says which file is which table, and which column is which.

timezone = "Asia/Shanghai"            # whose clock the times without zone show
kind = "press.toml"                   # a file beside this one, the name of a kind in the lake, or a [kind] table here

[[tables]]
table = "machines"                    # `kind` is filled in
files = "register.csv"
columns = { machine_id = "asset", event_time = "in_service", model = "type", age_hours = "age_years" }
convert = { age_hours = { scale = 8766.0 } }

[[tables]]
table = "readings"                    # the readings of the kind
files = "telemetry/*.parquet"
columns = { machine_id = "asset", event_time = "ts", oil_temperature_c = "oil_f" }
convert = { oil_temperature_c = { scale = 0.5556, offset = -17.78 } }     # value * scale + offset

[[tables]]
table = "events"
files = "alarms.csv"
delimiter = ";"
encoding = "gb18030"
columns = { machine_id = "asset", event_time = "raised", code = "alarm" }
delay_hours = 6                       # known so long after it happened; or recorded_at = a column; else at once

What a [kind] declares decides which features there are: sensors, error_codes and components theirs; `modes`, `shifts` and
`actions` (codes of the operations table; an action may say `state = "running"` or `"stopped"`) those of operation and load;
`environment = true` (and `hot_c`) those of the ambient air; `reference = true` the comparison with peers and their base rates;
`equal_load_hours = [168, 720]` each sensor with load and ambient air taken out, against the last week and month of the machine
itself; `calendar = ["season"]` the day of the year. By default all of these are off.

The calendar and the base rates of the kind are the same for all machines at a moment, so that a model can read them as a date:
it learns how much failed in each part of its history and expects the same of a time that it never saw. Ask for the season where
the history holds two of each, and look at `base_rate_kind_*` among the reasons before you trust a test by time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from features import documents, intake, parse
from features.errors import BadInput
from features.kinds import MachineKind, load_kind, parse_kind
from features.schema import EVENT_TIME, FIXED, MACHINES, NUMBER, RECORDED_AT, TIME, TableContract, readings
from features.sources import files
from features.sources.lines import Form
from features.sources.reader import Batch, Refusal, Source

READINGS = "readings"
LONGEST_DELAY_HOURS = 1_000_000
_FROZEN = ConfigDict(frozen=True, extra="forbid")


class Conversion(BaseModel):
    """value * scale + offset, from the file's unit to the contract's."""

    model_config = _FROZEN

    scale: float = Field(default=1.0, allow_inf_nan=False)
    offset: float = Field(default=0.0, allow_inf_nan=False)


class TableMapping(BaseModel):
    """One table: the files that hold it (a pattern inside the folder), and the source column of each contract column."""

    model_config = _FROZEN

    table: str
    files: str = Field(min_length=1)
    columns: dict[str, str]
    constants: dict[str, str | float] = {}
    convert: dict[str, Conversion] = {}
    timezone: str | None = None
    delay_hours: float | None = Field(default=None, ge=0, le=LONGEST_DELAY_HOURS)
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"

    @property
    def form(self) -> Form:
        return Form(self.delimiter, self.encoding)

    @field_validator("files")
    @classmethod
    def _inside(cls, pattern: str) -> str:
        if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts or "\\" in pattern:
            raise ValueError("the pattern leaves the folder that is imported")
        if any("**" in part and part != "**" for part in PurePosixPath(pattern).parts):
            raise ValueError("'**' stands for folders and takes a part of the path for itself")
        return pattern

    @field_validator("delimiter")
    @classmethod
    def _ascii(cls, delimiter: str) -> str:
        if not delimiter.isascii() or delimiter in '\r\n"':
            raise ValueError("not one of the ASCII characters that can part fields")
        return delimiter

    @field_validator("encoding")
    @classmethod
    def _of_text(cls, encoding: str) -> str:
        try:
            # Lines and fields are found in the bytes before they are decoded.
            if "\n,".encode(encoding).endswith(b"\n,"):
                return encoding
        except (LookupError, ValueError):
            pass
        raise ValueError(f"no encoding '{encoding}' that holds ASCII as it is; save the files as UTF-8, or as GB 18030")

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        for name in self.constants:
            if name in self.columns:
                raise ValueError(f"'{name}' is both a column and a constant")
        return self


class Document(BaseModel):
    """A whole mapping file."""

    model_config = _FROZEN

    name: str = "mapped"
    timezone: str | None = None
    kind: str | dict[str, Any]
    tables: tuple[TableMapping, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Plan:
    """One table of a mapping, resolved: its contract, its files in name order, and the zone of naive times."""

    mapping: TableMapping
    contract: TableContract
    paths: tuple[Path, ...]
    zone: ZoneInfo | None
    constants: dict[str, str | float]


def read(directory: Path, mapping: Path, known: Mapping[str, MachineKind] | None = None) -> Source:
    """The folder as a Source, as the TOML file `mapping` says; `known` are the kinds that the lake already has.

    Raises BadInput, naming file and field, on anything wrong with the mapping, the folder or the files' columns, before a row
    is read.
    """
    folder = files.folder(directory)
    document = _load(mapping)
    kind = _kind(document, mapping, known or {})
    plans = [_plan(table, index, document, kind, folder, mapping) for index, table in enumerate(document.tables)]

    def batches() -> Iterator[Batch]:
        for plan in plans:
            for path in plan.paths:
                for chunk in files.chunks(path, _sources(plan), form=plan.mapping.form):
                    yield _batch(plan, chunk, path.relative_to(folder).as_posix())

    return Source(document.name, (kind,), batches)


def _load(path: Path) -> Document:
    document = documents.read_toml(path, "name an existing mapping")
    return documents.validated(Document, document, str(path), "correct the mapping")


def _kind(document: Document, path: Path, known: Mapping[str, MachineKind]) -> MachineKind:
    if isinstance(document.kind, dict):
        return parse_kind(document.kind, f"{path}: kind")
    if document.kind.endswith(".toml"):
        return load_kind(path.parent / document.kind)
    if document.kind not in known:
        mend = intake.suggest(document.kind, known) + ", or declare it in a [kind] table"
        raise BadInput(f"kind: the lake has no kind '{document.kind}'", where=str(path), mend=mend)
    return known[document.kind]


def _plan(table: TableMapping, index: int, document: Document, kind: MachineKind, folder: Path, path: Path) -> Plan:
    where = f"{path}: tables.{index} ({table.table})"
    contracts = {**FIXED, READINGS: readings(kind)}
    if table.table not in contracts:
        raise BadInput(f"unknown table '{table.table}'", where=where, mend=intake.suggest(table.table, contracts))
    contract = contracts[table.table]
    constants = {"kind": kind.name, **table.constants} if contract is MACHINES else dict(table.constants)
    if contract is MACHINES and "kind" in table.columns:
        del constants["kind"]
    intake.check_names([*table.columns, *(name for name in constants if name not in table.columns)], contract, where)
    if table.delay_hours is not None and RECORDED_AT in table.columns:
        raise BadInput("both delay_hours and a column for recorded_at", where=where, mend="keep one of them")
    numbers = [column.name for column in contract.columns if column.type == NUMBER]
    for name in table.convert:
        if name not in table.columns or name not in numbers:
            possible = [number for number in numbers if number in table.columns]
            raise BadInput(f"convert: '{name}' is no mapped number", where=where, mend=intake.suggest(name, possible))
    paths = _paths(table, folder, where)
    plan = Plan(table, contract, paths, _zone(table.timezone or document.timezone, where), constants)
    for found in paths:
        _check_file(plan, found, where)
    return plan


def _paths(table: TableMapping, folder: Path, where: str) -> tuple[Path, ...]:
    paths = tuple(sorted(path for path in folder.glob(table.files) if path.is_file()))
    if not paths:
        what = f"files: nothing in {folder} fits '{table.files}'"
        raise BadInput(what, where=where, mend="correct the pattern or the folder")
    for path in paths:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BadInput(f"files: {path} leads out of {folder}", where=where, mend="copy the file into the folder")
        if path.suffix not in files.SUFFIXES:
            raise BadInput(f"files: {path.name} is neither .csv nor .parquet", where=where, mend="narrow the pattern")
    return paths


def _zone(name: str | None, where: str) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"timezone: no zone '{name}'", where=where, mend="use a name such as 'Asia/Shanghai' or 'UTC'") from None


def _check_file(plan: Plan, path: Path, where: str) -> None:
    """The mapped columns are in the file, and its times have a zone or the mapping gives them one."""
    types = files.header(path, plan.mapping.form)
    for name, source in plan.mapping.columns.items():
        if source not in types:
            mend = f"{intake.suggest(source, types)} ({where}, columns.{name})"
            raise BadInput(f"no column '{source}'", where=str(path), mend=mend)
        naive = pa.types.is_date(types[source]) or (pa.types.is_timestamp(types[source]) and types[source].tz is None)
        if naive and plan.zone is None and _is_time(plan.contract, name):
            mend = 'say whose clock it was: timezone = "UTC" or such in the mapping'
            raise BadInput(f"column '{source}' holds times without zone", where=str(path), mend=mend)


def _is_time(contract: TableContract, name: str) -> bool:
    return bool(contract.arrow.field(name).type == TIME)


def _sources(plan: Plan) -> list[str]:
    return list(dict.fromkeys(plan.mapping.columns.values()))


def _batch(plan: Plan, chunk: files.Chunk, file: str) -> Batch:
    """One chunk in contract columns; cells that the mapping cannot place in time are refused with their text."""
    refused: list[Refusal | tuple[int, str, str]] = list(chunk.refused)
    arrays: dict[str, pa.Array] = {}
    for name, source in plan.mapping.columns.items():
        raw = chunk.table.column(source).combine_chunks()
        arrays[name] = raw
        if _is_time(plan.contract, name):
            parsed = parse.time(raw, plan.zone)
            intake.check_readable(parsed, raw, source, file)
        elif name in plan.mapping.convert:
            parsed = parse.number(raw)
            intake.check_readable(parsed, raw, source, file)
            conversion = plan.mapping.convert[name]
            parsed = parse.Parsed(pc.add(pc.multiply(parsed.array, conversion.scale), conversion.offset), parsed.faults)
        else:
            continue
        arrays[name] = parsed.array
        for fault, reason in parsed.faults:
            rows, texts = chunk.rows[fault].tolist(), parse.as_text(raw.filter(pa.array(fault))).to_pylist()
            refused += [Refusal(row, name, reason, text) for row, text in zip(rows, texts, strict=True)]
    for name, value in plan.constants.items():
        arrays[name] = pa.repeat(pa.scalar(value), chunk.table.num_rows)
    if plan.mapping.delay_hours is not None:
        delay = pa.scalar(timedelta(hours=plan.mapping.delay_hours), pa.duration("us"))
        arrays[RECORDED_AT] = pc.add(arrays[EVENT_TIME], delay)
    return Batch(plan.contract, pa.table(arrays), file, chunk.rows, tuple(refused))
