"""The peer of `tests.speed.sequence`: windows as one writes them for a torch DataLoader, one item after the other in NumPy.

`Plain` slices a machine's prepared arrays and computes the same channels by vectorised NumPy, as known at as_of.
`ReadyMade` has every channel of every reading made beforehand, as the tables stand at the end: late and corrected rows, and the
machine's own level, are seen too early, and it keeps a float32 for each channel of each reading. It is a floor for slicing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from features.history import HOUR, History, vocabulary
from features.kinds import MachineKind
from features.sequences import Layout

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Pair = tuple[torch.Tensor, torch.Tensor]
COUNTED = ("events", "operations", "maintenance")


class Machine:
    """One machine's rows of each table as arrays of its own."""

    def __init__(self, kind: MachineKind, history: History, place: int) -> None:
        self.kind = kind
        self.tables: dict[str, dict[str, Any]] = {}
        for name, rows in history.series.items():
            if name == "reference":
                continue
            cut = slice(rows.offsets[place], rows.offsets[place + 1])
            columns = {field: getattr(rows, field)[cut] for field in ("event", "known_from", "known_to", "codes")}
            self.tables[name] = columns | {"values": np.ascontiguousarray(rows.values[:, cut].T, dtype=np.float32)}

    def seen(self, name: str, now: int, since: int | None = None) -> tuple[Ints, dict[str, Any]]:
        """The rows of a table that were known, and the table."""
        table = self.tables[name]
        high = np.searchsorted(table["event"], now, side="right")
        low = 0 if since is None else np.searchsorted(table["event"], since, side="right")
        known = (table["known_from"][low:high] <= now) & (now < table["known_to"][low:high])
        return low + np.flatnonzero(known), table

    def level(self, now: int, baseline: int) -> Floats:
        readings = self.tables["readings"]
        known = (readings["known_from"][: 8 * baseline] <= now) & (now < readings["known_to"][: 8 * baseline])
        first = readings["values"][: 8 * baseline][known]
        return np.array([column[~np.isnan(column)][:baseline].mean() for column in first.T], dtype=np.float32)

    def window(self, layout: Layout, now: int) -> tuple[Floats, Floats]:
        """float32[steps, channels] and float32[covariates] at a moment."""
        rows, readings = self.seen("readings", now, now - round(layout.window_hours * HOUR))
        rows = rows[-(layout.steps - 1) :]
        older = int(rows[0] if len(rows) else np.searchsorted(readings["event"], now, side="right")) - 1
        while older >= 0 and not readings["known_from"][older] <= now < readings["known_to"][older]:
            older -= 1
        when = np.append(readings["event"][rows], now)
        before = int(readings["event"][older]) if older >= 0 else None
        own, start = self._own(now)
        values = np.full((len(when), readings["values"].shape[1]), np.nan, dtype=np.float32)
        values[:-1] = readings["values"][rows]
        parts = [
            ((now - when) / HOUR)[:, None],
            np.diff(when, prepend=np.nan if before is None else before)[:, None] / HOUR,
            (np.nan_to_num(own[1]) + (when - start) / HOUR)[:, None],
            values,
            values - self.level(now, layout.baseline),
            self._ages(now, when),
            self._states(now, when),
            self._counts(now, when, before),
        ]
        window = np.full((layout.steps, len(layout.names)), np.nan, dtype=np.float32)
        window[-len(when) :] = np.concatenate(parts, axis=1)
        return window, self._static(now, own, start)

    def _own(self, now: int) -> tuple[Floats, int]:
        rows, table = self.seen("machines", now)
        return table["values"][rows[-1]], int(table["event"][rows[-1]])

    def _ages(self, now: int, when: Ints) -> npt.NDArray[np.float64]:
        rows, table = self.seen("replacements", now)
        ages = np.full((len(when), len(self.kind.components)), np.nan)
        for code in range(len(self.kind.components)):
            new = table["event"][rows][table["codes"][rows] == code]
            last = np.searchsorted(new, when, side="right") - 1
            ages[last >= 0, code] = (when[last >= 0] - new[last[last >= 0]]) / HOUR
        return ages

    def _states(self, now: int, when: Ints) -> npt.NDArray[np.float64]:
        made: list[npt.NDArray[np.float64]] = []
        # Load and running, the mode and the shift by their codes; then the environment.
        for name, columns in (("operations", (0, 3, 1, 2)), ("environment", (0, 1))):
            rows, table = self.seen(name, now)
            for column in columns:
                values = table["values"][rows, column]
                there = ~np.isnan(values)
                last = np.searchsorted(table["event"][rows][there], when, side="right") - 1
                stood = np.where(last >= 0, values[there][last], np.nan) if there.any() else np.full(len(when), np.nan)
                one_hot = {("operations", 1): self.kind.modes, ("operations", 2): self.kind.shifts}.get((name, column))
                if one_hot is None:
                    made.append(stood)
                else:
                    made += [np.where(np.isnan(stood), np.nan, stood == code) for code in range(len(one_hot))]
        return np.stack(made, axis=1)

    def _counts(self, now: int, when: Ints, before: int | None) -> npt.NDArray[np.float64]:
        parts = []
        for name in COUNTED:
            rows, table = self.seen(name, now, before)
            codes = table["codes"][rows]
            step = np.searchsorted(when, table["event"][rows])
            counts = np.zeros((len(when), len(vocabulary(self.kind, name))))
            np.add.at(counts, (step[codes >= 0], codes[codes >= 0]), 1.0)
            parts.append(counts)
        return np.concatenate(parts, axis=1)

    def _static(self, now: int, own: Floats, start: int) -> Floats:
        observed = (now - start) / HOUR
        models = [float(own[0] == place) for place in range(len(self.kind.models))]
        rows, table = self.seen("failures", now)
        failed = np.bincount(table["codes"][rows], minlength=len(self.kind.components))
        return np.array([own[1] + observed, observed, own[2], *models, len(rows), *failed], dtype=np.float32)


