"""A built Bento runs outside the checkout, and says which packages it needs."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest

from tests.serving import servers
from tests.serving.world import END, World, posted

ROOT = Path(__file__).resolve().parents[2]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


def test_the_bento_pins_what_the_project_uses_as_the_lock_file_does() -> None:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    locked = {normal(name): version for name, version in locked.items()}
    pinned = {normal(name): version for name, version in (p.split("==") for p in bento_packages(document))}
    assert pinned == {name: locked[name] for name in pinned}
    used = {normal(name) for name in document["project"]["dependencies"]}
    assert used <= pinned.keys()
    assert not pinned.keys() & {"torch", "mlflow", "optuna", "scikit-learn"}


def bento_packages(document: dict[str, object]) -> list[str]:
    found: list[str] = document["tool"]["bentoml"]["build"]["python"]["packages"]  # type: ignore[index]
    return found


@pytest.mark.server
def test_a_built_bento_serves_outside_the_checkout(world: World, tmp_path: Path) -> None:
    store = tmp_path / "bentoml"
    env = {**os.environ, "BENTOML_HOME": str(store), "BENTOML_DO_NOT_TRACK": "True", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "bentoml", "build", "--output", "tag"]
    built = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    bento = tmp_path / "bento"
    shutil.copytree(next((store / "bentos" / "forewarn").glob("*/src")).parent, bento)
    assert not (bento / "src" / "tests").exists()
    assert not (bento / "src" / "data").exists()
    # A mark in the copy tells which code answers: this checkout is installed beside it.
    service = bento / "src" / "serving" / "service.py"
    service.write_text(service.read_text().replace("Scores machines:", "Scores machines from a Bento:"))
    port = servers.free_port()
    command = ["-m", "bentoml", "serve", str(bento), "--host", "127.0.0.1", "--port", str(port)]
    with servers.serving(command, world.home, port, cwd=tmp_path):
        url = f"http://127.0.0.1:{port}"
        assert "from a Bento" in httpx.get(f"{url}/schema.json", timeout=60).json()["description"]
        answer = httpx.post(f"{url}/v1/machines/score", json=posted(world, "p03", END), timeout=60).json()
        assert answer["bundle"] == world.bundle.manifest.bundle_id
        assert 0 < answer["p72"] < 1
