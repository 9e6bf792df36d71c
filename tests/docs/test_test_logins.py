"""The page about logins in tests: its example passes, and what it names exists."""

import re
from dataclasses import fields

import pytest

from bodhi.testing import DevelopmentProvider
from bodhi.testing.identity_provider import Shape


@pytest.fixture
def page(pages):
    """The page."""
    return pages["docs/how-to/test-logins.md"]


async def test_example_passes(page):
    """Every test in it."""
    [code] = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(code, "test-logins.md", "exec"), names)  # as a reader runs it

    tests = [function for name, function in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        await test()


def test_every_part_of_the_shape_is_on_the_page(page):
    """And nothing that it does not have."""
    assert {field.name for field in fields(Shape)} == set(re.findall(r"`shape\.(\w+)", page))


def test_named_methods_exist(page):
    """What stands there with brackets or a name of a call."""
    table = page.partition("## Script the provider")[2]
    named = set(re.findall(r"`(?:await )?(\w+)\(", table)) - {"DevelopmentProvider"}

    assert {"alter", "fail", "delay", "hold", "hang", "reset", "rotate_keys", "end_sessions"} <= named
    assert [] == [name for name in sorted(named) if not hasattr(DevelopmentProvider, name)]
