"""A challenger scores enterprises by what it shows on later rows, or is refused with the reasons; and there is a way back."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from features.clock import micros
from features.enterprise.catalog import EVERY, catalog
from features.errors import BadInput, Conflict, NotFound
from features.settings import Settings, settings
from training import cli_retrain, pointer, tracking
from training import promote as deciding
from training.decisions import decisions
from training.enterprise import promote as module
from training.enterprise.bundle import RiskBundle, RiskFacts
from training.enterprise.fit import Learned
from training.enterprise.gates import Absolute, JudgedOn, RiskGates, load_gates
from training.enterprise.model import LINEAR, Models
from training.enterprise.promote import lowered, milliseconds, promote
from training.enterprise.rows import Past, moment
from training.enterprise.severity import Severity

RUN = CliRunner()
# The planted past is short of its later year, and so small that what is fitted on it is drawn far towards the mean.
BOUNDS = RiskGates(
    judged_on=JudgedOn(horizon_days=90, least_accidents=20, least_enterprises=10, replicates=60),
    absolute=Absolute(slope_between=(0.5, 2.5), score_ms_at_most=5000.0),
)


@dataclass
class World:
    settings: Settings
    learned: Learned
    past: Past
    told: list[object]

    @property
    def home(self) -> Path:
        return self.settings.home

    def saved(self, name: str, *, models: Models | None = None, until: datetime | None = None) -> str:
        """A bundle under home. until: the last row that it was fitted on."""
        models, cuts = models or self.learned.models, self.learned.cuts
        fitted = moment(int(self.past.as_of[cuts.calibration].max()))
        severity = Severity.fit(self.past, cuts.test_from)
        facts = RiskFacts("planted", {}, (), fitted, until or fitted, datetime.now(UTC), {"name": name})
        bundle = RiskBundle.assemble(models, severity, facts, self.past.x[:900:113])
        bundle.save(self.home / "bundles" / bundle.manifest.bundle_id)
        return bundle.manifest.bundle_id

    def champion(self) -> str | None:
        found = pointer.read_pointer(self.home, EVERY.name)
        return None if found is None else found.bundle


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, past: Past, learned: Learned) -> World:
    told: list[object] = []
    monkeypatch.setattr(tracking, "check", lambda settings: None)
    monkeypatch.setattr(
        tracking, "mark_champion", lambda settings, kind, bundle, reason=None: told.append((kind, bundle, reason))
    )
    monkeypatch.setattr(tracking, "record_decision", lambda settings, what: told.append(what.outcome))
    snapshot = SimpleNamespace(id="enterprise-1", check_current=lambda: None, lake="lake")
    monkeypatch.setattr(module, "open_snapshot", lambda home, name, kind: snapshot)
    monkeypatch.setattr(module.Lake, "open", lambda path: None)
    monkeypatch.setattr(module.Past, "of", lambda snapshot, lake: past)
    return World(Settings(home=tmp_path, threads=1), learned, past, told)


def overdone(models: Models, times: float) -> Models:
    """The same models, expecting so many times the accidents."""
    scores = {
        which: one.model_copy(update={"blend": one.blend.model_copy(update={"level": one.blend.level + float(np.log(times))})})
        for which, one in models.scores.items()
    }
    return replace(models, scores=scores)


def failed(decision: object) -> set[str]:
    return {one.gate for one in decision.failed}  # type: ignore[attr-defined]


def test_a_first_champion_is_judged_alone_and_serves(world: World) -> None:
    first = world.saved("first")
    decision = promote(world.settings, bounds=BOUNDS)
    assert decision.outcome == "promoted", [one.en for one in decision.failed]
    assert world.champion() == decision.champion == first
    assert pointer.pointer_path(world.home, EVERY.name) == world.home / "champion" / "enterprise" / "enterprise.json"
    assert world.told == [("enterprise", first, None), "promoted"]
    (document,) = decisions(world.home, EVERY.name).glob("*.json")
    assert document.parent == world.home / "decisions" / "enterprise" / "enterprise"
    kept = json.loads(document.read_text())
    assert kept["judged"]["figures"]["challenger_price"]["explained"]["value"] > 0
    gates = {one["gate"] for one in kept["verdicts"]}
    assert {"accidents", "price_explained", "alarm_slope", "directions", "golden_rows", "score_ms"} <= gates
    assert all(one["en"] and one["zh"] and one["en"] != one["zh"] for one in kept["verdicts"])
    assert "no champion yet" in kept["notes"][0]["en"]


def test_one_that_expects_twice_as_many_is_refused_unless_forced(world: World) -> None:
    first = world.saved("first")
    promote(world.settings, first, bounds=BOUNDS)
    wild = world.saved("wild", models=overdone(world.learned.models, 2.5))
    decision = promote(world.settings, wild, bounds=BOUNDS)
    assert decision.outcome == "refused"
    assert {"price_actual_over_expected", "alarm_actual_over_expected", "price_deviance_against_champion"} <= failed(decision)
    assert world.champion() == first
    forced = promote(world.settings, wild, bounds=BOUNDS, force="a drill")
    assert (forced.outcome, world.champion()) == ("forced", wild)
    assert deciding.rollback(world.settings, EVERY.name).champion == first
    with pytest.raises(Conflict, match="no champion before"):
        deciding.rollback(world.settings, EVERY.name)


def test_an_equal_challenger_passes_beside_the_champion(world: World) -> None:
    promote(world.settings, world.saved("first"), bounds=BOUNDS)
    second = world.saved("second")
    decision = promote(world.settings, second, bounds=BOUNDS)
    assert decision.outcome == "promoted"
    assert {"price_deviance_against_champion", "alarm_gini_against_champion"} <= {one.gate for one in decision.verdicts}
    assert promote(world.settings, second, bounds=BOUNDS).outcome == "unchanged"


def test_rows_that_either_was_fitted_on_judge_nothing(world: World) -> None:
    promote(world.settings, world.saved("first"), bounds=BOUNDS)
    late = moment(int(world.past.as_of.max()))
    decision = promote(world.settings, world.saved("late", until=late), bounds=BOUNDS)
    assert decision.outcome == "refused"
    assert failed(decision) == {"accidents"}
    assert decision.judged is None


def test_a_champion_on_another_catalog_is_no_rival(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    promote(world.settings, world.saved("first"), bounds=BOUNDS)
    second = world.saved("second")
    other = SimpleNamespace(hash="000000000000")
    monkeypatch.setattr(module, "read_risk_manifest", lambda path: SimpleNamespace(catalog_hash=other.hash))
    decision = promote(world.settings, second, bounds=BOUNDS)
    assert decision.outcome == "promoted"
    assert "trained on catalog 000000000000" in decision.notes[0]["en"]
    assert not any("against_champion" in one.gate for one in decision.verdicts)


def test_a_price_that_falls_as_facts_worsen_is_found(learned: Learned, past: Past) -> None:
    x = past.x[::701]
    bundle = _bundle(learned.models, past, learned)
    share, steps = lowered(bundle, x)
    assert share == 0 and steps > 1000
    columns = [
        one.model_copy(update={"effect": -2.0}) if one.name == "hazard_external_overdue" else one
        for one in learned.models.linear.columns
    ]
    wrong = replace(learned.models, linear=learned.models.linear.model_copy(update={"columns": tuple(columns)}))
    assert wrong.scores["price"].blend.weights[LINEAR] > 0
    found, _ = lowered(_bundle(wrong, past, learned), x)
    assert found > 0
    assert 0 < milliseconds(bundle, x[:3]) < 5000


def _bundle(models: Models, past: Past, learned: Learned) -> RiskBundle:
    now = datetime.now(UTC)
    severity = Severity.fit(past, learned.cuts.test_from)
    return RiskBundle.assemble(models, severity, RiskFacts("planted", {}, (), now, now, now, {}), past.x[:3])


def test_later_accidents_are_counted_once(world: World) -> None:
    rows = world.learned.cuts.test
    since = moment(world.learned.cuts.test_from)
    count, enterprises = module._accidents(world.past, rows, since, 0.0)
    when = world.past.accidents.column("event_time").cast("int64").to_numpy()
    assert count == int((when > micros(since)).sum())
    assert 0 < enterprises <= count


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no bundle of kind enterprise"),
        (["--bundle", "x"], "no bundle x"),
        (["--gates", "strict"], "no such gates"),
        (["--force", " "], "forced for a reason"),
        (["--rollback"], "no champion of kind enterprise"),
        (["--rollback", "--bundle", "x"], "takes no other option"),
    ],
)
def test_a_mistake_is_one_clear_line(world: World, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str) -> None:
    monkeypatch.setenv("FOREWARN_HOME", str(world.home))
    settings.cache_clear()
    result = RUN.invoke(cli_retrain.promote, ["enterprise", *arguments])
    settings.cache_clear()
    assert isinstance(result.exception, BadInput | NotFound), result.output
    assert said in str(result.exception)


def test_the_verb_prints_the_verdicts_in_both_languages_and_refuses_with_one(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FOREWARN_HOME", str(world.home))
    settings.cache_clear()
    world.saved("wild", models=overdone(world.learned.models, 3.0))
    gates = tmp_path / "mine.toml"
    gates.write_text("[judged_on]\nhorizon_days = 90\nleast_accidents = 20\nleast_enterprises = 10\nreplicates = 60\n")
    result = RUN.invoke(cli_retrain.promote, ["enterprise", "--gates", str(gates)])
    settings.cache_clear()
    assert result.exit_code == 1, result.output
    assert "FAILED  price_actual_over_expected" in result.output and "定价评分" in result.output


def test_bounds_are_checked(tmp_path: Path) -> None:
    assert load_gates() == RiskGates()
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[absolute]\nslope_between = [1.2, 1.4]\n")
    with pytest.raises(BadInput, match="does not hold 1"):
        load_gates(wrong)
    wrong.write_text("[judged_on]\nhorizon_days = 60\n")
    with pytest.raises(BadInput, match="horizon_days"):
        load_gates(wrong)
    assert catalog().charged
