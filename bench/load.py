"""Generate load on a server process, with wrk or else with :mod:`bench.loader`."""

import http.client
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The result of a load."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float


class RequestsFailed(Exception):
    """Some requests failed, so the result cannot be compared."""


def loader_name() -> str:
    """Return the name of the load generator on this machine."""
    return "wrk" if shutil.which("wrk") else "bench.loader (wrk is not installed: apt-get install wrk)"


def run(
    url: str, headers: Path, *, connections: int, seconds: float, always: Mapping[str, str] | None = None
) -> LoadResult:
    """Request *url* as fast as possible, each time with *always* and the next line of *headers*."""
    further = [word for name, value in (always or {}).items() for word in ("--header", f"{name}: {value}")]
    if shutil.which("wrk"):
        # wrk accepts only whole seconds.
        size = ["--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"]
        command = ["wrk", *size, *further, "--script", str(_SCRIPT), url, str(headers)]
    else:
        size = ["--connections", str(connections), "--seconds", str(seconds)]
        command = [sys.executable, "-m", "bench.loader", url, str(headers), *size, *further]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    result = json.loads(output.strip().splitlines()[-1])
    if not result["requests"]:
        raise RequestsFailed(f"{url}: no response within {seconds} s")
    if result["failed"]:
        raise RequestsFailed(f"{url}: {result['failed']} of {result['requests']} requests failed")
    return LoadResult(result["requests"], result["seconds"], result["p50_ms"], result["p99_ms"])


def seed(port: int, sessions: int) -> list[str]:
    """Create sessions; return their cookies as request header lines."""
    cookies = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for number in range(sessions):
        connection.request("GET", f"/seed?number={number}")
        response = connection.getresponse()
        response.read()
        header = response.getheader("Set-Cookie")
        if response.status != 200 or header is None:
            raise RequestsFailed(
                f"/seed answered {response.status} without a cookie" if header is None else "/seed failed"
            )
        cookies.append(f"Cookie: {header.partition(';')[0]}")
    connection.close()
    return cookies
