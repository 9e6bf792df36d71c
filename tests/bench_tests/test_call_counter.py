import asyncio
import importlib.util
import sys
import threading

import pytest

from bench_tests.conftest import ROOT

SOURCE = """
import asyncio

async def resumed(times):
    for _ in range(times):
        await asyncio.sleep(0)
    return plain()

def plain():
    return 1

def numbers():
    yield from (1, 2, 3)
"""


def imported(path, name):
    """Import and return the module in the file *path*."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def call_counter():
    """The call counter module."""
    return imported(ROOT / "bench" / "call_counter.py", "bench_call_counter")


@pytest.fixture
def counted(call_counter, tmp_path):
    """Counts the calls in a package with one file; another package must not be counted."""
    (tmp_path / "package").mkdir()
    for folder in (tmp_path / "package", tmp_path):
        (folder / "some.py").write_text(SOURCE)
    inside, outside = (imported(path / "some.py", path.name) for path in (tmp_path / "package", tmp_path))
    counter = call_counter.CallCounter(tmp_path / "package")

    def run(calls):
        before = sys.getprofile(), threading.getprofile()
        counter.install()
        try:
            counter.start()
            calls(inside, outside)
            result = counter.stop()
            inside.plain()  # after the end
        finally:
            sys.setprofile(before[0])
            threading.setprofile(before[1])
        return {where: {name.split(":")[0]: number for _, name, number in rows} for where, rows in result.items()}

    return run


def test_a_resumed_coroutine_is_one_call(counted):
    """Whether a query had to be waited for changes no call path, and neither does another package."""

    async def twice(inside, outside):
        await asyncio.gather(inside.resumed(1), inside.resumed(7), outside.resumed(2))

    result = counted(lambda inside, outside: asyncio.run(twice(inside, outside)))

    assert {"loop": {"resumed": 2, "plain": 2}, "threads": {}} == result


def test_a_generator_is_one_call(counted):
    """It is entered once for each value."""
    result = counted(lambda inside, _: (list(inside.numbers()), list(inside.numbers())))

    assert {"loop": {"numbers": 2}, "threads": {}} == result


def test_calls_of_other_threads_are_counted_apart(counted):
    """Which part of a call runs in a driver's thread depends on the database."""

    def calls(inside, _):
        thread = threading.Thread(target=inside.plain)
        thread.start()
        thread.join()

    assert {"loop": {}, "threads": {"plain": 1}} == counted(calls)


def test_work_that_only_some_repetitions_met_is_left_out(call_counter):
    """A sweep that comes along with one request is not part of that request."""
    paths = [
        call_counter.CallPath({("a.py", "read"): 1, ("b.py", "sweep"): 1}),
        call_counter.CallPath({("a.py", "read"): 2, ("a.py", "find"): 1}),
        call_counter.CallPath({("a.py", "read"): 3, ("a.py", "find"): 1}),
    ]

    common = call_counter.CallPath.common_to(paths)

    assert (1, 1, 1) == (common.functions, common.files, common.total)
