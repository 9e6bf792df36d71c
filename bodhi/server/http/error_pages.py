"""Error pages: errors below ``/ui`` as HTML if the client accepts it; other clients get the envelope.

A proxy can also request a page for users who are denied access to an application.
"""

import logging
from typing import Any

from aiohttp import hdrs, web
from yarl import URL

from bodhi.errors import BodhiError, root_cause
from bodhi.server.access.errors import ApiError, RecentLoginRequired
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.scopes import Role, parse_role
from bodhi.server.http.context import CONTEXT, IDENTIFY, LOGIN_FAULT
from bodhi.server.http.cross_site import same_site_bounce_target
from bodhi.server.http.errors import ERROR, SHOW_ERROR, status_error
from bodhi.server.http.hosts import origin_for
from bodhi.server.http.navigation import NAVIGATION
from bodhi.server.http.paths import CALLBACK_PATH, LOGIN_PATH, START_PATH
from bodhi.server.http.rendering import page_headers, page_headers_elsewhere, provider_origins, render
from bodhi.server.http.request_errors import CrossSiteRequest
from bodhi.server.http.request_id import current_id
from bodhi.server.http.responses import is_partial
from bodhi.server.http.resume_after_login import opener_headers
from bodhi.server.http.return_to import page_to_return_to, requested_page, with_return
from bodhi.session import REQUEST_SESSION

TITLES = {
    400: "Request failed",
    401: "Sign in to continue",
    403: "Access denied",
    404: "Page not found",
    405: "Request failed",
    409: "Already decided",
    429: "Too many requests",
    501: "Not available",
    503: "Temporarily unavailable",
}
TITLE_OF_FAILURE = "Something went wrong"
_ANONYMOUS: dict[str, Any] = {"here": None, "person": None, "navigation": []}
# Set if a proxy passes the response on to a user's browser.
SHOWS_REFUSAL = web.RequestKey("SHOWS_REFUSAL", bool)


log = logging.getLogger(__name__)


def setup(app: web.Application) -> None:
    """Render errors of *app* as pages."""
    app[SHOW_ERROR] = show_error


async def show_error(request: web.Request, response: web.Response) -> None:
    """Replace the JSON body of *response* with a page; status and other headers stay."""
    if not _accepts_pages(request) or response.content_type != "application/json" or response.prepared:
        return
    if request.get(SHOWS_REFUSAL):
        _show_elsewhere(response, origin_for(request))
        return
    error = response.get(ERROR) or status_error(response.status)
    target = _bounce_target(request) if response.status == 401 else None
    sign_in_url, user = None, None
    if target is not None:
        response.text = render("arrival.html", target=target, **_ANONYMOUS)
    else:
        sign_in_url = _sign_in_again_url(request, error)
        user = await _identify(request, response.status)
        response.text = _render_problem(request, response.status, error, sign_in_url, user)
    response.content_type = "text/html"
    # The forms redirect to the provider, where the user signs in again or out.
    targets = await provider_origins(request) if sign_in_url or user else []
    response.headers.update({**page_headers(targets), **(opener_headers(request, request.path) if sign_in_url else {})})
    if is_partial(request):
        # Keep the page as it is and show the error at its top.
        response.headers.update({"HX-Retarget": "#notice", "HX-Reswap": "innerHTML"})


def _accepts_pages(request: web.Request) -> bool:
    is_page = request.path == "/ui" or request.path.startswith("/ui/")
    return (is_page and "text/html" in request.headers.get(hdrs.ACCEPT, "")) or request.get(SHOWS_REFUSAL, False)


def _show_elsewhere(response: web.Response, origin: str) -> None:
    """Render the page for an application's host: links and files need *origin*, this server's own."""
    response.text = render("elsewhere.html", origin=origin, **_ANONYMOUS)
    response.content_type = "text/html"
    response.headers.update(page_headers_elsewhere(origin))


def _bounce_target(request: web.Request) -> str | None:
    # Only the id of the link's subject: other parameters are set by this site's own redirects.
    return same_site_bounce_target(request, **{name: value for name, value in request.query.items() if name == "id"})


def _sign_in_again_url(request: web.Request, error: ApiError) -> str | None:
    """Return the target of the form that signs the session's user in again, or None if that does not help."""
    if LOGIN_FAULT in request:  # the tokens could not be refreshed
        return _login_for(request)
    if isinstance(error, RecentLoginRequired) and request.path != CALLBACK_PATH:
        return _login_for(request, is_recent=True)
    return None


async def _identify(request: web.Request, status: int) -> SessionUser | None:
    """Return the user for the navigation, or None. That the user cannot be identified must not replace the error."""
    has_session = REQUEST_SESSION in request and hdrs.AUTHORIZATION not in request.headers  # a token counts only once
    if CONTEXT not in request and status < 500 and LOGIN_FAULT not in request and has_session:
        try:
            request[CONTEXT] = await request.app[IDENTIFY](request)
        except (BodhiError, web.HTTPException) as failure:
            log.debug("error page without navigation: %s", root_cause(failure))
    context = request.get(CONTEXT)
    return context if isinstance(context, SessionUser) else None


def _render_problem(
    request: web.Request, status: int, error: ApiError, sign_in_url: str | None, user: SessionUser | None
) -> str:
    is_failure = status >= 500
    leads_to_login = status == 401 if error.leads_to_login is None else error.leads_to_login
    # Its cause is in the log; a request from another site begins no login and ends none.
    is_failed_login = "login" in error.param or (
        request.path == CALLBACK_PATH and not isinstance(error, CrossSiteRequest)
    )
    # An outage during a login. After a sign-in that was not recent, another one would end the same way.
    leads_to_login |= "login" in error.param and not isinstance(error, RecentLoginRequired)
    return render(
        "_problem.html" if is_partial(request) else "error.html",
        title=error.title or TITLES.get(status, TITLE_OF_FAILURE if is_failure else TITLES[400]),
        message=error.message,
        reference=current_id() if is_failure or is_failed_login else None,
        back=("Sign in", error.param.get("login") or _login_for(request))
        if leads_to_login
        else ("Go to home page", START_PATH),
        required_role=_role_in(error),
        sign_in_url=sign_in_url,
        # Signing out works without the tokens.
        sign_out_helps=LOGIN_FAULT in request,
        needs_contact=status == 403 and sign_in_url is None and not isinstance(error, CrossSiteRequest),
        here=None,
        person=user,
        navigation=request.app[NAVIGATION].bar_of(user) if user else [],
    )


def _role_in(error: ApiError) -> Role | None:
    role = error.param.get("required_role")
    return None if role is None else parse_role(role)


def _login_for(request: web.Request, *, is_recent: bool = False) -> str:
    """Return the URL of a login that returns to this page, or to the page with the submitted form."""
    if request.path == LOGIN_PATH:
        return with_return(LOGIN_PATH, requested_page(request))
    page = request.raw_path if request.method == hdrs.METH_GET else _page_of_form(request)
    return with_return(LOGIN_PATH, page_to_return_to([page]), is_recent=is_recent)


def _page_of_form(request: web.Request) -> str:
    """Return path and query of this site's page that sent the form; empty without a ``Referer``."""
    try:
        page = URL(request.headers.get(hdrs.REFERER, ""))
        is_own = str(page.origin()) == origin_for(request)
    except ValueError:
        return ""
    # Drop the notice of a previous action.
    return page.without_query_params("done").raw_path_qs if is_own else ""
