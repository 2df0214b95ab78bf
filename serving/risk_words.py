"""Scores of enterprises as lines for people, English and Chinese."""

from collections.abc import Mapping
from typing import Any

from serving.reasons import number

NAMES = {"price": ("price score", "定价评分"), "alarm": ("alarm score", "预警评分")}


def score_lines(told: Mapping[str, Any], which: str) -> list[str]:
    """One score of an answer: accidents expected, chance of any, expected loss, each with its 90 % range, in both languages."""
    en, zh = NAMES[which]
    one = told[which]
    english, chinese = [], []
    for ahead in one["ahead"]:
        expected, chance = (
            _ranged(ahead["expected"], ahead["expected_range"]),
            _ranged(ahead["p_any"], ahead["p_any_range"], "%"),
        )
        english.append(f"{ahead['days']} d {expected} accidents, any {chance}")
        chinese.append(f"{ahead['days']} 天 {expected} 起，至少一起 {chance}")
    loss = (
        f"{one['expected_loss']:,.0f} ({one['expected_loss_range']['low']:,.0f} to {one['expected_loss_range']['high']:,.0f})"
    )
    return [
        f"{en}: {'; '.join(english)}; expected loss of the year {loss} {told['currency']}",
        f"{zh}：{'；'.join(chinese)}；一年预期损失 {loss} {told['currency']}",
    ]


def reason_lines(told: Mapping[str, Any]) -> list[str]:
    """The reasons of both scores."""
    found: list[str] = []
    for which, (en, zh) in NAMES.items():
        for reason in told[which]["reasons"]:
            found += [f"{en}: {reason['text_en']}", f"{zh}：{reason['text_zh']}"]
    return found


def list_text(result: Mapping[str, Any]) -> str:
    """All enterprises scored at one moment: how many, notes, and the riskiest."""
    lines = [f"{result['scored']} enterprises at {result['as_of']} by {result['bundle']}"]
    lines += [f"     {note}" for note in result["notes"]]
    for place, row in enumerate(result["riskiest"], start=1):
        lines.append(f"{place:3d}. {row['enterprise_id']}  {row['score_id']}")
        lines += [f"       {line}" for which in NAMES for line in score_lines(row, which)]
        lines += [f"       {line}" for line in (*row["notes"], *reason_lines(row))]
    return "\n".join(lines)


def explanation_text(told: Mapping[str, Any]) -> str:
    """A score rebuilt from its evidence, and the verdict."""
    lines = [f"{told['score_id']}: enterprise {told['enterprise_id']} at {told['as_of']} by {told['bundle']}"]
    lines += [f"  {line}" for which in NAMES for line in score_lines(told, which)]
    lines += [f"  {line}" for line in (*told["notes"], *reason_lines(told))]
    return "\n".join([*lines, told["verdict"]])


def _ranged(value: float, limits: Mapping[str, float], unit: str = "") -> str:
    """A number and its 90 % range, chances in percent."""
    if unit:
        return f"{value:.2%} ({limits['low']:.2%} to {limits['high']:.2%})"
    return f"{number(value)} ({number(limits['low'])} to {number(limits['high'])})"
