"""Contributions to a score, in words: English and Chinese, with value and unit, from the catalog's own words."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from features.spec import FeatureSpec


class Moved(NamedTuple):
    """What a reason multiplies, in words."""

    en: str
    zh: str


# Units that are words rather than signs.
UNITS_ZH = {
    "d": "天", "h": "小时", "x": "倍", "cases": "起案例", "accidents": "起事故", "currency": "元",
    "currency per worker": "元/人", "currency per accident": "元/起", "worker-years": "人年", "worker-years a year": "人年/年",
    "accidents per worker-year": "起/人年", "cases per worker-year": "起案例/人年", "persons per accident": "人/起",
    "miles per worker": "英里/人", "vehicle years per worker": "车年/人", "0 = AA to 4 = bad": "（0 = AA 至 4 = 差）",
    "0 = none to 3 = level 1": "（0 = 无 至 3 = 一级）",
}  # fmt: skip
HAZARD = Moved("the hazard", "风险")


def strongest(effects: npt.NDArray[np.float64], count: int) -> list[int]:
    """Indices of the `count` largest effects by magnitude, zeros left out; ties by position."""
    order = np.argsort(-np.abs(effects), kind="stable")[:count]
    return [int(i) for i in order if effects[i] != 0.0]


def reasons(
    specs: Sequence[FeatureSpec],
    x: npt.NDArray[np.float32],
    effects: npt.NDArray[np.float64],
    count: int,
    moved: Moved = HAZARD,
) -> list[dict[str, Any]]:
    """The strongest `count` reasons of one score.

    x: float32[features], of which `specs` say what they are.  effects: float64[features], what each adds to the score on its
    own scale: of machines the complementary log-log of the 72-hour probability, of enterprises the log of the number expected.
    """
    return [reason(specs[i], float(x[i]), float(effects[i]), moved) for i in strongest(effects, count)]


def reason(spec: FeatureSpec, value: float, effect: float, moved: Moved = HAZARD) -> dict[str, Any]:
    """One reason: the feature, its value (null if missing), its unit, its effect and two sentences."""
    shown = named(spec, value)
    en, zh = worded(spec, shown, value)
    factor = math.exp(min(abs(effect), 20.0))
    return {
        "feature": spec.name,
        "value": shown,
        "unit": spec.unit,
        "effect": effect,
        "text_en": f"{en} ({'raises' if effect > 0 else 'lowers'} {moved.en} {factor:.3g}x)",
        "text_zh": f"{zh}（使{moved.zh}{'升至' if effect > 0 else '降至'} {factor if effect > 0 else 1 / factor:.3g} 倍）",
    }


def named(spec: FeatureSpec, value: float) -> float | str | None:
    """The value as a person reads it: a model's or a mode's name for its index, None where nothing is known."""
    if math.isnan(value):
        return None
    if spec.categorical:
        return spec.levels_en[int(value)] if 0 <= int(value) < len(spec.levels_en) else None
    return value


def worded(spec: FeatureSpec, shown: float | str | None, value: float) -> tuple[str, str]:
    """`Vibration, mean over 24 h: 52.3 mm/s` and its Chinese twin."""
    en, zh = spec.words_en[:1].upper() + spec.words_en[1:], spec.words_zh
    if shown is None:
        return f"{en}: not known", f"{zh}：未知"
    if isinstance(shown, str):
        return f"{en}: {shown}", f"{zh}：{spec.levels_zh[int(value)]}"
    if spec.unit == "share":
        return f"{en}: {shown:.1%}", f"{zh}：{shown:.1%}"
    text = number(shown)
    unit, unit_zh = (f" {one}" if one else "" for one in (spec.unit, UNITS_ZH.get(spec.unit, spec.unit)))
    return f"{en}: {text}{unit}", f"{zh}：{text}{unit_zh}"


def number(value: float) -> str:
    """Four significant digits, thousands written out rather than in powers of ten."""
    if value and not 1e-3 <= abs(value) < 1e7:
        return f"{value:.3e}"
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:,.{min(digits, 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def lines(found: Sequence[dict[str, Any]], language: str = "en") -> list[str]:
    return [str(item[f"text_{language}"]) for item in found]
