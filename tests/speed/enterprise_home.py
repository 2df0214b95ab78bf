"""A home of a simulated world of enterprises with a champion that a bench has put there without asking the gates."""

import os
import time
from pathlib import Path


def made(home: Path, seed: int, *, enterprises: int, days: int, config: str = "enterprise", world: Path | None = None) -> None:
    """Simulate, build features, train and promote, then say how long that took. Sets FOREWARN_HOME."""
    os.environ["FOREWARN_HOME"] = str(home)
    import typer

    from features.cli import simulate
    from features.enterprise.build import build
    from features.enterprise.catalog import EVERY
    from features.lake import Lake
    from features.observations import Grid
    from features.settings import settings
    from training import pointer
    from training.enterprise.config import load_enterprise
    from training.enterprise.runs import run_enterprise

    settings.cache_clear()
    started = time.monotonic()
    size = ["--enterprises", str(enterprises), "--machines", str(2 * enterprises), "--days", str(days)]
    begun = [] if world is None else ["--world", str(world)]
    asked = [*size, *begun, "--seed", str(seed), "--every", "1d", "--no-readings", "--scores", "--json"]
    typer.main.get_command(simulate).main(args=asked, standalone_mode=False)
    snapshot = build(Lake.open(settings().lake), Grid(every_hours=720.0), home=home)
    # What each group of features adds is another bench's question.
    chosen = load_enterprise(config).model_copy(update={"ablations": {}})
    outcome = run_enterprise(settings(), chosen, snapshot_id=snapshot.id)
    pointer.advance(home, EVERY.name, outcome.bundle.manifest.bundle_id, decision="bench", forced="a bench judges it")
    print(f"== seed {seed}: {enterprises} enterprises, {days} days, {time.monotonic() - started:.0f} s", flush=True)
