"""What a run of the enterprise scores is told: one TOML file, whose faults are one line."""

from pathlib import Path

import pytest

from features.errors import BadInput, NotFound
from training.enterprise.config import EnterpriseConfig, load_enterprise


def test_the_shipped_experiment_is_read() -> None:
    found = load_enterprise()
    assert found.name == "enterprise" and set(found.ablations) == {"machines", "cases"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[linear]\npenalties = []", r"linear.penalties"),
        ("[linear]\npenalties = [3.0, -1.0]", r"linear.penalties.1: Input should be greater than 0"),
        ("[linear]\npenalties = [nan]", r"linear.penalties.0"),
        ("[linear]\npenalties = [inf]", r"linear.penalties.0"),
        ("[price.boosters]\nmembers = 1", r"give no range"),
        ("[periods]\ntest_from = 2024-01-01T00:00:00", r"periods.test_from"),
        ("colour = 1", r"colour"),
        ("[linear", r"not TOML"),
    ],
)
def test_what_cannot_be_meant_is_one_line(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'name = "mine"\n{text}\n', encoding="utf-8")
    with pytest.raises(BadInput, match=words) as told:
        load_enterprise(str(path))
    assert "\n" not in str(told.value)


def test_no_file_and_what_no_model_looks_at(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_enterprise(str(tmp_path / "gone.toml"))
    config = EnterpriseConfig(name="x", unseen=("case_*",))
    assert config.sees("accident_count_365d") and not config.sees("case_rate")
