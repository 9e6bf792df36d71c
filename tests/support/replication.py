"""Two PostgreSQL servers, of which the second follows the first and can take its place."""

from types import TracebackType
from typing import Self

from support.postgres import PASSWORD, USER, PostgresServer


class ReplicationPair:
    """A primary and its streaming standby; what was committed on the one is on the other."""

    def __init__(self, primary: PostgresServer, standby: PostgresServer) -> None:
        self.primary = primary
        self.standby = standby

    @classmethod
    def start(cls) -> Self:
        """A running pair. Replication is synchronous, so that no answered commit is lost with the primary."""
        primary = PostgresServer.start()
        try:
            standby = PostgresServer.start(standby_of=primary)
            # Only now: without a standby, a synchronous primary would wait for ever.
            primary.settings["synchronous_standby_names"] = "*"
            primary.restart()
        except BaseException:
            primary.close()
            raise
        return cls(primary, standby)

    def url(self, database: str = "postgres") -> str:
        """A URL that names both servers and asks for the one that takes writes."""
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://{USER}:{PASSWORD}@{hosts}/{database}?target_session_attrs=read-write"

    def fail_over(self) -> None:
        """Kills the primary as a lost machine would go, and promotes the standby."""
        self.primary.kill()
        # The new primary has no standby: it must not wait for one.
        self.standby.promote()

    def close(self) -> None:
        """Ends both servers."""
        self.standby.close()
        self.primary.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
