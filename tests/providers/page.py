"""The sections of docs/how-to/providers.md: what an operator copies from there is what the tests use."""

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = "docs/how-to/providers.md"


def section_of(name: str) -> str:
    """Return the text below the heading *name*."""
    _, *parts = re.split(r"^#{2,3} (.+)\n", (ROOT / PAGE).read_text("utf-8"), flags=re.MULTILINE)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    return sections[name]


def settings_of(name: str, *, issuer: str, client_id: str, client_secret: str) -> dict[str, str]:
    """Return the settings of a section, with the issuer's host and the client replaced by real ones."""
    [block] = [block for block in _blocks(section_of(name), "") if "BODHI_AUTH_ISSUER=" in block]
    settings = dict(line.split("=", 1) for line in block.splitlines())
    path = re.sub(r"https://[^/]+", "", settings["BODHI_AUTH_ISSUER"])
    assert issuer.endswith(path), f"{PAGE} has an issuer with another path than {issuer}: {path}"
    return settings | {"BODHI_AUTH_ISSUER": issuer, "BODHI_CLIENT_ID": client_id, "BODHI_CLIENT_SECRET": client_secret}


def code_of(name: str, language: str) -> str:
    """Return the one block of code in *language* in a section."""
    [code] = _blocks(section_of(name), language)
    return code


def _blocks(section: str, language: str) -> list[str]:
    fenced = re.compile(rf"^ *```{language}\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
    indented = re.compile(r"(?:^    .+\n)+", re.MULTILINE)
    return [textwrap.dedent(block) for block in (fenced if language else indented).findall(section)]
