"""A challenger becomes champion by what it shows on later rows, or is refused with the reasons; and there is a way back."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from features.clock import micros
from features.errors import BadInput, Conflict, NotFound
from features.settings import Settings
from tests.training import fleet, small
from training import cli_retrain, pointer, promote, tracking
from training.decisions import Decision, decisions
from training.gates import Gates, JudgedOn
from training.pointer import deciding, read_pointer

runner = CliRunner()
LATER = pd.DateOffset(years=2)


@pytest.fixture(scope="module")
def table():
    """Observations of March and April 2026: later than the bundles of `small`, which are of the first days of March."""
    made = fleet.frame(machines=60, days=60)
    return made.assign(as_of=made.as_of + LATER)


@pytest.fixture
def told(monkeypatch):
    """What the registry was told; it is tested on its own."""
    said = []
    monkeypatch.setattr(tracking, "check", lambda settings: None)
    monkeypatch.setattr(tracking, "mark_champion", lambda settings, kind, bundle, reason=None: said.append((bundle, reason)))
    monkeypatch.setattr(tracking, "record_decision", lambda settings, what: said.append(what.outcome))
    return said


@pytest.fixture
def world(tmp_path, monkeypatch, told, table):
    """A home with bundles whose forecasts are made up: `says` maps a bundle's id to the noise of what it says."""
    says = {}
    past = SimpleNamespace(as_of=np.array([micros(moment.to_pydatetime()) for moment in table.as_of]))
    snapshot = SimpleNamespace(id="mill-20260430-0123456789ab", check_current=lambda: None, lake="lake")

    def forecasts(bundle, past, rows, threads):
        return {promote.SERVED: SimpleNamespace(p=fleet.forecast(table, says[bundle.manifest.bundle_id])[rows])}

    for name, value in (
        ("open_snapshot", lambda home, name, kind: snapshot), ("outcomes", lambda past, lag: table), ("forecasts", forecasts),
        ("milliseconds", lambda *_: 0.3),
    ):  # fmt: skip
        monkeypatch.setattr(promote, name, value)
    monkeypatch.setattr(promote.Lake, "open", lambda path: None)
    monkeypatch.setattr(promote.Past, "of", lambda snapshot, lake: past)
    return SimpleNamespace(settings=Settings(home=tmp_path), home=tmp_path, says=says, told=told, past=past)


def saved(world, noise, seed, **how):
    name = small.saved(world.home, seed=seed, day=seed, **how)
    world.says[name] = noise
    return name


def champion(world):
    found = read_pointer(world.home, "mill")
    return None if found is None else found.bundle


def kept(world):
    found = sorted(decisions(world.home, "mill").glob("*.json"))
    return [json.loads(path.read_text()) for path in found]


def test_first_champion_is_judged_alone(world):
    first = saved(world, 0.5, 1)
    decision = promote.promote(world.settings, "mill")
    assert decision.outcome == "promoted" and champion(world) == first
    assert {one.gate for one in decision.verdicts} == {
        "failures", "event_recall", "log_loss_skill", "slope", "observed_over_expected", "score_ms",
    }  # fmt: skip
    assert "no champion yet" in decision.notes[0]["en"]
    assert world.told == [(first, None), "promoted"]


def test_better_challenger_replaces_the_champion(world):
    first, second = saved(world, 1.5, 1), saved(world, 0.5, 2)
    promote.promote(world.settings, "mill", first)
    decision = promote.promote(world.settings, "mill", second)
    assert (decision.outcome, decision.before, decision.champion) == ("promoted", first, second)
    gains = decision.judged["gains"]["champion"]
    assert gains["log_loss"]["value"] < 0 and gains["log_loss"]["high"] < 0
    assert read_pointer(world.home, "mill").decision == decision.id


