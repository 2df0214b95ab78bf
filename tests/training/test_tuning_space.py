"""What may be tuned: the shipped space fits the shipped experiments, and mistakes are named."""

from pathlib import Path

import pytest

from features.errors import BadInput, NotFound
from training.config import load_config
from training.tuning_space import BOOSTERS, OneOf, Range, alone, load_space, own_values, with_values


@pytest.mark.parametrize("family", ["boosters", "tcn", "gru"])
def test_every_end_of_the_shipped_space_makes_an_experiment(family: str) -> None:
    asked = load_space().root[family]
    config = alone(load_config("machine_blend"), family)
    for pick in (0, -1):
        values = {key: one.choices[pick] if isinstance(one, OneOf) else (one.low, one.high)[pick] for key, one in asked.items()}
        made = with_values(config, values)
        assert own_values(made, asked) == values
    others = {"gru", "tcn"} - {family}
    assert (config.network is None) == (family == BOOSTERS)
    assert config.network is None or not others & set(config.network.families)


def test_shipped_experiments_lie_inside_the_shipped_space() -> None:
    """Else the first trial would not be the experiment as it is."""
    config, space = load_config("machine_blend"), load_space()
    for family in ("boosters", "tcn"):
        assert set(own_values(alone(config, family), space.root[family])) == set(space.root[family]), family


def test_values_outside_are_left_to_the_search() -> None:
    asked = {
        "gbm.rounds": Range(low=5, high=20),
        "gbm.resample": OneOf(choices=(True, False)),
        "gbm.nothing": Range(low=0, high=1),
    }
    assert own_values(load_config("machine"), asked) == {"gbm.resample": True}


def test_patience_gives_way_to_fewer_epochs() -> None:
    made = with_values(load_config("machine_blend"), {"network.loop.epochs": 3})
    assert made.network is not None and made.network.loop.patience == made.network.loop.epochs == 3


def test_a_network_needs_windows() -> None:
    with pytest.raises(BadInput, match="says nothing of networks, tcn cannot be tuned"):
        alone(load_config("machine"), "tcn")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[boosters]\n"gbm.rounds" = { low = 9, high = 3 }', "boosters.gbm.rounds: low 9 must be below high 3"),
        ('[boosters]\n"gbm.rounds" = { low = 0, high = 3, log = true }', "must lie above 0"),
        ('[boosters]\n"gbm.rounds" = { lo = 1, high = 3 }', "boosters.gbm.rounds"),
        ('[boosters]\n"split.test_share" = { low = 0.1, high = 0.5 }', "split.test_share is not a key of the boosters"),
        ('[tcn]\n"network.gru.width" = { low = 1, high = 5 }', "not a key of the tcn"),
        ("[forest]\ntrees = { choices = [1, 2] }", "forest is no family"),
        ("[boosters]\n", "names nothing"),
        ("boosters = ", "not readable as TOML"),
    ],
)
def test_a_wrong_space_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "space.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=said) as told:
        load_space(path)
    assert "\n" not in str(told.value)


def test_no_space_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_space(tmp_path / "none.toml")
