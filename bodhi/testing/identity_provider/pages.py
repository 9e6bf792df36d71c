"""The HTML pages of the provider, without scripts."""

from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode, urlsplit

from aiohttp import hdrs, web

from bodhi.testing.identity_provider.accounts import Person
from bodhi.testing.identity_provider.clients import Client
from bodhi.testing.identity_provider.realm import Realm

STYLE_PATH = "/development.css"
LOGIN_PATH = "/login-actions/authenticate"

_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"

_STYLE = """\
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 32rem; padding: 1rem; }
h1 { font-size: 1.4rem; line-height: 1.2; }
.warning { border-left: 0.3rem solid #b45309; margin: 1rem 0; padding: 0.1rem 0.8rem; }
ul { list-style: none; margin: 0; padding: 0; }
button { border: 1px solid; border-radius: 0.4rem; cursor: pointer; display: block; font: inherit; margin: 0.6rem 0;
         min-height: 3rem; padding: 0.5rem 0.8rem; text-align: left; width: 100%; }
button small { display: block; }
"""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}: development provider</title>
<link rel="stylesheet" href="{style}">
</head>
<body>
<main>
<h1>{title}</h1>
<p class="warning">This is a development provider. It asks for no password and lets anybody in.</p>
{content}
</main>
</body>
</html>
"""


def login(realm: Realm, client: Client, parameters: Mapping[str, str]) -> web.Response:
    """Return the login page, with a button for each user."""
    # The form carries the whole authorization request, so the server needs no state until it is submitted.
    action = escape(f"{urlsplit(realm.issuer).path}{LOGIN_PATH}?{urlencode(parameters)}")
    buttons = "\n".join(
        f'<li><button name="user" value="{escape(person.username)}" aria-labelledby="name-{number}"'
        f' aria-describedby="about-{number}"><b id="name-{number}">{escape(person.username)}</b>'
        f'<small id="about-{number}">{escape(_description(realm, client, person))}</small></button></li>'
        for number, person in enumerate(realm.accounts)
    )
    content = (
        f"<p>Choose a demo user to sign in to {escape(client.name or client.client_id)}:</p>\n"
        f'<form method="post" action="{action}">\n<ul>\n{buttons}\n</ul>\n</form>'
    )
    return _page("Sign in", content, form_action=parameters["redirect_uri"])


def logged_out() -> web.Response:
    """Return the page after a logout without a redirect URI."""
    return _page("Signed out", "<p>You have been signed out.</p>")


async def front(_: web.Request) -> web.Response:
    """Return the page at the root."""
    return _page("Identity provider", "<p>Applications redirect here for sign-in. There are no other pages.</p>")


def error_page(message: str) -> web.Response:
    """Return an error page for a request that cannot be redirected to a client."""
    return _page("Request failed", f"<p>{escape(message)}</p>", status=400)


async def style(_: web.Request) -> web.Response:
    """Return the style sheet of all pages."""
    return web.Response(text=_STYLE, content_type="text/css", headers={hdrs.CACHE_CONTROL: "max-age=60"})


def _description(realm: Realm, client: Client, person: Person) -> str:
    """Return the user's full name and role at *client*."""
    names = [name for name in (person.given_name, person.family_name) if name]
    role = realm.accounts.role(client.client_id, person.user_id)
    return ", ".join(filter(None, (" ".join(names), str(role) if role else "no role")))


def _page(title: str, content: str, *, status: int = 200, form_action: str | None = None) -> web.Response:
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(form_action)) if form_action else ""
    # Browsers apply form-action to the redirect after the form submission as well.
    policy = (
        f"default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' {origin}"
    )
    return web.Response(
        text=_PAGE.format(title=escape(title), style=STYLE_PATH, content=content),
        status=status,
        content_type="text/html",
        headers={
            "Content-Security-Policy": policy.rstrip(),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            hdrs.CACHE_CONTROL: "no-store",
        },
    )
