"""What a replay found: the figures of each planner beside the others, as a document, and as lines for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from serving.inspection.replayed import Planner, Ratio, Told, WeekMade, by_enterprise, ratio, told
from serving.plans.replay import Losses
from training.report_words import Text

WORDS = {
    Planner.MODEL: Text("model and planner", "模型与计划"),
    Planner.TRUTH: Text("knows the truth", "已知真实强度"),
    Planner.ROTATION: Text("business as usual", "常规轮检"),
    Planner.ROUND: Text("rotation, all hours used", "轮检用满工时"),
    Planner.FIRST_COME: Text("first come", "先到先检"),
    Planner.RISK: Text("risk order alone", "仅按风险排序"),
}


def document(
    weeks: Mapping[Planner, Sequence[WeekMade]], losses: Sequence[Losses], *, names: Sequence[str], warm_up: int,
    inspectors: int, currency: str, champion: str,
) -> dict[str, Any]:  # fmt: skip
    """Everything a page or a bench shows. weeks: after the warm-up; losses: true ones of the same weeks; names: all weeks."""
    found = {planner: told(made, losses) for planner, made in weeks.items()}
    usual = found[Planner.ROTATION]
    return {
        "first": names[0], "last": names[-1], "warm_up": warm_up, "weeks": len(names) - warm_up, "inspectors": inspectors,
        "sites": len(losses[0]), "out_of_reach": max(week.out_of_reach for made in weeks.values() for week in made),
        "currency": currency, "champion": champion, "loss_a_year": sum(losses[0].values()),
        "planners": [_planner(one, usual, weeks) for one in found.values()],
        "weekly": {
            planner.value: [round(sum(visit.averted for visit in week.visits), 2) for week in made]
            for planner, made in weeks.items()
        },
    }  # fmt: skip


def _planner(one: Told, usual: Told, weeks: Mapping[Planner, Sequence[WeekMade]]) -> dict[str, Any]:
    own = by_enterprise(weeks[one.planner])
    beside = {
        f"of_{other.value}": _ratio(ratio(own, by_enterprise(weeks[other])))
        for other in (Planner.TRUTH, Planner.ROTATION, Planner.ROUND)
        if other in weeks
    }
    return {
        **vars(one), "planner": one.planner.value, "words_en": WORDS[one.planner].en, "words_zh": WORDS[one.planner].zh,
        "days_earlier": usual.wait_days - one.wait_days, **beside,
    }  # fmt: skip


def _ratio(one: Ratio) -> dict[str, float]:
    return vars(one)


def text(found: Mapping[str, Any]) -> str:
    """Lines for the terminal."""
    lines = [
        f"Replay of {found['weeks']} weeks to {found['last']} ({found['warm_up']} of business as usual before): "
        f"{found['inspectors']} inspectors, {found['sites']} sites, {found['champion']}.",
        *_far(found["out_of_reach"]),
        "",
        f"{'planner':26}{'averted, ' + found['currency']:>16}{'of truth':>10}{'of usual':>10}{'of round':>10}{'visits':>8}"
        f"{'minima kept':>13}{'days earlier':>14}{'min of travel':>15}",
    ]
    for one in found["planners"]:
        beside = "".join(
            f"{one[name]['value']:>10.2f}" if name in one else f"{'':>10}" for name in ("of_truth", "of_rotation", "of_round")
        )
        lines.append(
            f"{one['words_en']:26}{one['averted']:>16,.0f}{beside}{one['visits']:>8,}{one['kept']:>13.1%}"
            f"{one['days_earlier']:>14.1f}{one['travel']:>15.0f}"
        )
    if "model" in found["weekly"]:
        lines += ["", *_verdict(next(one for one in found["planners"] if one["planner"] == "model"))]
    faults = sum(one["faults"] for one in found["planners"])
    return "\n".join([*lines, f"Rules broken by any plan: {faults}."])


def _far(sites: int) -> list[str]:
    return [f"{sites} of the sites nobody can get to and back from within a day: no plan visits them."] if sites else []


def _verdict(model: Mapping[str, Any]) -> list[str]:
    words = {"of_truth": "of the planner that knows the truth", "of_rotation": "of business as usual",
             "of_round": "of the rotation that uses all hours"}  # fmt: skip
    return [
        f"Model and planner avert {model[name]['value']:.3f} [{model[name]['low']:.3f}, {model[name]['high']:.3f}] {said}."
        for name, said in words.items()
        if name in model
    ]
