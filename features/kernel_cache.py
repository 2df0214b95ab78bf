"""Compiled kernels on disk, each as fresh as all the sources that it is made of.

Numba's cache looks whether the file of a kernel has changed, not whether those have that it takes functions and constants from.
Here a kernel's stamp is a digest of its own file and of every file of these packages that it imports, and these in turn.
"""

import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import njit

caching: Any = numba.core.caching
config: Any = numba.config  # what it lacks without an environment variable its stubs lack too
ROOT = Path(__file__).resolve().parent.parent
_OURS = r"((?:features|training)[\w.]*)"
_IMPORT = re.compile(rf"^[ \t]*(?:from[ \t]+{_OURS}[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+{_OURS})", re.M)


class Locator:
    """Where numba finds the compiled form of a kernel: where it would look itself, but by the stamp of all sources."""

    def __init__(self, found: Any, file: str) -> None:
        self._found, self._py_file = found, file

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> "Locator | None":
        """As numba asks for it; None where there is no place to keep anything."""
        for one in (caching.UserProvidedCacheLocator, caching.InTreeCacheLocator, caching.UserWideCacheLocator):
            found = one.from_function(py_func, py_file)
            if found is not None:
                return cls(found, py_file)
        return None

    def get_source_stamp(self) -> str:
        return stamp(Path(self._py_file).resolve())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found, name)


@cache
def stamp(file: Path) -> str:
    """Names the contents of a source file and of all that it imports of these packages, directly or not."""
    found, waiting = {file}, [file]
    while waiting:
        new = _imports(waiting.pop()) - found
        found |= new
        waiting += new
    digests = [f"{one.relative_to(ROOT) if one.is_relative_to(ROOT) else one.name} {_read(one)[1]}" for one in sorted(found)]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def compiled(**options: Any) -> Callable[[Any], Any]:
    """`numba.njit` with a cache on disk that no change of a source outlives."""

    def decorate(function: Any) -> Any:
        before = config.CACHE_LOCATOR_CLASSES  # numba asks for it while it decorates
        config.CACHE_LOCATOR_CLASSES = f"{__name__}.Locator,IPythonCacheLocator,ZipCacheLocator"
        try:
            return njit(cache=True, **options)(function)
        finally:
            config.CACHE_LOCATOR_CLASSES = before

    return decorate


@cache
def _read(file: Path) -> tuple[str, str]:
    """Text and digest."""
    content = file.read_bytes()
    return content.decode(), hashlib.sha256(content).hexdigest()


@cache
def _imports(file: Path) -> frozenset[Path]:
    names = set()
    for package, taken, plain in _IMPORT.findall(_read(file)[0]):
        names |= {plain} if plain else {package, *(f"{package}.{name}" for name in re.findall(r"\w+", taken))}
    paths = [ROOT.joinpath(*name.split(".")) for name in names]
    files = [one for path in paths for one in (path.with_suffix(".py"), path / "__init__.py")]
    return frozenset(one for one in files if one.is_file())
