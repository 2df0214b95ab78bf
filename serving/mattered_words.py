"""The rows behind a reason in words, English and Chinese."""

import math
from typing import Any

from features.kinds import MachineKind
from serving.later import Later
from serving.mattered import Row, Stretch
from serving.reasons import number

_TABLES_ZH = {
    "readings": "读数", "events": "事件", "maintenance": "维护", "failures": "故障", "operations": "运行",
    "environment": "环境", "machines": "设备", "replacements": "更换",
}  # fmt: skip


def stretch_document(kind: MachineKind, table: str, stretch: Stretch) -> dict[str, Any]:
    """A stretch as it is answered."""
    en, zh = stretch_words(kind, table, stretch)
    return {
        "table": kind.readings_table if table == "readings" else table,
        "from": stretch.start.isoformat(),
        "to": stretch.end.isoformat(),
        "count": stretch.count,
        "change": stretch.change,
        "p72_without": stretch.p72_without,
        "rows": [row.document() for row in stretch.rows],
        "text_en": en,
        "text_zh": zh,
    }


def stretch_words(kind: MachineKind, table: str, stretch: Stretch) -> tuple[str, str]:
    """`Readings 2026-01-12 20:00 to 23:00 UTC, 4 rows (22:00 vibration 66.1 mm/s): raised the hazard 1.8x; ...`"""
    first, many = stretch.rows[0], stretch.count > 1
    at = f"{first.event_time:%H:%M} " if many else ""
    example_en, example_zh = (at + shown(kind, first, language) for language in ("en", "zh"))
    late_en = late_zh = ""
    if first.recorded_at != first.event_time:
        late_en, late_zh = f", known {first.recorded_at:%Y-%m-%d %H:%M}", f"，{first.recorded_at:%Y-%m-%d %H:%M} 得知"
    rows_en, rows_zh = (f", {stretch.count} rows", f"，{stretch.count} 行") if many else ("", "")
    factor, up = math.exp(min(abs(stretch.change), 20.0)), stretch.change > 0
    en = (
        f"{table.capitalize()} {_span(stretch, 'to')} UTC{rows_en} ({example_en}{late_en}): {'raised' if up else 'lowered'} "
        f"the hazard {factor:.3g}x; without {'them' if many else 'it'} 72 h {stretch.p72_without:.2%}"
    )
    zh = (
        f"{_TABLES_ZH.get(table, table)} {_span(stretch, '至')} UTC{rows_zh}（{example_zh}{late_zh}）："
        f"使风险{'升至' if up else '降至'} {factor if up else 1 / factor:.3g} 倍；若无，72 小时为 {stretch.p72_without:.2%}"
    )
    return en, zh


def later_words(later: Later, p72: float) -> tuple[str, str]:
    """What became known after the score, in a line each."""
    many = later.count > 1
    en = (
        f"Became known after the score: {later.count} row{'s' if many else ''} from before its moment; "
        f"with {'them' if many else 'it'} 72 h {later.p72:.2%} in place of {p72:.2%}"
    )
    return en, f"评分后才得知：评分时刻之前的 {later.count} 行；若当时已知，72 小时为 {later.p72:.2%}，而非 {p72:.2%}"


def row_words(kind: MachineKind, row: Row) -> str:
    """One row, as its table has it."""
    return f"{row.table} {row.event_time:%Y-%m-%d %H:%M}, recorded {row.recorded_at:%Y-%m-%d %H:%M}: {shown(kind, row, 'en')}"


def shown(kind: MachineKind, row: Row, language: str) -> str:
    """The values of a row; a sensor's with its words and its unit."""
    sensors = {sensor.name: sensor for sensor in kind.sensors}
    told = []
    for name, value in row.values.items():
        text = number(value) if isinstance(value, float) else str(value)
        if name in sensors:
            told.append(f"{getattr(sensors[name], f'words_{language}')} {text} {sensors[name].unit}".rstrip())
        else:
            told.append(f"{name} {text}")
    return ", ".join(told) or "-"


def _span(stretch: Stretch, to: str) -> str:
    start, end = stretch.start, stretch.end
    if start == end:
        return f"{start:%Y-%m-%d %H:%M}"
    return (
        f"{start:%Y-%m-%d %H:%M} {to} {end:%H:%M}"
        if start.date() == end.date()
        else f"{start:%m-%d %H:%M} {to} {end:%m-%d %H:%M}"
    )
