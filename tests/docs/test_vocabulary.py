"""People sign in and out, in every text that they read; a login is what bodhi and the provider exchange."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click

from bodhi.settings import BY_NAME
from support.commands import all_commands

ROOT = Path(__file__).resolve().parents[2]
PEOPLE_LOG_IN = re.compile(r"\blog(s|ged|ging)?( [a-z]+)? (in|out)\b", re.IGNORECASE)


def messages() -> Iterator[str]:
    """Yield the texts in the code except docstrings, which are for its readers."""
    for path in sorted((ROOT / "bodhi").rglob("*.py")):
        tree = ast.parse(path.read_text())
        statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
                yield f"{path.name}:{node.lineno}: {node.value}"


def helps() -> Iterator[str]:
    """Yield the help of commands, their options and the settings."""
    for path, command in all_commands().items():
        options = [param.help or "" for param in command.params if isinstance(param, click.Option)]
        yield from (f"{' '.join(path)}: {text}" for text in (command.help or "", command.short_help or "", *options))
    yield from (f"{name}: {setting.help}" for name, setting in BY_NAME.items())


def pages() -> Iterator[str]:
    """Yield the lines of the pages and of the help of make."""
    for path in (*(ROOT / "bodhi").rglob("*.html"), ROOT / "Makefile"):
        yield from (f"{path.name}: {line}" for line in path.read_text().splitlines())


def test_people_sign_in() -> None:
    """One word for one thing, whether it is read in a browser, a terminal or a log."""
    texts = [*messages(), *helps(), *pages()]

    assert any("Sign out" in text for text in texts)
    assert [] == [text for text in texts if PEOPLE_LOG_IN.search(text)]
