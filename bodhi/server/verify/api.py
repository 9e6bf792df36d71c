"""``GET /bodhi/v1/auth/verify``: proxies ask whether a request to another application may pass, and whose it is.

For nginx ``auth_request``, Traefik ForwardAuth and Caddy ``forward_auth``. What the proxy sends has the headers of the
browser's request, but is a GET of the proxy's own: what the browser wants is in ``X-Forwarded-Method`` and ``-Uri``
(Traefik, Caddy) or ``X-Original-Method`` and ``-URI`` (nginx, by configuration), believed from trusted proxies only.
Where they say no method the request counts as an unsafe one.
"""

from collections.abc import Iterable

from aiohttp import hdrs, web
from multidict import istr

from bodhi.server.access.errors import (
    DatabaseUnavailable,
    Forbidden,
    InvalidRoleName,
    InvalidTokenScope,
    InvalidUserScope,
    MissingAuthentication,
    NotAllowed,
    ProviderUnavailable,
)
from bodhi.server.access.principal import AuthContext, ExternalApp, SessionUser
from bodhi.server.authentication.authenticator import AUTHENTICATOR
from bodhi.server.http.context import LOGIN_FAULT
from bodhi.server.http.cross_site import SAFE_METHODS, SEC_FETCH_SITE, is_bearer
from bodhi.server.http.error_pages import SHOWS_REFUSAL
from bodhi.server.http.errors import ErrorResponse
from bodhi.server.http.forwarded import FORWARDED
from bodhi.server.http.hosts import is_for_sso_host, origin_for, sso_origin
from bodhi.server.http.input import query_of
from bodhi.server.http.operations import PUBLIC, Operation
from bodhi.server.http.paths import LOGIN_PATH, SSO_PATH
from bodhi.server.http.request_errors import CrossSiteRequest
from bodhi.server.http.return_to import page_to_return_to, with_return
from bodhi.server.verify.gate import Wanted, gate_for
from bodhi.server.verify.identity_headers import identity_headers

PATH = "/bodhi/v1/auth/verify"
ACCESS_TOKEN = "X-BodhiApp-Access-Token"  # noqa: S105 - a header, not a token
REDIRECT = "X-BodhiApp-Redirect"  # for nginx: the login, where the browser is to be sent there

GIVES_ACCESS_TOKENS = web.AppKey("GIVES_ACCESS_TOKENS", bool)  # to trusted proxies
CLAIM_HEADERS: web.AppKey[tuple[str, ...]] = web.AppKey("CLAIM_HEADERS", tuple)

_METHODS = (istr("X-Forwarded-Method"), istr("X-Original-Method"))
_URIS = (istr("X-Forwarded-Uri"), istr("X-Original-URI"))
_MODE, _TARGET = istr("Sec-Fetch-Mode"), istr("Sec-Fetch-Dest")
_READS = {hdrs.METH_GET, hdrs.METH_HEAD}


async def verify(request: web.Request) -> web.Response:
    """Empty, with who it is in headers."""
    wanted, app = query_of(request, Wanted), request.app
    gate = gate_for(wanted)
    origin_is_foreign, is_navigation = _is_foreign(request), _is_navigation(request)
    if origin_is_foreign and not is_navigation and _method(request) not in SAFE_METHODS:
        raise CrossSiteRequest
    # A link on another site may lead here; anything else that another site sends has no session.
    sees_session = is_navigation or not origin_is_foreign
    context = await app[AUTHENTICATOR].optional(request, sees_session=sees_session)
    if not context.is_authenticated:
        fault = request.get(LOGIN_FAULT)
        if fault is not None and fault.status in {403, 503}:
            request[SHOWS_REFUSAL] = fault.status == 403 and wanted.redirect and _opens_page(request)
            raise fault
        return _to_login(request, redirects=wanted.redirect)
    if not gate.lets_pass(context):
        request[SHOWS_REFUSAL] = wanted.redirect and _opens_page(request) and isinstance(context, SessionUser)
        raise Forbidden
    headers = identity_headers(context, app[CLAIM_HEADERS])
    if app[GIVES_ACCESS_TOKENS]:
        headers[ACCESS_TOKEN] = _access_token(context) if FORWARDED in request else ""
    headers[hdrs.CACHE_CONTROL] = "no-store"
    return web.Response(headers=headers)


