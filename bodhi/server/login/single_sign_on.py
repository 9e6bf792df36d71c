"""One login for several hosts: the host of the login hands its session over to another one by redirects.

The other host's browser gets a nonce in a cookie (``/ui/sso``), and goes to the host of the login with the nonce's hash
(``/ui/sso/code``). Somebody who is logged in there comes back with a code (``/ui/sso/session``), which is exchanged for
the same session's cookie. The code is encrypted, good once and for a minute, and bound to the host and to the nonce:
who reads it has no nonce for it, and who plants one of their own in another browser has the wrong nonce there. No
cookie has a domain, so that each keeps its ``__Host-`` prefix.
"""

import base64
import hmac
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Annotated

import msgspec
from aiohttp import hdrs, web

from bodhi.keyring import Keyring, UnknownKey, Unreadable
from bodhi.server.access.principal import SessionUser
from bodhi.server.authentication.authenticator import AUTHENTICATOR
from bodhi.server.http.hosts import PUBLIC_URL, is_for_sso_host, is_sso_host, sso_origin
from bodhi.server.http.input import query_of
from bodhi.server.http.operations import PUBLIC, Operation
from bodhi.server.http.paths import LOGIN_PATH, SSO_CODE_PATH, SSO_PATH, SSO_SESSION_PATH
from bodhi.server.http.public_url import base_of, parse_authority
from bodhi.server.http.responses import see_other
from bodhi.server.http.return_to import page_to_return_to, requested_page, with_return
from bodhi.server.login.api import LOGIN
from bodhi.server.login.errors import LoginNotStarted
from bodhi.session import CookiePolicy

SECONDS_TO_REDEEM = 60
NONCE_SECONDS = 600  # people log in meanwhile
# Without scripts the page leads on as well, and loses the fragment: a server never sees it.
_SCRIPT = "const a=document.querySelector('a');if(location.hash)a.hash=location.hash;location.replace(a.href)"
_PAGE = (
    '<!DOCTYPE html><title>Go on</title><noscript><meta http-equiv="refresh" content="0;url={page}"></noscript>'
    '<a href="{page}">Go on</a><script>{script}</script>'
)
_SCRIPT_HASH = base64.b64encode(sha256(_SCRIPT.encode()).digest()).decode()
_POLICY = f"default-src 'none'; script-src 'sha256-{_SCRIPT_HASH}'; frame-ancestors 'none'"
_NONCE = re.compile(r"[A-Za-z0-9_-]{43}")

Challenge = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]


class CodeQuery(msgspec.Struct, frozen=True):
    """The host to hand over to, the hash of its nonce, and the page to return to."""

    host: str
    challenge: Challenge
    return_to: str | None = None


class SessionQuery(msgspec.Struct, frozen=True):
    """The code, and the page to return to."""

    code: Annotated[str, msgspec.Meta(max_length=2_048)]
    return_to: str | None = None


class _Code(msgspec.Struct, array_like=True):
    session_id: str
    host: str
    challenge: str
    until: int  # seconds since 1970


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Code).decode


class Codes:
    """Codes for a session: encrypted, so that they need no row."""

    def __init__(self, keys: Sequence[str | bytes], *, clock: Callable[[], float] = time.time) -> None:
        self._keyring = Keyring(keys, purpose=b"bodhi single sign-on")
        self._clock = clock

    def issue(self, session_id: str, *, host: str, challenge: str) -> str:
        """Return a code."""
        code = _Code(session_id, host, challenge, int(self._clock()) + SECONDS_TO_REDEEM)
        return self._keyring.seal_text(_encode(code))

    def redeem(self, text: str, *, host: str, nonce: str) -> str:
        """Return the session id in a code for this host and nonce, or raise :exc:`LoginNotStarted`."""
        try:
            code = _decode(self._keyring.open_text(text))
        except (Unreadable, UnknownKey, msgspec.MsgspecError):
            raise LoginNotStarted from None
        is_bound = code.host == host and hmac.compare_digest(code.challenge, challenge_of(nonce))
        if not is_bound or self._clock() > code.until:
            raise LoginNotStarted
        return code.session_id


@dataclass(frozen=True)
class SingleSignOn:
    """The codes, and the policies of the two cookies."""

    codes: Codes
    session_cookie: CookiePolicy
    nonce_cookie: CookiePolicy


SINGLE_SIGN_ON = web.AppKey("SINGLE_SIGN_ON", SingleSignOn)


