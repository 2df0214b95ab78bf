"""make bench NAME=serving: a posted history of 168 h x 4 sensors without reasons, BentoML against plain FastAPI in one run.

Both answer with the same Runtime (checks, features, score with range, evidence committed), one process each; the rounds take
turns, so that whatever else the machine does meets both. Processor time per request is shown beside the rate, since it does not
depend on who else is busy. Ends with exit code 1 below 0.8 of plain FastAPI.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import psutil

from tests.serving import servers
from tests.serving.world import END, made_world, posted
from training.config import GbmConfig

HERE = Path(__file__).resolve().parent
TO_REACH = 0.8
SERVERS = {
    "bentoml": ["-m", "forewarn", "serve", "--port", "{port}"],
    "fastapi": ["-m", "uvicorn", "tests.speed.plain_fastapi:app", "--no-access-log", "--port", "{port}"],
}
Round = dict[str, float]


def measure(pid: int, port: int, body: Path, seconds: float, connections: int) -> Round:
    """One round of load from a process of its own: rate, latencies, and the processor time that the server used."""
    command = [sys.executable, str(HERE / "load.py"), str(port), str(body), str(seconds), str(connections)]
    before = cpu_seconds(pid)
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: Round = json.loads(done.stdout)
    return found | {"cpu_ms": 1e3 * (cpu_seconds(pid) - before) / found["requests"]}


def cpu_seconds(pid: int) -> float:
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=8)
    args = parser.parse_args()
    rounds: dict[str, list[Round]] = {name: [] for name in SERVERS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        home = Path(folder)
        world = made_world(home, GbmConfig(min_data_in_leaf=5))
        body = home / "body.json"
        body.write_text(json.dumps(posted(world, "p03", END, hours=167)))
        ports = {name: servers.free_port() for name in SERVERS}
        pids = {}
        for name, command in SERVERS.items():
            words = [word.format(port=ports[name]) for word in command]
            # Each has a store of its own, so that they do not wait for one another's commits.
            store = f"sqlite:///{home}/{name}.db"
            pids[name] = running.enter_context(servers.serving(words, home, ports[name], store=store)).pid
            measure(pids[name], ports[name], body, 1.0, args.connections)
        for number in range(args.rounds):
            for name in list(SERVERS)[:: -1 if number % 2 else 1]:
                rounds[name].append(measure(pids[name], ports[name], body, args.seconds, args.connections))
    return report(rounds)


def report(rounds: dict[str, list[Round]]) -> int:
    """Print the medians and the ratio of the rates, paired by round; 0 if it is reached."""
    medians = {name: {key: statistics.median(one[key] for one in own) for key in own[0]} for name, own in rounds.items()}
    for name, row in medians.items():
        rate = f"{row['requests_per_s']:7.0f} requests/s  p50 {row['p50_ms']:6.2f} ms  p99 {row['p99_ms']:6.2f} ms"
        print(f"{name:8s} {rate}  {row['cpu_ms']:5.2f} ms of processor time each")
    pairs = [a["requests_per_s"] / b["requests_per_s"] for a, b in zip(rounds["bentoml"], rounds["fastapi"], strict=True)]
    ratio = statistics.median(pairs)
    print(f"bentoml / fastapi: {ratio:.2f} (rounds {', '.join(f'{pair:.2f}' for pair in pairs)}; to reach {TO_REACH})")
    print(f"by processor time alone: {medians['fastapi']['cpu_ms'] / medians['bentoml']['cpu_ms']:.2f}")
    return 0 if ratio >= TO_REACH else 1


if __name__ == "__main__":
    sys.exit(main())
