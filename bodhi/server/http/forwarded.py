"""What proxies say about a request: its client, scheme and host. Trusted ones are believed; the rest is ignored.

Each proxy appends whom it heard from to ``X-Forwarded-For``. The list is therefore read from its right end, for as long
as the addresses in it are trusted proxies themselves: what stands further left may be made up by the client.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from aiohttp import web
from msgspec import Struct
from multidict import CIMultiDictProxy

from bodhi.server.http.request_filters import RequestFilter

FOR, PROTO, SCHEME, HOST = "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Forwarded-Host"

# Some proxies add the port to an address, and write IPv6 in brackets for that.
_HOP = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]+)?|([0-9.]{7,15}):[0-9]+|([0-9A-Fa-f:.]{2,45})")


class Forwarded(Struct, frozen=True, gc=False):
    """What trusted proxies have told; None is what they have not."""

    remote: str
    scheme: str | None
    host: str | None


FORWARDED = web.RequestKey("FORWARDED", Forwarded)


def forwarded_filter(trusted: Iterable[str]) -> RequestFilter | None:
    """Notes what proxies in the networks *trusted* (CIDR) tell; of all others, forwarded headers mean nothing.

    None where nobody is trusted.

    The request keeps its own ``remote``, ``scheme`` and ``host``, since another one with those would have to be made:
    that takes longer than everything else at the edge. Ask :func:`client_of`, :func:`forwarded_scheme` and
    :func:`bodhi.server.http.hosts.origin_for`.
    """
    networks = tuple(ipaddress.ip_network(network) for network in trusted)
    if not networks:
        return None

    @lru_cache(maxsize=1024)
    def is_trusted(address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in networks)

    @lru_cache(maxsize=256)  # the same client says the same again and again
    def told(peer: str, hops: str | None, schemes: Sequence[str | None], hosts: str | None) -> Forwarded:
        remote, proxies = _client(peer, hops, is_trusted)
        scheme = next((said for line in schemes if (said := _first_value(line, proxies))), "").lower()
        return Forwarded(remote, scheme if scheme in {"http", "https"} else None, _first_value(hosts, proxies))

    def guard(request: web.Request) -> None:
        peer, headers = request.remote, request.headers
        if peer is None or not is_trusted(peer):
            return
        # A target in absolute form says itself which host it is for.
        hosts = _line(headers, HOST) if request.raw_path.startswith("/") else None
        request[FORWARDED] = told(peer, _line(headers, FOR), (_line(headers, PROTO), _line(headers, SCHEME)), hosts)

    return guard


def forwarded_scheme(request: web.BaseRequest) -> str | None:
    """``http`` or ``https`` where the connection or a trusted proxy says which one the browser uses, else None."""
    if request.secure:
        return "https"
    told = request.get(FORWARDED)
    return told.scheme if told is not None else None


def client_of(request: web.BaseRequest) -> str | None:
    """The address of the client, as far as trusted proxies say; None where there is no such thing."""
    told = request.get(FORWARDED)
    return told.remote if told is not None else request.remote


def _client(peer: str, hops: str | None, is_trusted: Callable[[str], bool]) -> tuple[str, int]:
    """The address of the client, and how many of the addresses behind it are trusted proxies'."""
    remote, proxies = peer, 0
    for hop in reversed(_listed(hops)):
        address = _address_in(hop)
        if address is None:
            break
        remote, proxies = address, proxies + 1
        if not is_trusted(address):
            break
    return remote, proxies


def _first_value(line: str | None, proxies: int) -> str | None:
    """What the outermost of that many trusted proxies said; what stands left of it came from the client."""
    values = _listed(line)
    return values[-min(max(proxies, 1), len(values))] if values else None


def _line(headers: CIMultiDictProxy[str], name: str) -> str | None:
    """All lines of the header *name* as one."""
    lines = headers.getall(name, None)
    return ",".join(lines) if lines is not None else None


def _listed(line: str | None) -> list[str]:
    return [part.strip() for part in line.split(",")] if line is not None else []


def _address_in(hop: str) -> str | None:
    match = _HOP.fullmatch(hop)
    parsed = _parsed(match[1] or match[2] or match[3]) if match else None
    return str(parsed) if parsed is not None else None


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    # A socket for both families shows IPv4 clients as ::ffff:192.0.2.1.
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, ipaddress.IPv6Address) else parsed