def test_worse_challenger_is_refused_with_the_reasons_and_all_numbers_kept(world):
    first, second = saved(world, 0.5, 1), saved(world, 3.0, 2)
    promote.promote(world.settings, "mill", first)
    decision = promote.promote(world.settings, "mill", second)
    assert decision.outcome == "refused" and champion(world) == first
    assert {"event_recall_against_champion", "log_loss_against_champion"} <= {one.gate for one in decision.failed}
    document = kept(world)[-1]
    assert Decision.model_validate(document) == decision
    assert document["snapshot"] == "mill-20260430-0123456789ab" and document["champion"] == first
    assert document["judged"]["figures"]["challenger"]["event_recall"]["low"] is not None
    assert document["bounds"] == Gates().model_dump(mode="json")
    assert world.told[-1] == "refused" and (second, None) not in world.told


def test_force_needs_a_reason_and_keeps_it(world):
    first, second = saved(world, 0.5, 1), saved(world, 3.0, 2)
    promote.promote(world.settings, "mill", first)
    with pytest.raises(BadInput, match="for a reason"):
        promote.promote(world.settings, "mill", second, force="  ")
    decision = promote.promote(world.settings, "mill", second, force="the old sensors are gone")
    assert decision.outcome == "forced" and decision.failed
    assert read_pointer(world.home, "mill").forced == "the old sensors are gone" == kept(world)[-1]["force"]
    assert (second, "the old sensors are gone") in world.told


def test_judged_only_on_rows_later_than_both(world, table):
    old, new = saved(world, 0.5, 1), saved(world, 0.5, 20)
    promote.promote(world.settings, "mill", old)
    assert kept(world)[-1]["judged"]["first"].startswith("2026-03-04")  # trained on 1 March, and three days of gap
    decision = promote.promote(world.settings, "mill", new)
    assert decision.judged["first"].startswith("2026-03-23")
    ripe = table[(table.as_of >= "2026-03-23") & table.y72.notna()]
    assert decision.judged["rows"] == len(ripe)


def test_older_bundle_is_judged_after_the_champion_that_it_would_replace(world):
    old, new = saved(world, 0.5, 1), saved(world, 0.5, 20)
    promote.promote(world.settings, "mill", new)
    assert promote.promote(world.settings, "mill", old).judged["first"].startswith("2026-03-23")


def test_no_later_row_is_refused_with_how_many_are_needed(world):
    made = small.bundle()
    late = made.manifest.model_copy(update={"calibrated_until": pd.Timestamp("2026-05-30", tz="UTC").to_pydatetime()})
    made.manifest = late.sealed()
    made.save(world.home / "bundles" / late.bundle_id)
    decision = promote.promote(world.settings, "mill")
    assert decision.outcome == "refused" and champion(world) is None and decision.judged is None
    assert [one.en for one in decision.failed] == [
        "0 failures on 0 machines since 2026-06-02, at least 30 failures on 12 machines are needed"
    ]


def test_too_few_failures_are_not_judged_further(world):
    saved(world, 0.5, 1)
    decision = promote.promote(world.settings, "mill", bounds=Gates(judged_on=JudgedOn(least_failures=5000)))
    assert decision.outcome == "refused" and [one.gate for one in decision.verdicts] == ["failures"]
    assert decision.judged["failures"] > 30
    assert promote.promote(world.settings, "mill", force="new line").outcome == "promoted"  # enough by the shipped bounds


def test_champion_again_changes_nothing_but_mends_the_alias(world):
    first = saved(world, 0.5, 1)
    promote.promote(world.settings, "mill")
    before = read_pointer(world.home, "mill")
    decision = promote.promote(world.settings, "mill")
    assert decision.outcome == "unchanged" and read_pointer(world.home, "mill") == before
    assert len(kept(world)) == 1 and world.told[-1] == (first, None)


def test_forced_champion_again_keeps_its_reason_in_the_registry(world):
    first = saved(world, 3.0, 1)
    bounds = Gates(judged_on=JudgedOn(least_failures=5000))
    assert promote.promote(world.settings, "mill", bounds=bounds, force="new line").outcome == "forced"
    assert promote.promote(world.settings, "mill").outcome == "unchanged" and world.told[-1] == (first, "new line")


