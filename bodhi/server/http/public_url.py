"""The public URL of this server, and parsing of ``Host`` headers and origins."""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

from yarl import URL

IMPLIED_PORTS = {"http": 80, "https": 443}

_AUTHORITY = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,253}|\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """The URL under which browsers reach this server.

    *is_explicit* and *is_port_explicit*: the host or the port is configured, and not a default.
    """

    scheme: str
    host: str
    port: int
    is_explicit: bool = True
    is_port_explicit: bool = False

    def __str__(self) -> str:
        return base_of(self.scheme, self.host, self.port)


@dataclass(frozen=True, slots=True)
class Authority:
    """A host, in lower case and without brackets, and its port, if any."""

    host: str
    port: int | None = None


@lru_cache(maxsize=256)
def parse_authority(text: str) -> Authority | None:
    """Return the host and port in a ``Host`` header, or None if it is malformed (user info, path, invalid port)."""
    match = _AUTHORITY.fullmatch(text)
    if match is None or not 1 <= int(match["port"] or 1) <= 65_535:
        return None
    port = int(match["port"]) if match["port"] else None
    if match["ipv6"] is None:
        return Authority(match["name"].lower(), port)
    try:
        return Authority(str(ipaddress.IPv6Address(match["ipv6"])), port)
    except ValueError:
        return None


@lru_cache(maxsize=256)
def base_of(scheme: str, host: str, port: int | None) -> str:
    """Return the URL as browsers write an origin: in lower case, without the scheme's default port."""
    bracketed = f"[{host}]" if ":" in host else host
    return f"{scheme}://{bracketed}".lower() + ("" if port in {None, IMPLIED_PORTS[scheme]} else f":{port}")


_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")


def origin_of(url: str) -> str | None:
    """Return scheme, host and port of a URL, or None if it is not safe in a policy."""
    try:
        origin = str(URL(url).origin())
    except ValueError:
        return None
    return origin if _ORIGIN.fullmatch(origin) else None


def host_of(url: str) -> str:
    """Return host and port of a URL, for display."""
    return (origin_of(url) or url).rpartition("://")[2]
