"""Client address, scheme, host and port from the ``X-Forwarded-*`` headers of trusted proxies; others are ignored.

Each proxy appends the address of its peer to ``X-Forwarded-For``. The list is therefore read from the right, up to the
first address that is not a trusted proxy: everything to its left may be forged by the client.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from aiohttp import web
from msgspec import Struct
from multidict import CIMultiDictProxy, istr

from bodhi.server.http.public_url import IMPLIED_PORTS
from bodhi.server.http.request_filters import RequestFilter

# istr caches its lower case, by which headers are found.
FOR, PROTO, SCHEME = istr("X-Forwarded-For"), istr("X-Forwarded-Proto"), istr("X-Forwarded-Scheme")
HOST, PORT = istr("X-Forwarded-Host"), istr("X-Forwarded-Port")

# Some proxies add the port to an address, and write IPv6 in brackets for that.
_HOP = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]+)?|([0-9.]{7,15}):[0-9]+|([0-9A-Fa-f:.]{2,45})")


class Forwarded(Struct, frozen=True, gc=False):
    """Values from trusted proxies; None if a header is missing or invalid."""

    remote: str
    scheme: str | None
    host: str | None
    port: int | None = None  # of the host, if that has none itself


FORWARDED = web.RequestKey("FORWARDED", Forwarded)


def forwarded_filter(trusted: Iterable[str]) -> RequestFilter | None:
    """Return a filter that reads the headers of proxies in the networks *trusted* (CIDR), or None if there are none.

    ``request.remote``, ``scheme`` and ``host`` stay as they are: changing them means cloning the request, which takes
    longer than all request filters together. Use :func:`client_of`, :func:`forwarded_scheme` and
    :func:`bodhi.server.http.hosts.origin_for`.
    """
    networks = tuple(ipaddress.ip_network(network) for network in trusted)
    if not networks:
        return None

    @lru_cache(maxsize=1024)
    def is_trusted(address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in networks)

    @lru_cache(maxsize=256)  # a client's requests have the same headers
    def parse_forwarded(
        peer: str, hops: str | None, schemes: Sequence[str | None], hosts: str | None, ports: str | None
    ) -> Forwarded:
        remote, proxies = _client(peer, hops, is_trusted)
        named = next((value for line in schemes if (value := _first_value(line, proxies))), "").lower()
        scheme = named if named in IMPLIED_PORTS else None
        port = _port(_first_value(ports, proxies), scheme)
        return Forwarded(remote, scheme, _first_value(hosts, proxies), port)

    def read_headers(request: web.Request) -> None:
        peer, headers = request.remote, request.headers
        if peer is None or not is_trusted(peer):
            return
        # A target in absolute form names its host itself.
        hosts = _line(headers, HOST) if request.raw_path.startswith("/") else None
        schemes = (_line(headers, PROTO), _line(headers, SCHEME))
        ports = _line(headers, PORT)
        request[FORWARDED] = parse_forwarded(peer, _line(headers, FOR), schemes, hosts, ports)

    return read_headers


def forwarded_scheme(request: web.BaseRequest) -> str | None:
    """Return the browser's scheme, ``http`` or ``https``, as the connection or a trusted proxy shows it, or None."""
    if request.secure:
        return "https"
    forwarded = request.get(FORWARDED)
    return forwarded.scheme if forwarded is not None else None


def client_of(request: web.BaseRequest) -> str | None:
    """Return the client's address, behind trusted proxies, or None if there is none."""
    forwarded = request.get(FORWARDED)
    return forwarded.remote if forwarded is not None else request.remote


def _client(peer: str, hops: str | None, is_trusted: Callable[[str], bool]) -> tuple[str, int]:
    """Return the client's address, and the number of proxies between it and this server."""
    remote, proxies = peer, 0
    for hop in reversed(_split(hops)):
        address = _address_in(hop)
        if address is None:
            break
        remote, proxies = address, proxies + 1
        if not is_trusted(address):
            break
    return remote, proxies


def _first_value(line: str | None, proxies: int) -> str | None:
    """Return the value set by the outermost of that many trusted proxies; values to its left come from the client."""
    values = _split(line)
    return values[-min(max(proxies, 1), len(values))] if values else None


def _port(text: str | None, scheme: str | None) -> int | None:
    """Return the port in *text*, or None without a valid one.

    The implied port of the other scheme is that of an inner proxy, behind the one that terminates TLS.
    """
    port = int(text) if text is not None and re.fullmatch("[0-9]{1,5}", text) else 0
    of_others = {implied for other, implied in IMPLIED_PORTS.items() if scheme is not None and other != scheme}
    return port if 1 <= port <= 65_535 and port not in of_others else None


def _line(headers: CIMultiDictProxy[str], name: str) -> str | None:
    """Return all lines of the header *name*, joined by commas."""
    lines = headers.getall(name, None)
    if lines is None:
        return None
    return lines[0] if len(lines) == 1 else ",".join(lines)


def _split(line: str | None) -> list[str]:
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
    # A dual-stack socket reports IPv4 clients as ::ffff:192.0.2.1.
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, ipaddress.IPv6Address) else parsed
