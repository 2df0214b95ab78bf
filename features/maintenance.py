"""Maintenance, component age and a machine's own past failures: only what was recorded by `as_of`."""

from features.events import slug
from features.history import REPLACEMENTS
from features.kinds import MachineKind
from features.spec import FeatureSpec, span_en, span_zh, tag

FAMILY = "maintenance"
LONG_HOURS = (720.0, 2160.0)


def specs(kind: MachineKind) -> list[FeatureSpec]:
    """Per component and over all: time since maintenance, since replacement, past failures; counts over 30 and 90 days."""
    made = _subject("", "", "any component", "任一部件")
    for term in kind.components:
        made += _subject(term.code, f"{slug(term.code)}_", term.words_en, term.words_zh)
    if kind.components:
        made += [
            FeatureSpec(
                "visit_gap", FAMILY, REPLACEMENTS, "gap", unit="h",
                words_en="usual time between replacements on this machine", words_zh="该设备更换部件的通常间隔",
            ),
            FeatureSpec(
                "visit_next", FAMILY, REPLACEMENTS, "to_next", unit="h",
                words_en="time to the next replacement by the machine's usual rhythm", words_zh="按通常节奏距下次更换",
            ),
        ]  # fmt: skip
    if len(kind.components) > 1:
        made += [
            FeatureSpec(
                f"component_age_{op}", FAMILY, REPLACEMENTS, op, unit="h",
                words_en=f"age of the {op} component", words_zh=f"最{'新' if op == 'youngest' else '旧'}部件的使用时间",
            )
            for op in ("youngest", "oldest")
        ]  # fmt: skip
    return made


def _subject(code: str, prefix: str, en: str, zh: str) -> list[FeatureSpec]:
    made = [
        FeatureSpec(
            f"{prefix}maintenance_count_{tag(w)}", FAMILY, "maintenance", "count", code, w,
            words_en=f"{en}, maintenance over {span_en(w)}", words_zh=f"{zh}，{span_zh(w)}内维护次数",
        )
        for w in LONG_HOURS
    ]  # fmt: skip
    singles = [
        ("maintenance_since", "maintenance", "since", "h", "time since the last maintenance", "距上次维护"),
        ("failure_count", "failures", "count", "", "failures so far", "历史故障次数"),
        ("failure_since", "failures", "since", "h", "time since the last failure", "距上次故障"),
    ]
    if code:
        singles.append(("age", REPLACEMENTS, "since", "h", "age since it was last replaced", "自上次更换的使用时间"))
        at_next = ("age at the machine's next replacement by its usual rhythm", "按通常节奏到下次更换时的使用时间")
        singles.append(("age_at_next", REPLACEMENTS, "since_at_next", "h", *at_next))
    return made + [
        FeatureSpec(
            f"{prefix}{name}", FAMILY, table, op, code, unit=unit, words_en=f"{en}, {more_en}", words_zh=f"{zh}，{more_zh}"
        )
        for name, table, op, unit, more_en, more_zh in singles
    ]
