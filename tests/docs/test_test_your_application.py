"""The page about the pytest plugin: its example passes in a separate project, and it names every fixture."""

import inspect
import re

import pytest
from _pytest.fixtures import FixtureFunctionDefinition

from bodhi.testing import plugin
from bodhi.testing.clients import LogIn, OpenClient

pytest_plugins = ["pytester"]

PAGE = "docs/how-to/test-your-application.md"
FILES = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_example_passes(pages, pytester, dialect, database_url):
    """Every test of the page, as its files are printed; on PostgreSQL with the option that the page shows."""
    for name, text in FILES.findall(pages[PAGE]):
        (pytester.path / name).write_text(text)
    expected = len(re.findall(r"^async def test_", pages[PAGE], re.MULTILINE))
    assert expected == 9
    option = ["--bodhi-database", database_url] if dialect == "postgres" else []

    result = pytester.runpytest_subprocess("-q", "-W", "error", "-p", "no:schemathesis", *option)

    result.assert_outcomes(passed=expected)


def test_every_fixture_is_on_the_page(pages):
    """And none that does not exist."""
    fixtures = {name for name, value in inspect.getmembers(plugin) if isinstance(value, FixtureFunctionDefinition)}
    assert "bodhi_client" in fixtures
    assert fixtures == set(re.findall(r"^\| `(bodhi_\w+)` \|", pages[PAGE], re.MULTILINE))


@pytest.mark.parametrize("name", ["bodhi_client", "bodhi_log_in"])
def test_the_page_shows_how_a_client_is_opened(pages, name):
    """With the parameters that the function takes."""
    protocol = {"bodhi_client": OpenClient, "bodhi_log_in": LogIn}[name]
    taken = [parameter for parameter in inspect.signature(protocol.__call__).parameters if parameter != "self"]
    [shown] = re.findall(rf"^\| `{name}` \| `await {name}\(([^)]*)\)`", pages[PAGE], re.MULTILINE)

    assert taken == re.findall(r"(\w+)(?=[,=]|$)", re.sub(r"=[^,]+", "", shown))
