"""One lake, one simulated world: what may enter a lake that holds a fleet already."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.errors import Conflict
from features.lake import Lake
from features.simulator import fleet, identity
from features.simulator.fleet import Fleet
from features.simulator.world import load_world

WORLD = load_world()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = Fleet(WORLD, 3, 5, 6, 1)


def enter(lake: Lake, plan: Fleet) -> tuple[int, int]:
    """(rows accepted, rows corrected)."""
    account = lake.ingest(identity.guarded(fleet.source(plan), lake, plan), imported_at=NOW)
    return account.total.accepted, account.total.corrected


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake.open(tmp_path / "lake", create=True, buckets=2)
    enter(made, FIRST)
    return made


def test_the_same_fleet_changes_nothing_and_a_larger_one_continues_it(lake: Lake) -> None:
    assert enter(lake, FIRST) == (0, 0)
    more, corrected = enter(lake, Fleet(WORLD, 4, 6, 6, 1))
    assert more > 0
    assert corrected == 0


@pytest.mark.parametrize("smaller", [Fleet(WORLD, 2, 9, 6, 1), Fleet(WORLD, 9, 4, 6, 1)])
def test_a_smaller_fleet_would_take_the_larger_ones_truth_away_and_is_refused(lake: Lake, smaller: Fleet) -> None:
    with pytest.raises(
        Conflict, match=r"holds 3 simulated machines over 5 days, more than \d over \d; ask for at least as many"
    ):
        enter(lake, smaller)
    enter(lake, Fleet(WORLD, 9, 9, 6, 1))
    with pytest.raises(Conflict, match="holds 9 simulated machines over 9 days"):
        enter(lake, FIRST)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Fleet(WORLD, 3, 5, 6, 2), "another simulated fleet: seed 1, not 2; simulate into another FOREWARN_HOME"),
        (Fleet(WORLD, 3, 5, 12, 1), "every_hours 6, not 12"),
        (Fleet(WORLD.model_copy(update={"sites": 7}), 3, 5, 6, 1), f"world {WORLD.digest}, not [0-9a-f]{{12}}"),
    ],
)
def test_another_world_is_refused_before_its_first_row(lake: Lake, other: Fleet, words: str) -> None:
    before = lake.versions(), lake.kinds()
    with pytest.raises(Conflict, match=words):
        enter(lake, other)
    assert (lake.versions(), lake.kinds()) == before


def test_readings_from_elsewhere_are_not_mixed_with_a_simulation(tmp_path: Path) -> None:
    made = Lake.open(tmp_path / "lake", create=True, buckets=2)
    made.ingest(fleet.source(FIRST), imported_at=NOW)
    with pytest.raises(Conflict, match=r"holds readings_p\w+ that no simulation of this version made"):
        enter(made, FIRST)
