"""Load on a server process: by wrk, else by a loader of our own."""

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
class Answered:
    """What a server did under load."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float


class Failed(Exception):
    """Some requests were not answered with success: there is nothing to compare."""


def loader_name() -> str:
    """What makes the load on this machine."""
    return "wrk" if shutil.which("wrk") else "bench.loader (wrk is not installed: apt-get install wrk)"


def run(
    url: str, headers: Path, *, connections: int, seconds: float, always: Mapping[str, str] | None = None
) -> Answered:
    """What came of asking *url* as fast as it answers, each request with *always* and the next line of *headers*."""
    further = [word for name, value in (always or {}).items() for word in ("--header", f"{name}: {value}")]
    if shutil.which("wrk"):
        # wrk takes whole seconds only.
        size = ["--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"]
        command = ["wrk", *size, *further, "--script", str(_SCRIPT), url, str(headers)]
    else:
        size = ["--connections", str(connections), "--seconds", str(seconds)]
        command = [sys.executable, "-m", "bench.loader", url, str(headers), *size, *further]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    result = json.loads(told.strip().splitlines()[-1])
    if result["failed"] or not result["requests"]:
        raise Failed(f"{url}: {result['failed']} of {result['requests']} requests failed")
    return Answered(result["requests"], result["seconds"], result["p50_ms"], result["p99_ms"])


def seed(port: int, sessions: int) -> list[str]:
    """The cookies of new sessions, each as a line of a request's head."""
    cookies = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for number in range(sessions):
        connection.request("GET", f"/seed?number={number}")
        answer = connection.getresponse()
        answer.read()
        header = answer.getheader("Set-Cookie")
        if answer.status != 200 or header is None:
            raise Failed(f"/seed answered {answer.status} and set no cookie" if header is None else "/seed failed")
        cookies.append(f"Cookie: {header.partition(';')[0]}")
    connection.close()
    return cookies
