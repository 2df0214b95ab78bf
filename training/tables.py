"""Figures as a terminal shows them and as JSON carries them."""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from training.ceiling import Ceiling
from training.evaluation import Evaluation
from training.intervals import Interval
from training.report_words import Text, number, share_of

Cell = Interval | float | int | str | None


def text_table(rows: Sequence[Mapping[str, Cell]], width: int | None = None) -> str:
    """Columns aligned, the first to the left; an interval as `0.905 [0.881, 0.927]`. Empty text for no rows.

    width: columns of the terminal; a wider table is set in blocks under each other that repeat the first column.
    """
    if not rows:
        return ""
    heads = list(dict.fromkeys(name for row in rows for name in row))
    lines = [heads, *([shown(row.get(name)) for name in heads] for row in rows)]
    widths = [max(_width(line[place]) for line in lines) for place in range(len(heads))]
    return "\n\n".join(_block(lines, widths, chosen) for chosen in _blocks(widths, width))


def _blocks(widths: Sequence[int], width: int | None) -> list[list[int]]:
    """Which columns stand together: as many as fit, at least one beside the first."""
    blocks: list[list[int]] = [[0]]
    for place in range(1, len(widths)):
        taken = sum(widths[other] + 2 for other in blocks[-1])
        if width is not None and len(blocks[-1]) > 1 and taken + widths[place] > width:
            blocks.append([0])
        blocks[-1].append(place)
    return blocks


def _block(lines: Sequence[Sequence[str]], widths: Sequence[int], chosen: Sequence[int]) -> str:
    return "\n".join("  ".join(_pad(line[place], widths[place], place) for place in chosen).rstrip() for line in lines)


def shown(cell: Cell) -> str:
    """One cell as text."""
    if cell is None:
        return ""
    if isinstance(cell, Interval):
        if not math.isfinite(cell.low):
            return number(cell.value)
        return f"{number(cell.value)} [{number(cell.low)}, {number(cell.high)}]"
    return number(cell) if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else cell


def plain(value: Any) -> Any:
    """JSON-ready: intervals as {value, low, high}, what is not a number as null."""
    if isinstance(value, Interval):
        return {"value": plain(value.value), "low": plain(value.low), "high": plain(value.high)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def summary(evaluation: Evaluation, words: Mapping[str, Text]) -> list[dict[str, Cell]]:
    """One row per forecast: the figures that a run is judged by first; then one row per rival of the model's paired gain."""
    budget = evaluation.budgets[0]
    columns = [
        ("AP 72 h", "72", "ap"),
        ("AUC 72 h", "72", "auc"),
        ("skill 72 h", "72", "brier_skill"),
        ("AP third day", "48-72", "ap"),
    ]
    judged = {one.name: one for one in evaluation.horizons}
    share = share_of(budget.share)

    def row(title: str, rows: Mapping[str, Mapping[str, Interval]], alarm: Mapping[str, Interval]) -> dict[str, Cell]:
        cells: dict[str, Cell] = {"forecast": title}
        cells |= {head: rows[name][key] for head, name, key in columns if name in rows}
        return cells | {f"alarmed at {share}": alarm["event_recall"], "false/machine-month": alarm["false_alarms"]}

    table = [
        row(words[name].en, {key: one.figures[name] for key, one in judged.items()}, budget.figures[name])
        for name in evaluation.names
    ]
    for name in (*evaluation.singles, *evaluation.rivals):
        gains = {key: one.gains[name] for key, one in judged.items()}
        table.append(row(f"gain over {words[name].en}", gains, budget.gains[name]))
    return table


def flat(evaluation: Evaluation) -> dict[str, float]:
    """The model's own figures as name -> number, for the manifest and the tracker; what is not a number is left out."""
    found: dict[str, float] = {}
    for horizon in evaluation.horizons:
        tag = horizon.name.replace("-", "_")
        found |= {f"{key}_{tag}h": one.value for key, one in horizon.figures[evaluation.model].items()}
        if horizon.calibration is not None:
            found[f"calibration_slope_{tag}h"] = horizon.calibration.slope.value
            found[f"observed_over_expected_{tag}h"] = horizon.calibration.overall.value
            found[f"bins_hold_{tag}h"] = float(horizon.calibration.holds)
    for budget in evaluation.budgets:
        tag = f"{budget.share * 100:g}pct".replace(".", "_")
        found |= {f"{key}_{tag}": one.value for key, one in budget.figures[evaluation.model].items()}
    if evaluation.ceiling is not None:
        found |= _beside_truth(evaluation.ceiling)
    return {key: value for key, value in found.items() if math.isfinite(value)}


def _beside_truth(ceiling: Ceiling) -> dict[str, float]:
    found = {f"true_slope_{name}h": slope.value for name, slope in ceiling.slopes.items()}
    found["true_range_coverage"] = ceiling.bins.coverage
    if ceiling.windows is not None:
        found["share_of_oracle_recall"] = ceiling.windows.share
    return found


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _pad(text: str, width: int, place: int) -> str:
    fill = " " * (width - _width(text))
    return text + fill if place == 0 else fill + text
