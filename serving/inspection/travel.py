"""Minutes of travel between places: great-circle distance, lengthened for roads, at one speed."""

import numpy as np
import numpy.typing as npt

from serving.inspection.model import Minutes

EARTH_KM = 6_371.0088
Degrees = npt.NDArray[np.float64]


def great_circle(latitude: Degrees, longitude: Degrees, *, speed_kmh: float, factor: float) -> Minutes:
    """int64[n, n]: minutes between n places (degrees), rounded up. factor: length of a road over the straight line.

    Raises ValueError where a place is none, or speed or factor is not a positive number.
    """
    north, east = np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
    if north.ndim != 1 or north.shape != east.shape:
        raise ValueError(f"{north.shape} latitudes and {east.shape} longitudes are no places")
    if not (np.all(np.abs(north) <= 90) and np.all(np.abs(east) <= 180)):
        raise ValueError("a place lies within 90 degrees of latitude and 180 of longitude")
    if not (np.isfinite(speed_kmh) and speed_kmh > 0 and np.isfinite(factor) and factor > 0):
        raise ValueError(f"no travel at {speed_kmh} km/h with a factor of {factor}")
    phi, lam = np.radians(north), np.radians(east)
    chord = np.sin((phi[:, None] - phi) / 2) ** 2 + np.cos(phi)[:, None] * np.cos(phi) * np.sin((lam[:, None] - lam) / 2) ** 2
    km = 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(chord, 0.0, 1.0)))
    # A hair less before rounding up: what is a whole number of minutes but for the last bit stays it.
    minutes: Minutes = np.ceil(km * (factor / speed_kmh * 60) - 1e-9).astype(np.int64)
    return minutes
