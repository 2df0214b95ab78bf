"""Travel between places: the great circle times what roads are longer, where no table of ways says better."""

import numpy as np
import numpy.typing as npt

from serving.inspection.model import Minutes

EARTH_KM = 6_371.0088  # mean radius of the earth (IUGG)


def great_circle(
    latitude: npt.NDArray[np.float64], longitude: npt.NDArray[np.float64], speed_kmh: float, factor: float
) -> Minutes:
    """Whole minutes int64[n, n] between places in degrees [n], rounded up; 0 to where one is.

    The haversine formula, good at any distance (Sinnott 1984, Sky and Telescope 68). Raises ValueError for a place that is none.
    """
    if not (np.abs(latitude) <= 90.0).all() or not (np.abs(longitude) <= 180.0).all():
        raise ValueError("a latitude or longitude is missing or out of range")
    if not (speed_kmh > 0.0 and factor >= 1.0):
        raise ValueError(f"speed {speed_kmh} km/h, factor {factor}")
    phi, lam = np.radians(latitude), np.radians(longitude)
    half = np.sin((phi[:, None] - phi) / 2.0) ** 2
    half += np.cos(phi)[:, None] * np.cos(phi) * np.sin((lam[:, None] - lam) / 2.0) ** 2
    km = 2.0 * EARTH_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    # A hair less, so that what floats add to whole minutes does not make one more.
    return np.ceil(km * factor / speed_kmh * 60.0 - 1e-9).astype(np.int64)
