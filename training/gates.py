"""What a challenger must show: bounds from a TOML file, each gate passed or failed with its number and one line of words.

Pure: figures in, verdicts out. `training.promote` finds the rows and acts on the verdict.
"""

import math
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from features.documents import read_toml, validated
from features.errors import NotFound
from training.comparison import Comparison
from training.intervals import Interval
from training.report_words import Text, number, share_of

SHIPPED = Path(__file__).resolve().parent / "gates.toml"
CHALLENGER, CHAMPION = "challenger", "champion"
Share = Annotated[float, Field(ge=0, le=1)]
Bounds = TypeVar("Bounds", bound=BaseModel)
FAILURES = Text("failures", "故障")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JudgedOn(_Frozen):
    """Which observations judge, and when they are too few."""

    least_failures: int = Field(default=30, ge=1)
    least_machines: int = Field(default=12, ge=1)
    gap_hours: float = Field(default=72.0, ge=72.0)
    reporting_lag_hours: float = Field(default=24.0, ge=0)
    alarm_budget: float = Field(default=0.05, gt=0, lt=1)
    replicates: int = Field(default=400, ge=50, le=10_000)


class Absolute(_Frozen):
    """What any champion must reach, alone."""

    event_recall_at_least: Share = 0.25
    log_loss_skill_at_least: float = Field(default=0.02, ge=-1, le=1)
    slope_between: tuple[float, float] = (0.6, 1.6)
    observed_over_expected_between: tuple[float, float] = (0.67, 1.5)
    score_ms_at_most: float = Field(default=5.0, gt=0)

    @model_validator(mode="after")
    def _around_one(self) -> Self:
        for name in ("slope_between", "observed_over_expected_between"):
            low, high = getattr(self, name)
            if not low < 1 < high:
                raise ValueError(f"{name}: [{low:g}, {high:g}] does not hold 1, which is calibrated")
        return self


class AgainstChampion(_Frozen):
    """How much worse than the champion it may be; `interval`: the whole paired interval must show it."""

    event_recall_may_lose: Share = 0.10
    log_loss_may_lose: Share = 0.05
    shown_by: Literal["interval", "value"] = "interval"


class Gates(_Frozen):
    """All bounds of a promotion."""

    judged_on: JudgedOn = JudgedOn()
    absolute: Absolute = Absolute()
    against_champion: AgainstChampion = AgainstChampion()


class Verdict(_Frozen):
    """One gate: its figure with its 95 % interval, what was asked, whether it passed, and that in words."""

    gate: str
    passed: bool
    value: float | None
    low: float | None = None
    high: float | None = None
    asked: str
    en: str
    zh: str


def load_gates(name_or_path: str | Path | None = None) -> Gates:
    """Bounds from a TOML file; None or `gates`: those that are shipped.

    Raises NotFound for a name without a file, BadInput naming the key at fault.
    """
    return load_bounds(Gates, SHIPPED, name_or_path)


def load_bounds(sort: type[Bounds], shipped: Path, name_or_path: str | Path | None) -> Bounds:
    """Bounds of a sort from a TOML file; None or `gates`: those that are shipped. Raises as `load_gates`."""
    path = shipped if name_or_path in (None, "gates") else Path(str(name_or_path))
    if path.suffix != ".toml":
        raise NotFound("no such gates", where=str(name_or_path), mend="name a TOML file, or `gates` for those shipped")
    document = read_toml(path, "name a TOML file, or `gates` for those shipped")
    return validated(
        sort, document, str(path), f"see {'/'.join(shipped.parts[shipped.parts.index('training') :])} for every key"
    )


def not_judged(error: Exception) -> Verdict:
    """The verdict where there was nothing to judge by."""
    return Verdict(gate="judged", passed=False, value=None, asked="a snapshot to judge by", en=f"{error}", zh=f"{error}")


def enough(compared: Comparison | None, on: JudgedOn, since: str) -> Verdict:
    """Whether the later rows can tell anything: failures, and machines that had them."""
    failures, failing = (0, 0) if compared is None else (compared.failures, compared.failing)
    passed = failures >= on.least_failures and failing >= on.least_machines
    asked = f"at least {on.least_failures} failures on {on.least_machines} machines"
    en = f"{failures} failures on {failing} machines since {since}, {asked} are needed"
    zh = f"{since} 之后有 {failing} 台机器的 {failures} 次故障，至少需要 {on.least_machines} 台的 {on.least_failures} 次"
    return Verdict(gate="failures", passed=passed, value=failures, asked=asked, en=en, zh=zh)


