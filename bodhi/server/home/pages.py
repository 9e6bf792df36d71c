"""``/ui``: the home page, with the user's name and role."""

from aiohttp import web

from bodhi.server.http import labels
from bodhi.server.http.cross_site import same_site_bounce_target
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import OPTIONAL, PUBLIC, Operation
from bodhi.server.http.paths import HOME_PATH, LOGIN_PATH, START_PATH
from bodhi.server.http.rendering import current_user, page
from bodhi.server.http.responses import see_other
from bodhi.server.http.resume_after_login import resume_review
from bodhi.server.http.sections import Section, section_values

ENTRY = Entry("Home", START_PATH)
HOME_SECTIONS: web.AppKey[list[Section]] = web.AppKey("HOME_SECTIONS", list)


async def start(request: web.Request) -> web.Response:
    """Redirect to the home page."""
    return see_other(request, START_PATH)


async def home(request: web.Request) -> web.Response:
    """Show the user's name and role; redirect to the login page without a session."""
    user = current_user(request)
    if user is None:
        target = same_site_bounce_target(request)
        return await page(request, "arrival.html", target=target) if target else see_other(request, LOGIN_PATH)
    if request.path == HOME_PATH and (interrupted := resume_review(request)):
        return interrupted
    return await page(
        request,
        "home.html",
        here=START_PATH,  # also where a login ends
        full_name=" ".join(filter(None, (user.first_name, user.last_name))),
        powers=labels.role_powers(user.role),
        **await section_values(request.app[HOME_SECTIONS], request),
    )


OPERATIONS = (
    Operation("GET", "/", start, PUBLIC, "Redirect to the home page", in_document=False),
    Operation("GET", "/ui/", start, PUBLIC, "Redirect to the home page", in_document=False),
    Operation("GET", START_PATH, home, OPTIONAL, "Home page", in_document=False),
    Operation("GET", HOME_PATH, home, OPTIONAL, "Home page, after a login", in_document=False),
)
