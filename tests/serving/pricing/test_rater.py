"""A rulebook as training is given it, and the verb that weighs the model beside it."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import forewarn
from features.clock import micros
from features.enterprise.build import at, build
from features.errors import BadInput, NotFound
from features.observations import Grid
from features.settings import settings
from serving.pricing import relativities
from serving.pricing.enterprise_facts import facts_at, facts_of
from serving.pricing.policies import in_force
from serving.pricing.rater import insured_of, rater
from serving.pricing.rulebooks import rulebook_named
from serving.underwriting.premium import reference
from serving.underwriting.rulebook import load
from tests.serving.risk_world import RiskWorld, copied, point_at
from training.enterprise import relativity
from training.enterprise.bundle import RiskBundle

NAME = "zhongshan-example"
UNTIL = datetime(2024, 2, 15, tzinfo=UTC)


@pytest.fixture
def world(risk_world: RiskWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RiskWorld]:
    """The risk world with a snapshot, and a champion that was fitted on its first months alone."""
    mine = copied(risk_world, tmp_path / "home")
    early = RiskBundle(
        risk_world.bundle.manifest.model_copy(update={"bundle_id": "early", "train_until": UNTIL}).sealed(),
        risk_world.bundle.models,
        risk_world.bundle.severity,
    )
    point_at(mine.home, early)
    mine = replace(mine, bundle=early)
    build(mine.lake, Grid(every_hours=720.0), home=mine.home)
    monkeypatch.setenv("FOREWARN_HOME", str(mine.home))
    settings.cache_clear()
    yield mine
    settings.cache_clear()


def test_amounts_are_those_of_a_quote_and_losses_those_of_the_policy(world: RiskWorld) -> None:
    as_of = UNTIL + timedelta(days=60)
    ids, x = at(world.lake, world.ids, as_of)
    view = world.lake.at()
    made, risk = rater(world.home, NAME), world.bundle.risk("price", x, ranges=False)
    found = made.rate(ids, view, world.bundle, x, risk)
    named = ids.column("enterprise_id").cast(pa.string()).to_pylist()
    facts = facts_of(view, named, np.full(len(named), micros(as_of)))
    known = [row for row in range(len(named)) if facts.column("headcount")[row].as_py() is not None]
    np.testing.assert_array_equal(np.flatnonzero(~np.isnan(found.amount)), known)
    assert 0 < len(known) < len(named)
    for row in known:
        assert found.amount[row] == float(reference(load(NAME), facts_at(facts, row, as_of.date(), "CNY"))) > 0
    terms = in_force(view, ids)
    insured = insured_of(world.bundle, x, risk.expected[:, -1], terms)
    np.testing.assert_array_equal(found.insured[known], insured[known])
    assert terms.covered[known].all() and set(terms.limit_per_person[known]) <= {400_000.0, 600_000.0, 800_000.0}


def test_nobody_had_a_policy_before_it_began(world: RiskWorld) -> None:
    """Then the least that the law asks stands in, without other limits."""
    begin = world.lake.read("policies").column("event_time").to_pylist()
    early = min(begin) - timedelta(days=1)
    pairs = pa.table({"enterprise_id": world.ids[:2], "as_of": pa.array([early, max(begin)], pa.timestamp("us", "UTC"))})
    found = in_force(world.lake.at(), pairs, limit_per_person=400_000.0)
    assert found.covered.tolist() == [False, True]
    assert (found.limit_per_person[0], found.limit_aggregate[0], found.deductible[0]) == (400_000.0, np.inf, 0.0)
    assert np.isfinite(found.limit_aggregate[1]) and found.deductible[1] > 0


def test_the_verb_keeps_what_quotes_read(world: RiskWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relativity, "_FEWEST", 5)
    told = CliRunner().invoke(forewarn.app, ["train", "relativity", "--rulebook", NAME, "--json"], catch_exceptions=False)
    document = json.loads(told.stdout)
    digest, bundle_id = load(NAME).digest, world.bundle.manifest.bundle_id
    fitted = relativities.load(world.home, digest, bundle_id)
    assert fitted is not None and Path(document["path"]).parent == world.home / "relativities"
    assert (fitted.rulebook_digest, fitted.bundle_id) == (digest, bundle_id)
    assert Decimal(0) <= fitted.weight_low <= fitted.weight <= fitted.weight_high <= Decimal(1)
    assert fitted.level == Decimal(str(document["level"])).quantize(fitted.level)
    assert relativities.load(world.home, "0" * 64, bundle_id) is None
    said = CliRunner().invoke(forewarn.app, ["train", "relativity", "--rulebook", NAME], catch_exceptions=False)
    assert "weight of the model" in said.stdout and fitted.fitted_on in said.stdout


def test_too_few_accidents_leave_nothing_behind(world: RiskWorld) -> None:
    with pytest.raises(BadInput, match="accidents that the champion has not seen"):
        CliRunner().invoke(forewarn.app, ["train", "relativity", "--rulebook", NAME], catch_exceptions=False)
    assert not (world.home / "relativities").exists()


def test_mistakes_are_one_line(world: RiskWorld, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no rulebook 'zhongshan'"):
        rater(world.home, "zhongshan")
    text = load(NAME).source
    begin, end = text.index("[model]"), text.index("[limits]")
    mute = tmp_path / "mute.toml"
    mute.write_text((text[:begin] + text[end:]).replace('"model", ', ""))
    with pytest.raises(BadInput, match="the model has no say in it"):
        rater(world.home, str(mute))
    shutil.rmtree(world.home / "champion")
    with pytest.raises(NotFound, match="no champion for enterprises"):
        CliRunner().invoke(forewarn.app, ["train", "relativity", "--rulebook", NAME], catch_exceptions=False)


def test_a_rulebook_of_the_home_is_the_one_that_quotes_go_by(world: RiskWorld) -> None:
    own = world.home / "rulebooks" / f"{NAME}.toml"
    own.parent.mkdir()
    own.write_text(load(NAME).source.replace('version = "1"', 'version = "2"'), encoding="utf-8")
    assert rater(world.home, NAME).digest == rulebook_named(world.home, NAME).digest != load(NAME).digest
    own.rename(own.with_name("other.toml"))
    with pytest.raises(BadInput, match=rf"other\.toml: it says that it is {NAME}; call the file {NAME}\.toml"):
        rater(world.home, "other")
