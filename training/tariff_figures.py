"""Premiums of a book against others: concentration of losses, loss ratios by segment, double lift, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from training.count_metrics import Counted, actual_over_expected, gini, lorenz
from training.intervals import Draws, Interval, draw, resample
from training.report_words import Text

Floats = npt.NDArray[np.float64]
OWN, WITHOUT, REALLY, FLAT, MODEL = (
    "fitted rulebook with model", "fitted rulebook, factors alone", "really charged", "cover x rate", "model alone",
)  # fmt: skip
WORDS = {
    OWN: Text("fitted rulebook with the model", "拟合费率书，含模型"),
    WITHOUT: Text("fitted rulebook, factors alone", "拟合费率书，仅因子"),
    REALLY: Text("really charged", "实收保费"),
    FLAT: Text("cover x rate", "保额×统一费率"),
    MODEL: Text("expected loss of the model alone", "仅模型的期望赔款"),
}
LIFT_BINS = 5
_REPLICATES = 2000


@dataclass(frozen=True)
class Charged:
    """Premiums of the same policies [n]: ours with the model and without, really charged, cover x rate, the model's loss."""

    own: Floats
    without: Floats
    really: Floats
    flat: Floats
    model: Floats

    def all(self) -> dict[str, Floats]:
        """By name, ours first."""
        return {OWN: self.own, WITHOUT: self.without, REALLY: self.really, FLAT: self.flat, MODEL: self.model}


@dataclass(frozen=True)
class Ratio:
    """Losses over premiums, both brought to the same total, of some policies: of ours and of those really charged."""

    name: str
    rows: int
    loss: float
    own: Interval
    really: Interval


@dataclass(frozen=True)
class Judged:
    """What was found. table: as the benchmark prints it; curves: share of policies by falling premium, and of losses."""

    table: list[Mapping[str, Interval | float | int | str | None]]
    gain: Mapping[str, Interval]
    curves: Mapping[str, tuple[Floats, Floats]]
    lift: Sequence[Ratio]
    segments: Sequence[Ratio]
    verdict: Sequence[Text]
    facts: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Year:
    """A year's policies [n]: premiums, what their claims cost, whose they are, and the segment of each."""

    charged: Charged
    loss: Floats
    policy: npt.NDArray[np.generic]
    segment: npt.NDArray[np.generic]


def judge(year: Year) -> Judged:
    """Ours against the others."""
    charged, loss, policy, segment = year.charged, year.loss, year.policy, year.segment
    alike = Counted.of(loss, np.ones(len(loss)), policy)
    weights = resample(alike.groups, _REPLICATES, seed=0)
    every = charged.all()
    drawn = {name: draw(gini(alike, np.maximum(one, 1e-9)), weights) for name, one in every.items()}
    gain = {name: drawn[OWN].minus(one).interval() for name, one in drawn.items() if name != OWN}
    over = Counted.of(loss, charged.really, policy)
    ratio = {name: draw(gini(over, one), weights).interval() for name, one in every.items() if name != REALLY}
    table: list[Mapping[str, Interval | float | int | str | None]] = [
        {
            "forecast": name,
            "Gini": one.interval(),
            "gain of ours": gain.get(name),
            "Gini over charged": ratio.get(name),
            "total, USD m": round(float(every[name].sum()) / 1e6, 2),
        }
        for name, one in drawn.items()
    ]
    curves = {name: lorenz(alike, one, per_exposure=False) for name, one in every.items() if name in (OWN, REALLY, FLAT)}
    lift = _lift(charged, loss, policy, weights)
    masks = {str(one): segment == one for one in np.unique(segment)}
    segments = _ratios(masks, charged, loss, policy, weights)
    facts: dict[str, object] = {
        "Gini": {name: one.interval() for name, one in drawn.items()},
        "gain in Gini": gain,
        "double lift": [{"bin": one.name, "ours": one.own, "really charged": one.really} for one in lift],
        "loss ratio by type": {one.name: {"ours": one.own, "really charged": one.really} for one in segments},
        "spread by type": {"ours": _spread(segments, "own"), "really charged": _spread(segments, "really")},
    }
    return Judged(table, gain, curves, lift, segments, [_sentence(name, gain[name]) for name in (FLAT, REALLY)], facts)


