"""Logging in and out for people: ``/ui/login``, ``/ui/auth/callback`` and ``/ui/logout``."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from bodhi.server.access.errors import ApiError
from bodhi.server.access.instance import Status
from bodhi.server.http.cross_site import same_site_bounce_target
from bodhi.server.http.headers import KEEPS_OPENER
from bodhi.server.http.input import body_of, read_query
from bodhi.server.http.operations import OPTIONAL, PUBLIC, Operation
from bodhi.server.http.paths import CALLBACK_PATH, HOME_PATH, LOGIN_PATH
from bodhi.server.http.public_url import host_of
from bodhi.server.http.rendering import current_user, page, provider_origins
from bodhi.server.http.responses import see_other
from bodhi.server.http.resume_after_login import opener_headers, pending_review
from bodhi.server.http.return_to import RECENT, is_recent_requested, requested_page, with_return
from bodhi.server.login.api import LOGIN, begin_login, end_login, finish_login
from bodhi.server.login.errors import LogoutFailed, OtherUserSignedIn
from bodhi.session import SessionGone

LOGOUT_PATH = "/ui/logout"


class ProviderAnswer(msgspec.Struct, frozen=True):
    """What goes on from the provider's answer, in the form that it has; nothing else gets onto a page."""

    state: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9]{1,128}\Z")]
    code: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9._~+/=:|!*%,;@$-]{1,4096}\Z")] | None = None
    error: Annotated[str, Meta(pattern=r"\A[a-z_]{1,64}\Z")] | None = None
    iss: Annotated[str, Meta(pattern=r"\Ahttps?://[A-Za-z0-9._~:/@%+,;=\[\]-]{1,512}\Z")] | None = None

    def __post_init__(self) -> None:
        if (self.code is None) == (self.error is None):
            raise ValueError("either a code or an error")

    @property
    def fields(self) -> dict[str, str]:
        """Those that are there."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}


async def login_page(request: web.Request) -> web.Response:
    """Who is logged in already, or the way to log in, or what the operator has to do first.

    Who is logged in and comes on the way to a page goes on to it, unless they are to sign in again.
    """
    return_to, is_recent = requested_page(request), is_recent_requested(request)
    further = {RECENT: "true"} if is_recent else {}
    if return_to is not None:
        if target := same_site_bounce_target(request, return_to=return_to, **further):
            return await page(request, "arrival.html", target=target)
        # Browsers send Origin along with what is no page. The way back could be refused again for it, round and round.
        if current_user(request) is not None and hdrs.ORIGIN not in request.headers and not is_recent:
            return see_other(request, return_to)
    desk = request.app[LOGIN]
    status = await desk.instances.status()
    response = await page(
        request,
        "login.html",
        form_targets=await provider_origins(request),
        is_ready=desk.provider is not None and status is not Status.SETUP,
        is_first=status is Status.RESOURCE_ADMIN,
        app_waits=pending_review(request) is not None,
        provider_host=host_of(desk.provider.issuer) if desk.provider else None,
        signs_in_again=is_recent,
        begin_url=with_return(LOGIN_PATH, return_to, is_recent=is_recent),
        next_url=return_to,
    )
    response.headers.update(opener_headers(request, return_to))
    return response


async def log_in(request: web.Request) -> web.Response:
    """Sends the browser to the provider, or on where somebody is logged in already."""
    return_to = requested_page(request)
    location = await begin_login(request, return_to=return_to) or return_to or HOME_PATH
    return see_other(request, location, **opener_headers(request, return_to))


async def callback_page(request: web.Request) -> web.Response:
    """Where the provider sends the browser back to.

    The browser comes from another site, so that it brings no SameSite=Strict cookie: the page's script, or its button,
    hands the answer over from this one.
    """
    try:
        fields = read_query(request, ProviderAnswer).fields
    except ApiError:
        return await page(request, "callback.html", status=400, fields=None)
    response = await page(request, "callback.html", fields=fields)
    # From another site no SameSite=Strict cookie comes along that would say whether an application waits.
    response.headers.update(KEEPS_OPENER)
    return response


async def complete_login(request: web.Request) -> web.Response:
    """Completes a login without a script; the login page says who else is logged in, and how to log out first."""
    try:
        location = await finish_login(request, body_of(request, ProviderAnswer).fields)
        return see_other(request, location, **opener_headers(request, urlsplit(location).path))
    except OtherUserSignedIn:
        return see_other(request, LOGIN_PATH, **opener_headers(request))
    except SessionGone:
        return see_other(request, HOME_PATH)  # another tab has logged in at the same moment: the start page knows


async def log_out(request: web.Request) -> web.Response:
    """Ends the session, and sends the browser to where the logout goes on."""
    location = await end_login(request)
    return see_other(request, location, **{"Clear-Site-Data": '"cache"'})


OPERATIONS = (
    Operation("GET", LOGIN_PATH, login_page, OPTIONAL, "The way to log in", in_document=False),
    Operation("POST", LOGIN_PATH, log_in, OPTIONAL, "Begin a login", in_document=False),
    Operation("GET", CALLBACK_PATH, callback_page, PUBLIC, "The provider's answer arrives", in_document=False),
    Operation(
        "POST", CALLBACK_PATH, complete_login, OPTIONAL, "Complete a login", form=ProviderAnswer, in_document=False
    ),
    Operation("POST", LOGOUT_PATH, log_out, PUBLIC, "Log out", errors=(LogoutFailed,), in_document=False),
)
