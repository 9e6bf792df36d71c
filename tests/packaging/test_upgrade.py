"""The distribution was renamed after 0.1.0; the upgrade notes replace the old one."""

import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "upgrade.md"
OLD = {
    "bodhi/__init__.py": "",
    "bodhi/__main__.py": "raise SystemExit('bodhi 0.1.0')",
    # A package that this version does not have, in the place of a module that it has.
    "bodhi/auth/__init__.py": "",
    "bodhi-0.1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: bodhi\nVersion: 0.1.0\n",
    "bodhi-0.1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}


@pytest.fixture
def old_wheel(tmp_path: Path) -> Path:
    """A wheel with the name and version of 0.1.0."""
    wheel = tmp_path / "bodhi-0.1.0-py3-none-any.whl"
    names = [*OLD, "bodhi-0.1.0.dist-info/RECORD"]
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**OLD, names[-1]: "".join(f"{name},,\n" for name in names)}.items():
            archive.writestr(name, text)
    return wheel


@pytest.fixture
def new_wheel(tmp_path: Path) -> Path:
    """This version's wheel, built from a copy, because builds leave files in the checkout."""
    source = tmp_path / "source"
    for name in ("bodhi", "sql"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    build = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir")
    subprocess.run([*build, tmp_path / "dist", source], check=True, timeout=300)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    return wheel


def test_the_notes_replace_the_old_distribution(tmp_path: Path, old_wheel: Path, new_wheel: Path) -> None:
    """What the page says, command by command; nothing of the old one is left."""
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=300)
    python = environment / "bin" / "python"
    packages = next(environment.glob("lib/python*/site-packages"))
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", old_wheel], check=True, timeout=300)
    (block,) = re.findall(r"((?:^ +(?:pip|python) .*\n)+)", PAGE.read_text().split("## ", 1)[0], re.MULTILINE)
    commands = [line.strip() for line in block.splitlines()]

    outputs = []
    for command in commands:
        words = command.replace("path/to/bodhi/dist/bodhi_sessions-*.whl", str(new_wheel)).split()
        program = [*pip, *words[1:], *(["--no-deps"] if "install" in words else [])]
        if words[0] == "python":
            # What bodhi requires is that of the tests; pip must not see which bodhi they have.
            (packages / "requirements-of-the-tests.pth").write_text(sysconfig.get_paths()["purelib"])
            program = [str(python), *words[1:]]
        outputs.append(subprocess.run(program, capture_output=True, text=True, check=True, timeout=300, cwd=tmp_path))

    version = re.search(r"^version = (\S+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
    assert version is not None
    assert f"bodhi {version[1]}\n" == outputs[-1].stdout
    assert not (packages / "bodhi" / "auth").exists()
