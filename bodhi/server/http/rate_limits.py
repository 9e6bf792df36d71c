"""A limit of requests for each client, for what costs something and needs no login. In memory, in each process.

Source: GCRA (ITU-T I.371), a token bucket that is one number for each client.
"""

import ipaddress
import logging
import math
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from bodhi.logs import LogLimit
from bodhi.server.access.errors import TooManyRequests
from bodhi.server.http.forwarded import client_of

BURST_MINUTES = 2  # of requests that may come at once, by a client that was silent for as long
MOST_CLIENTS = 10_000  # counted separately; beyond it, the least recent are forgotten
ROUNDING_SECONDS = 1e-6  # sums of fractions of a second are not exact
NETWORK_BITS = 64  # of an IPv6 address: what one subscriber has at least

log = logging.getLogger(__name__)


class RateLimit:
    """At most *per_minute* requests of one client, beside a burst of twice as many; 0 is no limit."""

    def __init__(self, name: str, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._seconds = 60 / per_minute if per_minute else 0.0  # that a request takes
        self._burst_seconds = 60.0 * BURST_MINUTES
        self._clock = clock
        self._free_at: dict[str, float] = {}  # when a client's requests are all made up for; the last one is newest
        self._log_limit = LogLimit(clock=clock)

    def check(self, request: web.Request) -> None:
        """Raise :exc:`TooManyRequests` where the client of *request* has none left."""
        client = _client(request)
        wait_seconds = self._wait_seconds(client) if client is not None else 0.0
        if wait_seconds < ROUNDING_SECONDS:
            return
        if (count := self._log_limit.count()) is not None:
            fields = {"limit": self._name, "client": client, "refused": count}
            log.warning(
                "rate limit reached limit=%(limit)s client=%(client)s refused=%(refused)d",
                fields,
                extra={"fields": fields},
            )
        raise TooManyRequests(retry_after_seconds=math.ceil(wait_seconds))

    def count(self, request: web.Request) -> None:
        """Count *request*, which passed :meth:`check`."""
        client = _client(request)
        if client is None or not self._seconds:
            return
        now = self._clock()
        free_at = max(self._free_at.pop(client, now), now) + self._seconds
        if len(self._free_at) >= MOST_CLIENTS:
            del self._free_at[next(iter(self._free_at))]
        self._free_at[client] = free_at

    def take(self, request: web.Request) -> None:
        """Count *request*, or raise :exc:`TooManyRequests`."""
        self.check(request)
        self.count(request)

    def _wait_seconds(self, client: str) -> float:
        """How long the client has to wait for its next request; 0 or less: not at all."""
        return self._free_at.get(client, 0.0) + self._seconds - self._burst_seconds - self._clock()


class RateLimits:
    """The limits of an application by their names; each is the same, and counts for itself."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._limits: dict[str, RateLimit] = {}

    def __getitem__(self, name: str) -> RateLimit:
        """Return the limit of that name, which is of the program's making."""
        if name not in self._limits:
            self._limits[name] = RateLimit(name, self._per_minute)
        return self._limits[name]


RATE_LIMITS = web.AppKey("RATE_LIMITS", RateLimits)


def rate_limited(handler: Handler, name: str) -> Handler:
    """*handler* within the limit of that name."""

    async def limited(request: web.Request) -> web.StreamResponse:
        request.app[RATE_LIMITS][name].take(request)
        return await handler(request)

    return limited


def _client(request: web.Request) -> str | None:
    """The address that counts, or the network of an IPv6 address; None where nothing tells clients apart."""
    address = client_of(request)
    if address is None or ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], NETWORK_BITS), strict=False))
    except ValueError:
        return address
