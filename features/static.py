"""What is known of a machine itself: age, time under observation, model, capacity."""

from features.kinds import MachineKind
from features.spec import FeatureSpec

FAMILY = "static"


def specs(kind: MachineKind) -> list[FeatureSpec]:
    """Four features; the model is an index into the kind's models, missing where the kind does not know it."""
    return [
        FeatureSpec("machine_age", FAMILY, "machines", "age", unit="h", words_en="age of the machine", words_zh="设备使用时间"),
        FeatureSpec(
            "machine_observed", FAMILY, "machines", "observed", unit="h",
            words_en="time under observation", words_zh="已监测时间",
        ),
        FeatureSpec(
            "machine_model", FAMILY, "machines", "model", words_en="model", words_zh="设备型号", categorical=True
        ),
        FeatureSpec("machine_capacity", FAMILY, "machines", "capacity", words_en="capacity", words_zh="容量或额定能力"),
    ]  # fmt: skip
