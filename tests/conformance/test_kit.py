"""The kit as its users meet it: a file of their own, one fixture, any pytest."""

from pathlib import Path

import pytest

from bodhi.session import SessionStore
from bodhi.testing import StoreConformance, conformance

pytest_plugins = ["pytester"]

THEIR_SETTINGS = """
[pytest]
addopts = --strict-markers -p no:cacheprovider
asyncio_mode = strict
asyncio_default_fixture_loop_scope = function
"""
THEIR_TESTS = """
import pytest_asyncio
from bodhi.testing import Clock, StoreConformance
from memory_store import MemoryStore


class TestMemoryStore(StoreConformance):
    @pytest_asyncio.fixture
    async def store_and_clock(self):
        clock = Clock()
        yield MemoryStore(clock), clock
"""
FAULT = """

class TestFaultyStore(TestMemoryStore):
    @pytest_asyncio.fixture
    async def store_and_clock(self):
        class FaultyStore(MemoryStore):
            async def count_user(self, user_id):
                return await super().count_user(user_id) + 1

        clock = Clock()
        yield FaultyStore(clock), clock
"""


@pytest.fixture
def elsewhere(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project of somebody else's with a store in it, and with pytest-asyncio in its strict mode."""
    pytester.makeini(THEIR_SETTINGS)
    pytester.makepyfile(memory_store=(Path(__file__).parent / "memory_store.py").read_text())
    return pytester


def test_a_sound_store_passes_in_a_project_of_its_own(elsewhere):
    """One class and one fixture are enough; nothing of bodhi's own tests is needed."""
    elsewhere.makepyfile(THEIR_TESTS)

    result = elsewhere.runpytest_subprocess("-q", "-W", "error")

    result.assert_outcomes(passed=len(_tests(StoreConformance)))


def test_a_failing_promise_says_what_was_compared(elsewhere):
    """The test's name is the promise; pytest shows the values although the kit is no test module."""
    elsewhere.makepyfile(THEIR_TESTS + FAULT)

    result = elsewhere.runpytest_subprocess("-q", "-k", "TestFaultyStore and test_an_empty_store")

    result.assert_outcomes(failed=1, deselected=2 * len(_tests(StoreConformance)) - 1)
    result.stdout.fnmatch_lines(["*test_an_empty_store_counts_and_lists_nothing*", "E*assert (0, 0) == (0, 1)"])


def test_no_promise_hides_another_one():
    """The kit is one class made of several: two tests of one name would silently be one."""
    names = [name for part in StoreConformance.__mro__ for name in _tests(part, inherited=False)]

    assert sorted(set(names)) == sorted(names)


def test_every_promise_is_a_sentence():
    """Whoever reads a report finds out what the store should have done."""
    assert [] == [name for name in _tests(StoreConformance) if not _doc(name).endswith(".")]


def test_every_method_of_the_protocol_is_called():
    """A method that nobody tests is a promise that nobody keeps."""
    text = "".join(path.read_text() for path in Path(conformance.__file__).parent.glob("*.py"))
    methods = [name for name in vars(SessionStore) if not name.startswith("_")]

    assert "create" in methods
    assert [] == [name for name in methods if f"store.{name}(" not in text]


def _tests(kit: type, *, inherited: bool = True) -> list[str]:
    return [name for name in (dir(kit) if inherited else vars(kit)) if name.startswith("test_")]


def _doc(name: str) -> str:
    return (getattr(StoreConformance, name).__doc__ or "").strip()
