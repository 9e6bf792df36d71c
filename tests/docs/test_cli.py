"""The output shown on the command-line page is current."""

import re

import pytest
from click.testing import CliRunner

from bodhi.cli import cli

HOME = "/home/ann/.bodhi"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command without databases; return its output with the home path of the page."""
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "bodhi"

    def run(*command):
        result = CliRunner().invoke(cli, ["--set", f"BODHI_HOME={home}", *command], standalone_mode=False)
        return result.stdout.replace(str(home), HOME)

    return run


def output_on_page(page, command):
    """Return the output that the page shows for a command."""
    section = page.split(f"## `bodhi {command}`\n", 1)[1].split("\n## ", 1)[0]
    return "".join(line + "\n" for line in re.findall(r"^    (.+)$", section, re.MULTILINE))


def test_examples_show_the_current_migrations(pages, run):
    """With each of them, on a new database."""
    page = pages["docs/reference/cli.md"]

    for command in ("db migrate", "db status"):
        assert output_on_page(page, command) == run(*command.split())