def over_years(years: Sequence[Year]) -> dict[str, Interval]:
    """Gain in the mean Gini of several years over each rival; a policy is drawn with all its years."""
    names, code = np.unique(np.concatenate([one.policy for one in years]), return_inverse=True)
    codes = np.split(code.astype(np.int64), np.cumsum([len(one.policy) for one in years])[:-1])
    weights = resample(len(names), _REPLICATES, seed=0)
    drawn: dict[str, list[Draws]] = {}
    for one, group in zip(years, codes, strict=True):
        n = len(one.loss)
        rows = Counted(one.loss, np.ones(n), group, len(names), np.ones(n))
        for name, premium in one.charged.all().items():
            drawn.setdefault(name, []).append(draw(gini(rows, np.maximum(premium, 1e-9)), weights))
    mean = {
        name: Draws(float(np.mean([one.value for one in each])), np.mean([one.drawn for one in each], axis=0))
        for name, each in drawn.items()
    }
    return {name: mean[OWN].minus(one).interval() for name, one in mean.items() if name != OWN}


def over_years_words(years: Sequence[int], gain: Mapping[str, Interval]) -> Text:
    """The same over the years as a sentence."""
    told = [f"{gain[name].value:+.3f} [{gain[name].low:+.3f}, {gain[name].high:+.3f}]" for name in (FLAT, REALLY)]
    span = ", ".join(str(year) for year in years)
    return Text(
        f"Mean of {span}, each by models of the years before it: gain in Gini over {WORDS[FLAT].en} {told[0]}, over what was "
        f"{WORDS[REALLY].en} {told[1]}.",
        f"{span}年平均（每年均用此前年度的模型），基尼系数之差：较{WORDS[FLAT].zh} {told[0]}，较{WORDS[REALLY].zh} {told[1]}。",
    )


def _sentence(rival: str, gain: Interval) -> Text:
    """Whether ours orders the losses better."""
    if gain.low > 0:
        english, chinese, tone = "orders losses better than", "优于", "good"
    elif gain.high < 0:
        english, chinese, tone = "orders losses worse than", "劣于", "bad"
    else:
        english, chinese, tone = "is not told apart from", "尚不能区分于", "plain"
    told = f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
    return Text(
        f"The {WORDS[OWN].en} {english} {WORDS[rival].en}: gain in Gini {told}.",
        f"{WORDS[OWN].zh}对赔款的排序{chinese}{WORDS[rival].zh}：基尼系数之差 {told}。",
        tone,
    )


def _lift(charged: Charged, loss: Floats, policy: npt.NDArray[np.generic], weights: Floats) -> list[Ratio]:
    """Policies by rising ours / really charged, in bins of equal premium really charged."""
    ratio = charged.own / charged.really
    order = np.argsort(ratio, kind="stable")
    share = np.cumsum(charged.really[order])
    place = np.empty(len(ratio), dtype=np.int64)
    place[order] = np.minimum((LIFT_BINS * (share - charged.really[order] / 2) / share[-1]).astype(int), LIFT_BINS - 1)
    level = float(charged.own.sum() / charged.really.sum())
    masks = {}
    for number in range(LIFT_BINS):
        mine = place == number
        if mine.any():
            low, high = ratio[mine].min() / level, ratio[mine].max() / level
            masks[f"{low:.2f}-{high:.2f}"] = mine
    return _ratios(masks, charged, loss, policy, weights)


def _ratios(
    masks: Mapping[str, npt.NDArray[np.bool_]],
    charged: Charged,
    loss: Floats,
    policy: npt.NDArray[np.generic],
    weights: Floats,
) -> list[Ratio]:
    """Losses over premiums of parts of the book; premiums brought to the total of the losses."""
    rows = Counted.of(loss, np.ones(len(loss)), policy)
    scaled = [one * (loss.sum() / one.sum()) for one in (charged.own, charged.really)]
    found = []
    for name, mask in masks.items():
        own, really = (draw(actual_over_expected(rows, one, mask), weights).interval() for one in scaled)
        found.append(Ratio(name, int(mask.sum()), float(loss[mask].sum()), own, really))
    return found


def _spread(found: Sequence[Ratio], side: str) -> float:
    """Deviation of log loss ratios over segments, weighted by their losses: 0 where every segment pays what it costs."""
    weight = np.array([one.loss for one in found])
    if not weight.sum():
        return 0.0
    value = np.log([max(getattr(one, side).value, 1e-3) for one in found])
    mean = np.average(value, weights=weight)
    return round(float(np.sqrt(np.average((value - mean) ** 2, weights=weight))), 4)
