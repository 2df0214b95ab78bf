"""A load client: keep-alive connections that each post one request after another. Prints requests/s and latencies as JSON.

python tests/speed/load.py PORT BODY_FILE SECONDS CONNECTIONS
"""

import asyncio
import json
import sys
import time
from pathlib import Path

HEAD = "POST /v1/machines/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"


async def one(port: int, request: bytes, until: float, seconds: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        answer = await reader.readexactly(int(lengths[0].split(b":")[1]))
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"refused: {answer.decode()}")
        seconds.append(time.perf_counter() - started)
    writer.close()


async def load(port: int, body: bytes, duration: float, connections: int) -> dict[str, float]:
    request = HEAD.format(len(body)).encode() + body
    seconds: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(one(port, request, started + duration, seconds) for _ in range(connections)))
    took = time.perf_counter() - started
    seconds.sort()
    return {
        "requests_per_s": len(seconds) / took,
        "p50_ms": 1e3 * seconds[len(seconds) // 2],
        "p99_ms": 1e3 * seconds[int(len(seconds) * 0.99)],
        "requests": len(seconds),
    }


if __name__ == "__main__":
    port, path, duration, connections = sys.argv[1:5]
    print(json.dumps(asyncio.run(load(int(port), Path(path).read_bytes(), float(duration), int(connections)))))
