"""What proxies say about a request: its client, scheme and host. Trusted ones are believed; the rest is ignored.

Each proxy appends whom it heard from to ``X-Forwarded-For``. The list is therefore read from its right end, for as long
as the addresses in it are trusted proxies themselves: what stands further left may be made up by the client.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web

from bodhi.web.edge import Guard

FOR, PROTO, SCHEME, HOST = "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Forwarded-Host"

# Some proxies add the port to an address, and write IPv6 in brackets for that.
_HOP = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]+)?|([0-9.]{7,15}):[0-9]+|([0-9A-Fa-f:.]{2,45})")


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What trusted proxies have told; None is what they have not."""

    remote: str
    scheme: str | None
    host: str | None


FORWARDED = web.RequestKey("FORWARDED", Forwarded)


def forwarded_guard(trusted: Iterable[str]) -> Guard:
    """Notes what proxies in the networks *trusted* (CIDR) tell; of all others, forwarded headers mean nothing.

    The request keeps its own ``remote``, ``scheme`` and ``host``, since another one with those would have to be made:
    that takes longer than everything else at the edge. Ask :func:`client_of`, :func:`scheme_told` and
    :func:`bodhi.web.hosts.origin_for`.
    """
    networks = tuple(ipaddress.ip_network(network) for network in trusted)

    @lru_cache(maxsize=1024)
    def is_trusted(address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in networks)

    def guard(request: web.Request) -> None:
        peer = request.remote
        if peer is not None and is_trusted(peer):
            request[FORWARDED] = _told(request, peer, is_trusted)

    return guard


def scheme_told(request: web.BaseRequest) -> str | None:
    """``http`` or ``https`` where the connection or a trusted proxy says which one the browser uses, else None."""
    if request.secure:
        return "https"
    told = request.get(FORWARDED)
    return told.scheme if told is not None else None


def client_of(request: web.BaseRequest) -> str | None:
    """The address of the client, as far as trusted proxies say; None where there is no such thing."""
    told = request.get(FORWARDED)
    return told.remote if told is not None else request.remote


def _told(request: web.Request, peer: str, is_trusted: Callable[[str], bool]) -> Forwarded:
    remote, proxies = peer, 0
    for hop in reversed(_listed(request, FOR)):
        address = _address_in(hop)
        if address is None:
            break
        remote, proxies = address, proxies + 1
        if not is_trusted(address):
            break
    scheme = (_told_first(request, PROTO, proxies) or _told_first(request, SCHEME, proxies) or "").lower()
    # A target in absolute form says itself which host it is for.
    host = _told_first(request, HOST, proxies) if request.raw_path.startswith("/") else None
    return Forwarded(remote, scheme if scheme in {"http", "https"} else None, host)


def _told_first(request: web.Request, name: str, proxies: int) -> str | None:
    """What the outermost of that many trusted proxies said; what stands left of it came from the client."""
    values = _listed(request, name)
    return values[-min(max(proxies, 1), len(values))] if values else None


def _listed(request: web.Request, name: str) -> Sequence[str]:
    lines = request.headers.getall(name, ())
    return [part.strip() for line in lines for part in line.split(",")] if lines else ()


def _address_in(hop: str) -> str | None:
    match = _HOP.fullmatch(hop)
    return _normal(match[1] or match[2] or match[3]) if match else None


@lru_cache(maxsize=1024)  # reading an address takes longer than all the rest of this page
def _normal(address: str) -> str | None:
    parsed = _parsed(address)
    return str(parsed) if parsed is not None else None


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    # A socket for both families shows IPv4 clients as ::ffff:192.0.2.1.
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, ipaddress.IPv6Address) else parsed
