"""Two nodes that reach the leading database in one way, and what is to be known of an outage."""

import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from rolling_upgrade.cluster import NEW, Answer, Cluster, Fault, Node

_CAUSE = re.compile(r" WARNING .*cause: PostgreSQL: ")
_LOG_SECONDS = 60  # in which a node names a cause once


@dataclass
class Nodes(Cluster):
    """The nodes, and the moments at which they answered with success although the database may be out."""

    name: str = ""
    may_be_out: bool = True
    longest_outage: float = 0.0  # for so many seconds no request was answered with success
    _answered_at: list[float] = field(default_factory=list)
    _unavailable_before: int = 0
    _logged_since: str = ""

    @property
    def unavailable(self) -> int:
        """How often they answered 503."""
        return self.answers[f"503 by the {NEW} version"]

    async def request(self, node: Node, method: str, path: str, body: object = None, **options: Any) -> Answer:
        """As any cluster does it."""
        answer = await super().request(node, method, path, body, **options)
        self._answered_at.append(time.monotonic())
        return answer

    def begin(self) -> None:
        """What is told of an outage is told of the time from this moment ..."""
        self._answered_at = [time.monotonic()]
        self._unavailable_before = self.unavailable
        self._logged_since = f"{datetime.now(UTC) - timedelta(seconds=_LOG_SECONDS):%Y-%m-%dT%H:%M:%S}"

    def end(self) -> None:
        """... to this moment."""
        moments = [*self._answered_at, time.monotonic()]
        self.longest_outage = max(later - earlier for earlier, later in pairwise(moments))

    def check_log(self) -> None:
        """A :exc:`Fault` where requests were answered 503 and no line says why, in the database's words."""
        times = self.unavailable - self._unavailable_before
        lines = [line for log in self.logs for line in log.read_text().splitlines() if line >= self._logged_since]
        if times and not any(_CAUSE.search(line) for line in lines):
            raise Fault(f"{self.name}: {times} answers were 503, and no line in the log names the cause")


def settings_of(environment_file: str) -> dict[str, str]:
    """The settings in a file of ``NAME=value`` lines."""
    lines = (line.partition("=") for line in environment_file.splitlines() if "=" in line)
    return {name: value for name, _, value in lines}
