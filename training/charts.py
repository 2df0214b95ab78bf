"""Charts as SVG text: small, sharp in print, without a library or a font of their own; the page's style sheet colours them.

A chart takes plain arrays and returns one <svg>. Colours are classes (`c0` is the model under test). Every mark carries a
<title>, so a pointer at rest shows its figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
_WIDTH, _HEIGHT = 560, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 14, 52


@dataclass(frozen=True)
class Axis:
    """One axis: its words, its range, where to tick, how to write a tick."""

    words: str
    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False
    percent: bool = False

    def place(self, values: Floats | float) -> Floats:
        """Position in [0, 1] along the axis; values outside are held at the ends."""
        at = np.asarray(values, dtype=np.float64)
        if self.log:
            at = np.log10(np.maximum(at, 1e-300))
            at = (at - np.log10(self.low)) / (np.log10(self.high) - np.log10(self.low))
        else:
            at = (at - self.low) / (self.high - self.low)
        return np.asarray(np.clip(at, 0.0, 1.0))

    def write(self, tick: float) -> str:
        return f"{tick * 100:g} %" if self.percent else f"{tick:g}"


@dataclass(frozen=True)
class Periods(Axis):
    """Periods side by side at 1, 2, ...; ticks are written as the dates on which they start."""

    dates: tuple[str, ...] = ()

    def write(self, tick: float) -> str:
        return self.dates[round(tick) - 1]


@dataclass(frozen=True)
class Line:
    """One curve: name, points, colour class, whether points are dotted and joined, and an optional interval around each."""

    name: str
    x: Floats
    y: Floats
    style: str = "c0"
    dots: bool = False
    curve: bool = True
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True)
class Band:
    """What lies between two curves."""

    x: Floats
    low: Floats
    high: Floats


def share_axis(words: str, percent: bool = True) -> Axis:
    return Axis(words, 0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), percent=percent)


def log_axis(words: str, low: float, high: float, percent: bool = False) -> Axis:
    """Decades from below `low` to above `high`; a tick on each."""
    first, last = int(np.floor(np.log10(low) + 1e-9)), int(np.ceil(np.log10(high) - 1e-9))
    last = max(last, first + 1)
    return Axis(words, 10.0**first, 10.0**last, tuple(10.0**k for k in range(first, last + 1)), log=True, percent=percent)


def period_axis(words: str, dates: Sequence[str]) -> Periods:
    """One place for each date; about six of them are written."""
    every = max(1, -(-len(dates) // 6))
    ticks = tuple(float(place) for place in range(1, len(dates) + 1, every))
    return Periods(words, 0.5, len(dates) + 0.5, ticks, dates=tuple(dates))


def span_axis(words: str, low: float, high: float, percent: bool = False) -> Axis:
    """From a round number at or below `low` to one at or above `high`, in four to six steps."""
    step = _round_step(max(high - low, 1e-6) / 5.0)
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    ticks = tuple(float(f"{tick * step:.6g}") for tick in np.arange(first, max(last, first + 1) + 0.5))
    return Axis(words, ticks[0], ticks[-1], ticks, percent=percent)


def count_axis(words: str, high: float) -> Axis:
    """From 0 to a round number at or above `high`, in four to six steps."""
    step = _round_step(max(high, 1e-9) / 5.0)
    top = float(np.ceil(max(high, 1e-9) / step - 1e-9)) * step
    return Axis(words, 0.0, top, tuple(float(tick) for tick in np.arange(0.0, top + step / 2, step)))


def _round_step(rough: float) -> float:
    size = 10.0 ** np.floor(np.log10(rough))
    return float(next(size * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if size * factor >= rough - 1e-12))


def line_chart(
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    label: str,
    reference: tuple[Floats, Floats] | None = None,
    band: Band | None = None,
) -> str:
    """Curves over a grid. reference: points of a thin dashed line (the diagonal, a base rate); band: lies below everything."""
    parts = [_grid(x, y)]
    if band is not None:
        around = np.r_[band.x, band.x[::-1]], np.r_[band.low, band.high[::-1]]
        parts.append(f'<path class="band" d="{_path(*_points(*around, x, y))}Z"/>')
    if reference is not None:
        parts.append(f'<path class="ref" d="{_path(*_points(reference[0], reference[1], x, y))}"/>')
    for line in reversed(lines):
        at_x, at_y = _points(line.x, line.y, x, y)
        if line.low is not None and line.high is not None:
            low, high = _points(line.x, line.low, x, y)[1], _points(line.x, line.high, x, y)[1]
            parts += [
                f'<line class="{line.style} whisker" x1="{a:.1f}" x2="{a:.1f}" y1="{b:.1f}" y2="{c:.1f}"/>'
                for a, b, c in zip(at_x, low, high, strict=True)
            ]
        if line.curve:
            parts.append(f'<path class="{line.style} curve" d="{_path(at_x, at_y)}"><title>{escape(line.name)}</title></path>')
        if line.dots:
            parts += [
                f'<circle class="{line.style} dot" cx="{a:.1f}" cy="{b:.1f}" r="3.6">'
                f"<title>{escape(line.name)}: {x.write(_short(u))}, {y.write(_short(v))}</title></circle>"
                for a, b, u, v in zip(at_x, at_y, line.x, line.y, strict=True)
            ]
    return _svg(parts, label)


def ratio_chart(groups: Sequence[Line], x: Axis, y: Axis, label: str) -> str:
    """Points with intervals side by side against a line at 1; `x` positions are 1, 2, ... per group, shifted apart."""
    parts = [_grid(x, y), f'<path class="ref" d="{_path(*_points(np.array([x.low, x.high]), np.ones(2), x, y))}"/>']
    for index, group in enumerate(groups):
        shift = (index - (len(groups) - 1) / 2) * 0.24
        at_x, at_y = _points(group.x + shift, group.y, x, y)
        low, high = (_points(group.x + shift, edge, x, y)[1] for edge in (group.low, group.high) if edge is not None)
        for a, b, c, d, value in zip(at_x, at_y, low, high, group.y, strict=True):
            title = f"<title>{escape(group.name)}: {value:.2f}</title>"
            parts.append(
                f'<line class="{group.style} whisker" x1="{a:.1f}" x2="{a:.1f}" y1="{c:.1f}" y2="{d:.1f}">{title}</line>'
            )
            parts.append(f'<circle class="{group.style} dot" cx="{a:.1f}" cy="{b:.1f}" r="3.6">{title}</circle>')
    return _svg(parts, label)


def histogram(edges: Floats, counts: Floats, x: Axis, y: Axis, label: str) -> str:
    """Bars between edges [k+1] of heights counts [k], each with its number on top."""
    parts = [_grid(x, y)]
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        left, right = (float(_points(np.array([e]), np.array([0.0]), x, y)[0][0]) for e in (low, high))
        top = float(_points(np.array([low]), np.array([count]), x, y)[1][0])
        base = _HEIGHT - _BOTTOM
        parts.append(
            f'<rect class="bar" x="{left + 1:.1f}" y="{top:.1f}" width="{max(0.5, right - left - 2):.1f}" '
            f'height="{base - top:.1f}"><title>{low:g}-{high:g}: {count:g}</title></rect>'
        )
        if count:
            parts.append(
                f'<text class="tick" x="{(left + right) / 2:.1f}" y="{top - 4:.1f}" text-anchor="middle">{count:g}</text>'
            )
    return _svg(parts, label)


def interval_chart(names: Sequence[str], line: Line, x: Axis, label: str) -> str:
    """Values in x with intervals, each on a row of its own with its name at the left, against a dashed line at 1."""
    if line.low is None or line.high is None:
        raise ValueError("an interval chart needs intervals")
    left, step = 210, 24
    bottom = _TOP + step * len(names)
    places = {"at": line.x, "low": line.low, "high": line.high}
    at = {key: left + x.place(values) * (_WIDTH - left - _RIGHT) for key, values in places.items()}
    parts = []
    for tick in x.ticks:
        across = left + float(x.place(tick)) * (_WIDTH - left - _RIGHT)
        parts.append(f'<line class="grid" x1="{across:.1f}" x2="{across:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{across:.1f}" y="{bottom + 17}" text-anchor="middle">{x.write(tick)}</text>')
    one = left + float(x.place(1.0)) * (_WIDTH - left - _RIGHT)
    parts.append(f'<path class="ref" d="M{one:.1f} {_TOP}L{one:.1f} {bottom}"/>')
    for row, name in enumerate(names):
        down, value = _TOP + step * (row + 0.5), line.x[row]
        title = f"<title>{escape(name)}: {value:.2f}</title>"
        parts.append(f'<text class="tick" x="{left - 12}" y="{down + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        parts.append(
            f'<line class="{line.style} whisker" x1="{at["low"][row]:.1f}" x2="{at["high"][row]:.1f}" y1="{down}" y2="{down}">'
            f"{title}</line>"
        )
        parts.append(f'<circle class="{line.style} dot" cx="{at["at"][row]:.1f}" cy="{down}" r="3.6">{title}</circle>')
    middle = (left + _WIDTH - _RIGHT) / 2
    parts.append(f'<text class="axis-words" x="{middle}" y="{bottom + 37}" text-anchor="middle">{escape(x.words)}</text>')
    return _svg(parts, label, bottom + 44)


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _points(x_values: Floats, y_values: Floats, x: Axis, y: Axis) -> tuple[Floats, Floats]:
    across, up = x.place(x_values), y.place(y_values)
    return _LEFT + across * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)


def _path(across: Floats, down: Floats) -> str:
    """A path of at most about 400 points: neighbours closer than a third of a pixel are left out."""
    if len(across) > 2:
        moved = np.abs(np.diff(across)) + np.abs(np.diff(down))
        kept = (
            np.r_[True, np.diff(np.floor(np.cumsum(moved) / 0.34)) > 0, True] if len(moved) > 1 else np.ones(len(across), bool)
        )
        across, down = across[kept], down[kept]
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(across, down, strict=True))


def _grid(x: Axis, y: Axis) -> str:
    left, right, top, bottom = _LEFT, _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM
    parts = []
    for tick in y.ticks:
        at = bottom - float(y.place(tick)) * (bottom - top)
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{y.write(tick)}</text>')
    for tick in x.ticks:
        at = left + float(x.place(tick)) * (right - left)
        parts.append(f'<line class="nib" x1="{at:.1f}" x2="{at:.1f}" y1="{bottom}" y2="{bottom + 5}"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 19}" text-anchor="middle">{x.write(tick)}</text>')
    parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(
        f'<text class="axis-words" x="{(left + right) / 2}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(x.words)}</text>'
    )
    parts.append(
        f'<text class="axis-words" transform="translate(13 {(top + bottom) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(y.words)}</text>"
    )
    return "".join(parts)


def _svg(parts: Sequence[str], label: str, height: float = _HEIGHT) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
