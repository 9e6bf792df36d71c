"""The built distribution contains all files of the tree."""

import configparser
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def shipped(tmp_path: Path) -> set[str]:
    """The installed files below site-packages, of the wheel under test or of a newly built one."""
    wheel = distribution("bodhi-sessions")
    installed = {str(file) for file in wheel.files or []}
    # An editable install lists what was there when it was made, and lies in the checkout.
    if "bodhi/__init__.py" in installed and Path(str(wheel.locate_file(""))).resolve() != ROOT:
        return installed
    build = (sys.executable, "-c", "import setuptools; setuptools.setup()", "--quiet", "build_py", "--build-lib")
    subprocess.run([*build, tmp_path / "lib"], cwd=ROOT, check=True, timeout=300)
    return {str(file.relative_to(tmp_path / "lib")) for file in (tmp_path / "lib").rglob("*") if file.is_file()}


def test_every_folder_with_modules_is_a_listed_package() -> None:
    """A package that is missing from the list works in the checkout and nowhere else."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    folders = {module.parent for module in (ROOT / "bodhi").rglob("*.py")}

    assert [] == [folder for folder in folders if not (folder / "__init__.py").exists()]
    expected = sorted([*(".".join(folder.relative_to(ROOT).parts) for folder in folders), "bodhi.sql"])
    assert expected == setup["options"]["packages"].split()


def test_every_file_of_the_packages_is_shipped(shipped: set[str]) -> None:
    """The modules, the templates and other files beside them, and the mark that says they are typed."""
    files = {str(file.relative_to(ROOT)) for file in (ROOT / "bodhi").rglob("*") if file.is_file()}

    assert {"bodhi/py.typed"} <= files
    assert set() == {file for file in files if "__pycache__" not in file} - shipped


def test_every_statement_and_migration_is_shipped(shipped: set[str]) -> None:
    """The SQL lies beside the package in the tree, and inside it when installed."""
    statements = {str("bodhi" / file.relative_to(ROOT)) for file in (ROOT / "sql").rglob("*.sql")}

    assert statements
    assert set() == statements - shipped


@pytest.mark.parametrize("page", ["add-sessions-to-an-app.md", "come-from-redis-storage.md"])
def test_pages_say_what_is_needed(page: str) -> None:
    """An application that pins an older version learns it before pip refuses."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    floors = dict(line.split(">=") for line in setup["options"]["install_requires"].split() if ">=" in line)
    python = setup["options"]["python_requires"].removeprefix(">=")
    needed = ("aiohttp", "aiohttp-session", "asyncpg")

    text = " ".join((ROOT / "docs" / "how-to" / page).read_text().split())

    libraries = [f"{name} {floors[name].rstrip(';')}" for name in needed]
    assert f"bodhi needs Python {python}, {', '.join(libraries[:-1])} and {libraries[-1]}, or later versions." in text
