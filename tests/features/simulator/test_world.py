"""World files: what a mistake in one says."""

from pathlib import Path

import pytest

from features.errors import BadInput
from features.simulator.world import DEFAULT, load_world, whole_hours


def altered(folder: Path, old: str, new: str) -> Path:
    text = DEFAULT.read_text(encoding="utf-8")
    assert old in text
    path = folder / "world.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_shipped_world_declares_two_kinds() -> None:
    for world_kind in load_world().kinds:
        kind = world_kind.kind(6.0)
        assert (len(kind.sensors), len(kind.error_codes), len(kind.components)) == (4, 5, 6)
        assert sorted(world_kind.signs().values()) == ["none", "order", *["windows"] * 4]
        assert kind.modes and kind.shifts and kind.actions and kind.environment
        assert kind.period_hours == 6.0
        assert all(term.words_zh for term in (*kind.sensors, *kind.error_codes, *kind.components, *kind.modes))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("sites = 48", "sites = 0", "sites"),
        ("sites = 48", "sites = 48\nsights = 3", "sights"),
        ("start = 2024-01-01T00:00:00Z", "start = 2024-01-01T00:00:00", "time zone"),
        ("late_hours = [1.0, 48.0]", "late_hours = [48.0, 1.0]", "low <= high"),
        ("drift = { bearing", "drift = { baering", "unknown component 'baering'"),
        ('waveform = { part = "coupling"', 'waveform = { part = "cuopling"', "unknown component 'cuopling'"),
        ('waveform = { part = "coupling"', 'waveform = { part = "seal"', "seal shows in the order of readings alone"),
        ("[climate]", "[climate", "TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        load_world(altered(tmp_path, old, new))


def test_no_such_world(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        load_world(tmp_path / "none.toml")


@pytest.mark.parametrize(("text", "hours"), [("1h", 1), ("6h", 6), ("2d", 48)])
def test_spans(text: str, hours: int) -> None:
    assert whole_hours(text) == hours


@pytest.mark.parametrize("text", ["", "h", "0h", "30m", "1.5h", "-1h"])
def test_spans_that_are_none(text: str) -> None:
    with pytest.raises(BadInput, match="whole hours"):
        whole_hours(text)
