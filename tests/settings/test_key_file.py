"""The key file of a standalone server."""

import contextlib
import os
import stat
import sys
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

import bodhi
from bodhi.errors import ConfigurationError
from bodhi.settings import key_file

LOAD = """
import sys
from pathlib import Path
from bodhi.settings import load_settings
print("ready", flush=True)
sys.stdin.readline()
print(load_settings({}, {"BODHI_HOME": sys.argv[1]}, Path(sys.argv[1]).parent).encryption_keys[0], flush=True)
"""


def names_in(folder):
    """Return the names of all files, hidden ones included."""
    return [path.name for path in folder.iterdir()]


def test_standalone_creates_a_key_file_for_its_owner_only(machine):
    """The folder has mode 0700, the file 0600, whatever the umask."""
    before = os.umask(0)
    try:
        settings = machine.load()
    finally:
        os.umask(before)

    path = machine.home / "encryption.key"
    assert settings.encryption_keys == (path.read_text().strip(),)
    assert len(settings.encryption_keys[0]) == 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(machine.home.stat().st_mode) == 0o700
    assert settings.sources["BODHI_ENCRYPTION_KEY"] == f"key file {path}"


def test_key_stays_the_same(machine):
    """Sessions are still readable after a restart."""
    assert machine.load().encryption_keys == machine.load().encryption_keys


def test_setting_takes_precedence_over_the_key_file(machine):
    """With keys of its own the server makes no file."""
    assert machine.load(BODHI_ENCRYPTION_KEY="k" * 32).encryption_keys == ("k" * 32,)
    assert not machine.home.exists()


def test_key_file_may_hold_several_keys(machine):
    """Keys are rotated there as in the setting: newest first."""
    machine.load()
    (machine.home / "encryption.key").write_text(f"{'n' * 32},{'o' * 32}\n")

    assert machine.load().encryption_keys == ("n" * 32, "o" * 32)


def test_processes_that_start_at_once_have_one_key(machine):
    """Otherwise the sessions of one would be unreadable to the other."""
    command = [sys.executable, "-c", LOAD, machine.home]
    environ = {**os.environ, "PYTHONPATH": str(Path(bodhi.__file__).parents[1])}
    with contextlib.ExitStack() as stack:
        processes = []
        for _ in range(6):
            process = stack.enter_context(Popen(command, env=environ, stdin=PIPE, stdout=PIPE))
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stdout.readline() == b"ready\n"
        for process in processes:
            process.stdin.write(b"go\n")
            process.stdin.flush()
        keys = {process.communicate(timeout=300)[0] for process in processes}

    assert keys == {(machine.home / "encryption.key").read_bytes()}
    assert names_in(machine.home) == ["encryption.key"]


def test_process_that_comes_second_takes_the_first_ones_key(machine, monkeypatch):
    """The other process made the file between the look and the making."""
    link = os.link

    def link_late(source, target):
        target.write_text("f" * 32)
        target.chmod(0o600)
        link(source, target)

    monkeypatch.setattr(os, "link", link_late)

    assert machine.load().encryption_keys == ("f" * 32,)
    assert names_in(machine.home) == ["encryption.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_key_file_that_others_can_use_is_refused(machine, mode):
    """The line says how to mend it."""
    machine.load()
    (machine.home / "encryption.key").chmod(mode)

    (fault,) = machine.faults()

    assert fault == (
        f"BODHI_ENCRYPTION_KEY (key file {machine.home}/encryption.key): other users have access"
        f" to it (mode {mode:04o});"
        f" allowed: mode 0600, run chmod 600 {machine.home}/encryption.key"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 characters"),
        (b"hunter2", "7 characters"),
        (b"\xff" * 40, "is not text"),
        (b"hunter2" * 5 + b"\n" + b"k" * 32 + b"\n", "white space or a control character in key 1 of 1"),
        (b"k" * 32 + b"," + b"hunter2" * 5 + b"\r\n" + b"o" * 32, "white space or a control character in key 2 of 2"),
    ],
)
def test_damaged_key_file_is_refused_without_being_shown(machine, content, reason):
    """A new key in its place would lock every session out."""
    machine.load()
    (machine.home / "encryption.key").write_bytes(content)

    (fault,) = machine.faults()

    assert fault.startswith(f"BODHI_ENCRYPTION_KEY (key file {machine.home}/encryption.key): ")
    assert reason in fault
    assert "separated by commas" in fault
    assert "hunter2" not in fault


def test_home_that_cannot_be_created_is_a_fault(machine, tmp_path):
    """The line names the setting, the folder and the cause."""
    (tmp_path / "file").write_text("")

    (fault,) = machine.faults(BODHI_HOME=str(tmp_path / "file" / "bodhi"))

    assert fault.startswith(
        f"BODHI_HOME (environment): the key file {tmp_path}/file/bodhi/encryption.key cannot be used"
    )
    assert "Not a directory" in fault


def test_failure_leaves_nothing_behind(machine, monkeypatch):
    """A full disk leaves no half key, and none that another start would take."""

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        key_file.read_or_create_keys(machine.home, "default")

    assert names_in(machine.home) == []
