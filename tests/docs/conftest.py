"""The documentation as it is in the tree."""

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def pages() -> dict[str, str]:
    """Every page by its path, such as ``docs/quickstart.md``."""
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    texts = {str(file.relative_to(ROOT)): file.read_text("utf-8") for file in sorted(files)}
    return {**texts, "README.md": texts["README.md"].replace(f"{source_address()}/", "")}


def source_address() -> str:
    """Return where the files of the project are published, a placeholder: the package index shows the README alone."""
    metadata = configparser.ConfigParser(interpolation=None)
    metadata.read(ROOT / "setup.cfg")
    address = re.search(r"^Source = (\S+)$", metadata["metadata"]["project_urls"], re.MULTILINE)
    assert address is not None
    return address[1]
