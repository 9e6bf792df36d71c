"""``/ui``: who I am and what I may do."""

from aiohttp import web

from bodhi.server.http import labels as words
from bodhi.server.http.forms import see_other
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import OPTIONAL, PUBLIC, Operation
from bodhi.server.http.paths import HOME_PATH, LOGIN_PATH, START_PATH
from bodhi.server.http.rendering import current_user, page
from bodhi.server.http.resume_after_login import resume_review
from bodhi.server.http.same_site_bounce import same_site_bounce_target
from bodhi.server.http.sections import Section, section_values

ENTRY = Entry("Home", START_PATH)
HOME_SECTIONS: web.AppKey[list[Section]] = web.AppKey("HOME_SECTIONS", list)


async def start(request: web.Request) -> web.Response:
    """Sends who comes to the bare address to the pages."""
    return see_other(request, START_PATH)


async def home(request: web.Request) -> web.Response:
    """Who is logged in and what they may do; who is not is sent to log in."""
    person = current_user(request)
    if person is None:
        target = same_site_bounce_target(request)
        return await page(request, "arrival.html", target=target) if target else see_other(request, LOGIN_PATH)
    if request.path == HOME_PATH and (interrupted := resume_review(request)):
        return interrupted
    return await page(
        request,
        "home.html",
        here=START_PATH,  # also where a login ends
        full_name=" ".join(filter(None, (person.first_name, person.last_name))),
        powers=words.role_powers(person.role),
        **await section_values(request.app[HOME_SECTIONS], request),
    )


OPERATIONS = (
    Operation("GET", "/", start, PUBLIC, "The way to the pages", in_document=False),
    Operation("GET", "/ui/", start, PUBLIC, "The way to the pages", in_document=False),
    Operation("GET", START_PATH, home, OPTIONAL, "Who I am", in_document=False),
    Operation("GET", HOME_PATH, home, OPTIONAL, "Who I am, after a login", in_document=False),
)
