"""Batch scores: every machine once, equal to the score of the machine alone, kept in the store and in the lake."""

import fcntl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features import online
from features.errors import Conflict, NotFound
from features.lake import Lake
from serving.batch import keep, score_machines
from serving.batch_rows import digest
from serving.champion import load_champion
from serving.explain import explain
from serving.scoring import score
from serving.store import Store, opened
from tests.serving.world import END, MACHINES, PUMP, START, World, made_world


def test_every_machine_is_scored_as_it_is_alone(world: World) -> None:
    champion = load_champion(world.home, "pump")
    scores = score_machines(world.lake, champion)
    assert scores.as_of == END
    assert sorted(scores.machine_ids.to_pylist()) == [f"p{i:02d}" for i in range(MACHINES)]
    risks = scores.said.p[scores.order, -1].tolist()
    assert risks == sorted(risks, reverse=True)
    for row, machine in enumerate(scores.machine_ids.to_pylist()):
        alone = online.vector(champion.catalog, online.history_from_lake(world.lake, machine), END)
        assert scores.best[row].tobytes() == alone.tobytes()
        assert scores.digests[row].as_py() == digest(alone)
        assert tuple(scores.said.p[row]) == score(champion, alone).p


def test_the_riskiest_come_with_reasons(world: World) -> None:
    top = score_machines(world.lake, load_champion(world.home, "pump")).top(2)
    assert len(top) == 2
    assert top[0]["machine_id"] in {f"p{i:02d}" for i in range(6)}
    assert all(row["reasons"] and row["low72"] <= row["p72"] <= row["high72"] for row in top)
    assert any("vibration" in reason["feature"] for reason in top[0]["reasons"])


def test_an_earlier_moment_sees_less(world: World) -> None:
    champion = load_champion(world.home, "pump")
    early = score_machines(world.lake, champion, as_of=START + timedelta(hours=100))
    late = score_machines(world.lake, champion)
    assert early.digests != late.digests
    with pytest.raises(NotFound, match="no machine of kind pump was known"):
        score_machines(world.lake, champion, as_of=START - timedelta(days=1))


def test_machines_silent_for_the_longest_window_are_counted(world: World) -> None:
    scores = score_machines(world.lake, load_champion(world.home, "pump"), as_of=END + timedelta(hours=168))
    assert len(scores) == 0
    assert scores.top(5) == []
    assert len(scores.silent) == MACHINES


def test_scores_are_kept_with_evidence_in_the_store_and_in_the_lake(world: World, url: str) -> None:
    champion = load_champion(world.home, "pump")
    scores = score_machines(world.lake, champion)
    before = world.lake.read("machine_scores").num_rows
    with opened(url) as store:
        keep(scores, store, world.lake)
        assert store.count() == MACHINES
        found = explain(world.home, store, scores.top(1)[0]["score_id"])
    assert found.reproduced, found.verdict
    table = Lake.open(world.home / "lake").read("machine_scores")
    assert table.num_rows == before + MACHINES
    account = Lake.open(world.home / "lake").accounts()[-1]
    assert (account["source"], account["total"]["accepted"]) == ("score machine", MACHINES)
    by_id = {row["score_id"]: row for row in table.to_pylist()}
    for row in range(len(scores)):
        kept = by_id[f"{scores.batch_id}.{row}"]
        assert (kept["p24"], kept["p48"], kept["p72"]) == tuple(scores.said.p[row])
        assert kept["machine_id"] == scores.machine_ids[row].as_py()
        assert kept["event_time"] == END
        assert kept["recorded_at"] == scores.scored_at
        assert kept["reconstructed"] is False


def test_a_lake_that_is_held_leaves_nothing_half_written(world: World, url: str) -> None:
    scores = score_machines(world.lake, load_champion(world.home, "pump"))
    with opened(url) as store, (world.home / "lake" / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="another process"):
            keep(scores, store, world.lake)
        assert store.count() == 0


@pytest.mark.parametrize("dies", [(Store, "record_batch"), (Lake, "append"), (Lake, "_store_account")])
@pytest.mark.parametrize("after", [False, True])
def test_wherever_keeping_dies_what_the_lake_holds_can_be_explained(
    world: World, url: str, monkeypatch: pytest.MonkeyPatch, dies: tuple[type, str], after: bool
) -> None:
    owner, name = dies
    works = getattr(owner, name)

    def killed(*arguments: Any) -> None:
        if after:
            works(*arguments)
        raise SystemExit(9)

    scores = score_machines(world.lake, load_champion(world.home, "pump"))
    before = world.lake.read("machine_scores")
    monkeypatch.setattr(owner, name, killed)
    with opened(url) as store:
        with pytest.raises(SystemExit):
            keep(scores, store, world.lake)
        told = set(world.lake.read("machine_scores")["score_id"].to_pylist()) - set(before["score_id"].to_pylist())
        assert len(told) == (MACHINES if (name, after) == ("append", True) or name == "_store_account" else 0)
        for score_id in told:
            assert store.get(score_id).bundle_id == scores.champion.bundle_id


def test_a_machine_that_writes_on_change_is_watched_without_a_word(tmp_path: Path) -> None:
    drive = PUMP.model_copy(update={"sampling": "on_change"})
    world = made_world(tmp_path, kind=drive)
    fell_silent, early = START + timedelta(hours=2), pa.array(["p07", "p08"])

    def kept(table: pa.Table, ids: pa.Array) -> pa.Table:
        named = pc.is_in(table.column("machine_id"), value_set=ids)
        return table.filter(pc.or_(pc.invert(named), pc.less(table.column("event_time"), pa.scalar(fell_silent))))

    coverage = kept(world.tables["coverage"], pa.array(["p08"]))
    retired = {"machine_id": "p08", "event_time": fell_silent, "recorded_at": END, "state": "retired"}
    coverage = pa.concat_tables([coverage, pa.Table.from_pylist([retired], schema=coverage.schema)])
    changed = {"readings_pump": kept(world.tables["readings_pump"], early), "coverage": coverage}
    lake = Lake.open(tmp_path / "quiet", create=True, buckets=2)
    lake.put_kind(drive)
    for name, table in (world.tables | changed).items():
        lake.append_rows(lake.contract(name), table, END, "fleet")
    scores = score_machines(lake, load_champion(tmp_path, "pump"), as_of=fell_silent + timedelta(hours=200))
    assert "p07" in scores.machine_ids.to_pylist()
    assert scores.silent == ("p08",)
