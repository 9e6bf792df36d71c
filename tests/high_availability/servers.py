"""The servers of such a cluster, each a process: etcd, Patroni with its PostgreSQL, HAProxy and PgBouncer."""

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil
import yaml

from high_availability.page import Page
from support.binaries import runnable_binaries
from support.supervisor import Supervisor

HOSTS = ("10.0.0.11", "10.0.0.12", "10.0.0.13")  # of PostgreSQL, on the page
_ETCD, _PROXIES = "10.0.0.21", "10.0.0.31"
_PACKAGES = {"etcd": "etcd-server", "patroni": "patroni", "haproxy": "haproxy", "pgbouncer": "pgbouncer"}
_PATH = "/usr/sbin:/usr/bin:/usr/local/bin"
# Before it, a leader whose lock ran out takes it back from the next one: https://github.com/patroni/patroni/pull/2689
_SAFE_WITH_ETCD3 = (3, 0, 3)
# Its input ends with the block, and with the tests, even where they are killed.
_RESUME = 'read -r _; kill -CONT "$@" 2>/dev/null'
_START_SECONDS = 120  # on a machine that is busy with something else


def missing_packages() -> list[str]:
    """The Debian packages whose programs are not installed."""
    return [package for program, package in _PACKAGES.items() if shutil.which(program, path=_PATH) is None]


@cache
def _patroni_version() -> tuple[int, ...]:
    told = subprocess.run(["patroni", "--version"], capture_output=True, text=True, check=True, env={"PATH": _PATH})
    return tuple(map(int, re.findall(r"\d+", told.stdout)))


class Server:
    """A process that listens on a port of this machine."""

    def __init__(self, program: str, port: int) -> None:
        self.port = port
        self._name = program
        self._supervisor = Supervisor(program)
        self._folder = self._supervisor.folder

    def _start(self, *arguments: str | Path) -> None:
        program = shutil.which(self._name, path=_PATH)
        assert program is not None
        # Patroni is a Python program: our modules are no business of its.
        environment = ("/usr/bin/env", "--unset=PYTHONPATH", f"HOME={self._folder}")
        self._supervisor.start(*environment, program, *arguments)

    async def wait_until_ready(self) -> None:
        """Return when it listens."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._supervisor.listens_on(self.port):
            if not self._supervisor.is_alive or time.monotonic() > deadline:
                raise RuntimeError(f"{self._name} did not start; its log says:\n{self._supervisor.log}")
            await asyncio.sleep(0.05)

    def close(self) -> None:
        """End it."""
        self._supervisor.close()


class Etcd(Server):
    """One etcd in the place of the page's three: its own outages are not gone through."""

    def __init__(self, page: Page) -> None:
        super().__init__("etcd", page.port(_ETCD, 2379))
        clients, peers = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{page.port(_ETCD, 2380)}"
        self._start(
            "--enable-v2",  # for the Patroni of Debian 12
            f"--data-dir={self._folder}/data",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
        )


class Member(Server):
    """Patroni with its PostgreSQL, on one of the page's hosts."""

    def __init__(self, page: Page, host: str) -> None:
        super().__init__("patroni", page.port(host, 5432))
        self.name = f"pg{HOSTS.index(host) + 1}"
        self.api = f"http://127.0.0.1:{page.port(host, 8008)}"
        self._data = self._folder / "data"
        settings = yaml.safe_load(page.block("config.yml", {HOSTS[0]: host, "name: pg1": f"name: {self.name}"}))
        etcd = settings.pop("etcd3") | {"hosts": [page.localized(f"{_ETCD}:2379")]}
        settings["etcd3" if _patroni_version() >= _SAFE_WITH_ETCD3 else "etcd"] = etcd
        settings["postgresql"] |= {
            "data_dir": str(self._data),
            "bin_dir": str(runnable_binaries()),
            "parameters": {"unix_socket_directories": str(self._folder)},
        }
        superuser = settings["postgresql"]["authentication"]["superuser"]
        self.url = f"postgresql://{superuser['username']}:{superuser['password']}@127.0.0.1:{self.port}/postgres"
        self._start(self._supervisor.write("config.yml", yaml.safe_dump(settings)))

    def kill_postgres(self) -> None:
        """``kill -9`` for all processes of PostgreSQL."""
        for process in _suspend(self._postgres_pid()):
            process.kill()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Inside, nothing of it runs, Patroni included."""
        assert self._supervisor.pid is not None
        suspended = [*_suspend(self._supervisor.pid), *_suspend(self._postgres_pid())]
        command = ["/bin/sh", "-c", _RESUME, "resume", *(str(process.pid) for process in suspended)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
            yield

    def _postgres_pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])


def _suspend(pid: int) -> list[psutil.Process]:
    """A process and all that it started, suspended."""
    main = psutil.Process(pid)
    main.suspend()  # no new children while they are listed
    children = main.children(recursive=True)
    for child in children:
        child.suspend()
    return [main, *children]


class HAProxy(Server):
    """HAProxy, which leads to the leader."""

    def __init__(self, page: Page) -> None:
        super().__init__("haproxy", page.port(_PROXIES, 5000))
        self._start("-db", "-f", self._supervisor.write("haproxy.cfg", page.block("haproxy.cfg")))


class PgBouncer(Server):
    """PgBouncer, in front of HAProxy."""

    def __init__(self, page: Page) -> None:
        super().__init__("pgbouncer", page.port(_PROXIES, 6432))
        self._supervisor.write("userlist.txt", page.block("userlist.txt"))
        configuration = page.block("pgbouncer.ini", {"/etc/pgbouncer": str(self._folder)})
        self._start(self._supervisor.write("pgbouncer.ini", configuration + "unix_socket_dir =\n"))
