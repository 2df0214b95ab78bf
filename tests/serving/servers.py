"""Starting and stopping the real service for tests."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.cli import environment
from serving.client import Client

READY_SECONDS = 180.0  # starting takes ten seconds on a free machine


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(
    command: list[str], home: Path, port: int, *, cwd: Path | None = None, store: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` until it is ready; stop it by a signal to its pid, as a user would."""
    log = home / f"server-{port}.log"
    env = environment(home, workers=1) | {"PYTHONWARNINGS": "ignore"}
    env.pop("FOREWARN_STORE_URL", None)
    if store is not None:
        env["FOREWARN_STORE_URL"] = store
    with log.open("wb") as out:
        server = subprocess.Popen([sys.executable, *command], env=env, cwd=cwd, stdout=out, stderr=out)
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            deadline = time.monotonic() + READY_SECONDS
            while not client.ready():
                if server.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the service did not come up:\n{log.read_text()}")
                time.sleep(0.1)
        yield server
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
    assert "Traceback" not in log.read_text(), log.read_text()


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def loaded_libraries(pid: int) -> set[str]:
    """Names of the shared libraries that a process has mapped."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {Path(line.split()[-1]).name for line in lines if ".so" in line}
