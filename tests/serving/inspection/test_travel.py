"""Travel by the great circle: known distances, the metric's laws."""

import numpy as np
import pytest

from serving.inspection.travel import great_circle


def test_known_distances() -> None:
    latitude, longitude = np.array([39.9042, 31.2304, 0.0, 0.0]), np.array([116.4074, 121.4737, 0.0, 180.0])
    minutes = great_circle(latitude, longitude, speed_kmh=60.0, factor=1.0)
    assert minutes[0, 1] == pytest.approx(1_067, abs=4)  # Beijing - Shanghai, km at a km a minute
    assert minutes[2, 3] == pytest.approx(np.pi * 6_371.0, abs=1)
    assert great_circle(latitude, longitude, speed_kmh=30.0, factor=1.3)[0, 1] == pytest.approx(2.6 * 1_067, abs=10)


def test_it_is_a_metric() -> None:
    random = np.random.default_rng(1)
    minutes = great_circle(random.uniform(-90, 90, 30), random.uniform(-180, 180, 30), speed_kmh=45.0, factor=1.3)
    assert (np.diag(minutes) == 0).all()
    assert (minutes == minutes.T).all()
    assert all((minutes[a, b] <= minutes[a] + minutes[:, b]).all() for a in range(30) for b in range(30))


@pytest.mark.parametrize(
    ("latitude", "speed", "factor"), [(91.0, 40.0, 1.2), (np.nan, 40.0, 1.2), (1.0, 0.0, 1.2), (1.0, 40.0, -0.5)]
)
def test_what_is_no_place_or_no_speed(latitude: float, speed: float, factor: float) -> None:
    with pytest.raises(ValueError, match=r"latitude|km/h"):
        great_circle(np.array([latitude, 2.0]), np.array([1.0, 2.0]), speed_kmh=speed, factor=factor)
