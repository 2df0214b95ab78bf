"""What is said of an enterprise beside its scores: what they rest on, in words."""

import numpy as np
import pytest

from features.enterprise.catalog import catalog
from serving.risk import MOVED, document, notes_of, of_upstream, told
from serving.risk_champion import RiskChampion
from serving.risk_contracts import RiskResponse
from serving.risk_words import explanation_text, score_lines
from tests.serving.risk_world import RiskWorld

NAMES = catalog().names
# An enterprise of which nothing needs to be said.
PLAIN = {"exposure_told": 1.0, "exposure_3y": 90.0, "exposure_per_year": 30.0, "exposure_age_days": 20.0, "machines": 0.0}


def row(**values: float) -> np.ndarray:
    x = np.full(len(NAMES), np.nan, dtype=np.float32)
    for name, value in (PLAIN | values).items():
        x[NAMES.index(name)] = value
    return x


SCORED = {"machines": 4.0, "machine_risk_sum": 0.2, "machine_risk_age_days": 1.0, "machine_risk_reconstructed": 0.0}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, []),
        ({"exposure_told": 0.0}, ["no exposure told"]),
        ({"exposure_3y": 2.0}, ["no history of its own yet: scored from its industry, with a wider range"]),
        ({"exposure_3y": np.nan}, ["no history of its own yet"]),
        ({"exposure_age_days": 600.0}, ["no exposure told for 600 d"]),
        ({"other_currency": 1.0}, ["another currency"]),
        (SCORED, []),
        (SCORED | {"machine_risk_sum": np.nan}, ["no score of its machines in the last 30 d"]),
        (SCORED | {"machine_risk_age_days": 12.0}, ["scores of its machines are up to 12 d old"]),
        (SCORED | {"machine_risk_reconstructed": 0.25}, ["25% of the scores of its machines were reconstructed"]),
    ],
)
def test_a_reader_is_told_what_a_score_rests_on(values: dict[str, float], said: list[str]) -> None:
    notes = notes_of(NAMES, row(**values))
    assert len(notes) == len(said)
    assert all(part in note for note, part in zip(notes, said, strict=True))


def test_another_machine_bundle_than_the_one_learnt_from_is_named(risk_world: RiskWorld) -> None:
    assert of_upstream(risk_world.bundle, {"simulated-stand-in": 1.0}) == ()
    assert of_upstream(risk_world.bundle, {}) == ()
    (note,) = of_upstream(risk_world.bundle, {"machine-pump-2": 0.4, "simulated-stand-in": 0.6})
    assert "machine-pump-2 (40% of machines)" in note and "trained on those of simulated-stand-in" in note


def test_a_shorter_record_widens_the_range(risk_world: RiskWorld) -> None:
    golden = risk_world.bundle.manifest.golden.x[0]
    x = np.array([[np.nan if one is None else one for one in golden]] * 2, dtype=np.float32)
    x[0, NAMES.index("exposure_3y")], x[1, NAMES.index("exposure_3y")] = 0.0, 3000.0
    risk = told(risk_world.bundle, x).risk["price"]
    width = np.log(risk.high[:, 2] / risk.low[:, 2])
    assert width[0] > 1.05 * width[1]


def test_the_answer_is_in_contract_and_in_both_languages(risk_world: RiskWorld) -> None:
    champion = RiskChampion(risk_world.bundle, catalog())
    x = np.array([[np.nan if one is None else one for one in risk_world.bundle.manifest.golden.x[1]]], dtype=np.float32)
    result = told(champion.bundle, x).result(0)
    answer = document(result, {}) | {"score_id": "s_1", "entity": "enterprise", "enterprise_id": "e1", "notes": ["a note"]}
    found = RiskResponse.model_validate(answer | {"as_of": "2026-01-01T00:00:00Z", "bundle": "b"})
    for which in (found.price, found.alarm):
        assert [one.days for one in which.ahead] == [30, 90, 365]
        expected, chance = ([getattr(one, name) for one in which.ahead] for name in ("expected", "p_any"))
        assert expected == sorted(expected) and chance == sorted(chance) and chance[-1] < 1
        for one in which.ahead:
            assert one.expected_range.low < one.expected < one.expected_range.high
            assert one.p_any_range.low < one.p_any < one.p_any_range.high
        assert which.expected_loss == pytest.approx(which.ahead[-1].expected * found.loss_per_accident)
    en, zh = score_lines(answer, "price")
    assert en.startswith("price score: 30 d") and zh.startswith("定价评分：30 天")
    text = explanation_text(answer | {"as_of": "now", "bundle": "b", "verdict": "reproduced exactly"})
    assert text.splitlines()[-1] == "reproduced exactly" and "a note" in text
    assert MOVED.zh
