"""Small disks that tests can fill."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psutil

SIZE_MEBIBYTES = 160  # an empty PostgreSQL cluster takes 40 and its log as much again


class SmallDisk(Protocol):
    """A folder on a disk that can be full."""

    folder: Path

    def fill(self, pids: Iterable[int], *, largest_file_bytes: int = 4096) -> None:
        """Fill the disk, or limit the file size of these processes."""

    def free(self, pids: Iterable[int]) -> None:
        """Free the space."""


class MountedDisk:
    """An in-memory file system that is filled by a file; mounting requires root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, pids: Iterable[int], *, largest_file_bytes: int = 4096) -> None:
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (1024**2, 4096):
                with suppress(OSError):
                    while True:
                        ballast.write(bytes(size))

    def free(self, pids: Iterable[int]) -> None:
        self._ballast.unlink()


class LimitedDisk:
    """A folder with a file size limit for the processes, the closest to a full disk without root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, pids: Iterable[int], *, largest_file_bytes: int = 4096) -> None:
        self._limit(pids, largest_file_bytes)

    def free(self, pids: Iterable[int]) -> None:
        self._limit(pids, "unlimited")

    @staticmethod
    def _limit(pids: Iterable[int], size: int | str) -> None:
        for pid in pids:
            with suppress(psutil.NoSuchProcess):  # one of the server's helpers may have ended
                # As the process's own user: as another, root even, it takes a capability that containers lack.
                process = psutil.Process(pid)
                subprocess.run(
                    ["prlimit", f"--pid={pid}", f"--fsize={size}:"],
                    user=process.uids().real,
                    group=process.gids().real,
                    check=True,
                )


@contextmanager
def small_disk() -> Iterator[SmallDisk]:
    """Return a mounted disk if possible, else a folder with a file size limit."""
    # In /tmp, where `nobody` may enter, as whom PostgreSQL runs when the tests are root's.
    folder = Path(tempfile.mkdtemp(prefix="bodhi-disk-", dir="/tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MEBIBYTES}m,mode=755", "bodhi-tests", str(folder)]
    is_mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    folder.chmod(0o755)
    try:
        yield MountedDisk(folder) if is_mounted else LimitedDisk(folder)
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(folder)
