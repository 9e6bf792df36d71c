"""``program.py`` with a limit of open files, on the event loop that ``TEST_LOOP`` names."""

import os
import resource
import runpy
import sys
from pathlib import Path

limits = [int(number) for number in os.environ["TEST_FILES"].split(",")]
resource.setrlimit(resource.RLIMIT_NOFILE, (limits[0], limits[-1]))
if os.environ.get("TEST_LOOP") == "asyncio":
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # as if it were not installed
runpy.run_path(str(Path(__file__).with_name("program.py")), run_name="__main__")
