"""Rendering of pages and fragments from templates, with their headers."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web

from bodhi.server.access.principal import SessionUser
from bodhi.server.http import labels
from bodhi.server.http.context import CONTEXT, LOGIN_FAULT
from bodhi.server.http.devices import device_of
from bodhi.server.http.navigation import NAVIGATION
from bodhi.server.http.static_files import static_url

if TYPE_CHECKING:
    import jinja2

PROVIDER_ORIGINS: "web.AppKey[Callable[[], Awaitable[Sequence[str]]]]" = web.AppKey("PROVIDER_ORIGINS")

_TEMPLATES = sorted(Path(__file__).parents[1].glob("*/templates"))  # a folder in each feature

# data: is for the images in Pico's style sheet. Nothing inline: templates contain no scripts or styles.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action {}; base-uri 'none'; frame-ancestors 'none'"
)

# For a page shown on an application's host, through its proxy: styles and images come from this server.
_POLICY_ELSEWHERE = (
    "default-src 'none'; style-src {0}; img-src {0} data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


async def page(
    request: web.Request, template: str, *, status: int = 200, form_targets: Iterable[str] = (), **values: Any
) -> web.Response:
    """Render *template* as a page; *form_targets* are other origins that its forms may redirect to.

    Every page for a logged-in user has a logout form, which may redirect to the provider.
    """
    user, navigation = current_user(request), request.app[NAVIGATION]
    context = {
        "here": request.path,
        "person": user,
        "navigation": navigation.bar_of(user),
        "administration": navigation.administration_of(user),
        **values,
    }
    targets = [*(await provider_origins(request) if user is not None else ()), *form_targets]
    text = render(template, **context)
    return web.Response(text=text, status=status, content_type="text/html", headers=page_headers(targets))


async def provider_origins(request: web.Request) -> Sequence[str]:
    """Return the origins of the provider's pages, which login and logout forms redirect to."""
    find = request.app.get(PROVIDER_ORIGINS)
    return [] if find is None else await find()


def fragment(
    template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> web.Response:
    """Render *template* as a part of a page, which htmx inserts."""
    all_headers = {**page_headers(), **(headers or {})}
    return web.Response(text=render(template, **values), status=status, content_type="text/html", headers=all_headers)


def render(template: str, **values: Any) -> str:
    """Return *template* rendered with *values*; a missing value is an error."""
    return _environment().get_template(template).render(values)


def page_headers(form_targets: Iterable[str] = ()) -> dict[str, str]:
    """Return the headers of every page: security policy and caching."""
    return _headers(_POLICY.format(" ".join(dict.fromkeys(["'self'", *form_targets]))))


def page_headers_elsewhere(origin: str) -> dict[str, str]:
    """Return the headers of a page without forms and scripts on another host; *origin* is this server's."""
    return _headers(_POLICY_ELSEWHERE.format(origin))


def _headers(policy: str) -> dict[str, str]:
    return {"Content-Security-Policy": policy, hdrs.CACHE_CONTROL: "no-store", hdrs.VARY: "Cookie"}


def current_user(request: web.Request) -> SessionUser | None:
    """Return the session user of *request*, or None; callers with bearer tokens are None, too.

    Raises the error that kept a logged-in user from being identified, such as a provider that does not refresh the
    tokens: a login page would suggest that the session has ended.
    """
    context = request.get(CONTEXT)
    if (fault := request.get(LOGIN_FAULT)) is not None:
        raise fault
    return context if isinstance(context, SessionUser) else None


@cache
def _environment() -> "jinja2.Environment":
    import jinja2  # a slow import, and not every process renders pages

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["static"] = static_url
    environment.globals.update(sign_in_url=None, required_role=None, needs_contact=False)  # error pages set them
    environment.globals["origin"] = ""  # of links and files; set for pages on another host
    environment.filters.update(
        role=labels.role_name,
        scope=labels.scope_name,
        day=labels.day,
        moment=labels.moment,
        when=labels.time_element,
        clock=labels.clock_element,
        readable=labels.readable,
        device=device_of,
    )
    return environment
