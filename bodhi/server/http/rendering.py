"""Pages and parts of pages from their templates, with the headers that they need."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web

from bodhi.server.access.principal import SessionUser
from bodhi.server.http import labels as words
from bodhi.server.http.context import CONTEXT, LOGIN_FAULT
from bodhi.server.http.devices import device_of
from bodhi.server.http.navigation import NAVIGATION
from bodhi.server.http.static_files import static_url

if TYPE_CHECKING:
    import jinja2

PROVIDER_ORIGINS: "web.AppKey[Callable[[], Awaitable[Sequence[str]]]]" = web.AppKey("PROVIDER_ORIGINS")

_TEMPLATES = sorted(Path(__file__).parents[1].glob("*/templates"))  # a folder in each feature

# data: for the pictures in Pico's style sheet. Nothing inline: no template has a script or a style of its own.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action {}; base-uri 'none'; frame-ancestors 'none'"
)

# On an application's host, in answer to its proxy: what is shown there comes from here.
_POLICY_ELSEWHERE = (
    "default-src 'none'; style-src {0}; img-src {0} data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


async def page(
    request: web.Request, template: str, *, status: int = 200, form_targets: Iterable[str] = (), **values: Any
) -> web.Response:
    """The page of that name; *form_targets* are the other origins to which the answer to one of its forms may lead.

    Every page for somebody who is logged in has a form that logs out, which may lead to the provider.
    """
    person, navigation = current_user(request), request.app[NAVIGATION]
    shown = {
        "here": request.path,
        "person": person,
        "navigation": navigation.bar_of(person),
        "administration": navigation.administration_of(person),
        **values,
    }
    targets = [*(await provider_origins(request) if person is not None else ()), *form_targets]
    text = render(template, **shown)
    return web.Response(text=text, status=status, content_type="text/html", headers=page_headers(targets))


async def provider_origins(request: web.Request) -> Sequence[str]:
    """The origins of the provider's pages, to which forms that log in and out lead."""
    find = request.app.get(PROVIDER_ORIGINS)
    return [] if find is None else await find()


def fragment(
    template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> web.Response:
    """A part of a page, for htmx to put in its place."""
    sent = {**page_headers(), **(headers or {})}
    return web.Response(text=render(template, **values), status=status, content_type="text/html", headers=sent)


def render(template: str, **values: Any) -> str:
    """The text that *template* makes of *values*; one that it lacks is an error."""
    return _environment().get_template(template).render(values)


def page_headers(form_targets: Iterable[str] = ()) -> dict[str, str]:
    """What every page says to browsers and caches."""
    return _headers(_POLICY.format(" ".join(dict.fromkeys(["'self'", *form_targets]))))


def page_headers_elsewhere(origin: str) -> dict[str, str]:
    """The same of a page without forms and scripts that is shown on another host; *origin* is this server's own."""
    return _headers(_POLICY_ELSEWHERE.format(origin))


def _headers(policy: str) -> dict[str, str]:
    return {"Content-Security-Policy": policy, hdrs.CACHE_CONTROL: "no-store", hdrs.VARY: "Cookie"}


def current_user(request: web.Request) -> SessionUser | None:
    """Who is logged in with a browser. Bearers of tokens are nobody here: pages are for people.

    Refused while nobody can tell, since the provider does not refresh their tokens: to show the way to log in would say
    otherwise.
    """
    context = request.get(CONTEXT)
    if (fault := request.get(LOGIN_FAULT)) is not None:
        raise fault
    return context if isinstance(context, SessionUser) else None


@cache
def _environment() -> "jinja2.Environment":
    import jinja2  # here, for it takes a while and not every process shows pages

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["static"] = static_url
    environment.globals["sign_in_url"] = None  # of an error's page, unless the tokens of a session are not refreshed
    environment.globals["origin"] = ""  # of links and files: the page's own, unless a page is given another
    environment.filters.update(
        role=words.role_name,
        scope=words.scope_name,
        day=words.day,
        moment=words.moment,
        readable=words.readable,
        device=device_of,
    )
    return environment
