"""The bundle of enterprise scores: what is read is what was written, and nothing damaged is."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from features.enterprise.catalog import catalog
from features.errors import BadInput, Conflict, NotFound
from training.enterprise.bundle import RiskBundle, RiskFacts
from training.enterprise.fit import Learned
from training.enterprise.model import SCORES
from training.enterprise.rows import Past
from training.enterprise.severity import Severity

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def bundle(past: Past, learned: Learned) -> RiskBundle:
    severity = Severity.fit(past, learned.cuts.test_from)
    facts = RiskFacts("planted", {"accidents": 3}, (), NOW, NOW, NOW, {"name": "small"})
    return RiskBundle.assemble(learned.models, severity, facts, past.x[:900:113])


def test_it_answers_the_same_after_a_round_trip(bundle: RiskBundle, past: Past, tmp_path: Path) -> None:
    again = RiskBundle.load(bundle.save(tmp_path / "one"))
    again.check_golden()
    x = past.x[::97]
    for which in SCORES:
        before, after = bundle.risk(which, x), again.risk(which, x)
        for name in ("expected", "low", "high", "p", "p_low", "p_high"):
            assert np.array_equal(getattr(before, name), getattr(after, name))
    assert np.array_equal(bundle.loss(x), again.loss(x))
    assert again.manifest == bundle.manifest


def test_a_row_is_answered_alone_as_among_others(bundle: RiskBundle, past: Past) -> None:
    x = past.x[::97]
    for which in SCORES:
        whole = bundle.risk(which, x)
        for row in range(0, len(x), 9):
            alone = bundle.risk(which, x[row : row + 1])
            np.testing.assert_allclose(alone.expected[0], whole.expected[row], rtol=1e-13)


def test_contributions_tell_the_difference_between_two_rows(bundle: RiskBundle, past: Past) -> None:
    x = past.x[:600:61]
    for which in SCORES:
        told = bundle.contributions(which, x, horizon=0).sum(axis=1)
        rate = np.log(bundle.risk(which, x).expected[:, 0] / past.exposure[:600:61])
        np.testing.assert_allclose(told - told[0], rate - rate[0], atol=1e-6)


def test_prices_are_moved_by_what_may_move_them_alone(bundle: RiskBundle, past: Past) -> None:
    hidden = [place for place, name in enumerate(catalog().names) if name not in catalog().charged]
    assert not bundle.contributions("price", past.x[::301])[:, hidden].any()


@pytest.mark.parametrize("file", ["linear.json", "signed.txt", "free.txt", "scores.json", "severity.json"])
def test_a_damaged_file_is_refused(bundle: RiskBundle, tmp_path: Path, file: str) -> None:
    path = bundle.save(tmp_path / "one")
    (path / file).write_bytes((path / file).read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(BadInput, match="damaged"):
        RiskBundle.load(path)
    (path / file).unlink()
    with pytest.raises(BadInput, match="missing"):
        RiskBundle.load(path)


def test_a_changed_manifest_is_refused(bundle: RiskBundle, tmp_path: Path) -> None:
    path = bundle.save(tmp_path / "one")
    document = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(document | {"snapshot_id": "another"}))
    with pytest.raises(BadInput, match="sealed"):
        RiskBundle.load(path)
    (path / "manifest.json").write_text(json.dumps(document | {"entity": "machine"}))
    with pytest.raises(BadInput, match="entity"):
        RiskBundle.load(path)
    (path / "manifest.json").write_text("{")
    with pytest.raises(BadInput, match="JSON"):
        RiskBundle.load(path)
    with pytest.raises(NotFound):
        RiskBundle.load(tmp_path / "none")


def test_another_bundle_is_not_written_over(bundle: RiskBundle, learned: Learned, past: Past, tmp_path: Path) -> None:
    path = bundle.save(tmp_path / "one")
    assert bundle.save(path) == path
    facts = RiskFacts("another", {}, (), NOW, NOW, NOW, {})
    with pytest.raises(Conflict):
        RiskBundle.assemble(learned.models, bundle.severity, facts, past.x[:2]).save(path)


def test_features_of_another_width_are_refused(bundle: RiskBundle, past: Past) -> None:
    with pytest.raises(BadInput, match="feature matrix"):
        bundle.risk("price", past.x[:2, :-1])


def test_losses_are_what_accidents_cost(bundle: RiskBundle, past: Past) -> None:
    mean = np.mean(past.accidents.column("direct_loss").to_numpy())
    found = bundle.loss(past.x[::50])
    assert 0.5 * mean < found.mean() < 2.0 * mean
    law = bundle.loss_law(past.x[::50])
    np.testing.assert_allclose(law["costly"] * (law["share"] * law["mean"]).sum(axis=1), found)
    np.testing.assert_allclose(law["persons"].sum(axis=1), 1.0)


def test_the_spread_of_numbers_is_that_of_the_chance_of_any(bundle: RiskBundle, past: Past) -> None:
    risk = bundle.risk("price", past.x[::50], ranges=False)
    size = bundle.count_size("price", past.x[::50], risk.expected[:, 2])
    np.testing.assert_allclose(1.0 - (1.0 + risk.expected[:, 2] / size) ** -size, risk.p[:, 2], rtol=1e-9)


def test_a_bundle_from_before_limits_loads_and_says_so(bundle: RiskBundle, past: Past) -> None:
    document = json.loads(bundle.severity.model_dump_json())
    del document["persons"], document["covered_share"]
    older = RiskBundle(bundle.manifest, bundle.models, Severity.model_validate(document))
    assert (older.loss(past.x[:3]) == bundle.loss(past.x[:3])).all()
    with pytest.raises(BadInput, match="train and promote enterprises again"):
        older.loss_law(past.x[:3])


def test_both_scores_asked_together_are_those_asked_alone(bundle: RiskBundle, past: Past) -> None:
    x = past.x[::83]
    together = bundle.risks(x)
    assert set(together) == set(SCORES)
    for which, said in together.items():
        alone = bundle.risk(which, x)
        for name in ("expected", "low", "high", "p", "p_low", "p_high"):
            assert np.array_equal(getattr(said, name), getattr(alone, name))
        assert (said.low < said.expected).all() and (said.expected < said.high).all()
