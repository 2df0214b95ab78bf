"""The verbs of enterprises: results on stdout in both languages, one clear line for a mistake."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from features.errors import BadInput, NotFound, UserError
from features.settings import settings
from serving import cli
from tests.serving.risk_world import RiskWorld

RUN = CliRunner()


@pytest.fixture
def home(risk_world: RiskWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv("FOREWARN_HOME", str(risk_world.home))
    monkeypatch.setenv("FOREWARN_STORE_URL", f"sqlite:///{tmp_path}/store.db")
    settings.cache_clear()
    yield risk_world.home
    settings.cache_clear()


def test_scores_are_printed_with_reasons_and_can_be_explained(home: Path, risk_world: RiskWorld) -> None:
    result = RUN.invoke(cli.score, ["enterprise", "--top", "2", "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert 0 < found["scored"] <= len(risk_world.ids)
    assert found["bundle"] == risk_world.bundle.manifest.bundle_id
    first, second = found["riskiest"]
    assert first["alarm"]["ahead"][2]["expected"] >= second["alarm"]["ahead"][2]["expected"]
    assert first["price"]["reasons"][0]["text_zh"]
    again = RUN.invoke(cli.explain, [first["score_id"], "--json"], catch_exceptions=False)
    explained = json.loads(again.stdout)
    assert explained["verdict"] == "reproduced exactly"
    assert explained["price"]["ahead"] == first["price"]["ahead"]
    text = RUN.invoke(cli.explain, [first["score_id"], "--reasons", "1"], catch_exceptions=False).stdout
    assert text.splitlines()[-1] == "reproduced exactly"
    assert "price score: 30 d" in text and "预警评分：30 天" in text


def test_a_moment_without_reasons(home: Path, risk_world: RiskWorld) -> None:
    at = "2024-07-01T00:00:00Z"
    result = RUN.invoke(cli.score, ["enterprise", "--no-reasons", "--top", "1", "--as-of", at], catch_exceptions=False)
    lines = result.stdout.splitlines()
    assert lines[0].endswith(f"enterprises at 2024-07-01T00:00:00+00:00 by {risk_world.bundle.manifest.bundle_id}")
    assert any("expected loss of the year" in line for line in lines)
    assert not any("accidents expected" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["--as-of", "soon"], BadInput, "is not a time"),
        (["--as-of", "2024-07-01T00:00:00"], BadInput, "time without zone"),
        (["--as-of", "2999-07-01T00:00:00Z"], BadInput, "lies in the future"),
        (["--as-of", "1999-07-01T00:00:00Z"], NotFound, "no enterprise that has consented to it was known"),
    ],
)
def test_a_mistake_is_one_clear_line(home: Path, arguments: list[str], error: type[UserError], said: str) -> None:
    result = RUN.invoke(cli.score, ["enterprise", *arguments])
    assert isinstance(result.exception, error), result.output
    assert said in str(result.exception)


def test_without_a_champion_there_is_nothing_to_score_by(
    risk_world: RiskWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    settings.cache_clear()
    (tmp_path / "lake").symlink_to(risk_world.home / "lake")
    result = RUN.invoke(cli.score, ["enterprise"])
    settings.cache_clear()
    assert isinstance(result.exception, NotFound)
    assert "run `forewarn train enterprise`, then `forewarn promote enterprise`" in str(result.exception)
