import importlib.util

import pytest

from bench_tests.conftest import ROOT


@pytest.fixture(scope="module")
def callgrind():
    """The callgrind module."""
    spec = importlib.util.spec_from_file_location("bench_callgrind", ROOT / "bench" / "callgrind.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_counts_are_those_between_each_start_and_its_stop(callgrind, tmp_path):
    """Callgrind numbers its files without leading zeros, and writes the one of the end without a number."""
    for number in range(1, 13):
        text = f"desc: Trigger: --dump-before=getpriority\nevents: Ir\n\nfn=(1)\n0 5\n\ntotals: {number * 100}\n"
        (tmp_path / f"counts.{number}").write_text(text)
    (tmp_path / "counts").write_text("desc: Trigger: Program termination\ntotals: 9999\n")

    assert [200, 400, 600, 800, 1000, 1200] == callgrind.read_counts(tmp_path)
