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

Tables of enterprises (features/enterprise/schema.py) are filled in the same way; a mapping without machines needs no kind:

[[tables]]
table = "exposures"
files = "hours.csv"
columns = { enterprise_id = "firm", event_time = "month_end", starts = "month_start", amount = "thousand_hours" }
convert = { amount = { scale = 1000.0 } }
constants = { basis = "hours_worked" }

[[tables]]
table = "hazards"
files = "hazards.csv"
columns = { enterprise_id = "firm", hazard_id = "no", event_time = "found", found_by = "who", grade = "level" }
codes = { found_by = { "企业自查" = "self", "监管执法" = "authority" }, grade = { "一般" = "general", "重大" = "major" } }
constants = { supervised = false }

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
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.compute as pc

from features import intake, parse
from features.errors import BadInput
from features.kinds import MachineKind, load_kind, parse_kind
from features.schema import EVENT_TIME, FLAG, MACHINES, NUMBER, RECORDED_AT, TEXT, TIME, TableContract, readings
from features.sources import files
from features.sources.mapping import Constant, Document, TableMapping, load
from features.sources.reader import Batch, Refusal, Source
from features.tables import STANDARD, own

READINGS = "readings"


@dataclass(frozen=True)
class Plan:
    """One table of a mapping, resolved: its contract, its files in name order, and the zone of naive times."""

    mapping: TableMapping
    contract: TableContract
    paths: tuple[Path, ...]
    zone: ZoneInfo | None
    constants: dict[str, Constant]


def read(directory: Path, mapping: Path, known: Mapping[str, MachineKind] | None = None) -> Source:
    """The folder as a Source, as the TOML file `mapping` says; `known` are the kinds that the lake already has.

    Raises BadInput, naming file and field, on anything wrong with the mapping, the folder or the files' columns, before a row
    is read.
    """
    folder = files.folder(directory)
    document = load(mapping)
    kind = _kind(document, mapping, known or {})
    plans = [_plan(table, index, document, kind, folder, mapping) for index, table in enumerate(document.tables)]

    def batches() -> Iterator[Batch]:
        for plan in plans:
            for path in plan.paths:
                for chunk in files.chunks(path, _sources(plan), form=plan.mapping.form):
                    yield _batch(plan, chunk, path.relative_to(folder).as_posix())

    return Source(document.name, () if kind is None else (kind,), batches)


def _kind(document: Document, path: Path, known: Mapping[str, MachineKind]) -> MachineKind | None:
    if document.kind is None:
        return None
    if isinstance(document.kind, dict):
        return parse_kind(document.kind, f"{path}: kind")
    if document.kind.endswith(".toml"):
        return load_kind(path.parent / document.kind)
    if document.kind not in known:
        mend = intake.suggest(document.kind, known) + ", or declare it in a [kind] table"
        raise BadInput(f"kind: the lake has no kind '{document.kind}'", where=str(path), mend=mend)
    return known[document.kind]


def _plan(table: TableMapping, index: int, document: Document, kind: MachineKind | None, folder: Path, path: Path) -> Plan:
    where = f"{path}: tables.{index} ({table.table})"
    contracts = {name: contract for name, contract in STANDARD.items() if not own(contract)}
    if kind is not None:
        contracts[READINGS] = readings(kind)
    elif table.table == READINGS or (table.table == MACHINES.name and "kind" not in {**table.columns, **table.constants}):
        raise BadInput("no kind is named", where=where, mend="say kind = a kind of the lake, or declare it in a [kind] table")
    if table.table not in contracts:
        raise BadInput(f"unknown table '{table.table}'", where=where, mend=intake.suggest(table.table, contracts))
    contract = contracts[table.table]
    constants = dict(table.constants)
    if contract is MACHINES and kind is not None:
        constants = {"kind": kind.name, **constants}
    if "kind" in table.columns:
        constants.pop("kind", None)
    intake.check_names([*table.columns, *(name for name in constants if name not in table.columns)], contract, where)
    if table.delay_hours is not None and RECORDED_AT in table.columns:
        raise BadInput("both delay_hours and a column for recorded_at", where=where, mend="keep one of them")
    numbers = [column.name for column in contract.columns if column.type == NUMBER]
    for name in table.convert:
        if name not in table.columns or name not in numbers:
            possible = [number for number in numbers if number in table.columns]
            raise BadInput(f"convert: '{name}' is no mapped number", where=where, mend=intake.suggest(name, possible))
    zone = _zone(table.timezone or document.timezone, where)
    for name, value in constants.items():
        if _is_time(contract, name) and any(fault.any() for fault, _ in parse.time(pa.array([str(value)]), zone).faults):
            mend = "write it as 2026-01-31T08:00:00Z, or name a timezone"
            raise BadInput(f"constants.{name}: '{value}' is no moment", where=where, mend=mend)
    coded = [column.name for column in contract.columns if column.type in (TEXT, FLAG) and column.name in table.columns]
    for name in table.codes:
        if name not in coded:
            raise BadInput(f"codes: '{name}' is no mapped column of codes", where=where, mend=intake.suggest(name, coded))
    paths = _paths(table, folder, where)
    plan = Plan(table, contract, paths, zone, constants)
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
        elif name in plan.mapping.codes:
            arrays[name] = _translated(raw, plan.mapping.codes[name])
            continue
        else:
            continue
        arrays[name] = parsed.array
        for fault, reason in parsed.faults:
            rows, texts = chunk.rows[fault].tolist(), parse.as_text(raw.filter(pa.array(fault))).to_pylist()
            refused += [Refusal(row, name, reason, text) for row, text in zip(rows, texts, strict=True)]
    for name, value in plan.constants.items():
        values = pa.repeat(pa.scalar(value), chunk.table.num_rows)
        arrays[name] = parse.time(parse.as_text(values), plan.zone).array if _is_time(plan.contract, name) else values
    if plan.mapping.delay_hours is not None:
        delay = pa.scalar(timedelta(hours=plan.mapping.delay_hours), pa.duration("us"))
        arrays[RECORDED_AT] = pc.add(arrays[EVENT_TIME], delay)
    return Batch(plan.contract, pa.table(arrays), file, chunk.rows, tuple(refused))


def _translated(raw: pa.Array, codes: Mapping[str, str]) -> pa.Array:
    """The files' codes under the names that they have here; those that are not named stay."""
    words = pc.utf8_trim_whitespace(parse.as_text(raw))
    place = pc.index_in(words, pa.array(list(codes), TEXT))
    return pc.coalesce(pa.array(list(codes.values()), TEXT).take(place), words)
