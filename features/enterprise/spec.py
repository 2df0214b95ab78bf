"""What a feature of an enterprise is, and how families write them down."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from features.spec import FeatureSpec

DAY_HOURS = 24.0
Whose = Literal["enterprise", "industry", "process", "region", "all"]


@dataclass(frozen=True)
class EnterpriseSpec(FeatureSpec):
    """One feature: an operation of the kernel on the columns of one table, or (`of`) a function of other features.

    column, second: numbers of the table (features/enterprise/columns.py). select: only rows where this column is not 0.
    newest: only the newest row known of each group (certificate kind, permit, ...) counts. whose: whose rows; an industry's,
    a process', a region's or all enterprises' are those of a published table. of: the features that `op`, a function of
    features/enterprise/derived.py, is given. hidden: computed for others, not shown to a model.
    """

    second: str = ""
    select: str = ""
    newest: bool = False
    whose: Whose = "enterprise"
    of: tuple[str, ...] = ()
    hidden: bool = False

    def document(self) -> dict[str, Any]:
        """As for machines: what decides the value, as JSON has it."""
        return super().document() | {"of": list(self.of)}


def days(count: float) -> float:
    """A window of so many days, in the hours that specs have."""
    return count * DAY_HOURS


def year_tag(count: int) -> str:
    """A window in a feature's name: `90d`, `365d`, `1095d`."""
    return f"{count}d"


def over_en(count: int) -> str:
    """A window in English words."""
    return {365: "the last year", 1095: "the last three years"}.get(count, f"the last {count} d")


def over_zh(count: int) -> str:
    """A window in Chinese words."""
    return {365: "近一年", 1095: "近三年"}.get(count, f"近 {count} 天")


def over(spec: EnterpriseSpec, *windows: int) -> list[EnterpriseSpec]:
    """The feature over each window: `_90d` behind its name, the window behind its words."""
    return [
        replace(
            spec,
            name=f"{spec.name}_{year_tag(w)}",
            window_hours=days(w),
            words_en=f"{spec.words_en}, {over_en(w)}",
            words_zh=f"{over_zh(w)}{spec.words_zh}",
        )
        for w in windows
    ]
