"""The configurations of the how-to page about common applications, as changes to those of the page before it."""

import re
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/protect-common-applications.md"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LOCATION = """    location / {
        set $who "";  # everybody with a role
        include bodhi-protected.conf;
        proxy_pass http://127.0.0.1:8000;
    }
"""
_HANDLE = """\thandle {
\t\timport application ""
\t}
"""
_QUESTION = "        address: http://127.0.0.1:1135/bodhi/v1/auth/verify?redirect=true"


class Section:
    """A section of the page."""

    def __init__(self, title: str) -> None:
        text = PAGE.read_text("utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
        (self.gate,) = re.findall("^Gate: `(.*)`$", text, re.MULTILINE)
        self.blocks = dict(_BLOCK.findall(text))

    @property
    def headers(self) -> set[str]:
        """The headers in the application's settings."""
        settings = [text for language, text in self.blocks.items() if language in {"ini", "python"}]
        return set(re.findall("X-BodhiApp-[A-Za-z-]+", "".join(settings)))

    def changes(self, *, site: str = "/srv/site") -> Mapping[str, Mapping[str, str]]:
        """Return the changes by proxy; files are in the folder *site*."""
        location = self.blocks.get(
            "nginx",
            f"location / {{\n set $who {self.gate};\n include bodhi-protected.conf;\n proxy_pass http://127.0.0.1:8000;\n}}\n",
        )
        handle = self.blocks.get("caddyfile", f"handle {{\n import application &{self.gate}\n}}\n")
        assert self.gate in location
        assert self.gate in handle
        return {
            "nginx": {_LOCATION: location.replace("/srv/site", site)},
            "caddy": {_HANDLE: handle.replace("/srv/site", site)},
            "traefik": {f"{_QUESTION}\n": f"{_QUESTION}&{self.gate}\n"},
        }
