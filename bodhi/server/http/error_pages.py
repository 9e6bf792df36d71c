"""Errors under ``/ui`` as pages, for those who read HTML; everybody else gets the envelope.

So does whoever is kept out of an application behind a proxy, where the proxy asks for that.
"""

from typing import Any

from aiohttp import hdrs, web
from yarl import URL

from bodhi.server.access.errors import ApiError, RecentLoginRequired
from bodhi.server.http.context import LOGIN_FAULT
from bodhi.server.http.cross_site import same_site_bounce_target
from bodhi.server.http.errors import ERROR, SHOW_ERROR, status_error
from bodhi.server.http.hosts import origin_for
from bodhi.server.http.paths import CALLBACK_PATH, LOGIN_PATH
from bodhi.server.http.rendering import page_headers, page_headers_elsewhere, provider_origins, render
from bodhi.server.http.request_id import current_id
from bodhi.server.http.responses import is_partial
from bodhi.server.http.resume_after_login import opener_headers
from bodhi.server.http.return_to import page_to_return_to, requested_page, with_return

TITLES = {
    400: "That did not work",
    401: "Log in first",
    403: "Not allowed",
    404: "Nothing here",
    405: "That did not work",
    409: "Already decided",
    429: "Too many requests",
    501: "Not available",
    503: "Not available just now",
}
TITLE_OF_FAILURE = "Something went wrong"
# Errors are shown as to somebody unknown: who it is may be what could not be found out.
_NOBODY: dict[str, Any] = {"here": None, "person": None, "navigation": []}
# The refusal is for a person, to whose browser a proxy hands the answer on.
SHOWS_REFUSAL = web.RequestKey("SHOWS_REFUSAL", bool)


def setup(app: web.Application) -> None:
    """Show errors of *app* as pages."""
    app[SHOW_ERROR] = show_error


async def show_error(request: web.Request, answer: web.Response) -> None:
    """Make a page of *answer*, unless it is one already; status and further headers stay."""
    if not _reads_pages(request) or answer.content_type != "application/json" or answer.prepared:
        return
    if request.get(SHOWS_REFUSAL):
        _show_elsewhere(answer, origin_for(request))
        return
    error = answer.get(ERROR) or status_error(answer.status)
    target, sign_in_url = _way_on(request) if answer.status == 401 else None, None
    if target is not None:
        answer.text = render("arrival.html", target=target, **_NOBODY)
    else:
        sign_in_url = _sign_in_again(request, error)
        answer.text = _problem(request, answer.status, error, sign_in_url)
    answer.content_type = "text/html"
    # The form leads on to the provider, where one is to sign in again.
    targets = await provider_origins(request) if sign_in_url else []
    answer.headers.update({**page_headers(targets), **(opener_headers(request, request.path) if sign_in_url else {})})
    if is_partial(request):
        # Whatever the form wanted to change stays; what went wrong is said at the top.
        answer.headers.update({"HX-Retarget": "#notice", "HX-Reswap": "innerHTML"})


def _reads_pages(request: web.Request) -> bool:
    is_page = request.path == "/ui" or request.path.startswith("/ui/")
    return (is_page and "text/html" in request.headers.get(hdrs.ACCEPT, "")) or request.get(SHOWS_REFUSAL, False)


def _show_elsewhere(answer: web.Response, origin: str) -> None:
    """The same on an application's host, where nothing of *origin*, this server's, is found without its name."""
    answer.text = render("elsewhere.html", origin=origin, **_NOBODY)
    answer.content_type = "text/html"
    answer.headers.update(page_headers_elsewhere(origin))


def _way_on(request: web.Request) -> str | None:
    # Whom a link is about, and nothing that only this site's own answers say.
    return same_site_bounce_target(request, **{name: value for name, value in request.query.items() if name == "id"})


def _sign_in_again(request: web.Request, error: ApiError) -> str | None:
    """Where the form of the page leads that signs somebody in again who has a session; None where that is no help."""
    if LOGIN_FAULT in request:  # their tokens are not refreshed
        return _login_for(request)
    if isinstance(error, RecentLoginRequired) and request.path != CALLBACK_PATH:
        return _login_for(request, is_recent=True)
    return None


def _problem(request: web.Request, status: int, error: ApiError, sign_in_url: str | None) -> str:
    is_failure = status >= 500
    leads_to_login = status == 401 if error.leads_to_login is None else error.leads_to_login
    return render(
        "_problem.html" if is_partial(request) else "error.html",
        title=error.title or TITLES.get(status, TITLE_OF_FAILURE if is_failure else TITLES[400]),
        message=error.message,
        reference=current_id() if is_failure else None,
        back=("Log in", _login_for(request)) if leads_to_login else ("Go to the start", "/ui"),
        sign_in_url=sign_in_url,
        # Signing out works without the tokens, and leads out of it as well.
        sign_out_helps=LOGIN_FAULT in request,
        **_NOBODY,
    )


def _login_for(request: web.Request, *, is_recent: bool = False) -> str:
    """The login that leads back to the page, or to the one whose form it was that was sent."""
    if request.path == LOGIN_PATH:
        return with_return(LOGIN_PATH, requested_page(request))
    shown = request.raw_path if request.method == hdrs.METH_GET else _page_of_form(request)
    return with_return(LOGIN_PATH, page_to_return_to([shown]), is_recent=is_recent)


def _page_of_form(request: web.Request) -> str:
    """The path and query of the page of this site that sent the form; empty where the browser does not say."""
    try:
        page = URL(request.headers.get(hdrs.REFERER, ""))
        is_own = str(page.origin()) == origin_for(request)
    except ValueError:
        return ""
    # What was done before is not said again.
    return page.without_query_params("done").raw_path_qs if is_own else ""
