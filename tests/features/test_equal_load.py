"""Sensors at equal load: what duty and weather do is taken out, wear is left, and nothing changes for a kind without it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from features import equal_load
from features.catalog import catalog
from features.history import READINGS, History, series
from features.kinds import MachineKind, Sensor, Term, load_kind
from features.known import reach
from features.online import vector

HOUR = 3_600_000_000
BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
DAYS = 40
KIND = MachineKind(
    name="pump",
    words_en="pump",
    words_zh="泵",
    sensors=(Sensor(name="heat", unit="°C", words_en="bearing temperature", words_zh="轴承温度"),),
    modes=(Term(code="on", words_en="on", words_zh="运行"),),
    environment=True,
    equal_load_hours=(168.0, 720.0),
)


def history(wear: float = 0.0, *, load_effect: float = 22.0, air_effect: float = 0.6, noise: float = 0.0) -> History:
    """Hourly readings of one machine whose duty changes every few hours, lately more than before; wear: its last day's rise."""
    random = np.random.default_rng(4)
    hours = np.arange(DAYS * 24)
    load = np.repeat(random.choice([0.2, 0.75, 1.05], len(hours) // 6), 6) + np.where(hours >= hours[-1] - 23, 0.2, 0.0)
    air = 10 + 0.2 * hours / 24 - 4 * np.cos(2 * np.pi * hours / 24)
    heat = 30 + load_effect * load + air_effect * (air - 20) + noise * random.normal(size=len(hours))
    heat[-24:] += wear
    event = np.int64(BEGIN.timestamp()) * 1_000_000 + (hours + 1) * HOUR
    made = {}
    empty = np.zeros(0, dtype=np.int64)
    numbers = {READINGS: [heat], "operations": [load, *[np.full(len(hours), np.nan)] * 4], "environment": [air, air, air]}
    for name in ("machines", "events", "maintenance", "failures", "replacements"):
        made[name] = series(empty, empty, empty, empty, machines=1, values=np.empty((3, 0)))
    for name, values in numbers.items():
        zeros, never = np.zeros(len(hours), dtype=np.int64), np.full(len(hours), np.iinfo(np.int64).max)
        made[name] = series(zeros, event, event, never, machines=1, values=np.stack(values))
    return History(["p1"], made)


def values(of: History) -> dict[str, float]:
    wanted = catalog(KIND)
    return dict(zip(wanted.names, vector(wanted, of, BEGIN + timedelta(days=DAYS)).astype(float).tolist(), strict=True))


def test_duty_and_weather_are_taken_out_and_wear_is_left() -> None:
    sound, worn = values(history()), values(history(wear=3.0))
    # The plain mean rose with the load, and so it would for a sound machine.
    assert sound["heat_mean_24h"] - sound["heat_mean_168h"] > 3.0
    for past, share in ((168, 1 / 7), (720, 1 / 30)):
        name = f"heat_equal_diff_24h_{past}h"
        assert abs(sound[name]) < 0.25
        assert worn[name] - sound[name] == pytest.approx(3.0 * (1 - share), abs=0.15)
    assert worn["heat_equal_mean_24h"] - sound["heat_equal_mean_24h"] == pytest.approx(3.0, abs=0.3)


def test_the_level_is_that_at_the_rated_load_and_20_degrees() -> None:
    assert values(history())["heat_equal_mean_168h"] == pytest.approx(30 + 22, abs=0.5)


def test_the_spread_is_that_of_the_noise_and_not_of_the_duty() -> None:
    found = values(history(noise=0.8))
    assert found["heat_std_168h"] > 6.0
    assert found["heat_equal_std_168h"] == pytest.approx(0.8, abs=0.15)


def test_a_sensor_that_does_not_follow_the_duty_is_left_as_it_is() -> None:
    found = values(history(load_effect=0.0, air_effect=0.0, noise=0.5))
    assert found["heat_equal_mean_24h"] == pytest.approx(found["heat_mean_24h"], abs=0.15)


def test_a_reading_whose_load_is_not_known_does_not_count() -> None:
    known = history()
    rows = known.series["operations"]
    rows.values[0, :] = np.nan
    assert np.isnan(values(known)["heat_equal_mean_24h"])


def test_words_name_what_is_taken_out() -> None:
    specs = {spec.name: spec for spec in equal_load.specs(KIND)}
    told = specs["heat_equal_diff_24h_720h"]
    expected = "bearing temperature at equal load and ambient temperature, mean over 24 h against its own past 30 d"
    assert (told.words_en, told.unit) == (expected, "°C")
    assert told.words_zh == "轴承温度（同等负荷与环境温度），24 小时均值较自身过去 30 天"
    indoors = equal_load.specs(KIND.model_copy(update={"environment": False}))
    assert "at equal load," in indoors[0].words_en and "（同等负荷）" in indoors[0].words_zh


def test_readings_are_kept_as_long_as_they_are_looked_at() -> None:
    assert reach(catalog(KIND)) == 720 * HOUR
    assert reach(catalog(KIND.model_copy(update={"equal_load_hours": ()}))) == 168 * HOUR


def test_a_kind_without_it_stays_what_it_was() -> None:
    """Bundles and snapshots of the public sets are known by these digits, from before there was anything of the sort."""
    azure = load_kind(Path(equal_load.__file__).with_name("sources") / "azure_pdm.toml")
    assert azure.digest == "565f4d0f8045"
    assert not any(spec.family == equal_load.FAMILY for spec in catalog(azure).specs)
    assert azure.model_copy(update={"modes": KIND.modes, "equal_load_hours": (720.0,)}).digest != azure.digest


@pytest.mark.parametrize(
    "change",
    [
        {"sampling": "on_change"},
        {"modes": (), "environment": False},
        {"equal_load_hours": (24.0, 24.0)},
        {"equal_load_hours": (0.0,)},
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="equal_load_hours"):
        MachineKind.model_validate(KIND.model_dump() | change)
