"""forewarn quote, typed: an enterprise of the lake and the shipped example of a prospect, by every shipped rulebook."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from features.errors import BadInput
from features.settings import settings
from serving.pricing import cli_quote, cli_quotes
from serving.pricing.store import opened
from serving.underwriting.rulebook import shipped
from tests.serving.risk_world import RiskWorld, copied

EXAMPLE = Path(__file__).parents[3] / "data" / "examples" / "prospect.toml"
BOOKS = [one.id for one in shipped()]
RUN = CliRunner()


@pytest.fixture(scope="module")
def world(risk_world: RiskWorld, tmp_path_factory: pytest.TempPathFactory) -> RiskWorld:
    return copied(risk_world, tmp_path_factory.mktemp("quotes") / "home")


@pytest.fixture
def url(world: RiskWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    url = f"sqlite:///{tmp_path}/store.db"
    monkeypatch.setenv("FOREWARN_HOME", str(world.home))
    monkeypatch.setenv("FOREWARN_STORE_URL", url)
    settings.cache_clear()
    yield url
    settings.cache_clear()


def ran(app: typer.Typer, *arguments: str) -> str:
    result = RUN.invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def told(*arguments: str) -> Any:
    return json.loads(ran(cli_quote.quote, *arguments, "--json"))


def one_of(world: RiskWorld, *, construction: bool) -> str:
    table = world.lake.read("enterprises")
    pairs = zip(table.column("enterprise_id").to_pylist(), table.column("industry").to_pylist(), strict=True)
    return next(one for one, industry in pairs if (industry == "construction") == construction)


@pytest.mark.parametrize("rulebook", BOOKS)
def test_the_shipped_prospect_is_quoted_and_asks_what_if(url: str, rulebook: str, tmp_path: Path) -> None:
    asked = ("--facts", str(EXAMPLE), "--rulebook", rulebook, "--if", "standardisation=1", "--if", "overdue_hazards=0")
    found = told(*asked, "--html", str(tmp_path / "page.html"))
    other = found["what_if"]
    difference = Decimal(other["premium"]) - Decimal(found["premium"])
    assert difference <= 0
    assert sum((Decimal(one["amount"]) for one in other["changes"]), Decimal(0)) == difference
    assert Decimal(other["worksheet"]["model"]["insured_loss"]) < Decimal(found["worksheet"]["model"]["insured_loss"])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert found["quote_id"] in page
    assert other["quote_id"] in page
    assert "假设带来的变化" in page
    with opened(url) as kept:
        assert [one.kind for one in kept.quotes()] == ["what-if", "quote"]
    text = ran(cli_quote.quote, *asked)
    assert f"{Decimal(found['premium']):,.2f} CNY" in text
    assert f"what if 假设情形: {Decimal(other['premium']):,.2f}" in text


@pytest.mark.parametrize("rulebook", BOOKS)
def test_an_enterprise_of_the_lake_is_quoted_and_replayed(url: str, world: RiskWorld, rulebook: str, tmp_path: Path) -> None:
    enterprise = one_of(world, construction=True)
    own = ["--fact", "project_cost=80000000"] if rulebook.startswith("shandong") else []
    found = told(enterprise, "--rulebook", rulebook, "--limit-per-person", "600000", "--if", "training_coverage=1", *own)
    evidence = {one["name"]: one["evidence"] for one in found["worksheet"]["facts"]["known"]}
    assert "recorded" in evidence["headcount"]
    again = json.loads(ran(cli_quotes.quotes, "replay", found["quote_id"], "--json"))
    assert again["replayed"] == found["premium"]
    page = tmp_path / "kept.html"
    ran(cli_quotes.quotes, "show", found["what_if"]["quote_id"], "--html", str(page))
    assert "What would change" in page.read_text(encoding="utf-8")


def test_no_rulebook_is_asked_for_what_it_does_not_serve(url: str, world: RiskWorld) -> None:
    other = one_of(world, construction=False)
    with pytest.raises(BadInput, match="construction"):
        RUN.invoke(cli_quote.quote, [other, "--rulebook", "shandong-construction-example"], catch_exceptions=False)
    with opened(url) as kept:
        assert kept.quotes() == ()