def test_networks_that_cannot_be_asked_are_named(world, monkeypatch):
    first, second = saved(world, 1.5, 1), saved(world, 0.5, 2)
    whole = pointer.whole_bundle

    def lacking(home, kind, bundle_id):
        bundle = whole(home, kind, bundle_id)
        bundle.lacking = "onnxruntime is not installed"
        return bundle

    promote.promote(world.settings, "mill", first)
    monkeypatch.setattr(pointer, "whole_bundle", lacking)
    notes = [note["en"] for note in promote.promote(world.settings, "mill", second).notes]
    said = "have no say here (onnxruntime is not installed): it is judged by LightGBM alone"
    assert notes == [f"the networks of the {role} {said}" for role in ("challenger", "champion")]


def test_damaged_challenger_is_an_error_and_nothing_is_decided(world):
    first, second = saved(world, 0.5, 1), saved(world, 0.5, 2)
    promote.promote(world.settings, "mill", first)
    (world.home / "bundles" / second / "members.txt").write_text("tree")
    for force in (None, "whatever"):
        with pytest.raises(BadInput, match="checksum"):
            promote.promote(world.settings, "mill", second, force=force)
    assert champion(world) == first and len(kept(world)) == 1


def test_champion_of_another_catalog_is_named_and_the_absolute_gates_decide(world, monkeypatch):
    first, second = saved(world, 0.5, 1), saved(world, 0.7, 2)
    promote.promote(world.settings, "mill", first)
    path = world.home / "bundles" / first / "manifest.json"
    manifest = promote.read_manifest(path.parent).model_copy(update={"catalog_hash": "0123456789ab"})
    path.write_text(manifest.sealed().model_dump_json())
    decision = promote.promote(world.settings, "mill", second)
    assert decision.outcome == "promoted" and champion(world) == second
    assert "was trained on catalog 0123456789ab, this installation computes" in decision.notes[0]["en"]
    assert not any(one.gate.endswith("against_champion") for one in decision.verdicts)


def test_champion_that_is_gone_is_named_and_the_absolute_gates_decide(world):
    first, second = saved(world, 0.5, 1), saved(world, 0.5, 2)
    promote.promote(world.settings, "mill", first)
    (world.home / "bundles" / first).rename(world.home / "lost")
    decision = promote.promote(world.settings, "mill", second)
    assert decision.outcome == "promoted" and "cannot be asked" in decision.notes[0]["en"]


def test_force_without_a_snapshot_says_what_was_lacking(world, monkeypatch):
    first = saved(world, 0.5, 1)

    def none(*_):
        raise NotFound("no snapshot of kind mill yet", where="snapshots", mend="build one")

    monkeypatch.setattr(promote, "open_snapshot", none)
    with pytest.raises(NotFound, match="no snapshot"):
        promote.promote(world.settings, "mill")
    decision = promote.promote(world.settings, "mill", force="copied from the other site")
    assert decision.outcome == "forced" and champion(world) == first
    assert "no snapshot of kind mill" in decision.failed[0].en


def test_rollback_goes_back_step_by_step_and_is_kept(world):
    names = [saved(world, 0.5, seed) for seed in (1, 2, 3)]
    for name in names:
        promote.promote(world.settings, "mill", name, force="for the test")
    assert [promote.rollback(world.settings, "mill").champion for _ in range(2)] == names[1::-1]
    with pytest.raises(Conflict, match="no champion before"):
        promote.rollback(world.settings, "mill")
    assert champion(world) == names[0]
    assert [one["outcome"] for one in kept(world)][-2:] == ["rolled back"] * 2
    assert world.told[-2:] == [(names[0], None), "rolled back"]


def test_rollback_to_a_damaged_bundle_changes_nothing(world):
    first, second = saved(world, 0.5, 1), saved(world, 0.5, 2)
    for name in (first, second):
        promote.promote(world.settings, "mill", name)
    (world.home / "bundles" / first / "members.txt").unlink()
    with pytest.raises(BadInput, match="missing"):
        promote.rollback(world.settings, "mill")
    assert champion(world) == second and len(kept(world)) == 2


def test_two_promotions_at_once_are_one_after_the_other(world):
    first = saved(world, 0.5, 1)
    with deciding(world.home, "mill"), pytest.raises(Conflict, match="another process decides"):
        promote.promote(world.settings, "mill", first)
    assert champion(world) is None and kept(world) == []


