"""Nodes on one database, as processes and of two versions, and what holds of all their answers."""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from support.ports import free_port

OLD, NEW = "old", "new"
_ROOT = Path(__file__).resolve().parents[2]
_NODE = Path(__file__).with_name("node.py")
_START_SECONDS = _ANSWER_SECONDS = 120  # of a machine that is busy with something else


class Fault(AssertionError):
    """Something that was promised does not hold."""


class Unanswered(Exception):
    """A node that is being replaced answered nothing, or any answered 503: whether it did anything is not known."""


@dataclass(eq=False)
class Node:
    """One process that serves."""

    version: str
    process: asyncio.subprocess.Process
    log: Path
    url: str = ""
    is_leaving: bool = False
    pending: int = 0  # requests under way

    async def stop(self) -> None:
        """End it in order."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        if status := await self.process.wait():
            raise Fault(f"a node of the {self.version} version ended with status {status}:\n{self.log.read_text()}")


@dataclass
class Answer:
    """The answer to one request."""

    status: int
    body: Any
    cookies: Mapping[str, str]  # that it sets; empty ones go away

    @property
    def code(self) -> str | None:
        """The code of an error."""
        return self.body["error"]["code"] if self.status >= 400 else None


@dataclass
class Cluster:
    """The nodes, behind one public address."""

    old_python: Path
    folder: Path
    environ: Mapping[str, str]
    http: aiohttp.ClientSession
    nodes: list[Node] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    public_port: int = field(default_factory=free_port)
    logs: list[Path] = field(default_factory=list)
    slowest_revocation: float = 0.0
    may_be_out: bool = False  # 503 is an answer like another, at any time

    def any_node(self, version: str | None = None) -> Node:
        """A node that stays."""
        return random.choice([node for node in self.nodes if not node.is_leaving and version in (None, node.version)])

    async def start(self, version: str) -> Node:
        """One more node, which serves."""
        process, log = await self._spawn(version, _NODE, "serve", stdin=asyncio.subprocess.PIPE, BODHI_PORT="0")
        node = Node(version, process, log)
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)).decode()
        if not line.startswith("bodhi is ready on "):
            raise Fault(f"a node of the {version} version did not start: {line}{log.read_text()}")
        node.url = line.split()[4]
        self.nodes.append(node)
        return node

    async def replace(self, node: Node) -> Node:
        """A node of the new version in the place of *node*, as a load balancer does it; requests go on meanwhile."""
        node.is_leaving = True
        while node.pending:  # what must not be done twice is not sent there any more
            await asyncio.sleep(0.01)
        await node.stop()
        self.nodes.remove(node)
        return await self.start(NEW)

    async def run(self, version: str, *arguments: str) -> tuple[int, str]:
        """Exit status and output of a command of that version."""
        process, log = await self._spawn(version, _NODE, *arguments, BODHI_PORT="0")
        out, _ = await asyncio.wait_for(process.communicate(), _ANSWER_SECONDS)
        self.logs.remove(log)
        return process.returncode or 0, out.decode() + log.read_text()

    async def request(
        self,
        node: Node,
        method: str,
        path: str,
        body: object = None,
        *,
        cookies: Mapping[str, str] | None = None,
        token: str | None = None,
        expected: Sequence[int] = (200,),
    ) -> Answer:
        """The answer of *node*; a :exc:`Fault` if its status is not expected."""
        headers = {"Host": f"localhost:{self.public_port}", "Sec-Fetch-Site": "same-origin"}
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        if token:
            headers["Authorization"] = f"Bearer {token}"
        node.pending += 1
        try:
            async with self.http.request(
                method, node.url + path, headers=headers, json=body, allow_redirects=False
            ) as response:
                status, text = response.status, await response.text()
                is_json = response.content_type == "application/json"
                answer = Answer(
                    status,
                    (await response.json()) if is_json else text,
                    {name: morsel.value for name, morsel in response.cookies.items()},
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if not node.is_leaving:
                raise Fault(f"{method} {path} at a node of the {node.version} version: {error!r}") from error
            self.events["unanswered at a node that was being replaced"] += 1
            raise Unanswered from error
        finally:
            node.pending -= 1
        self.answers[f"{status} by the {node.version} version"] += 1
        if status == 503 and (node.is_leaving or self.may_be_out):
            raise Unanswered
        if status not in expected:
            raise Fault(f"{method} {path} at a node of the {node.version} version: {status} {text}")
        return answer

    def warnings(self) -> Iterator[str]:
        """What the nodes logged and is no information."""
        for log in self.logs:
            yield from (f"{log.name}: {line}" for line in log.read_text().splitlines() if " INFO " not in line)

    async def close(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            if node.process.returncode is None:
                node.process.kill()
                await node.process.wait()

    async def _spawn(
        self,
        version: str,
        program: Path,
        *arguments: str,
        stdin: int = asyncio.subprocess.DEVNULL,
        **settings: str,
    ) -> tuple[asyncio.subprocess.Process, Path]:
        log = self.folder / f"log-{len(self.logs)}-{version}"
        self.logs.append(log)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BODHI_", "PYTHONPATH"))}
        if version == NEW:
            inherited["PYTHONPATH"] = str(_ROOT)
        with log.open("w") as stderr:
            process = await asyncio.create_subprocess_exec(
                str(self.old_python) if version == OLD else sys.executable,
                str(program),
                *arguments,
                cwd=self.folder,
                env={**inherited, **self.environ, "BODHI_PUBLIC_PORT": str(self.public_port), **settings},
                stdin=stdin,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
            )
        return process, log