def absolute(compared: Comparison, score_ms: float, gates: Gates) -> list[Verdict]:
    """The challenger alone against fixed bounds, each by its figure."""
    own, bound = compared.figures[CHALLENGER], gates.absolute
    recall = Text(
        f"failures alarmed, alarms on {share_of(compared.budget)}", f"预警覆盖率（预警占 {share_of(compared.budget)}）"
    )
    return [
        at_least("event_recall", own["event_recall"], bound.event_recall_at_least, recall),
        at_least(
            "log_loss_skill", own["log_loss_skill"], bound.log_loss_skill_at_least,
            Text("share of the base rate's log loss removed", "相对基准率消除的对数损失"),
        ),
        between("slope", own["slope"], bound.slope_between, Text("calibration slope", "校准斜率")),
        between(
            "observed_over_expected", own["observed_over_expected"], bound.observed_over_expected_between,
            Text("observed / expected", "实际 / 预期"),
        ),
        fast(score_ms, bound.score_ms_at_most),
    ]  # fmt: skip


def against(compared: Comparison, gates: Gates) -> list[Verdict]:
    """The challenger against the champion on the same rows: not worse by more than the margins."""
    gains, champion, bound = compared.gains[CHAMPION], compared.figures[CHAMPION], gates.against_champion
    loss, before = gains["log_loss"], champion["log_loss"].value
    # As a share of the champion's, and so that more is better.
    less = Interval(-loss.value / before, -loss.high / before, -loss.low / before)
    return [
        no_worse(
            "event_recall_against_champion", gains["event_recall"], bound.event_recall_may_lose, bound.shown_by,
            compared.failures, Text("failures alarmed, challenger less champion", "预警覆盖率之差（挑战者减现役）"),
        ),
        no_worse(
            "log_loss_against_champion", less, bound.log_loss_may_lose, bound.shown_by, compared.failures,
            Text("log loss saved, as a share of the champion's", "节省的对数损失占现役之比"),
        ),
    ]  # fmt: skip


def at_least(gate: str, figure: Interval, least: float, words: Text) -> Verdict:
    """Passed if the figure reaches the bound."""
    return verdict(gate, figure, figure.value >= least, f"at least {least:g}", f"至少 {least:g}", words)


def between(gate: str, figure: Interval, bounds: tuple[float, float], words: Text) -> Verdict:
    """Passed if the figure lies within the bounds."""
    low, high = bounds
    passed = low <= figure.value <= high
    return verdict(gate, figure, passed, f"between {low:g} and {high:g}", f"介于 {low:g} 与 {high:g}", words)


def fast(milliseconds: float, most: float) -> Verdict:
    """Passed if a score takes at most so long."""
    words = Text("milliseconds for one score with its range", "单次评分（含区间）毫秒数")
    figure = Interval(milliseconds, math.nan, math.nan)
    return verdict("score_ms", figure, milliseconds <= most, f"at most {most:g}", f"至多 {most:g}", words)


def no_worse(gate: str, gain: Interval, margin: float, shown_by: str, events: int, words: Text, of: Text = FAILURES) -> Verdict:
    """Passed if the gain, or all of its interval, lies above -margin. Where only the interval is too wide, how many events
    would be needed if it went on like this: an interval shrinks with the root of their number."""
    by_value = gain.value >= -margin
    passed = by_value and (shown_by == "value" or gain.low >= -margin)
    told = verdict(gate, gain, passed, f"at least {-margin:g} ({shown_by})", f"至少 {-margin:g}（{shown_by}）", words)
    if passed or not by_value or not math.isfinite(gain.low) or gain.value + margin < 1e-9:
        return told
    needed = math.ceil(events * ((gain.value - gain.low) / (gain.value + margin)) ** 2)
    en = f"{told.en}: too few {of.en} to show it, about {needed:,} would do if it goes on like this"
    return told.model_copy(update={"en": en, "zh": f"{told.zh}：{of.zh}太少，照此约需 {needed:,} 次"})


def verdict(gate: str, figure: Interval, passed: bool, asked_en: str, asked_zh: str, words: Text) -> Verdict:
    """A gate with its figure, interval and words."""
    known = math.isfinite(figure.low)
    shown = f"{number(figure.value)} [{number(figure.low)}, {number(figure.high)}]" if known else number(figure.value)
    value, low, high = (one if math.isfinite(one) else None for one in (figure.value, figure.low, figure.high))
    return Verdict(
        gate=gate, passed=bool(passed), value=value, low=low, high=high, asked=asked_en,
        en=f"{words.en} {shown}, asked: {asked_en}", zh=f"{words.zh} {shown}，要求{asked_zh}",
    )  # fmt: skip