@pytest.mark.parametrize("place", ["keep", "pointer._replace", "tracking.mark_champion", "tracking.record_decision"])
def test_killed_anywhere_leaves_the_old_champion_or_the_new_and_promoting_again_ends_well(world, monkeypatch, place):
    first, second = saved(world, 1.5, 1), saved(world, 0.5, 2)
    promote.promote(world.settings, "mill", first)

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(f"training.promote.{place}", die)
        promote.promote(world.settings, "mill", second)
    assert champion(world) == (first if place in ("keep", "pointer._replace") else second)
    promote.promote(world.settings, "mill", second)
    assert champion(world) == second and (second, None) in world.told
    assert read_pointer(world.home, "mill").decision in {one["id"] for one in kept(world)}


@pytest.mark.parametrize(
    ("place", "words"), [("mark_champion", "alias is not yet its own"), ("record_decision", "the decision holds")]
)
def test_registry_that_fails_once_the_pointer_has_moved_is_a_note(world, monkeypatch, place, words):
    """What serves has changed: an error that says nothing has would be a lie."""
    first, second = saved(world, 1.5, 1), saved(world, 0.5, 2)
    promote.promote(world.settings, "mill", first)

    def fail(*_, **__):
        raise Conflict("database is locked", where="sqlite")

    for act, now in ((lambda: promote.promote(world.settings, "mill", second), second),
                     (lambda: promote.rollback(world.settings, "mill"), first)):  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(tracking, place, fail)
            decision = act()
        assert champion(world) == decision.champion == now
        assert words in decision.notes[-1]["en"] and "database is locked" in decision.notes[-1]["zh"]
        assert kept(world)[-1] == decision.model_dump(mode="json")
    assert promote.promote(world.settings, "mill", first).outcome == "unchanged"
    assert world.told[-1] == (first, None)  # promoting again mends the alias


def test_first_bundle_of_its_own_is_told_not_to_be_judged_beside_the_pooled_one(world):
    pooled = world.home / "champion" / "machine" / "pooled.json"
    pooled.parent.mkdir(parents=True)
    pooled.write_text('{"bundle": "machine-pooled-1", "path": "x", "promoted_at": "2026-01-01T00:00:00Z"}')
    saved(world, 0.5, 1)
    decision = promote.promote(world.settings, "mill")
    assert decision.outcome == "promoted" and "machine-pooled-1" in decision.notes[0]["en"]
    assert "machine-pooled-1" in decision.notes[0]["zh"] and len(decision.notes) == 1


def test_verb_refuses_with_one_line_per_failed_gate_and_exit_1(world, monkeypatch):
    monkeypatch.setattr(cli_retrain, "settings", lambda: world.settings)
    saved(world, 9.0, 1)
    result = runner.invoke(cli_retrain.promote, ["machine", "--kind", "mill"])
    assert result.exit_code == 1
    failed = [line for line in result.stdout.splitlines() if line.startswith("  FAILED")]
    assert len(failed) == len(Decision.model_validate(kept(world)[-1]).failed) > 0
    assert result.stdout.startswith("refused: machine-mill-")
    result = runner.invoke(cli_retrain.promote, ["machine", "--kind", "mill", "--json"])
    assert result.exit_code == 1 and json.loads(result.stdout)["outcome"] == "refused"


def test_verb_promotes_and_rolls_back(world, monkeypatch):
    monkeypatch.setattr(cli_retrain, "settings", lambda: world.settings)
    first, second = saved(world, 1.5, 1), saved(world, 0.5, 2)
    for name in (first, second):
        result = runner.invoke(cli_retrain.promote, ["machine", "--kind", "mill", "--bundle", name])
        assert result.exit_code == 0 and result.stdout.startswith(f"promoted: {name}")
    assert "passed  log_loss_against_champion" in result.stdout
    result = runner.invoke(cli_retrain.promote, ["machine", "--kind", "mill", "--rollback", "--json"])
    document = json.loads(result.stdout)
    assert (document["outcome"], document["champion"], document["before"]) == ("rolled back", first, second)
    result = runner.invoke(cli_retrain.promote, ["machine", "--kind", "mill", "--rollback", "--bundle", second])
    assert isinstance(result.exception, BadInput)
