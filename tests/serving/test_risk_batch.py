"""Batches of enterprises: each as it is alone, kept with its evidence, rebuilt to the bit."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from features.errors import BadInput, NotFound
from serving.risk import told
from serving.risk_batch import keep, score_enterprises
from serving.risk_champion import load_risk_champion
from serving.risk_evidence import Knowledge
from serving.risk_explain import explain_risk, result_differences
from serving.store import Store, opened
from tests.serving.risk_world import RiskWorld, copied, withdraw


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with opened(url) as found:
        yield found


def test_every_enterprise_is_scored_as_it_is_alone(risk_world: RiskWorld) -> None:
    champion = load_risk_champion(risk_world.home)
    scores = score_enterprises(risk_world.lake, champion)
    known = Knowledge.of(risk_world.lake)
    assert scores.as_of == known.until
    assert 0 < len(scores) <= len(risk_world.ids)
    risks = scores.said.risk["alarm"].expected[scores.order, -1].tolist()
    assert risks == sorted(risks, reverse=True)
    for row, enterprise_id in enumerate(scores.ids.to_pylist()):
        x = known.features(champion.catalog, enterprise_id, scores.as_of)
        assert result_differences(scores.said.result(row), told(champion.bundle, x[None]).result(0)) == []


def test_a_kept_score_is_rebuilt_to_the_bit(risk_world: RiskWorld, store: Store) -> None:
    scores = score_enterprises(risk_world.lake, load_risk_champion(risk_world.home), threads=2)
    keep(scores, store)
    assert store.count() == len(scores)
    for one in scores.top(3, 2):
        stored = store.get(one["score_id"])
        assert (stored.entity, stored.entity_id, stored.source) == ("enterprise", one["enterprise_id"], "batch")
        assert stored.risk == one["alarm"]["ahead"][2]["expected"]
        found = explain_risk(risk_world.home, stored, 2)
        assert found.verdict == "reproduced exactly"
        document = found.document()
        for which in ("price", "alarm"):
            assert document[which]["ahead"] == one[which]["ahead"]
            assert document[which]["reasons"] == one[which]["reasons"]
            assert all("accidents expected" in reason["text_en"] for reason in one[which]["reasons"])
            assert all("预期事故数" in reason["text_zh"] for reason in one[which]["reasons"])


def test_what_differs_is_said(risk_world: RiskWorld, store: Store) -> None:
    scores = score_enterprises(risk_world.lake, load_risk_champion(risk_world.home))
    keep(scores, store)
    stored = store.get(scores.top(1, 0)[0]["score_id"])
    lied = replace(stored, features=b"elsewhat", result=stored.result | {"loss_per_accident": 1.0})
    verdict = explain_risk(risk_world.home, lied).verdict
    assert verdict.startswith("not reproduced: the features are not those that were seen; loss_per_accident was [1.0], is [")
    with pytest.raises(BadInput, match="its evidence is damaged"):
        explain_risk(risk_world.home, replace(stored, evidence=b"rubbish"))


def test_rows_that_come_later_change_no_score_that_was_made(risk_world: RiskWorld, tmp_path: Path, store: Store) -> None:
    world = copied(risk_world, tmp_path / "home")
    scores = score_enterprises(world.lake, load_risk_champion(world.home))
    keep(scores, store)
    chosen = scores.top(2, 0)
    withdrawn = chosen[0]["enterprise_id"]
    withdraw(world.lake, withdrawn, scores.as_of - timedelta(days=1))
    assert explain_risk(world.home, store.get(chosen[0]["score_id"])).reproduced
    again = score_enterprises(world.lake, load_risk_champion(world.home), as_of=scores.as_of)
    assert len(again) == len(scores) - 1
    assert withdrawn not in again.ids.to_pylist()


def test_nobody_known_is_said(risk_world: RiskWorld) -> None:
    champion = load_risk_champion(risk_world.home)
    with pytest.raises(NotFound, match="no enterprise that has consented to it was known at 1999"):
        score_enterprises(risk_world.lake, champion, as_of=datetime.fromisoformat("1999-01-01T00:00:00Z"))


def test_a_champion_that_is_not_there_or_not_whole_is_refused(tmp_path: Path, risk_world: RiskWorld) -> None:
    with pytest.raises(NotFound, match="no champion for enterprises"):
        load_risk_champion(tmp_path)
    risk_world.bundle.save(tmp_path / "bundles" / "one")
    (tmp_path / "champion" / "enterprise").mkdir(parents=True)
    pointer = tmp_path / "champion" / "enterprise" / "enterprise.json"
    pointer.write_text('{"path": "bundles/one"}')
    assert load_risk_champion(tmp_path).bundle_id == risk_world.bundle.manifest.bundle_id
    (tmp_path / "bundles" / "one" / "free.txt").write_text("rubbish")
    with pytest.raises(BadInput, match="damaged"):
        load_risk_champion(tmp_path)
    pointer.write_text("{")
    with pytest.raises(BadInput, match="not a champion pointer"):
        load_risk_champion(tmp_path)


def test_numbers_survive_the_store(risk_world: RiskWorld, store: Store) -> None:
    scores = score_enterprises(risk_world.lake, load_risk_champion(risk_world.home))
    keep(scores, store)
    for row in range(len(scores)):
        stored = store.get(f"{scores.batch_id}.{row}")
        assert stored.entity_id == scores.ids[row].as_py()
        assert result_differences(stored.result, scores.said.result(row)) == []
    assert np.isfinite(scores.said.loss).all()
    with opened(str(store.engine.url)) as again, pytest.raises(NotFound):
        again.get(f"{scores.batch_id}.{len(scores)}")
