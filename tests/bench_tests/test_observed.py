import json
import subprocess
import sys

from bench_tests.conftest import ROOT

# In the checkout, in a process of its own.
READS = """
import json, sys
from urllib.request import Request, urlopen
from bench import load
from bench.observed import observed

with observed("calls", "bench.application", "bodhi", "--url", sys.argv[1]) as process:
    port = int(process.ready)
    name, _, cookie = load.seed(port, 1)[0].partition(": ")
    results = []
    for _ in range(3):
        process.start()
        urlopen(Request(f"http://127.0.0.1:{port}/read", headers={name: cookie})).read()
        results.append(process.stop()["loop"])
print(json.dumps(results))
"""


def test_a_server_process_counts_while_it_is_asked_to(sqlite_url):
    """Reads of one session enter functions of bodhi, and each file is named from the package on."""
    command = [sys.executable, "-c", READS, sqlite_url]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)

    _, second, third = json.loads(done.stdout)
    common = [row for row in second if row in third]  # work in the background may come along with one of them

    assert len(common) > 5
    assert all((ROOT / "bodhi" / file).is_file() for file, _, _ in common)
