"""The configurations of the how-to page, for processes on this machine."""

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from support.ports import free_port

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/run-a-highly-available-cluster.md"

_BLOCK = re.compile(r"^```\w+\n(?:#|--) (?:\S*/)?([\w.-]+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ADDRESS = re.compile(r"\b(10\.0\.0\.\d+)(:| port | port=|\nlisten_port = )(\d+)\b")


class Page:
    """Each address of the page has a port on 127.0.0.1 in its place; everything else is used word for word."""

    def __init__(self) -> None:
        self._ports: defaultdict[tuple[str, int], int] = defaultdict(free_port)

    def port(self, host: str, port: int) -> int:
        """The one in the place of *port* of *host*."""
        return self._ports[host, port]

    def block(self, name: str, changes: Mapping[str, str] | None = None) -> str:
        """The block whose first line names that file, with *changes* to what it says."""
        text = _blocks()[name]
        for old, new in (changes or {}).items():
            assert old in text, f"{PAGE} has no {old} in {name}"
            text = text.replace(old, new)
        return self.localized(text)

    def localized(self, text: str) -> str:
        """*text* with addresses of this machine."""
        text = _ADDRESS.sub(lambda match: f"127.0.0.1{match[2]}{self.port(match[1], int(match[3]))}", text)
        return text.replace("10.0.0.0/24", "127.0.0.1/32")


@cache
def _blocks() -> dict[str, str]:
    return dict(_BLOCK.findall(PAGE.read_text("utf-8")))
