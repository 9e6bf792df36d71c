"""The kit from its users' perspective: a test file with one fixture."""

from pathlib import Path

import pytest

from bodhi.session import LockedSession, SessionStore
from bodhi.session.store import CAPABILITIES
from bodhi.testing import StoreConformance, conformance

pytest_plugins = ["pytester"]

HERE = Path(__file__).parent
THEIR_SETTINGS = """
[pytest]
addopts = --strict-markers -p no:cacheprovider -p no:schemathesis
asyncio_mode = strict
asyncio_default_fixture_loop_scope = function
"""
THEIR_TESTS = """
import pytest_asyncio
from bodhi.testing import Clock, StoreConformance
from capable_store import CapableStore
from minimal_store import MinimalStore


class TestStore(StoreConformance):
    kind = CapableStore

    @pytest_asyncio.fixture
    async def store_and_clock(self):
        clock = Clock()
        yield self.kind(clock), clock
"""
MINIMAL = """

class TestMinimalStore(TestStore):
    kind = MinimalStore
"""
FAULT = """

class TestFaultyStore(TestStore):
    class kind(CapableStore):
        async def count_user(self, user_id):
            return await super().count_user(user_id) + 1
"""


@pytest.fixture
def separate_project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A separate project with a store, and with pytest-asyncio in strict mode."""
    pytester.makeini(THEIR_SETTINGS)
    for name in ("minimal_store", "capable_store"):
        pytester.makepyfile(**{name: (HERE / f"{name}.py").read_text()})
    return pytester


def test_correct_store_passes_in_a_separate_project(separate_project):
    """One class and one fixture are enough; nothing of bodhi's own tests is needed."""
    separate_project.makepyfile(THEIR_TESTS)

    result = separate_project.runpytest_subprocess("-q", "-W", "error")

    result.assert_outcomes(passed=len(_tests(StoreConformance)))


def test_a_store_without_capabilities_passes_what_every_store_promises(separate_project):
    """The rest is skipped, and the report names the capability."""
    separate_project.makepyfile(THEIR_TESTS + MINIMAL)

    result = separate_project.runpytest_subprocess("-q", "-rs", "-W", "error", "-k", "TestMinimalStore")

    outcomes = result.parseoutcomes()
    assert {"passed", "skipped", "deselected"} == set(outcomes)
    assert 2 * len(_tests(StoreConformance)) == sum(outcomes.values())
    assert 60 < outcomes["passed"]
    for capability in CAPABILITIES:
        result.stdout.fnmatch_lines([f"SKIPPED*the store does not declare {capability.__name__}"])


def test_failed_assertion_shows_the_compared_values(separate_project):
    """The test's name is the promise; pytest shows the values although the kit is no test module."""
    separate_project.makepyfile(THEIR_TESTS + FAULT)

    result = separate_project.runpytest_subprocess(
        "-q", "-k", "TestFaultyStore and test_an_empty_store_has_no_sessions_of_a_user"
    )

    result.assert_outcomes(failed=1, deselected=2 * len(_tests(StoreConformance)) - 1)
    result.stdout.fnmatch_lines(["*test_an_empty_store_has_no_sessions_of_a_user*", "E*assert 0 == 1"])


def test_the_guide_shows_the_minimal_store():
    """Line by line, and says how many there are."""
    store = (HERE / "minimal_store.py").read_text().split('"""', 2)[2].strip()
    guide = (HERE.parents[1] / "docs/how-to/write-a-store.md").read_text()

    assert f"```python\n{store}\n```" in guide
    assert f"in {sum(1 for line in store.splitlines() if line.strip())} lines" in guide


def test_kit_has_no_duplicate_test_names():
    """The kit is one class made of several: two tests of one name would silently be one."""
    names = [name for part in StoreConformance.__mro__ for name in _tests(part, inherited=False)]

    assert sorted(set(names)) == sorted(names)


def test_every_promise_is_a_sentence():
    """Whoever reads a report finds out what the store should have done."""
    assert [] == [name for name in _tests(StoreConformance) if not _doc(name).endswith(".")]


def test_every_method_of_the_protocol_is_called():
    """A method that nobody tests is a promise that nobody keeps."""
    text = "".join(path.read_text() for path in Path(conformance.__file__).parent.glob("*.py"))
    protocols = (SessionStore, LockedSession, *CAPABILITIES)
    methods = {name for protocol in protocols for name in vars(protocol) if not name.startswith("_")} - {"record"}

    assert "create" in methods
    assert [] == [name for name in methods if f".{name}(" not in text]


def _tests(kit: type, *, inherited: bool = True) -> list[str]:
    return [name for name in (dir(kit) if inherited else vars(kit)) if name.startswith("test_")]


def _doc(name: str) -> str:
    return (getattr(StoreConformance, name).__doc__ or "").strip()
