"""Connect to the primary among several PostgreSQL servers within the time limit."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg

from bodhi.database.postgres_errors import cause_of
from bodhi.database.postgres_tls import system_context
from bodhi.postgres_urls import Host, PostgresUrl, may_hold_password
from bodhi.urls import MASK

# A parameter of the start-up message comes before what the database, the role or the URL's own options say.
ISOLATION = "default_transaction_isolation"
ABANDONED_UPGRADE = "unexpected connection_lost() call"


class AbandonedConnectionFilter(logging.Filter):
    """Drops asyncio's report of a TLS upgrade that failed after its caller gave up on the connection.

    asyncpg 0.32 leaves a future that is never awaited if it is cancelled between TCP connection and TLS upgrade.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not (isinstance(error, ConnectionError) and str(error) == ABANDONED_UPGRADE)


_abandoned_connection_filter = AbandonedConnectionFilter()


class HostsInTurn:
    """Connects to the first host of a URL that accepts, for ``asyncpg.create_pool(connect=...)``.

    asyncpg tries the hosts in turn too, but under one common time limit: a first host that drops packets would use it
    up at each attempt. Here each host has a share of it, and the host that served last is tried first.
    """

    def __init__(
        self, url: PostgresUrl, *, limit_seconds: float, on_failover: Callable[[], None], sets_isolation: bool
    ) -> None:
        """*on_failover* is called when the serving host changes.

        With *sets_isolation* connections are READ COMMITTED by default, unless a pooler refuses that parameter.
        """
        logging.getLogger("asyncio").addFilter(_abandoned_connection_filter)
        self._url = url
        self._hosts = random.sample(url.hosts, len(url.hosts)) if url.is_balanced else list(url.hosts)
        self._on_failover = on_failover
        self._sets_isolation = sets_isolation
        self._share_seconds = min(limit_seconds / (len(self._hosts) + 1.5), url.connect_seconds)

    async def __call__(self, *_: object, **options: Any) -> Any:
        """Return a connection; raises the last host's error, with the errors of all hosts if there are several."""
        failures: dict[Host, Exception] = {}
        for host in list(self._hosts):
            try:
                async with asyncio.timeout(self._share_seconds):
                    connection = await self._connect(host, options)
            except (OSError, asyncpg.PostgresError, asyncpg.InternalClientError) as error:
                failures[host] = error
            else:
                if host != self._hosts[0]:
                    self._hosts.remove(host)
                    self._hosts.insert(0, host)
                    self._on_failover()
                return connection
        raise self._failure(failures)

    def _failure(self, failures: Mapping[Host, Exception]) -> Exception:
        """Return the last host's error with those of all, without a user name that may contain a password."""
        *_, last = failures.values()  # there is one host at least
        text = str(last)
        if len(failures) > 1:
            text = "; ".join(f"{_address(host)}: {cause_of(error)}" for host, error in failures.items())
        user = self._url.user
        if user is not None and may_hold_password(user):  # PostgreSQL repeats it
            text = text.replace(user, MASK)
        return last if text == str(last) else type(last)(text)

    async def _connect(self, host: Host, options: Mapping[str, Any]) -> Any:
        arguments = {**options, **self._url.arguments(host), "ssl": system_context(self._url.parameters)}
        if self._sets_isolation:
            settings = {**(options.get("server_settings") or {}), ISOLATION: "read committed"}
            try:
                return await asyncpg.connect(**{**arguments, "server_settings": settings})
            except asyncpg.PostgresError as error:
                if ISOLATION not in str(error):
                    raise
            self._sets_isolation = False  # PgBouncer refuses the start-up parameters that it does not know
        return await asyncpg.connect(**arguments)


def _address(host: Host) -> str:
    name, port = host
    return ":".join(str(part) for part in (name or "default host", port) if part is not None)
