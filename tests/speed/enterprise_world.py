"""The enterprise scores on simulated worlds beside the true intensities: `make bench NAME=enterprise_world`.

Worlds that nobody has looked at (fresh seeds; `--seed N ...` for others) of 1,500 enterprises over almost three years; what
machine scores say is told by stand-ins. Printed by score and horizon: calibration slope, true over expected intensity overall
and by decile, share of the oracle's Gini, how often the truth lies in the range; what machine scores and the case library add;
what happens to the scores of enterprises that triple their self-reports.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from features.lake import Lake
    from training.enterprise.bundle import RiskBundle

ENTERPRISES, DAYS, SEEDS = 1500, 1050, (31, 32)


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate, train and print, world by world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, nargs="*", default=list(SEEDS))
    parser.add_argument("--enterprises", type=int, default=ENTERPRISES)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--config", default="enterprise")
    told = parser.parse_args(argv)
    for seed in told.seed:
        home = Path(tempfile.mkdtemp(prefix="forewarn-enterprises-"))
        try:
            _world(home, seed, told)
        finally:
            shutil.rmtree(home, ignore_errors=True)


def _world(home: Path, seed: int, told: argparse.Namespace) -> None:
    os.environ["FOREWARN_HOME"] = str(home)
    import typer

    from features.cli import simulate
    from features.enterprise.build import build
    from features.lake import Lake
    from features.observations import Grid
    from features.settings import settings
    from training.enterprise import words
    from training.enterprise.config import load_enterprise
    from training.enterprise.runs import run_enterprise
    from training.tables import text_table

    settings.cache_clear()
    started = time.monotonic()
    size = ["--enterprises", str(told.enterprises), "--machines", str(2 * told.enterprises), "--days", str(told.days)]
    asked = [*size, "--seed", str(seed), "--every", "1d", "--no-readings", "--scores", "--json"]
    typer.main.get_command(simulate).main(args=asked, standalone_mode=False)
    lake = Lake.open(settings().lake)
    snapshot = build(lake, Grid(every_hours=720.0), home=home)
    outcome = run_enterprise(settings(), load_enterprise(told.config), snapshot_id=snapshot.id)
    print(f"== seed {seed}: {told.enterprises} enterprises, {told.days} days, {time.monotonic() - started:.0f} s")
    judged = outcome.judged[-1]
    print(text_table(words.table(judged), 200))
    for name, of in outcome.beside_truth.items():
        for days, one in zip((30, 90, 365), of, strict=True):
            deciles = " ".join(f"{part.value:.2f}" for part in one.deciles)
            print(
                f"{name} {days} d: slope {one.slope}, true/expected {one.over_expected}, "
                f"of the oracle's Gini {one.gini_share}, truth in range {one.covered:.1%}, deciles {deciles}"
            )
    for sentence in words.verdict(judged, {}):
        print(f"- {sentence.en}")
    _tripled(home, lake, outcome.bundle)


def _tripled(home: Path, lake: "Lake", bundle: "RiskBundle") -> None:
    """Scores of all enterprises before and after each hazard that they report of themselves is told three times."""
    from features.clock import times
    from features.enterprise.build import at
    from features.enterprise.schema import HAZARDS
    from features.lake import Lake
    from training.enterprise.rows import moment

    hazards = lake.at().read("hazards")
    now = moment(int(times(hazards, "recorded_at").max()))
    own = hazards.filter(pc.equal(hazards.column("found_by"), "self"))
    ids, before = at(lake, None, now)
    other = home / "tripled"
    shutil.copytree(lake.root, other)
    again = Lake.open(other)
    for number in (1, 2):
        more = own.set_column(
            own.column_names.index("hazard_id"), "hazard_id",
            pc.binary_join_element_wise(own.column("hazard_id"), pa.scalar(f"again{number}"), "-"),
        )  # fmt: skip
        again.append_new(HAZARDS, more, now, "tripled", lambda: None)
    _, after = at(again, ids.column("enterprise_id").cast(pa.string()).to_pylist(), now)
    for which in ("price", "alarm"):
        one, two = (bundle.risk(which, x, ranges=False).expected[:, -1] for x in (before, after))
        rise = two / one - 1.0
        print(
            f"{which}: self-reports tripled: {np.mean(rise > 1e-9):.1%} of {len(rise)} rise, "
            f"by {max(0.0, rise.max()):.2%} at most; median {np.median(rise):+.2%}"
        )


if __name__ == "__main__":
    main()
