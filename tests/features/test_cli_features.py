"""The verb `features catalog`: what a kind's declaration brings, by family."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from features import cli
from features.catalog import catalog
from features.errors import BadInput, NotFound
from features.pooled import EVERY
from features.settings import settings
from tests.features.streams import KIND, made_lake

AZURE = Path(__file__).parents[2] / "features/sources/azure_pdm.toml"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def test_a_declaration_is_counted_without_a_lake() -> None:
    text = CliRunner().invoke(cli.features, ["catalog", str(AZURE)]).stdout
    assert text.splitlines()[-1].split() == ["azure_pdm", "all", "235"]


def test_the_kinds_of_a_lake_and_the_pooled_one(home: Path) -> None:
    made_lake(home / "lake")
    found = json.loads(CliRunner().invoke(cli.features, ["catalog", "--json"]).stdout)
    assert [one["kind"] for one in found] == ["press"]
    assert [spec["name"] for spec in found[0]["specs"]] == catalog(KIND).names
    assert sum(found[0]["families"].values()) == found[0]["features"] == len(catalog(KIND).names)
    assert found[0]["hash"] == catalog(KIND).hash
    [pooled] = json.loads(CliRunner().invoke(cli.features, ["catalog", "pooled", "--json"]).stdout)
    assert pooled["features"] == len(catalog(EVERY).names)


@pytest.mark.parametrize(("name", "error"), [("crane", NotFound), ("crane.toml", BadInput)])
def test_what_is_not_there_is_one_line(home: Path, name: str, error: type[Exception]) -> None:
    made_lake(home / "lake")
    with pytest.raises(error):
        CliRunner().invoke(cli.features, ["catalog", name], catch_exceptions=False)
