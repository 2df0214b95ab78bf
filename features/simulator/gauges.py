"""What the sensors of one machine say: load, weather and wear in them, and what goes wrong with sensors themselves."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.kernel import jit
from features.simulator.chance import HOURS_PER_YEAR, Ints, Stream, stream
from features.simulator.world import Floats, Habit, KindWorld, Reporting

_DRAWN = 256
_MISSED = 65536  # losses are drawn in 16 bits


class Panel(NamedTuple):
    """The sensors of a kind as arrays by gauge and by (part, gauge).

    knocks: [gauge, 4] of part, size, gap, claws. ends: [gauge, 2], beyond which a sensor shows no more.
    """

    rest: Floats
    per_load: Floats
    per_10c: Floats
    noise: Floats
    offset: Floats
    creep: Floats
    drift: Floats
    unrest: Floats
    knocks: Floats
    ends: Floats
    bend: float


def panel_of(kind: KindWorld) -> Panel:
    gauges, codes = kind.gauges, [part.code for part in kind.parts]
    waves = [
        (codes.index(g.waveform.part), g.waveform.size, g.waveform.gap_hours, g.waveform.claws) if g.waveform else (-1, 0, 0, 0)
        for g in gauges
    ]
    return Panel(
        np.array([gauge.at_rest for gauge in gauges]),
        np.array([gauge.per_load for gauge in gauges]),
        np.array([gauge.per_10c for gauge in gauges]),
        np.array([gauge.noise for gauge in gauges]),
        np.array([gauge.offset_spread for gauge in gauges]),
        np.array([gauge.creep * gauge.noise / 2400.0 for gauge in gauges]),
        np.array([[gauge.drift.get(code, 0.0) for gauge in gauges] for code in codes]),
        np.array([[gauge.unrest.get(code, 0.0) for gauge in gauges] for code in codes]),
        np.array(waves, dtype=np.float64),
        np.array([(gauge.low, gauge.high) for gauge in gauges]),
        kind.bend,
    )


def calibrations(habit: Habit, seed: int, machine: int, hours: int) -> Ints:
    """The hours at which the sensors of a machine are calibrated anew."""
    rng = stream(seed, machine, Stream.SERVICE)
    every = habit.calibrate_days * 24.0
    first = rng.random() * every
    gaps = every * np.exp(habit.slack * rng.standard_normal(_DRAWN))
    at = np.ceil(first + np.concatenate([[0.0], np.cumsum(gaps)]))
    return np.asarray(at[at < hours], dtype=np.int64)


def values_of(
    panel: Panel,
    reporting: Reporting,
    seed: int,
    machine: int,
    served: Ints,
    load: Floats,
    ambient_c: Floats,
    wear: npt.NDArray[np.float32],
) -> Floats:
    """Readings by [hour, gauge], what is lost as NaN, to three decimals. served: `calibrations`; wear: [hour, part]."""
    hours, gauges = len(load), len(panel.rest)
    rng = stream(seed, machine, Stream.GAUGES)
    offsets = rng.standard_normal(gauges) * panel.offset
    noise = rng.standard_normal((hours, gauges), dtype=np.float32)
    slopes = stream(seed, machine, Stream.CREEP).standard_normal((_DRAWN, gauges)) * panel.creep
    values = _values(panel, offsets, noise, slopes, served, load, ambient_c, wear)
    for gauge in np.flatnonzero(panel.knocks[:, 0] >= 0):
        draws = stream(seed, machine, Stream.KNOCKS).random(hours)
        _knock(values[:, gauge], draws, panel.knocks[gauge], wear[:, int(panel.knocks[gauge, 0])])
    if reporting.stuck_per_year:
        rate = gauges * reporting.stuck_per_year / HOURS_PER_YEAR
        _stick(values, stream(seed, machine, Stream.STUCK).random(hours), rate, *reporting.stuck_hours)
    lost = stream(seed, machine, Stream.GAPS).integers(0, _MISSED, (hours, gauges), dtype=np.uint16)
    _finish(values, lost, round(reporting.missing_share * _MISSED), panel.ends)
    return np.asarray(values)


@jit
def _values(panel, offsets, noise, slopes, served, load, ambient_c, wear):  # type: ignore[no-untyped-def]
    hours, gauges = noise.shape
    parts = wear.shape[1]
    out = np.empty((hours, gauges))
    bent = np.empty(parts)
    since, nth = 0, 0
    for t in range(hours):
        if nth < len(served) and served[nth] <= t:
            since, nth = t, nth + 1
        for p in range(parts):
            w = min(wear[t, p], 1.5)
            bent[p] = w**panel.bend if w > 0.05 else 0.0
        for g in range(gauges):
            value = panel.rest[g] + panel.per_load[g] * load[t] + panel.per_10c[g] * (ambient_c[t] - 20.0) / 10.0
            spread = 1.0
            for p in range(parts):
                value += bent[p] * panel.drift[p, g]
                spread += bent[p] * panel.unrest[p, g]
            value += offsets[g] + slopes[nth % len(slopes), g] * (t - since)
            out[t, g] = value + panel.noise[g] * spread * noise[t, g]
    return out


@jit
def _knock(values, draws, knock, wear):  # type: ignore[no-untyped-def]
    """Add the knocks of one sensor to `values`. The law is stated in `world.Waveform`."""
    size, gap, claws = knock[1], int(knock[2]), int(knock[3])
    stands = np.ones(claws)
    # The first draw says when the first knock comes.
    for nth, t in enumerate(range(int(draws[0] * gap), len(values), gap)):
        if draws[t] >= (0.5 + 0.5 * min(1.0, wear[t]) if nth >= claws else 0.5):
            stands[nth % claws] *= -1.0
        for step in range(min(4, len(values) - t)):
            values[t + step] += stands[nth % claws] * size * (1.0, -3.0, 3.0, -1.0)[step]


@jit
def _stick(values, draws, rate, low, high):  # type: ignore[no-untyped-def]
    """Let sensors repeat their last value for a while."""
    hours, gauges = values.shape
    for t in range(1, hours):
        if draws[t] < rate:
            place = draws[t] / rate * gauges
            g = min(int(place), gauges - 1)
            end = t + int(np.ceil(low + (high - low) * (place - g)))
            values[t : min(end, hours), g] = values[t - 1, g]


@jit
def _finish(values, lost, limit, ends):  # type: ignore[no-untyped-def]
    hours, gauges = values.shape
    for t in range(hours):
        for g in range(gauges):
            shown = min(max(values[t, g], ends[g, 0]), ends[g, 1])
            values[t, g] = np.nan if lost[t, g] < limit else np.floor(shown * 1000.0 + 0.5) / 1000.0