def challenge_of(nonce: str) -> str:
    """Return the hash of a nonce."""
    return base64.urlsafe_b64encode(sha256(nonce.encode()).digest()).rstrip(b"=").decode()


async def begin(request: web.Request) -> web.Response:
    """Redirect from another host to the host of the login, with a nonce in a cookie."""
    _check_host(request)
    nonce = _nonce(request) or secrets.token_urlsafe(32)  # one for all tabs
    further = {"host": _own_host(request), "challenge": challenge_of(nonce)}
    url = str(request.app[PUBLIC_URL]) + SSO_CODE_PATH
    response = see_other(request, with_return(url, requested_page(request), further=further))
    response.headers.add(hdrs.SET_COOKIE, request.app[SINGLE_SIGN_ON].nonce_cookie.set(nonce, NONCE_SECONDS))
    return response


async def issue_code(request: web.Request) -> web.Response:
    """Redirect somebody who is logged in back to the other host with a code, and others to the login."""
    query, service = query_of(request, CodeQuery), request.app[SINGLE_SIGN_ON]
    target = parse_authority(query.host)
    if target is None or not is_sso_host(request.app, target.host) or is_for_sso_host(request):
        raise web.HTTPNotFound
    page = None if query.return_to is None else page_to_return_to([query.return_to])
    # A page of another host leads here, which is all that it can do: the answer is for the browser's window.
    context = await request.app[AUTHENTICATOR].optional(request, sees_session=_is_for_window(request))
    session_id = service.session_cookie.read(request.headers.getall(hdrs.COOKIE, ()))
    if not isinstance(context, SessionUser) or session_id is None:
        again = with_return(SSO_CODE_PATH, page, further={"host": query.host, "challenge": query.challenge})
        return see_other(request, with_return(LOGIN_PATH, again))
    code = service.codes.issue(session_id, host=query.host, challenge=query.challenge)
    url = base_of(request.app[PUBLIC_URL].scheme, target.host, target.port) + SSO_SESSION_PATH
    return see_other(request, with_return(url, page, further={"code": code}))


async def redeem_code(request: web.Request) -> web.Response:
    """Set the session cookie for another host, and lead to the page.

    By a page rather than a redirect: browsers send no SameSite=Strict cookie where a redirect from another site ends.
    """
    _check_host(request)
    query, service = query_of(request, SessionQuery), request.app[SINGLE_SIGN_ON]
    is_first = await request.app[LOGIN].provider_sessions.claim_secret("sso", query.code, SECONDS_TO_REDEEM)
    nonce = _nonce(request)
    if not is_first or nonce is None:
        raise LoginNotStarted
    session_id = service.codes.redeem(query.code, host=_own_host(request), nonce=nonce)
    page = sso_origin(request) + (requested_page(request) or "/")
    response = web.Response(text=_PAGE.format(page=escape(page), script=_SCRIPT), content_type="text/html")
    response.headers.update({hdrs.CACHE_CONTROL: "no-store", "Content-Security-Policy": _POLICY})
    for line in service.session_cookie.headers(session_id):
        response.headers.add(hdrs.SET_COOKIE, line)
    return response


def _check_host(request: web.Request) -> None:
    if not is_for_sso_host(request):
        raise web.HTTPNotFound


def _own_host(request: web.Request) -> str:
    return sso_origin(request).partition("://")[2]


def _nonce(request: web.Request) -> str | None:
    value = request.app[SINGLE_SIGN_ON].nonce_cookie.read(request.headers.getall(hdrs.COOKIE, ()))
    return value if value is not None and _NONCE.fullmatch(value) else None


def _is_for_window(request: web.Request) -> bool:
    headers = request.headers
    return (headers.get("Sec-Fetch-Mode", "navigate"), headers.get("Sec-Fetch-Dest", "document")) == (
        "navigate",
        "document",
    )


OPERATIONS = (
    Operation("GET", SSO_PATH, begin, PUBLIC, "Begin a hand-over", in_document=False, allows_any_base=True),
    Operation("GET", SSO_CODE_PATH, issue_code, PUBLIC, "Hand the session over", query=CodeQuery, in_document=False),
    Operation(
        "GET",
        SSO_SESSION_PATH,
        redeem_code,
        PUBLIC,
        "Complete a hand-over",
        query=SessionQuery,
        errors=(LoginNotStarted,),
        in_document=False,
        rate_limit="callbacks",
        allows_any_base=True,
    ),
)
