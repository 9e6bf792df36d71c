"""The library alone: its requirements, and errors of commands that need more."""

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = {"aiohttp", "aiohttp-session", "aiosqlite", "asyncpg", "cryptography", "msgspec"}

# Imports the library where nothing can be imported but its requirements and what they bring along.
PROGRAM = """
import importlib.metadata as metadata, re, sys

found = set()
def collect(name):
    if name in found:
        return
    found.add(name)
    for requirement in metadata.requires(name) or ():
        if "extra ==" not in requirement:
            try:
                collect(re.match(r"[\\w.-]+", requirement)[0].lower().replace("_", "-"))
            except metadata.PackageNotFoundError:
                pass
for name in sys.argv[1:]:
    collect(name)
allowed = {"bodhi"} | set(sys.stdlib_module_names)
for top, names in metadata.packages_distributions().items():
    if {name.lower().replace("_", "-") for name in names} & found:
        allowed.add(top)

class Allowed:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return self.finder.find_spec(name, path, target) if name.partition(".")[0] in allowed else None

sys.meta_path[:] = map(Allowed, sys.meta_path)
import bodhi.session
for name in bodhi.session.__all__:
    getattr(bodhi.session, name)
print(*(name for name in sys.modules if name.startswith("bodhi.")))
"""


def test_the_library_needs_six_requirements() -> None:
    """Everything public is imported without anything else that bodhi's own requirements list."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *REQUIREMENTS], capture_output=True, text=True, timeout=300, check=False
    )

    assert (0, "") == (run.returncode, run.stderr)
    packages = {name.split(".")[1] for name in run.stdout.split()}
    assert not packages & {"cli", "metrics", "oidc", "run", "server", "settings", "testing", "transfer"}


def test_a_command_without_its_requirements_names_what_is_missing(tmp_path: Path) -> None:
    """In one line, with exit status 2."""
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError(\"No module named 'click'\", name='click')")
    program = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('bodhi', run_name='__main__')"

    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path, "serve"], capture_output=True, text=True, timeout=300, check=False
    )

    expected = "bodhi: error: click is not installed; pip install bodhi-sessions installs it\n"
    assert (2, expected) == (run.returncode, run.stderr)
