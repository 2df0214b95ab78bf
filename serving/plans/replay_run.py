"""A replay from a home: its lake, champion and truth -> the weeks of each planner, side by side in processes."""

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from features.errors import BadInput
from features.lake import Lake
from features.simulator import enterprise_truth
from features.simulator.enterprise_world import load_enterprises
from serving.inspection import rules as rulesets
from serving.inspection.replayed import Planner, WeekMade
from serving.inspection.solver import solve
from serving.inspection.solver_pool import processes
from serving.plans.facts import Person
from serving.plans.replay import Setting, Week, as_simulated, crew, first_monday, names, past, replay, site_losses
from serving.plans.replay_document import document
from serving.risk_champion import RiskChampion, load_risk_champion

Say = Callable[[int, int], None]


@dataclass(frozen=True)
class Asked:
    """What to replay. start: the Monday of the warm-up, None: as late as can be; count: weeks compared; crew: how many
    inspectors to invent where none are given; seconds: of the solver for each plan."""

    count: int = 13
    warm_up: int = 13
    start: date | None = None
    crew: int | None = None
    seconds: float = 3.0
    seed: int = 1
    planners: tuple[Planner, ...] = tuple(Planner)

    def __post_init__(self) -> None:
        if Planner.ROTATION not in self.planners:
            raise ValueError("business as usual is what the others are compared with")


def run(
    home: Path, asked: Asked, *, people: Sequence[Person] | None = None, rules: rulesets.Rules | None = None, threads: int = 1,
    progress: Say | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The document of a replay. Raises NotFound where the home has no truth or champion, BadInput for weeks that cannot be."""
    lake, champion = Lake.open(home / "lake"), load_risk_champion(home)
    truth = enterprise_truth.read(home, columns=["enterprise_id", "as_of", "expected_loss_90"])
    wanted = _weeks(asked, champion, max(truth.column("as_of").to_pylist()).date())
    of = len(wanted) * (1 + len(asked.planners))
    weeks = past(lake, champion, truth, wanted, threads=threads, progress=_part(progress, 0, of))
    chosen = rules or rulesets.load()
    setting = Setting(
        tuple(people or crew(weeks[0].known.sites, asked.seed, asked.crew)), chosen,
        as_simulated(chosen, load_enterprises().visits), str(asked.seed), asked.warm_up,
    )  # fmt: skip
    made = _made(asked, weeks, setting, threads, len(wanted), of, progress)
    losses = [site_losses(week) for week in weeks[asked.warm_up :]]
    return document(
        made, losses, names=wanted, warm_up=asked.warm_up, inspectors=len(setting.people), currency=weeks[0].known.currency,
        champion=champion.bundle_id,
    )  # fmt: skip


def _weeks(asked: Asked, champion: RiskChampion, ends: date) -> tuple[str, ...]:
    """The weeks to replay, warm-up and all."""
    count, least = asked.warm_up + asked.count, first_monday(champion)
    last = ends - timedelta(days=ends.weekday())
    start = asked.start or max(least, last - timedelta(weeks=count - 1))
    if start + timedelta(weeks=count - 1) > last:
        room = max(0, (last - least).days // 7 + 1)
        what = f"{count} weeks do not fit between what the champion has learnt ({least}) and the end of the truth ({ends})"
        raise BadInput(what, where="weeks", mend=f"replay at most {room} weeks, warm-up included, or simulate longer")
    return names(start, count)


def _part(progress: Say | None, done: int, of: int) -> Say | None:
    return None if progress is None else lambda part, _: progress(done + part, of)


def _made(
    asked: Asked, weeks: Sequence[Week], setting: Setting, threads: int, each: int, of: int, progress: Say | None
) -> dict[Planner, tuple[WeekMade, ...]]:
    """The weeks of every planner, in the order asked."""
    task = partial(_one, weeks=tuple(weeks), setting=setting, seconds=asked.seconds, seed=asked.seed)
    found: dict[Planner, tuple[WeekMade, ...]] = {}
    with processes(max(1, min(threads, len(asked.planners)))) as pool:
        running = {pool.submit(task, planner): planner for planner in asked.planners}
        for number, future in enumerate(as_completed(running), start=1):
            found[running[future]] = future.result()
            if progress is not None:
                progress(each * (1 + number), of)
    return {planner: found[planner] for planner in asked.planners}


def _one(planner: Planner, *, weeks: tuple[Week, ...], setting: Setting, seconds: float, seed: int) -> tuple[WeekMade, ...]:
    return replay(planner, weeks, setting, partial(solve, seconds=seconds, seed=seed))
