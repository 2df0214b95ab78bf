"""make bench NAME=serving: a posted history of 168 h x 4 sensors without reasons, BentoML against plain FastAPI in one run.

Both answer with the same Runtime (checks, features, score with range, evidence committed), one process each; the rounds take
turns, so that whatever else the machine does meets both. Ends with exit code 1 below 0.8 of plain FastAPI.
"""

import argparse
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from serving.cli import environment
from tests.serving.world import END, made_world, posted
from training.config import GbmConfig

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TO_REACH = 0.8
SERVERS = {
    "bentoml": ["-m", "forewarn", "serve", "--port", "{port}"],
    "fastapi": [
        "-m",
        "uvicorn",
        "tests.speed.plain_fastapi:app",
        "--no-access-log",
        "--log-level",
        "warning",
        "--port",
        "{port}",
    ],
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start(name: str, home: Path, port: int) -> subprocess.Popen[bytes]:
    """Each server has a store of its own, so that they do not wait for one another's commits."""
    store = f"sqlite:///{home / 'store' / f'{name}.db'}"
    env = environment(home, workers=1) | {"FOREWARN_STORE_URL": store}
    command = [sys.executable, *(part.format(port=port) for part in SERVERS[name])]
    with (home / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)


def wait_ready(port: int, server: subprocess.Popen[bytes], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit("the server ended before it was ready")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit("the server was not ready in time")


def measure(port: int, body: Path, seconds: float, connections: int) -> dict[str, float]:
    command = [sys.executable, str(HERE / "load.py"), str(port), str(body), str(seconds), str(connections)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=8)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        world = made_world(home, GbmConfig(min_data_in_leaf=5))
        body = home / "body.json"
        body.write_text(json.dumps(posted(world, "p03", END, hours=167)))
        ports = {name: free_port() for name in SERVERS}
        servers = {name: start(name, home, ports[name]) for name in SERVERS}
        try:
            for name, server in servers.items():
                wait_ready(ports[name], server)
                measure(ports[name], body, 1.0, args.connections)
            rounds: dict[str, list[dict[str, float]]] = {name: [] for name in SERVERS}
            for number in range(args.rounds):
                for name in list(SERVERS)[:: -1 if number % 2 else 1]:
                    rounds[name].append(measure(ports[name], body, args.seconds, args.connections))
        finally:
            for server in servers.values():
                server.send_signal(signal.SIGTERM)
            for server in servers.values():
                server.wait(30)
    return report(rounds)


def report(rounds: dict[str, list[dict[str, float]]]) -> int:
    """Print the table and the ratio of the medians; 0 if it is reached."""
    medians = {
        name: {key: statistics.median(one[key] for one in own) for key in ("requests_per_s", "p50_ms", "p99_ms")}
        for name, own in rounds.items()
    }
    for name, row in medians.items():
        print(f"{name:8s} {row['requests_per_s']:7.0f} requests/s  p50 {row['p50_ms']:6.2f} ms  p99 {row['p99_ms']:6.2f} ms")
    pairs = [a["requests_per_s"] / b["requests_per_s"] for a, b in zip(rounds["bentoml"], rounds["fastapi"], strict=True)]
    ratio = statistics.median(pairs)
    print(f"bentoml / fastapi: {ratio:.2f} (rounds {', '.join(f'{pair:.2f}' for pair in pairs)}; to reach {TO_REACH})")
    return 0 if ratio >= TO_REACH else 1


if __name__ == "__main__":
    sys.exit(main())
