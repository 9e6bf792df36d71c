"""Host validation: an unknown name in ``Host`` means DNS rebinding or a misconfigured proxy."""

import ipaddress
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache

from aiohttp import hdrs, web

from bodhi.server.http.forwarded import FORWARDED, forwarded_scheme
from bodhi.server.http.public_url import Authority, PublicUrl, base_of, parse_authority
from bodhi.server.http.request_filters import RequestFilter
from bodhi.urls import is_loopback

WILDCARDS = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on
FOR_ANY_HOST = {"/ping", "/health"}  # load balancers send an IP address as Host

PUBLIC_URL = web.AppKey("PUBLIC_URL", PublicUrl)
SSO_HOSTS: web.AppKey[Collection[str]] = web.AppKey("SSO_HOSTS", frozenset)  # that have the login of the public host
AUTHORITY = web.RequestKey("AUTHORITY", Authority)  # the validated host of a request


def host_filter(public_url: PublicUrl, *, own_host: str, allowed_hosts: Iterable[str] = ()) -> RequestFilter:
    """Return a filter that refuses malformed and unknown hosts, and stores the host of other requests.

    The public host, *own_host* (unless it is a wildcard address), *allowed_hosts* and loopback names are known.
    """
    is_known = _known_hosts({public_url.host, own_host, *allowed_hosts})

    def check_host(request: web.Request) -> None:
        authority = authority_of(request)
        if authority is None:
            return
        if is_known(authority.host):
            request[AUTHORITY] = authority
        elif request.path not in FOR_ANY_HOST:
            raise web.HTTPMisdirectedRequest

    return check_host


def rebinding_filter(known_names: Iterable[str]) -> RequestFilter:
    """Return a filter that refuses malformed hosts, and names that are neither loopback nor in *known_names*.

    IP addresses pass: DNS rebinding needs a name whose records the attacker controls.
    """
    is_known = _known_hosts(known_names)

    def check_host(request: web.Request) -> None:
        authority = authority_of(request)
        if authority is not None and not (is_known(authority.host) or _is_address(authority.host)):
            raise web.HTTPMisdirectedRequest

    return check_host


def _known_hosts(names: Iterable[str]) -> Callable[[str], bool]:
    """Return a predicate: whether a host is loopback or one of *names*. Wildcard addresses in *names* are ignored."""
    known = frozenset(_normalize(name) for name in set(names) - WILDCARDS)

    @lru_cache(maxsize=256)
    def is_known(host: str) -> bool:
        return _normalize(host) in known or is_loopback(host)

    return is_known


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def authority_of(request: web.Request) -> Authority | None:
    """Return the host of *request*, or None for HTTP/1.0 without one; raise a 400 if it is malformed or ambiguous."""
    hosts = request.headers.getall(hdrs.HOST, ())
    if len(hosts) > 1 or not (request.raw_path.startswith("/") or _matches_host(request.raw_path, hosts)):
        raise web.HTTPBadRequest
    forwarded = request.get(FORWARDED)
    if forwarded is not None and forwarded.host is not None:
        hosts = [forwarded.host]
    if not hosts:
        return None
    authority = parse_authority(hosts[0])
    if authority is None:
        raise web.HTTPBadRequest
    if authority.port is None and forwarded is not None and forwarded.port is not None:
        return Authority(authority.host, forwarded.port)
    return authority


def origin_for(request: web.Request) -> str:
    """Return the origin under which the browser that sent *request* sees this server."""
    public, authority = request.config_dict[PUBLIC_URL], request.get(AUTHORITY)
    if public.is_explicit or authority is None:
        return str(public)
    return base_of(forwarded_scheme(request) or public.scheme, authority.host, authority.port)


def is_sso_host(app: web.Application, host: str) -> bool:
    """Whether *host* has the login of the public host."""
    return _normalize(host) in app[SSO_HOSTS]


def is_for_sso_host(request: web.Request) -> bool:
    """Whether *request* is for a host with the login of the public host."""
    authority = request.get(AUTHORITY)
    return authority is not None and is_sso_host(request.app, authority.host)


def sso_origin(request: web.Request) -> str:
    """Return the origin of *request*, which is for a host with the login of the public one."""
    authority = request[AUTHORITY]
    return base_of(forwarded_scheme(request) or request.app[PUBLIC_URL].scheme, authority.host, authority.port)


def sso_filter(hosts: Collection[str], paths: Collection[str]) -> RequestFilter | None:
    """Return a filter that answers nothing but *paths* on *hosts*: an application there shares their origin."""
    if not hosts:
        return None
    for_any_host = {*FOR_ANY_HOST, *paths}

    def check_path(request: web.Request) -> None:
        authority = request.get(AUTHORITY)
        if authority is not None and _normalize(authority.host) in hosts and request.path not in for_any_host:
            raise web.HTTPMisdirectedRequest

    return check_path


def callback_base(request: web.Request) -> str:
    """Return the base URL, without a trailing slash, under which a login or logout of *request* returns.

    Without an explicit public host that is where the browser is, with the scheme and port that are configured.
    """
    public, authority = request.config_dict[PUBLIC_URL], request.get(AUTHORITY)
    if public.is_explicit or authority is None:
        return str(public)
    scheme = "https" if public.scheme == "https" else forwarded_scheme(request) or "http"
    return base_of(scheme, authority.host, public.port if public.is_port_explicit else authority.port)


def _matches_host(target: str, hosts: Sequence[str]) -> bool:
    """Whether a target that is not a path (``http://host/path``, ``*``) has the same host as the ``Host`` header."""
    if target == "*":
        return True
    authority = re.split("[/?#]", target.partition("://")[2], maxsplit=1)[0]
    return authority.lower() in {host.lower() for host in hosts}


def _normalize(host: str) -> str:
    parsed = parse_authority(f"[{host}]" if ":" in host else host)
    return (parsed.host if parsed else host).removesuffix(".")
