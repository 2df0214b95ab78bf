"""Small engines: two sensors that drift towards the end of a life, under one or two flight conditions."""

from pathlib import Path

import numpy as np
import pandas as pd

from features.sources.cmapss import COLUMNS, SENSORS

CONDITIONS = np.array([[0.0, 0.0, 100.0], [35.0, 0.84, 100.0]])


def lives(engines: int, seed: int, conditions: int = 1) -> pd.DataFrame:
    """Engines of 60 to 110 cycles, run until they fail, in the publisher's columns."""
    random = np.random.default_rng(seed)
    frames = []
    for unit in range(1, engines + 1):
        life = int(random.integers(60, 110))
        left = np.arange(life - 1, -1, -1)
        flown = random.integers(0, conditions, life)
        settings = CONDITIONS[flown] + random.normal(0, 1e-3, (life, 3)) * [1, 1, 0]
        sensors = np.tile(100.0 * (1 + flown[:, None]) + np.arange(len(SENSORS)), (1, 1)).astype(float)
        wear = np.exp(-left / 25.0)
        sensors[:, 1] += 10 * wear + random.normal(0, 0.5, life)
        sensors[:, 2] -= 6 * wear + random.normal(0, 0.5, life)
        frames.append(np.column_stack([np.full(life, unit), np.arange(1, life + 1), settings, sensors]))
    return pd.DataFrame(np.concatenate(frames), columns=list(COLUMNS)).astype({"unit": "int64", "cycle": "int64"})


def cut_off(table: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Records that end some cycles before the engine's end, and what was left: a test file and its RUL file."""
    random = np.random.default_rng(seed)
    life = table.groupby("unit")["cycle"].max()
    left = pd.Series(random.integers(5, 40, len(life)), index=life.index)
    shown = table[table["cycle"] <= table["unit"].map(life - left)]
    return shown, left.rename("RUL").rename_axis("unit").reset_index()


def write(folder: Path, tables: dict[str, pd.DataFrame]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")
    return folder
