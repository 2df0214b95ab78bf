"""No compiled kernel outlives a change of anything that it is made of."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from features import kernel_cache
from features.kernel import jit

# A kernel that takes a function of one module, which takes another of a second one, and a constant of a third.
SOURCES = {
    "features/__init__.py": "",
    "features/shared.py": "from features.kernel_cache import compiled\nfrom features import (\n    deepest,\n)\n"
    "inlined = compiled(nogil=True, forceinline=True)\n@inlined\ndef more(x):\n    return deepest.much(x) + 1\n",
    "features/deepest.py": "from features.kernel_cache import compiled\n"
    "@compiled(nogil=True, forceinline=True)\ndef much(x):\n    return 10 * x\n",
    "features/numbers.py": "SCALE = 100\n",
    "features/outer.py": "from features.kernel_cache import compiled\nfrom features.numbers import SCALE\n"
    "from features.shared import more\n@compiled(nogil=True)\ndef outer(x):\n    return SCALE * more(x)\n",
}
ASK = "from features.outer import outer; print(outer(2), sum(outer.stats.cache_hits.values()))"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name, text in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    shutil.copy(kernel_cache.__file__, tmp_path / "features")
    return tmp_path


def ask(home: Path, places: str | None = None) -> tuple[int, int]:
    """What the kernel says in a new process, and how many compiled forms that found on disk."""
    environment = {**os.environ, "PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"NUMBA_CACHE_DIR": places} if places else {}
    done = subprocess.run([sys.executable, "-c", ASK], cwd=home, env=environment, capture_output=True, text=True, check=True)
    value, hits = done.stdout.split()
    return int(value), int(hits)


def changed(home: Path, name: str, before: str, after: str) -> None:
    path = home / "features" / name
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


def test_a_change_of_whatever_a_kernel_takes_from_is_seen(home: Path) -> None:
    assert ask(home) == (2100, 0)
    assert ask(home) == (2100, 1)
    changed(home, "deepest.py", "10 * x", "11 * x")
    assert ask(home) == (2300, 0)
    changed(home, "numbers.py", "100", "1000")
    assert ask(home) == (23000, 0)
    assert ask(home) == (23000, 1)


def test_the_place_that_the_user_names_is_used(home: Path, tmp_path: Path) -> None:
    places = str(tmp_path / "compiled")
    assert ask(home, places) == (2100, 0) and ask(home, places) == (2100, 1)
    assert list(Path(places).rglob("*.nbc")) and not list((home / "features").rglob("*.nbc"))


@pytest.mark.parametrize("name", ["kernel_windows", "kernel_steps", "kernel_states", "kernel_points", "kernel_peers", "lanes"])
def test_the_stamp_follows_every_import(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = kernel_cache.ROOT / "features" / f"{name}.py"
    real, before = kernel_cache._read, kernel_cache.stamp(file)
    plain = kernel_cache.stamp.__wrapped__
    assert plain(file) == before
    monkeypatch.setattr(kernel_cache, "_read", lambda one: (real(one)[0], "other" if one.stem == "kernel" else real(one)[1]))
    assert plain(file) != before


def test_the_kernels_of_this_installation_are_kept_by_that_stamp() -> None:
    from features import kernel_equal, kernel_sequences, kernel_windows
    from training import forest_kernel

    for module in (kernel_equal, kernel_sequences, kernel_windows, forest_kernel):
        kernels = [one for one in vars(module).values() if hasattr(one, "_cache")]
        assert kernels
        assert all(isinstance(one._cache._impl.locator, kernel_cache.Locator) for one in kernels)
    assert jit is not None and not kernel_cache.config.CACHE_LOCATOR_CLASSES  # other users of numba see nothing of it
