"""Event features: how often each declared code came over each window, and how long ago it last came."""

from features.kinds import MachineKind, slug
from features.spec import FeatureSpec, span_en, span_zh, tag

FAMILY = "events"


def specs(kind: MachineKind) -> list[FeatureSpec]:
    """Counts and times since, for all events together and for each declared code. None where no code is declared."""
    if not kind.error_codes:
        return []
    subjects = [("", "events", "event of any code", "任何事件")]
    subjects += [(term.code, slug(term.code), term.words_en, term.words_zh) for term in kind.error_codes]
    made = []
    for code, name, en, zh in subjects:
        made += [
            FeatureSpec(
                f"{name}_count_{tag(w)}", FAMILY, "events", "count", code, w,
                words_en=f"{en}, count over {span_en(w)}", words_zh=f"{zh}，{span_zh(w)}内次数",
            )
            for w in sorted(kind.window_hours)
        ]  # fmt: skip
        made.append(
            FeatureSpec(
                f"{name}_since", FAMILY, "events", "since", code, unit="h",
                words_en=f"{en}, time since the last", words_zh=f"{zh}，距上次",
            )
        )  # fmt: skip
    return made
