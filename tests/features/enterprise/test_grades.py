"""The grade of an accident: order 493's thresholds, and files that cannot be a rule."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from features.enterprise.grades import DEFAULT, rule_at, rules
from features.errors import BadInput, NotFound

NONE = float("nan")


@pytest.mark.parametrize(
    ("deaths", "injuries", "loss", "grade"),
    [
        (0, 0, 0, "ordinary"),
        (NONE, NONE, NONE, "ordinary"),
        (2, 9, 9_999_999, "ordinary"),
        (3, 0, 0, "larger"),
        (0, 10, NONE, "larger"),
        (0, 0, 10_000_000, "larger"),
        (10, 0, 0, "major"),
        (0, 50, 0, "major"),
        (0, 0, 50_000_000, "major"),
        (30, 0, 0, "especially_major"),
        (0, 100, 0, "especially_major"),
        (0, 0, 100_000_000, "especially_major"),
    ],
)
def test_any_one_threshold_is_enough(deaths: float, injuries: float, loss: float, grade: str) -> None:
    rule = rule_at(date(2026, 1, 1))
    assert rule.codes[int(rule.of(deaths, injuries, loss)[0])] == grade


def test_grades_of_many_and_the_words_of_each() -> None:
    rule = rule_at(date(2007, 6, 1))
    assert rule.of([0, 3, 30], [0, 0, 0], [0, 0, 0]).tolist() == [0, 1, 3]
    assert rule.of(np.empty(0), np.empty(0), np.empty(0)).tolist() == []
    assert [grade.words_zh for grade in rule.grades] == ["特别重大事故", "重大事故", "较大事故", "一般事故"]
    assert "493" in rule.citation


def test_before_the_first_rule_there_is_none() -> None:
    with pytest.raises(NotFound, match="in force on 2007-05-31"):
        rule_at(date(2007, 5, 31))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("deaths = 30", "deaths = 1", "deaths does not fall"),
        ("deaths = 0", "deaths = 1", "deaths does not fall"),
        ("injuries = 100", "injuries = -1", "injuries"),
        ("effective = 2007-06-01", "", "effective: missing"),
        ("effective = 2007-06-01", "effective = ", "not readable as TOML"),
    ],
)
def test_a_file_that_is_no_rule_is_one_clear_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "grades.toml"
    path.write_text(DEFAULT.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(BadInput, match=words) as error:
        rules(path)
    assert "grades.toml" in str(error.value) and "\n" not in str(error.value)
