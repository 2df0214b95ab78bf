"""A name for what arrays hold."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt


def digest(*arrays: npt.NDArray[Any]) -> str:
    """Sixteen characters that follow from types, shapes and contents (about 1 GB/s)."""
    found = hashlib.sha256()
    for one in arrays:
        found.update(repr((one.dtype.str, one.shape)).encode())
        found.update(np.ascontiguousarray(one).data if one.size else b"")
    return found.hexdigest()[:16]
