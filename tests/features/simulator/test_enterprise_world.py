"""World files of enterprises: what a mistake in one says."""

from pathlib import Path

import pytest

from features.enterprise.vocabulary import HIGH_RISK
from features.errors import BadInput
from features.simulator.enterprise_cases import _grammar
from features.simulator.enterprise_roll import habit_of
from features.simulator.enterprise_world import DEFAULT, load_enterprises
from features.simulator.world import load_world


def test_the_shipped_world_has_the_high_risk_industries_and_others() -> None:
    law = load_enterprises()
    codes = {industry.code for industry in law.industries}
    assert codes > HIGH_RISK
    assert sum(industry.share for industry in law.industries) == pytest.approx(1.0)
    grammar = _grammar()
    for industry in law.industries:
        for process in industry.processes:
            assert process.code in grammar["processes"]
            assert {*process.causes} <= {*grammar["causes"]}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('code = "fishery"', 'code = "fishing"', "unknown industry 'fishing'"),
        ("roof_fall = 5", "rooffall = 5", "unknown cause 'rooffall'"),
        ('name = "fatal"', 'name = "deadly"', "losses are, in this order: injury, fatal"),
        ("memory_days = 365.0", "memory_days = 0.0", "memory_days"),
        ("lasting = 0.8", "lasting = 0.8\nlarting = 1", "larting"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "world.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadInput, match=words):
        load_enterprises(path)


def test_habits_follow_the_lean_between_and_beyond_the_worlds_own() -> None:
    habits = load_world().habits
    strict, usual, lax = habits
    assert habit_of(habits, 1.0, 2.5).inspect_days == strict.inspect_days
    assert habit_of(habits, 0.0, 2.5).interval == usual.interval
    assert habit_of(habits, -1.0, 2.5).heed == lax.heed
    assert habit_of(habits, -9.0, 2.5) == habit_of(habits, -2.5, 2.5)
    assert habit_of(habits, -2.0, 2.5).interval > lax.interval
