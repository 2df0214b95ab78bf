"""The verbs score, explain and serve: results on stdout, one clear line for a mistake."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from features.errors import BadInput, NotFound, UserError
from features.settings import settings
from serving import cli
from tests.serving import servers
from tests.serving.world import END, MACHINES, World, point_at

RUN = CliRunner()


@pytest.fixture
def home(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv("FOREWARN_HOME", str(world.home))
    monkeypatch.setenv("FOREWARN_STORE_URL", f"sqlite:///{tmp_path}/store.db")
    settings.cache_clear()
    yield world.home
    settings.cache_clear()


def refused(app: object, arguments: list[str]) -> UserError:
    result = RUN.invoke(app, arguments)  # type: ignore[arg-type]
    assert isinstance(result.exception, UserError), result.output
    return result.exception


def test_scores_are_printed_with_reasons_and_can_be_explained(home: Path) -> None:
    result = RUN.invoke(cli.score, ["machine", "--top", "2", "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    (found,) = json.loads(result.stdout)
    assert found["scored"] == MACHINES
    assert found["as_of"] == END.isoformat()
    assert len(found["riskiest"]) == 2
    assert found["riskiest"][0]["reasons"][0]["text_zh"]
    again = RUN.invoke(cli.explain, [found["riskiest"][0]["score_id"], "--json"], catch_exceptions=False)
    explained = json.loads(again.stdout)
    assert explained["verdict"] == "reproduced exactly"
    assert explained["p"][2] == found["riskiest"][0]["p72"]
    text = RUN.invoke(cli.explain, [found["riskiest"][0]["score_id"], "--reasons", "2"], catch_exceptions=False).stdout
    assert text.splitlines()[-1] == "reproduced exactly"
    assert "振动" in text


def test_the_text_says_who_is_riskiest(home: Path) -> None:
    text = RUN.invoke(cli.score, ["machine", "--top", "1"], catch_exceptions=False).stdout
    assert text.startswith(f"{MACHINES} machines of kind pump at {END.isoformat()}")
    assert "  1. p0" in text
    assert "90 % range" in text


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--as-of", "2026-01-05"], "--as-of: time without zone"),
        (["--as-of", "soon"], "--as-of: 'soon' is not a time"),
        (["--as-of", "2999-01-01T00:00:00Z"], "--as-of: lies in the future"),
        (["--as-of", "2020-01-01T00:00:00Z"], "no machine of kind pump was known"),
        (["--kind", "moon"], "no champion for machine kind 'moon'"),
    ],
)
def test_mistakes_of_score_are_one_line(home: Path, arguments: list[str], line: str) -> None:
    assert line in str(refused(cli.score, ["machine", *arguments]))


def test_an_unknown_score_is_not_found(home: Path) -> None:
    assert isinstance(refused(cli.explain, ["s_none"]), NotFound)


def test_a_port_in_use_is_one_line(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        error = refused(cli.serve, ["--port", str(taken.getsockname()[1])])
    assert isinstance(error, BadInput)
    assert "cannot listen: Address already in use" in str(error)


def test_a_store_that_cannot_be_used_is_one_line_before_anything_starts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREWARN_STORE_URL", "postgresql://me:secret@127.0.0.1:1/none")
    settings.cache_clear()
    error = refused(cli.serve, ["--port", str(servers.free_port())])
    assert "store not usable" in str(error)
    assert "secret" not in str(error)


def test_without_a_champion_nothing_is_served_or_scored(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    settings.cache_clear()
    assert "no champion to serve" in str(refused(cli.serve, []))
    assert "no lake here" in str(refused(cli.score, ["machine"]))


def test_a_champion_without_its_bundle_is_one_line(
    home: Path, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at(tmp_path, world.bundle)
    (tmp_path / "lake").symlink_to(world.home / "lake")
    for file in (tmp_path / "bundles" / world.bundle.manifest.bundle_id).iterdir():
        file.unlink()
    (tmp_path / "bundles" / world.bundle.manifest.bundle_id).rmdir()
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    settings.cache_clear()
    assert "is gone" in str(refused(cli.score, ["machine"]))
