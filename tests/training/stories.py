"""Made-up accident narratives whose cause is who did what, not which words stand there."""

from pathlib import Path

import numpy as np
import pandas as pd

TRADES = ("employee #1", "a carpenter", "the roofer", "a painter", "employee #2", "the welder")
THINGS = ("truss", "beam", "scaffold", "wall panel", "ladder", "pipe")
TELLS = {
    "falls": "{who} lost his balance and fell off the {what} to the ground",
    "collapse of object": "the {what} gave way and fell on {who} beneath it",
    "electrocution": "{who} touched an energized wire near the {what} and was electrocuted",
}
FILLED = (
    "On March 3 2012 {who} was working at a commercial site.",
    "{who} was transported to a hospital and treated.",
    "The investigation found no other witness at 10:30 a.m. of the day.",
    "The company employed 12 people.",
)


def stories(each: int, seed: int) -> pd.DataFrame:
    """`each` narratives of every cause in a random order: id, title, Summary2, Tagged2."""
    random = np.random.default_rng(seed)
    rows = []
    for cause, tells in TELLS.items():
        for _ in range(each):
            who, what = str(random.choice(TRADES)), str(random.choice(THINGS))
            around = [str(one).format(who=who) for one in random.permutation(FILLED)]
            title = f"Worker Is Injured By {what.title()}"
            rows.append((title, f"{around[0]} Then {tells.format(who=who, what=what)}. {around[1]} {around[2]}", cause))
    table = pd.DataFrame(rows, columns=["title", "Summary2", "Tagged2"])
    table = table.iloc[random.permutation(len(table))].reset_index(drop=True)
    table.insert(0, "id", np.arange(len(table)) + 1_000 * seed)
    return table


def folder(path: Path, tagged: pd.DataFrame, untagged: pd.DataFrame | None = None) -> Path:
    """The publisher's two files, or the tagged one alone."""
    path.mkdir(exist_ok=True)
    tagged.to_parquet(path / "tagged1000.parquet")
    if untagged is not None:
        rest = pd.concat([tagged, untagged]).rename(columns={"Summary2": "SUMMARY"}).drop(columns="Tagged2")
        rest.assign(industry=1761, cause="Roofing").to_parquet(path / "construction_4470_metadata.parquet")
    return path
