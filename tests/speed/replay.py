"""Model and planner beside other planners over weeks of a simulated past: `make bench NAME=replay`.

A world that nobody has looked at: 300 enterprises over two years, simulated and trained; 13 weeks of business as usual, then 13
weeks planned by each. Twice: with few inspectors, one for 25 sites, of which no plan can keep all minima, and with enough of
them, one for 15. `--home DIR` replays a home that is there.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.speed.enterprise_home import made

WANTED = {"of_truth": 0.9, "of_rotation": 1.5}


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, train, replay and print; 1 where a figure is missed or a rule broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, nargs="*", default=[51])
    parser.add_argument("--enterprises", type=int, default=300)
    parser.add_argument("--days", type=int, default=720)
    parser.add_argument("--weeks", type=int, default=13)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--sites", type=int, nargs="*", default=[25, 15], help="for one inspector")
    parser.add_argument("--home", type=Path)
    told = parser.parse_args(argv)
    if told.home is not None:
        return int(sum(_replayed(told.home, told, sites) for sites in told.sites) > 0)
    missed = False
    for seed in told.seed:
        home = Path(tempfile.mkdtemp(prefix="forewarn-replay-"))
        try:
            made(home, seed, enterprises=told.enterprises, days=told.days)
            missed |= sum(_replayed(home, told, sites) for sites in told.sites) > 0
        finally:
            shutil.rmtree(home, ignore_errors=True)
    return int(missed)


def _replayed(home: Path, told: argparse.Namespace, sites: int) -> bool:
    """Print the replay of a home, an inspector for so many sites; whether a figure is missed or a rule broken."""
    os.environ["FOREWARN_HOME"] = str(home)
    from features.lake import Lake
    from features.settings import settings
    from serving.plans.replay_document import text
    from serving.plans.replay_run import Asked, run

    settings.cache_clear()
    started = time.monotonic()
    there = Lake.open(settings().lake).read("sites").group_by(["enterprise_id", "site_id"]).aggregate([])
    crew = max(1, round(len(there) / sites))
    asked = Asked(count=told.weeks, warm_up=told.weeks, crew=crew, seconds=told.seconds)
    found = run(home, asked, threads=settings().threads)
    print(text(found))
    model = next(one for one in found["planners"] if one["planner"] == "model")
    for name, least in WANTED.items():
        value = model[name]["value"]
        print(f"{name}: {value:.3f} (wanted at least {least}: {'reached' if value >= least else 'MISSED'})")
    print(f"{time.monotonic() - started:.0f} s", flush=True)
    return any(model[name]["value"] < least for name, least in WANTED.items()) or any(
        one["faults"] for one in found["planners"]
    )


if __name__ == "__main__":
    raise SystemExit(main())
