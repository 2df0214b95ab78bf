"""Maintenance, component age and a machine's own past failures: only what was recorded by `as_of`."""

from features.history import REPLACEMENTS
from features.kinds import MachineKind, slug
from features.spec import FeatureSpec, span_en, span_zh, tag

FAMILY = "maintenance"
LONG_HOURS = (720.0, 2160.0)


def specs(kind: MachineKind) -> list[FeatureSpec]:
    """Per component and over all: time since maintenance, since replacement, past failures; counts over 30 and 90 days."""
    made = _subject("", "", "any component", "任一部件") if kind.components else _failures("", "", "machine", "设备")
    for term in kind.components:
        made += _subject(term.code, f"{slug(term.code)}_", term.words_en, term.words_zh)
    if kind.components:
        made += [
            FeatureSpec(
                "visit_gap", FAMILY, "maintenance", "gap", unit="h",
                words_en="usual time between maintenance visits to this machine", words_zh="该设备维护的通常间隔",
            ),
            FeatureSpec(
                "visit_next", FAMILY, "maintenance", "to_next", unit="h",
                words_en="time to the next maintenance by the machine's usual rhythm", words_zh="按通常节奏距下次维护",
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
    ]
    if code:
        singles.append(("age", REPLACEMENTS, "since", "h", "age since it was last replaced", "自上次更换的使用时间"))
        at_next = ("time since maintenance, as of the next visit by the usual rhythm", "按通常节奏到下次维护时距上次维护")
        singles.append(("age_at_next", "maintenance", "since_at_next", "h", *at_next))
    made += [
        FeatureSpec(
            f"{prefix}{name}", FAMILY, table, op, code, unit=unit, words_en=f"{en}, {more_en}", words_zh=f"{zh}，{more_zh}"
        )
        for name, table, op, unit, more_en, more_zh in singles
    ]
    return made + _failures(code, prefix, en, zh)


def _failures(code: str, prefix: str, en: str, zh: str) -> list[FeatureSpec]:
    """A machine's own past failures."""
    rows = [("count", "", "failures so far", "历史故障次数"), ("since", "h", "time since the last failure", "距上次故障")]
    return [
        FeatureSpec(
            f"{prefix}failure_{op}", FAMILY, "failures", op, code, unit=unit,
            words_en=f"{en}, {more_en}", words_zh=f"{zh}，{more_zh}",
        )
        for op, unit, more_en, more_zh in rows
    ]  # fmt: skip
