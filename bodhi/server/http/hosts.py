"""Only known hosts are answered for: a foreign name in ``Host`` is DNS rebinding, or a proxy gone wrong."""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from aiohttp import hdrs, web

from bodhi.server.http.forwarded import FORWARDED, forwarded_scheme
from bodhi.server.http.public_url import Authority, PublicUrl, base_of, parse_authority
from bodhi.server.http.request_filters import RequestFilter
from bodhi.urls import is_loopback

WILDCARDS = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on
FOR_ANY_HOST = {"/ping", "/health"}  # load balancers ask by address

PUBLIC_URL = web.AppKey("PUBLIC_URL", PublicUrl)
AUTHORITY = web.RequestKey("AUTHORITY", Authority)  # the known host that a request is for

_HOST_NAME = re.compile(r"[a-z0-9.-]{1,253}")


def host_filter(public_url: PublicUrl, *, own_host: str, allowed_hosts: Iterable[str] = ()) -> RequestFilter:
    """Refuses requests whose host is malformed, or unknown; notes the others'.

    Known are the public host, *own_host* (unless it stands for every address), *allowed_hosts* and loopback names.
    """
    is_known = _known_hosts({public_url.host, own_host, *allowed_hosts})

    def guard(request: web.Request) -> None:
        authority = authority_of(request)
        if authority is None:
            return
        if is_known(authority.host):
            request[AUTHORITY] = authority
        elif request.path not in FOR_ANY_HOST:
            raise web.HTTPMisdirectedRequest

    return guard


def rebinding_guard(known_names: Iterable[str]) -> RequestFilter:
    """Refuses requests whose host is malformed, or a name that is neither loopback nor one of *known_names*.

    An IP address passes: DNS rebinding needs a name that its attacker can point elsewhere.
    """
    is_known = _known_hosts(known_names)

    def guard(request: web.Request) -> None:
        authority = authority_of(request)
        if authority is not None and not (is_known(authority.host) or _is_address(authority.host)):
            raise web.HTTPMisdirectedRequest

    return guard


def _known_hosts(names: Iterable[str]) -> Callable[[str], bool]:
    """Whether a host is loopback or one of *names*; an address that stands for every one is no name."""
    known = frozenset(_comparable(name) for name in set(names) - WILDCARDS)

    @lru_cache(maxsize=256)
    def is_known(host: str) -> bool:
        return _comparable(host) in known or is_loopback(host)

    return is_known


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def authority_of(request: web.Request) -> Authority | None:
    """The host that *request* is for, or None where HTTP/1.0 names none; a 400 when it is malformed or ambiguous."""
    given = request.headers.getall(hdrs.HOST, ())
    if len(given) > 1 or not (request.raw_path.startswith("/") or _agrees(request.raw_path, given)):
        raise web.HTTPBadRequest
    told = request.get(FORWARDED)
    if told is not None and told.host is not None:
        given = [told.host]
    if not given:
        return None
    authority = parse_authority(given[0])
    if authority is None:
        raise web.HTTPBadRequest
    return authority


def origin_for(request: web.Request) -> str:
    """The origin of this server's pages in the browser that sent *request*."""
    public, authority = request.config_dict[PUBLIC_URL], request.get(AUTHORITY)
    if public.is_explicit or authority is None:
        return str(public)
    return base_of(forwarded_scheme(request) or public.scheme, authority.host, authority.port)


def callback_base(request: web.Request) -> str:
    """The URL, without a slash at its end, to which the identity provider sends the browser of *request* back.

    Unless the public host is explicit, it has the host that the request is for, if that is a name or an IPv4 address.
    """
    public, authority = request.config_dict[PUBLIC_URL], request.get(AUTHORITY)
    if public.is_explicit or authority is None or not _HOST_NAME.fullmatch(authority.host):
        return str(public)
    return base_of(public.scheme, authority.host, public.port)


def _agrees(target: str, given: Sequence[str]) -> bool:
    """Whether a target that is no path (``http://host/path``, ``*``) names no other host than the ``Host`` header."""
    if target == "*":
        return True
    authority = re.split("[/?#]", target.partition("://")[2], maxsplit=1)[0]
    return authority.lower() in {one.lower() for one in given}


def _comparable(host: str) -> str:
    parsed = parse_authority(f"[{host}]" if ":" in host else host)
    return (parsed.host if parsed else host).removesuffix(".")
