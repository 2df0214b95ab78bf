"""Contributions in words."""

import numpy as np
import pytest

from features.catalog import catalog
from features.spec import FeatureSpec
from serving.reasons import number, reason, reasons, strongest
from tests.serving.world import PUMP

SPEC = FeatureSpec("vibration_mean_24h", "sensors", "readings", "mean", "vibration", 24, unit="mm/s",
                   words_en="vibration, mean over 24 h", words_zh="振动，24 小时平均")  # fmt: skip


def test_a_reason_has_value_unit_and_effect_in_both_languages() -> None:
    found = reason(SPEC, 52.345, np.log(2.0))
    assert found["value"] == 52.345
    assert found["unit"] == "mm/s"
    assert found["text_en"] == "Vibration, mean over 24 h: 52.34 mm/s (raises the hazard 2x)"
    assert found["text_zh"] == "振动，24 小时平均：52.34 mm/s（使风险升至 2 倍）"


def test_a_lowering_reason_says_so() -> None:
    found = reason(SPEC, 1.0, -np.log(4.0))
    assert "(lowers the hazard 4x)" in found["text_en"]
    assert "使风险降至 0.25 倍" in found["text_zh"]


def test_a_missing_value_is_null_and_said_to_be_unknown() -> None:
    found = reason(SPEC, float("nan"), 0.1)
    assert found["value"] is None
    assert "not known" in found["text_en"]
    assert "未知" in found["text_zh"]


def test_a_code_is_shown_by_its_words() -> None:
    spec = FeatureSpec("mode_now", "operations", "operations", "state_code", words_en="mode", words_zh="工况", categorical=True,
                       levels_en=("idle", "full"), levels_zh=("空转", "满负荷"))  # fmt: skip
    found = reason(spec, 1.0, 0.1)
    assert found["value"] == "full"
    assert (found["text_en"][:10], found["text_zh"][:6]) == ("Mode: full", "工况：满负荷")
    assert reason(spec, 7.0, 0.1)["value"] is None


def test_the_strongest_come_first_and_zeros_not_at_all() -> None:
    assert strongest(np.array([0.1, -0.5, 0.0, 0.3]), 10) == [1, 3, 0]
    assert strongest(np.array([0.1, -0.5, 0.0, 0.3]), 2) == [1, 3]


def test_every_feature_of_the_catalog_has_words() -> None:
    features = catalog(PUMP)
    count = len(features.specs)
    for found in reasons(features.specs, np.ones(count, dtype=np.float32), np.linspace(1, 2, count), count):
        assert len(found["text_en"]) > len(" (raises the hazard 1x)") + 4
        assert any("\u4e00" <= letter <= "\u9fff" for letter in found["text_zh"].partition("：")[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (52.345, "52.34"), (12345.6, "12,346"), (0.012345, "0.01235"), (-1.5, "-1.5"), (3e-5, "3.000e-05")],
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert number(value) == text