def _method(request: web.Request) -> str | None:
    """The method of the browser's request, or None where no trusted proxy says it."""
    said = _said(request, _METHODS)
    return said[0] if len(said) == 1 else None


def _said(request: web.Request, names: Iterable[str]) -> list[str]:
    """What a trusted proxy says in the headers *names*, each thing once."""
    if FORWARDED not in request:
        return []
    return list(dict.fromkeys(value for name in names for value in request.headers.getall(name, ())))


def _is_foreign(request: web.Request) -> bool:
    """Whether a page of another origin is behind the request, as browsers tell; of websockets only Origin does."""
    if is_bearer(request):
        return False
    sites = request.headers.getall(SEC_FETCH_SITE, ())
    if sites and list(sites) not in (["same-origin"], ["none"]):
        return True
    origins = request.headers.getall(hdrs.ORIGIN, None)
    if origins is None:
        return False
    own = sso_origin(request) if is_for_sso_host(request) else origin_for(request)
    return list(origins) != [own]


def _is_navigation(request: web.Request) -> bool:
    """Whether a window goes to a page, which no other page can read: a link, a bookmark, an address typed in."""
    headers = request.headers
    return headers.get(_MODE) == "navigate" and headers.get(_TARGET) == "document" and _method(request) in _READS


def _to_login(request: web.Request, *, redirects: bool) -> web.Response:
    """Return a redirect to the login, or raise 401 with its address: for scripts and nginx, which takes no redirect.

    nginx redirects by itself, where that answer has the header for it.
    """
    page = page_to_return_to(_said(request, _URIS)) if _method(request) in _READS else None
    login = sso_origin(request) + SSO_PATH if is_for_sso_host(request) else origin_for(request) + LOGIN_PATH
    location = with_return(login, page)
    opens_page = _opens_page(request)
    if redirects and opens_page:
        return web.Response(status=302, headers={hdrs.LOCATION: location, hdrs.CACHE_CONTROL: "no-store"})
    answer = ErrorResponse(MissingAuthentication(), presented_bearer=is_bearer(request))
    answer.headers.update({hdrs.LOCATION: location, hdrs.CACHE_CONTROL: "no-store"})
    if opens_page:
        answer.headers[REDIRECT] = location
    raise answer


def _opens_page(request: web.Request) -> bool:
    """Whether the browser shows the answer as a page, which a script's request for HTML does not do.

    Sec-Fetch-Mode says so, but browsers send it over HTTPS only, and old ones never.
    """
    headers = request.headers
    return (
        _method(request) in _READS
        and "text/html" in headers.get(hdrs.ACCEPT, "")
        and headers.get(_MODE, "navigate") == "navigate"
        and headers.get("X-Requested-With", "").lower() != "xmlhttprequest"
    )


def _access_token(context: AuthContext) -> str:
    """The provider's token for bodhi: never the one that was presented here, which opens bodhi to whoever sees it."""
    return context.token if isinstance(context, SessionUser | ExternalApp) else ""


OPERATIONS = (
    Operation(
        "GET",
        PATH,
        verify,
        PUBLIC,
        "Whether a request to an application behind the proxy may pass, and whose it is",
        query=Wanted,
        responses={200: None, 302: None},
        errors=(
            MissingAuthentication,
            Forbidden,
            NotAllowed,
            CrossSiteRequest,
            ProviderUnavailable,
            DatabaseUnavailable,
            InvalidRoleName,
            InvalidTokenScope,
            InvalidUserScope,
        ),
        # A proxy asks here in the name of a page, and would send people here rather than to the page.
        allows_any_base=True,
    ),
)