class Plain(Dataset[Pair]):
    def __init__(self, machines: Sequence[Machine], layout: Layout, entity: Ints, as_of: Ints) -> None:
        self.machines, self.layout, self.entity, self.as_of = machines, layout, entity.tolist(), as_of.tolist()

    def __len__(self) -> int:
        return len(self.as_of)

    def __getitem__(self, row: int) -> Pair:
        steps, static = self.machines[self.entity[row]].window(self.layout, self.as_of[row])
        return torch.from_numpy(steps), torch.from_numpy(static)


class ReadyMade(Dataset[Pair]):
    def __init__(self, machines: Sequence[Machine], layout: Layout, entity: Ints, as_of: Ints) -> None:
        self.layout, self.entity, self.as_of = layout, entity.tolist(), as_of.tolist()
        self.made = [self._whole(machine) for machine in machines]

    def _whole(self, machine: Machine) -> tuple[Ints, Floats, Floats]:
        event = machine.tables["readings"]["event"]
        whole = Layout(self.layout.names, self.layout.static, len(event) + 1, 1e9, self.layout.baseline, "")
        steps, static = machine.window(whole, int(event[-1]))
        steps = steps[~np.isnan(steps[:, 0])][:-1]
        when = int(event[-1]) - np.round(steps[:, 0].astype(np.float64) * HOUR).astype(np.int64)
        return when, np.concatenate([np.full((self.layout.steps, steps.shape[1]), np.nan, np.float32), steps]), static

    def __len__(self) -> int:
        return len(self.as_of)

    def __getitem__(self, row: int) -> Pair:
        when, steps, static = self.made[self.entity[row]]
        end = int(np.searchsorted(when, self.as_of[row], side="right"))
        return torch.from_numpy(steps[end : end + self.layout.steps]), torch.from_numpy(static)
