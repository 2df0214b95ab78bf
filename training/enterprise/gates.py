"""What a challenger must show before it scores enterprises: bounds from a TOML file, each gate with its number and its words.

Pure: figures in, verdicts out. `training.enterprise.promote` finds the rows and acts on the verdict.
"""

import math
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.enterprise.evaluation import Judged
from training.enterprise.words import NAMES
from training.gates import CHALLENGER, CHAMPION, Share, Verdict, at_least, between, fast, load_bounds, no_worse, verdict
from training.intervals import Interval
from training.report_words import Text

SHIPPED = Path(__file__).resolve().parent / "gates.toml"
ACCIDENTS = Text("accidents", "事故")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JudgedOn(_Frozen):
    """Which rows judge, and when they are too few."""

    least_accidents: int = Field(default=60, ge=1)
    least_enterprises: int = Field(default=30, ge=1)
    horizon_days: Literal[30, 90, 365] = 365
    gap_days: float = Field(default=30.0, ge=0, le=3650)
    reporting_lag_days: float = Field(default=60.0, ge=0, le=730)
    replicates: int = Field(default=400, ge=50, le=10_000)


class Absolute(_Frozen):
    """What either score must reach, alone."""

    explained_above: float = Field(default=0.0, ge=-1, lt=1)
    slope_between: tuple[float, float] = (0.7, 1.4)
    actual_over_expected_between: tuple[float, float] = (0.8, 1.25)
    swept_rows: int = Field(default=60, ge=1, le=10_000)
    score_ms_at_most: float = Field(default=30.0, gt=0)

    @model_validator(mode="after")
    def _around_one(self) -> Self:
        for name in ("slope_between", "actual_over_expected_between"):
            low, high = getattr(self, name)
            if not low < 1 < high:
                raise ValueError(f"{name}: [{low:g}, {high:g}] does not hold 1, which is calibrated")
        return self


class AgainstChampion(_Frozen):
    """How much worse than the champion it may be; `interval`: the whole paired interval must show it."""

    deviance_may_lose: Share = 0.02
    gini_may_lose: Share = 0.05
    shown_by: Literal["interval", "value"] = "interval"


class RiskGates(_Frozen):
    """All bounds of a promotion."""

    judged_on: JudgedOn = JudgedOn()
    absolute: Absolute = Absolute()
    against_champion: AgainstChampion = AgainstChampion()


def load_gates(name_or_path: str | Path | None = None) -> RiskGates:
    """Bounds from a TOML file; None or `gates`: those that are shipped.

    Raises NotFound for a name without a file, BadInput naming the key at fault.
    """
    return load_bounds(RiskGates, SHIPPED, name_or_path)


def enough(accidents: int, enterprises: int, on: JudgedOn, since: str) -> Verdict:
    """Whether the later rows can tell anything: accidents, and enterprises that had them."""
    passed = accidents >= on.least_accidents and enterprises >= on.least_enterprises
    asked = f"at least {on.least_accidents} accidents in {on.least_enterprises} enterprises"
    en = f"{accidents} accidents in {enterprises} enterprises since {since}, {asked} are needed"
    needed = f"至少需要 {on.least_enterprises} 家的 {on.least_accidents} 起"
    zh = f"{since} 之后有 {enterprises} 家企业的 {accidents} 起事故，{needed}"
    return Verdict(gate="accidents", passed=passed, value=accidents, asked=asked, en=en, zh=zh)


def absolute(judged: Judged, score: str, bounds: RiskGates) -> list[Verdict]:
    """One score of the challenger alone against fixed bounds."""
    own, bound, name = judged.figures[of(CHALLENGER, score)], bounds.absolute, NAMES[score]
    told, days = own["explained"], f"{judged.days:g}"
    explained = verdict(
        f"{score}_explained", told, told.value > bound.explained_above, f"above {bound.explained_above:g}",
        f"高于 {bound.explained_above:g}",
        Text(f"{name.en}, deviance explained ({days} days)", f"{name.zh}解释的偏差（{days} 天）"),
    )  # fmt: skip
    return [
        explained,
        between(
            f"{score}_slope", own["slope"], bound.slope_between,
            Text(f"{name.en}, calibration slope", f"{name.zh}校准斜率"),
        ),
        between(
            f"{score}_actual_over_expected", own["over_expected"], bound.actual_over_expected_between,
            Text(f"{name.en}, accidents that came / expected", f"{name.zh}实际事故数/预期事故数"),
        ),
    ]  # fmt: skip


def soundness(golden: int, worse: float, steps: int, milliseconds: float, bounds: RiskGates) -> list[Verdict]:
    """What holds whatever the rows say: golden rows, directions of the price (share of `steps` at which it fell), speed."""
    exact = Interval(float(golden), math.nan, math.nan)
    swept = Interval(worse, math.nan, math.nan)
    words = Text(f"steps for the worse that lower the price, of {steps:,}", f"{steps:,} 次使状况变差的调整中价格下降的比例")
    return [
        at_least("golden_rows", exact, 1, Text("golden rows answered as on the day it was made", "与制作当日一致的基准行数")),
        verdict("directions", swept, worse <= 0.0, "none", "为 0", words),
        fast(milliseconds, bounds.absolute.score_ms_at_most),
    ]


def against(judged: Judged, score: str, accidents: int, bounds: RiskGates) -> list[Verdict]:
    """One score of the challenger against the champion's on the same rows: not worse by more than the margins."""
    gain = judged.gains[(of(CHALLENGER, score), of(CHAMPION, score))]
    before, bound, name = judged.figures[of(CHAMPION, score)]["deviance"].value, bounds.against_champion, NAMES[score]
    saved = Interval(*(getattr(gain["deviance"], part) / before for part in ("value", "low", "high")))
    return [
        no_worse(
            f"{score}_deviance_against_champion", saved, bound.deviance_may_lose, bound.shown_by, accidents,
            Text(f"{name.en}, deviance saved as a share of the champion's", f"{name.zh}节省的偏差占现役之比"), ACCIDENTS,
        ),
        no_worse(
            f"{score}_gini_against_champion", gain["gini"], bound.gini_may_lose, bound.shown_by, accidents,
            Text(f"{name.en}, Gini, challenger less champion", f"{name.zh}基尼系数之差（挑战者减现役）"), ACCIDENTS,
        ),
    ]  # fmt: skip


def of(role: str, score: str) -> str:
    """The name of a forecast: `challenger_price`."""
    return f"{role}_{score}"
