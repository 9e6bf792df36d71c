"""``GET /bodhi/v1/auth/verify``: proxies ask whether a request to another application may pass, and whose it is.

For nginx ``auth_request``, Traefik ForwardAuth and Caddy ``forward_auth``. What the proxy sends has the headers of the
browser's request, but is a GET of the proxy's own: what the browser wants is in ``X-Forwarded-Method`` and ``-Uri``
(Traefik, Caddy) or ``X-Original-Method`` and ``-URI`` (nginx, by configuration), believed from trusted proxies only.
Where they say no method the request counts as an unsafe one.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from aiohttp import hdrs, web

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
from bodhi.server.access.principal import ApiToken, AuthContext, ExternalApp, SessionUser
from bodhi.server.access.scopes import (
    AppRole,
    Role,
    TokenScope,
    UserScope,
    parse_role,
    parse_token_scope,
    parse_user_scope,
)
from bodhi.server.authentication.authenticator import AUTHENTICATOR
from bodhi.server.http.context import LOGIN_FAULT
from bodhi.server.http.cross_site import SAFE_METHODS, SEC_FETCH_SITE, is_bearer
from bodhi.server.http.error_pages import SHOWS_REFUSAL
from bodhi.server.http.errors import ErrorResponse
from bodhi.server.http.forwarded import FORWARDED
from bodhi.server.http.hosts import origin_for
from bodhi.server.http.input import query_of
from bodhi.server.http.operations import PUBLIC, Operation
from bodhi.server.http.paths import LOGIN_PATH
from bodhi.server.http.request_errors import CrossSiteRequest
from bodhi.server.http.return_to import page_to_return_to, with_return

PATH = "/bodhi/v1/auth/verify"
USER_ID, USERNAME, ROLE = "X-BodhiApp-User-Id", "X-BodhiApp-Username", "X-BodhiApp-Role"
ACCESS_TOKEN = "X-BodhiApp-Access-Token"  # noqa: S105 - a header, not a token

GIVES_ACCESS_TOKENS = web.AppKey("GIVES_ACCESS_TOKENS", bool)  # to trusted proxies

_OUTER_SPACES = re.compile(r"\A +| +\Z")
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, and what UTF-8 cannot encode
_METHODS = ("X-Forwarded-Method", "X-Original-Method")
_URIS = ("X-Forwarded-Uri", "X-Original-URI")
_READS = {hdrs.METH_GET, hdrs.METH_HEAD}

Needed = Mapping[type, AppRole]  # by kind of context


# Not an enumeration: a name that is none is to be called so, by its own code.
_ANY_ROLE = msgspec.Meta(extra_json_schema={"enum": [str(role) for role in Role]})


class Wanted(msgspec.Struct, frozen=True):
    """Who may pass: people of at least this ``role``, and tokens of at least one of these ``scope``s (between spaces).

    With one of the two given, whoever has none of it is kept out; with neither, everybody with a role or scope passes.
    With ``redirect``, somebody who is not logged in and asks for a page gets 302 rather than 401; who is, and may not
    pass, gets the 403 as a page.
    """

    role: Annotated[str, _ANY_ROLE] | None = None
    scope: str | None = None
    redirect: bool = False


async def verify(request: web.Request) -> web.Response:
    """Empty, with who it is in headers."""
    wanted = query_of(request, Wanted)
    needed = _needed(wanted)
    origin_is_foreign, is_navigation = _is_foreign(request), _is_navigation(request)
    if origin_is_foreign and not is_navigation and _method(request) not in SAFE_METHODS:
        raise CrossSiteRequest
    # A link on another site may lead here; anything else that another site sends has no session.
    sees_session = is_navigation or not origin_is_foreign
    context = await request.app[AUTHENTICATOR].optional(request, sees_session=sees_session)
    fault = request.get(LOGIN_FAULT)
    if fault is not None and fault.status in {403, 503}:
        request[SHOWS_REFUSAL] = fault.status == 403 and wanted.redirect and _wants_page(request)
        raise fault
    if not context.is_authenticated:
        return _to_login(request, redirects=wanted.redirect)
    if not _may_pass(context, needed):
        request[SHOWS_REFUSAL] = wanted.redirect and _wants_page(request) and isinstance(context, SessionUser)
        raise Forbidden
    headers = _identity(context)
    if request.app[GIVES_ACCESS_TOKENS]:
        headers[ACCESS_TOKEN] = _access_token(context) if FORWARDED in request else ""
    return web.Response(headers={**headers, hdrs.CACHE_CONTROL: "no-store"})


def _needed(wanted: Wanted) -> Needed:
    if wanted.role is None and wanted.scope is None:
        return {SessionUser: Role.USER, ApiToken: TokenScope.USER, ExternalApp: UserScope.USER}
    needed: dict[type, AppRole] = {}
    if wanted.role is not None:
        needed[SessionUser] = parse_role(wanted.role)
    for name in (wanted.scope or "").split():
        if name.startswith("scope_token_"):
            needed[ApiToken] = parse_token_scope(name)
        else:
            needed[ExternalApp] = parse_user_scope(name)
    return needed


def _may_pass(context: AuthContext, needed: Needed) -> bool:
    least = needed.get(type(context))
    return least is not None and context.role is not None and context.role.rank >= least.rank


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
    origins = request.headers.getall(hdrs.ORIGIN, ())
    return bool(origins) and list(origins) != [origin_for(request)]


def _is_navigation(request: web.Request) -> bool:
    """Whether a window goes to a page, which no other page can read: a link, a bookmark, an address typed in."""
    mode, target = request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest")
    return (mode, target) == ("navigate", "document") and _method(request) in _READS


def _to_login(request: web.Request, *, redirects: bool) -> web.Response:
    """Where to log in: as an error for programs and nginx, which takes nothing else, or as a redirect for pages."""
    page = page_to_return_to(_said(request, _URIS)) if _method(request) in _READS else None
    location = with_return(origin_for(request) + LOGIN_PATH, page)
    if redirects and _wants_page(request):
        return web.Response(status=302, headers={hdrs.LOCATION: location, hdrs.CACHE_CONTROL: "no-store"})
    answer = ErrorResponse(MissingAuthentication(), presented_bearer=is_bearer(request))
    answer.headers.update({hdrs.LOCATION: location, hdrs.CACHE_CONTROL: "no-store"})
    raise answer


def _wants_page(request: web.Request) -> bool:
    return _method(request) in _READS and "text/html" in request.headers.get(hdrs.ACCEPT, "")


def _identity(context: AuthContext) -> dict[str, str]:
    """All three, whether known or not: a proxy that sets what it is given lets nobody's own header through."""
    username = context.username if isinstance(context, SessionUser | ExternalApp) else ""
    return {USER_ID: _header_value(context.user_id or ""), USERNAME: _header_value(username), ROLE: str(context.role)}


def _access_token(context: AuthContext) -> str:
    """The provider's token for bodhi: never the one that was presented here, which opens bodhi to whoever sees it."""
    return context.token if isinstance(context, SessionUser | ExternalApp) else ""


def _header_value(text: str) -> str:
    """Return *text* for a header, with U+FFFD for each control character and each space that would be stripped."""
    return _OUTER_SPACES.sub(lambda spaces: "\ufffd" * len(spaces[0]), _UNSENDABLE.sub("\ufffd", text))


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
