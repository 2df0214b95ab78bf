"""The page of a search: the verdict, how the loss fell trial by trial, what mattered, what was chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from training import pages
from training.charts import Line, count_axis, line_chart, span_axis
from training.config import TrainConfig
from training.enterprise.config import EnterpriseConfig
from training.report_figures import Figure
from training.report_words import Text, number
from training.runs import flat_params
from training.tuning import Found
from training.tuning_words import FAMILIES, NOTES, verdict

TEMPLATE = "tuning.html.j2"
TITLE = Text("Search for better settings", "超参数搜索")
_TRIAL, _BEST = Text("a trial", "单次试验"), Text("best so far", "迄今最优")
_ABSURD = 3.0  # losses further above the best than this many times the middle half are drawn at the top


@dataclass(frozen=True)
class Page:
    """Who the page is about: kind, identity as shown, the experiment, the file of the tuned one."""

    subject: Text
    created_at: datetime
    identity: Mapping[str, str]
    config: TrainConfig | EnterpriseConfig
    tuned: str
    verb: str = "forewarn train machine"


def write(page: Page, found: Sequence[Found], path: Path) -> Path:
    """Write the page, whole or not at all."""
    return pages.write(path, Path(__file__).parent, TEMPLATE, context(page, found))


def context(page: Page, found: Sequence[Found]) -> dict[str, Any]:
    """Everything the template shows, already in words and numbers."""
    own = flat_params(page.config.model_dump(mode="json"))
    return {
        "title": TITLE,
        "subject": page.subject,
        "identity": page.identity,
        "created_at": page.created_at,
        "tuned": page.tuned,
        "verb": page.verb,
        "verdict": verdict(found),
        "families": [_family(one, own) for one in found],
        "notes": NOTES,
    }


def pictures(found: Sequence[Found]) -> dict[str, str]:
    """The charts as stand-alone SVG files, name -> text, for the tracking server."""
    style = f"<style>{pages.style()}</style>"
    drawn = {f"{one.family}_history.svg": history(one) for one in found}
    return {name: figure[0].replace(">", f">{style}", 1) for name, figure in drawn.items() if figure is not None}


def history(found: Found) -> Figure | None:
    """The loss of each whole trial, and the lowest so far; None without any."""
    whole = [one for one in found.trials if one.loss is not None]
    if not whole:
        return None
    x, y = np.array([float(one.number) for one in whole]), np.array([float(one.loss or 0.0) for one in whole])
    best = np.minimum.accumulate(y)
    spread = float(np.subtract(*np.percentile(y, [75, 25])))
    top = min(float(y.max()), float(y.min()) + max(_ABSURD * spread, 0.02 * abs(float(y.min()))))
    last = float(max(one.number for one in found.trials))
    stairs_x, stairs_y = np.r_[np.repeat(x, 2)[1:], last], np.repeat(best, 2)
    lines = [
        Line(f"{_BEST.en} {_BEST.zh}", stairs_x, stairs_y, "c0"),
        Line(f"{_TRIAL.en} {_TRIAL.zh}", x, np.minimum(y, top), "c1", dots=True, curve=False),
    ]
    own = found.own
    reference = None if own is None else (np.array([0.0, max(last, 1.0)]), np.full(2, min(own, top)))
    low, high = float(y.min()), max(top, own or 0.0) if own is not None and own <= top else top
    high = max(high, low + 0.01 * abs(low))  # losses that are alike still make an axis
    words = FAMILIES[found.family]
    svg = line_chart(
        lines,
        count_axis("trial 试验", max(last, 1.0)),
        span_axis("loss 损失", low, high),
        f"{words.en}: loss by trial",
        reference,
    )
    return svg, [("c0", _BEST), ("c1", _TRIAL), ("ref", Text("dashed: the experiment as it is", "虚线：原实验"))]


def _family(one: Found, own: Mapping[str, str]) -> dict[str, Any]:
    best = one.best
    most = max(one.importance.values(), default=1.0)
    return {
        "words": FAMILIES[one.family],
        "history": history(one),
        "importance": [(name, number(share, True), 100.0 * share / most) for name, share in one.importance.items()],
        "chosen": [] if best is None else [(key, own.get(key, "–"), _written(value)) for key, value in best.values.items()],
        "trials": [
            (trial.number, trial.state.lower(), "–" if trial.loss is None else f"{trial.loss:.6f}", f"{trial.seconds:.0f}",
             ", ".join(f"{key.rpartition('.')[2]} {_written(value)}" for key, value in trial.values.items()), trial.why)
            for trial in sorted(one.trials, key=lambda trial: (trial.loss is None, trial.loss, trial.number))
        ],
    }  # fmt: skip


def _written(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
