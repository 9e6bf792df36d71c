"""Pages for login and logout: ``/ui/login``, ``/ui/auth/callback`` and ``/ui/logout``."""

import logging
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from bodhi.oidc.errors import error_description
from bodhi.server.access.errors import ApiError
from bodhi.server.access.instance import Status
from bodhi.server.authentication.authenticator import AUTHENTICATOR
from bodhi.server.http.cross_site import same_site_bounce_target
from bodhi.server.http.headers import KEEPS_OPENER
from bodhi.server.http.input import body_of, read_query
from bodhi.server.http.operations import OPTIONAL, PUBLIC, Operation
from bodhi.server.http.paths import CALLBACK_PATH, HOME_PATH, LOGGED_OUT, LOGIN_PATH
from bodhi.server.http.rate_limits import RATE_LIMITS
from bodhi.server.http.rendering import current_user, page, provider_origins
from bodhi.server.http.request_id import current_id
from bodhi.server.http.responses import see_other
from bodhi.server.http.resume_after_login import opener_headers, pending_review
from bodhi.server.http.return_to import RECENT, RETURN_TO, is_recent_requested, requested_page, with_return
from bodhi.server.login.api import LOGIN, begin_login, finish_login, link_parameters
from bodhi.server.login.errors import LogoutFailed, OtherUserSignedIn
from bodhi.server.login.logout import end_login
from bodhi.server.login.service import CallbackBody
from bodhi.session import SessionGone

LOGOUT_PATH = "/ui/logout"
BEGUN_LOGINS = "begun logins"  # a rate limit

log = logging.getLogger(__name__)


class CallbackQuery(msgspec.Struct, frozen=True):
    """The validated parameters of the provider's redirect; others are not copied into the page."""

    state: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9]{1,128}\Z")] | None = None
    code: Annotated[str, Meta(pattern=r"\A[ -~]{1,8000}\Z")] | None = None  # Source: RFC 6749, A.11
    error: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.-]{1,64}\Z")] | None = None
    error_description: str | None = None
    iss: Annotated[str, Meta(pattern=r"\Ahttps?://[A-Za-z0-9._~:/@%+,;=\[\]-]{1,512}\Z")] | None = None

    def __post_init__(self) -> None:
        if (self.code is None) == (self.error is None):
            raise ValueError("exactly one of code and error is required")
        if self.state is None and self.error is None:  # some providers leave it out of errors
            raise ValueError("a code without state belongs to no login")

    @property
    def fields(self) -> dict[str, str]:
        """The parameters that are set, the description for the log as it is logged."""
        values = {**msgspec.structs.asdict(self), "error_description": error_description(self.error_description)}
        return {name: value for name, value in values.items() if value}


async def login_page(request: web.Request) -> web.Response:
    """Return the login page: the current user, the login form, or what the operator has to configure.

    A logged-in user with a ``return_to`` is redirected there, unless a recent sign-in is required. Other users are
    redirected to the provider if the page is to be skipped.
    """
    return_to, is_recent, further = requested_page(request), is_recent_requested(request), link_parameters(request)
    service = request.app[LOGIN]
    status = await service.instances.status()
    is_ready = service.provider is not None and status is not Status.SETUP
    is_skipped = is_ready and service.skips_page and _is_navigation(request)
    if return_to is not None or is_skipped:
        query = {} if return_to is None else {RETURN_TO: return_to}
        query |= {RECENT: "true"} if is_recent else {}
        if target := same_site_bounce_target(request, **query, **further):
            return await page(request, "arrival.html", target=target)
    if is_skipped and current_user(request) is None:
        request.app[RATE_LIMITS][BEGUN_LOGINS].take(request)
        return await log_in(request)
    # Browsers send Origin with requests other than navigation. The target might refuse those and redirect back here, in
    # a loop.
    if return_to is not None and not is_recent and hdrs.ORIGIN not in request.headers and current_user(request):
        return see_other(request, return_to)
    response = await page(
        request,
        "login.html",
        form_targets=await provider_origins(request),
        is_ready=is_ready,
        is_signed_out=_is_logged_out(request) and current_user(request) is None,
        stays_on_reload=service.skips_page,
        is_first=status is Status.RESOURCE_ADMIN,
        app_waits=pending_review(request) is not None,
        provider_name=service.provider_name,
        signs_in_again=is_recent,
        begin_url=with_return(LOGIN_PATH, return_to, is_recent=is_recent, further=further),
        next_url=return_to,
    )
    response.headers.update(opener_headers(request, return_to))
    return response


def _is_navigation(request: web.Request) -> bool:
    """Whether a user opens the login page, except after a logout."""
    headers = request.headers
    return (
        request.method == hdrs.METH_GET
        and headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
        and hdrs.ORIGIN not in headers
        and not _is_logged_out(request)
    )


def _is_logged_out(request: web.Request) -> bool:
    return request.query.get("state") == LOGGED_OUT


async def log_in(request: web.Request) -> web.Response:
    """Redirect to the provider, or to the target if the user is already logged in."""
    return_to = requested_page(request)
    location = await begin_login(request, return_to=return_to) or return_to or HOME_PATH
    return see_other(request, location, **opener_headers(request, return_to))


async def callback_page(request: web.Request) -> web.Response:
    """Return the page that the provider redirects to.

    The request is cross-site and carries no SameSite=Strict cookie. The page's script, or its button, posts the
    parameters again from this site. A logged-in user without usable parameters, who reloads the page, is sent home.
    """
    try:
        fields = read_query(request, CallbackQuery).fields
    except ApiError:
        if (await request.app[AUTHENTICATOR].optional(request)).is_authenticated:
            return see_other(request, HOME_PATH)
        log.info("login refused: the callback has no usable parameters")
        return await page(request, "callback.html", status=400, fields=None, reference=current_id())
    response = await page(request, "callback.html", fields=fields)
    # Without SameSite=Strict cookies it is unknown whether a review is pending.
    response.headers.update(KEEPS_OPENER)
    return response


async def complete_login(request: web.Request) -> web.Response:
    """Complete a login; if another user is logged in, redirect to the login page, which offers the logout."""
    try:
        location = await finish_login(request, CallbackBody(**body_of(request, CallbackQuery).fields))
        return see_other(request, location, **opener_headers(request, urlsplit(location).path))
    except OtherUserSignedIn:
        return see_other(request, LOGIN_PATH, **opener_headers(request))
    except SessionGone:
        return see_other(request, HOME_PATH)  # another tab completed a login at the same time


async def log_out(request: web.Request) -> web.Response:
    """End the session and redirect to the provider's logout or the login page."""
    return see_other(request, await end_login(request, is_page=True))


OPERATIONS = (
    Operation("GET", LOGIN_PATH, login_page, OPTIONAL, "The login page", in_document=False),
    Operation("POST", LOGIN_PATH, log_in, OPTIONAL, "Start a login", in_document=False, rate_limit=BEGUN_LOGINS),
    Operation("GET", CALLBACK_PATH, callback_page, PUBLIC, "The page the provider redirects to", in_document=False),
    Operation(
        "POST",
        CALLBACK_PATH,
        complete_login,
        OPTIONAL,
        "Complete a login",
        form=CallbackQuery,
        in_document=False,
        rate_limit="callbacks",
    ),
    Operation("POST", LOGOUT_PATH, log_out, PUBLIC, "Sign out", errors=(LogoutFailed,), in_document=False),
)
