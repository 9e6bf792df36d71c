"""PgBouncer in transaction mode in front of a PostgreSQL server."""

import shutil
import socket
import time
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from support.ports import free_port
from support.supervisor import Supervisor

_CONFIGURATION = """
[databases]
* = host={host} port={server_port} user={user} password={password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
pool_mode = transaction
; Few, so that a client often gets another connection than the one it prepared its statements on.
default_pool_size = 3
max_client_conn = 200
server_fast_close = 1
"""


class PgBouncer:
    """A PgBouncer on a free port.

    Debian 12 has 1.18, which knows nothing of prepared statements in transaction mode: clients have to turn their
    statement cache off (``BODHI_PG_STATEMENT_CACHE_SIZE=0``).
    """

    def __init__(self, supervisor: Supervisor, url: str, port: int) -> None:
        self._supervisor = supervisor
        self.url = url
        self.port = port

    @classmethod
    def start(cls, url: str) -> Self:
        """Start a PgBouncer; its ``url`` has the database, user and password of *url*."""
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
        if program is None:
            raise FileNotFoundError("pgbouncer is not installed: apt-get install pgbouncer")
        server = urlsplit(url)
        port = free_port()
        supervisor = Supervisor("pgbouncer")
        try:
            supervisor.write("users", f'"{server.username}" "{server.password}"\n')
            configuration = _CONFIGURATION.format(
                host=server.hostname,
                server_port=server.port or 5432,
                user=server.username,
                password=server.password,
                port=port,
                folder=supervisor.folder,
            )
            supervisor.start(program, supervisor.write("pgbouncer.ini", configuration))
            _wait_for(port, supervisor)
        except BaseException:
            supervisor.close()
            raise
        address = f"{server.username}:{server.password}@127.0.0.1:{port}"
        return cls(supervisor, server._replace(netloc=address).geturl(), port)

    def close(self) -> None:
        """Stop PgBouncer."""
        self._supervisor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _wait_for(port: int, supervisor: Supervisor, *, timeout_seconds: float = 300) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if not supervisor.is_alive or time.monotonic() > deadline:
                raise RuntimeError(f"PgBouncer did not start; its log says:\n{supervisor.log}") from None
            time.sleep(0.01)
        else:
            return
