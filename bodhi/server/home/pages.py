"""``/ui``: who I am and what I may do, and the way to ask for a role."""

from aiohttp import web

from bodhi.server.access.errors import MissingAuthentication
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.scopes import Role
from bodhi.server.http import labels as words
from bodhi.server.http.forms import is_partial, see_other
from bodhi.server.http.operations import OPTIONAL, PUBLIC, Operation
from bodhi.server.http.rendering import current_user, fragment, page
from bodhi.server.http.resume_after_login import interrupted_review
from bodhi.server.http.same_site_bounce import same_site_bounce_target
from bodhi.server.login.api import HOME_PATH, LOGIN, LOGIN_PATH
from bodhi.server.login.form_targets import provider_origins
from bodhi.server.roles.errors import AlreadyHasAccess, AlreadyPending, NoPendingRequest
from bodhi.server.roles.service import AccessRequest, AccessRequests
from bodhi.server.services import ACCESS_REQUESTS

START_PATH = "/ui"


async def start(request: web.Request) -> web.Response:
    """Sends who comes to the bare address to the pages."""
    return see_other(request, START_PATH)


async def home(request: web.Request) -> web.Response:
    """Who is logged in and what they may do; who is not is sent to log in."""
    person = current_user(request)
    if person is None:
        target = same_site_bounce_target(request)
        return page(request, "arrival.html", target=target) if target else see_other(request, LOGIN_PATH)
    if request.path == HOME_PATH and (interrupted := interrupted_review(request)):
        return interrupted
    asked = request.app[ACCESS_REQUESTS]
    return page(
        request,
        "home.html",
        here=START_PATH,  # also where a login ends
        form_targets=await provider_origins(request.app[LOGIN].provider),
        full_name=" ".join(filter(None, (person.first_name, person.last_name))),
        powers=words.role_powers(person.role),
        pending=None if person.role else await _pending_of(asked, person),
        waiting=await _waiting_for(asked, person),
        is_answer=False,
    )


async def request_access(request: web.Request) -> web.Response:
    """Asks for a role, once; who did so before sees that as well."""
    person = current_user(request)
    if person is None:
        raise MissingAuthentication
    if person.role is not None:
        raise AlreadyHasAccess
    asked = request.app[ACCESS_REQUESTS]
    try:
        pending: AccessRequest | None = await asked.create(person.user_id, person.username)
    except AlreadyPending:
        pending = await _pending_of(asked, person)  # asked in another tab, or with a second click
    if is_partial(request):
        return fragment("_access.html", pending=pending, is_answer=True)
    return see_other(request, START_PATH)


async def _pending_of(asked: AccessRequests, person: SessionUser) -> AccessRequest | None:
    try:
        return await asked.pending_of(person.user_id)
    except NoPendingRequest:
        return None


async def _waiting_for(asked: AccessRequests, person: SessionUser) -> int:
    """How many requests wait for *person* to decide."""
    if person.role is None or not person.role.grants(Role.MANAGER):
        return 0
    _, total = await asked.list_page(size=1, only_pending=True)
    return total


OPERATIONS = (
    Operation("GET", "/", start, PUBLIC, "The way to the pages", in_document=False),
    Operation("GET", "/ui/", start, PUBLIC, "The way to the pages", in_document=False),
    Operation("GET", START_PATH, home, OPTIONAL, "Who I am", in_document=False),
    Operation("GET", HOME_PATH, home, OPTIONAL, "Who I am, after a login", in_document=False),
    Operation("POST", "/ui/request-access", request_access, OPTIONAL, "Ask for a role", in_document=False),
)
