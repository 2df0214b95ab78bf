"""Loose cells into contract types: what does not parse is reported cell by cell, never guessed and never lost."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.schema import FLAG, NUMBER, TEXT, TIME

Mask = npt.NDArray[np.bool_]

# What publishers write for "no number"; an id or a code of this spelling stays what it is.
NO_NUMBER = pa.array(["", "na", "n/a", "nan", "null", "none", "-"])
LONGEST_TEXT = 200
YES = pa.array(["true", "yes", "y", "t", "1", "1.0", "是"])
NO = pa.array(["false", "no", "n", "f", "0", "0.0", "否"])
ZONED = r"(?i)\d[T ]\d{1,2}:\d{2}.*(z|[+-]\d{2}(:?\d{2})?)$"
NOT_A_TIME = "not a time (ISO 8601 is due)"
NO_ZONE = "a time without zone"


@dataclass(frozen=True)
class Parsed:
    """A column in its contract type, null where a cell held something else; `faults` says where and why."""

    array: pa.Array
    faults: tuple[tuple[Mask, str], ...] = ()


def mask(condition: pa.Array | pa.ChunkedArray) -> Mask:
    """A boolean Arrow array as NumPy; null counts as False."""
    return np.asarray(pc.fill_null(condition, False).to_numpy(zero_copy_only=False), dtype=bool)


def present(column: pa.Array) -> Mask:
    return mask(pc.is_valid(column))


def text(column: pa.Array, longest: int = LONGEST_TEXT) -> Parsed:
    """Text without outer blanks; empty text is null. What not every database takes is a fault.

    Of a text that may be `longest` > LONGEST_TEXT characters, line breaks and tabs become blanks.
    """
    plain = as_text(column)
    if longest > LONGEST_TEXT:
        plain = pc.replace_substring_regex(plain, r"[\t\r\n]+", " ")
    plain = pc.utf8_trim_whitespace(plain)
    overlong = mask(pc.greater(pc.utf8_length(plain), longest))
    control = mask(pc.match_substring_regex(plain, "[[:cntrl:]]"))
    return Parsed(
        _null_where(pc.equal(plain, ""), plain),
        ((overlong, f"text of more than {longest} characters"), (control, "text with a control character")),
    )


def flag(column: pa.Array) -> Parsed:
    """Yes or no, as publishers write it."""
    if pa.types.is_boolean(column.type):
        return Parsed(column)
    plain = pc.utf8_lower(pc.utf8_trim_whitespace(as_text(column)))
    plain = _null_where(pc.is_in(plain, NO_NUMBER), plain)
    yes, no = pc.is_in(plain, YES), pc.is_in(plain, NO)
    unread = present(plain) & ~mask(pc.or_(yes, no))
    return Parsed(pc.if_else(pc.or_(yes, no), yes, pa.scalar(None, FLAG)), ((unread, "neither yes nor no"),))


def number(column: pa.Array) -> Parsed:
    """float64 with null for every way of saying "no number" (NaN among them); infinite values are faults."""
    column = _plain(column)
    if pa.types.is_string(column.type):
        column = pc.utf8_trim_whitespace(column)
        column = _null_where(pc.is_in(pc.utf8_lower(column), NO_NUMBER), column)
    try:
        values = column.cast(NUMBER, safe=False)
    except pa.ArrowNotImplementedError:
        values = pa.nulls(len(column), NUMBER)
    except pa.ArrowInvalid:
        objects = pd.Series(column.to_numpy(zero_copy_only=False), dtype=object)
        values = pa.array(pd.to_numeric(objects, errors="coerce").to_numpy(dtype=np.float64), NUMBER, from_pandas=True)
    unread = present(column) & ~present(values)
    infinite = mask(pc.is_inf(values))
    values = _null_where(pc.is_nan(values), values)
    return Parsed(
        _null_where(pa.array(infinite), values),
        ((unread, "not a number"), (infinite, "not a finite number")),
    )


def time(column: pa.Array, zone: ZoneInfo | None = None) -> Parsed:
    """Timestamps in UTC, microseconds. A naive time is a fault unless `zone` says whose clock it was.

    A local time that a clock change skips or repeats is a fault as well: it is not one moment.
    """
    column = _plain(column)
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(column.type):
        if column.type.tz is not None:
            return Parsed(column.cast(TIME, safe=False))
        return _local(column.cast(pa.timestamp("us"), safe=False), zone)
    if not pa.types.is_string(column.type):
        return Parsed(pa.nulls(len(column), TIME), ((present(column), NOT_A_TIME),))
    column = pc.utf8_trim_whitespace(column)
    column = _null_where(pc.equal(column, ""), column)
    zoned = pc.fill_null(pc.match_substring_regex(column, ZONED), False)
    # A time with its zone is a moment; one without is the reading of a wall clock.
    moments = _iso(_null_where(pc.invert(zoned), column)).cast(TIME)
    wall = _iso(_null_where(zoned, column))
    local = _local(wall, zone)
    unread = present(column) & ~present(moments) & ~present(wall)
    return Parsed(pc.coalesce(moments, local.array), ((unread, NOT_A_TIME), *local.faults))


def _iso(column: pa.Array) -> pa.Array:
    """Timestamps of ISO 8601 text (UTC where the text says its offset), null where the text is none."""
    if column.null_count == len(column):
        return pa.nulls(len(column), pa.timestamp("us"))
    for kind in (pa.timestamp("us"), TIME):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue
    values = pd.Series(column.to_numpy(zero_copy_only=False), dtype=object)
    moments = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
    return pa.array(moments.dt.tz_convert(None).to_numpy()).cast(pa.timestamp("us"))


def _local(wall: pa.Array, zone: ZoneInfo | None) -> Parsed:
    """Readings of a wall clock in `zone` as moments."""
    given = present(wall)
    if zone is None:
        return Parsed(pa.nulls(len(wall), TIME), ((given, NO_ZONE),))
    if zone.key == "UTC" or not given.any():
        return Parsed(wall.cast(TIME))
    local = pd.Series(wall.to_numpy(zero_copy_only=False)).dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    moments = pa.array(local.dt.tz_convert(None).to_numpy()).cast(TIME)
    return Parsed(moments, ((given & ~present(moments), f"a clock change of {zone.key} skips or repeats this time"),))


def as_text(column: pa.Array) -> pa.Array:
    """Any column as text, for ids and for the quarantine's record of a value."""
    return _plain(column).cast(TEXT)


def _plain(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(TEXT) if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type) else column


def _null_where(condition: pa.Array, column: pa.Array) -> pa.Array:
    return pc.if_else(pc.fill_null(condition, False), pa.scalar(None, column.type), column)
