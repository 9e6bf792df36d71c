"""A PostgreSQL primary and a standby that can replace it."""

from types import TracebackType
from typing import Self

from support.postgres import PASSWORD, USER, PostgresServer


class ReplicationPair:
    """A primary and its synchronous streaming standby."""

    def __init__(self, primary: PostgresServer, standby: PostgresServer) -> None:
        self.primary = primary
        self.standby = standby

    @classmethod
    def start(cls) -> Self:
        """Start a pair. Replication is synchronous, so a failover loses no confirmed commit."""
        primary = PostgresServer.start()
        try:
            standby = PostgresServer.start(standby_of=primary)
            # Only now: without a standby, a synchronous primary would block.
            primary.settings["synchronous_standby_names"] = "*"
            primary.restart()
        except BaseException:
            primary.close()
            raise
        return cls(primary, standby)

    def url(self, database: str = "postgres") -> str:
        """Return a URL with both servers that selects the writable one."""
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://{USER}:{PASSWORD}@{hosts}/{database}?target_session_attrs=read-write"

    def fail_over(self) -> None:
        """Kill the primary, like a machine failure, and promote the standby."""
        self.primary.kill()
        # The new primary has no standby to wait for.
        self.standby.promote()

    def close(self) -> None:
        """Stop both servers."""
        self.standby.close()
        self.primary.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
