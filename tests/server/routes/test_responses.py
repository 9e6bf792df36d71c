"""Required headers and forbidden content of the responses of every operation."""

import re
from collections import Counter
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from yarl import URL

from bodhi.server.app import OPERATIONS
from bodhi.server.http.operations import PUBLIC
from bodhi.server.http.static_files import static_url
from server.routes.callers import ANOTHER_APP, SAME_ORIGIN, Caller, every_caller, session
from server.routes.description import faults_of

COOKIE = "bodhiapp_session_id"
NOBODY = Caller("anonymous", "none", SAME_ORIGIN)
EVIL = "evil.example"
STRICTEST = "default-src 'none'; frame-ancestors 'none'"
LARGEST_COOKIE = 4096
BY_NAME = {f"{operation.method} {operation.path}": operation for operation in OPERATIONS}
# These read a session, though everybody may call them.
END_SESSIONS = {"POST /bodhi/v1/logout", "POST /ui/logout"}
READ_SESSIONS = {"GET /bodhi/v1/auth/verify", *END_SESSIONS}
ENDS_ALL = {"DELETE /bodhi/v1/sessions", "POST /ui/admin/sessions/end-all", *END_SESSIONS}
KEPT_BY_CACHES = {"GET /ui/static/{name}", "GET /favicon.ico", "GET /bodhi/v1/openapi.json"}  # the same for everybody
REFUSED = {
    ("anonymous", "none"),
    ("session", "none"),
    ("session", "admin"),
    ("api_token", "user"),
    ("external_app", "none"),
}
# The browser brought the code itself.
HANDS_ON_A_CODE = {"GET /ui/auth/callback"}


SSO = {"BODHI_PUBLIC_HOST": "app.localhost", "BODHI_SSO_HOSTS": "wiki.localhost"}
FRAMED = "GET /bodhi/v1/auth/frontchannel-logout"  # in the provider's logout page


class Checked:
    """A client that checks every response; ``done`` counts successful operations."""

    def __init__(self, client, provider):
        self.client = client
        self.provider = provider
        self.done = Counter()
        self.json = None  # what is in the last answer

    async def __call__(self, name, caller=NOBODY, /, *, headers=None, query="", data=None, json=None, **parameters):
        """Send a request to an operation; return the response."""
        path = re.sub(r"\{(\w+)\}", lambda match: str(parameters.get(match[1], "4711")), BY_NAME[name].path)
        sent = {**caller.headers, **(headers or {})}
        options = {"headers": sent, "data": data, "json": json, "allow_redirects": False}
        async with self.client.request(BY_NAME[name].method, f"{path}?{query}", **options) as response:
            text = await response.text(errors="replace")  # an image is none
            self.json = await response.json() if response.content_type == "application/json" else None
        faults = [*self.faults(name, response, text, sent), *self.undescribed(name, response, text)]
        assert [] == faults, (name, response.status, response.headers)
        self.done[name] += response.status < 400
        return response

    def faults(self, name, response, text, sent):
        """Return the faults of a response."""
        headers = response.headers
        policy = headers.getall("Content-Security-Policy", [])
        is_data = response.content_type in {"application/json", "application/octet-stream"}
        if not (policy == [STRICTEST] if is_data else len(policy) == 1):
            yield "Content-Security-Policy"
        ancestors = URL(self.provider.issuer).origin() if name == FRAMED and response.status == 200 else "'none'"
        if not all(part in policy[0] for part in ("default-src 'none'", f"frame-ancestors {ancestors}")):
            yield "Content-Security-Policy"
        if headers.getall("X-Content-Type-Options", []) != ["nosniff"]:
            yield "X-Content-Type-Options"
        if "no-store" not in headers["Cache-Control"] and not (name in KEPT_BY_CACHES and response.status == 200):
            yield "Cache-Control"
        if self.reads_session(name, sent) and "cookie" not in headers.get("Vary", "").lower():
            yield "Vary"
        if [header for header in headers if header.lower().startswith("access-control-")]:
            yield "Access-Control"
        yield from self.leaks(name, headers, text, sent)

    def undescribed(self, name, response, text):
        """Return deviations from the API description."""
        content = self.json if response.content_type == "application/json" else text or None
        return faults_of(name, response.status, response.content_type, content)

    @staticmethod
    def reads_session(name, sent):
        """Return whether the response depends on the cookie."""
        is_asked = BY_NAME[name].access is not PUBLIC or name in READ_SESSIONS
        return is_asked and "Authorization" not in sent and EVIL not in repr(sent)

    def leaks(self, name, headers, text, sent):
        """What is where only the cookie may be."""
        cookies = [line for line in headers.getall("Set-Cookie", []) if line.startswith(f"{COOKIE}=")]
        ids = {value for line in [*cookies, sent.get("Cookie", "")] for value in re.findall(f'{COOKIE}=([^;"]+)', line)}
        others = [value for header, value in headers.items() if header != "Set-Cookie"]
        if [one for one in ids if one in text or one in "\n".join(others)]:
            yield "the session's id"
        for line in cookies:
            is_removal = f'{COOKIE}=""' in line
            if len(line) >= LARGEST_COOKIE or ("max-age" in line.lower() or "expires" in line.lower()) != is_removal:
                yield "Set-Cookie"
            if not line.endswith("; Path=/; HttpOnly; SameSite=Strict"):
                yield "Set-Cookie"
        if name not in HANDS_ON_A_CODE and [one for one in self.provider.issued_secrets if one in text]:
            yield "a secret of the provider"


@pytest.fixture
async def checked(start_client, provider):
    """Checks every response of a registered server."""
    provider.add_client(ANOTHER_APP, name="Another application")
    return Checked(await start_client(), provider)


@pytest.fixture
async def people(checked, provider):
    """Logs users in."""

    async def log_in(name):
        role = {"nobody": None, "power": ["resource_power_user"]}.get(name, [f"resource_{name}"])
        return await session(checked.client.app, provider, name, role)

    return log_in


async def test_every_operation_succeeds(start_client, checked, people, provider):
    """And each of its answers is sound."""
    await open_to_everybody(checked)
    await set_up(await start_client(is_registered=False), checked)
    await log_in(checked, provider)
    await ask_for_roles(checked, people)
    await let_applications_in(checked, people)
    await keep_own_things(checked, people)
    await see_and_end_sessions(checked, people)
    await checked("GET /bodhi/v1/auth/verify", await people("user"))
    await sign_on_at_another_host(await start_client(**SSO), checked, await people("user"))
    for name in END_SESSIONS:
        await checked(name, await people("user"))

    assert set() == set(BY_NAME) - set(+checked.done)


async def open_to_everybody(checked):
    """Request the public routes."""
    for path in ("/ping", "/health", "/bodhi/v1/info", "/bodhi/v1/openapi.json", "/", "/ui/", "/ui/login"):
        await checked(f"GET {path}")
    await checked("GET /favicon.ico")
    await checked("GET /ui/static/{name}", name=static_url("bodhi.css").rpartition("/")[2])


async def set_up(unregistered, checked):
    """Set the server up."""
    registered, checked.client = checked.client, unregistered
    await checked("POST /bodhi/v1/setup", json={"name": "A server of ours"})
    assert {"status": "resource-admin"} == checked.json
    checked.client = registered


async def log_in(checked, provider):
    """Log in by the API and the pages; end the sessions by the provider."""
    begun = await checked("POST /bodhi/v1/auth/initiate")
    answered = urlsplit(await provider.log_in_url(checked.json["location"], "user")).query
    done = await checked("POST /bodhi/v1/auth/callback", with_cookie_of(begun), json=dict(parse_qsl(answered)))
    await checked("GET /bodhi/v1/user", with_cookie_of(done))
    assert "logged_in" == checked.json["auth_status"]

    begun = await checked("POST /ui/login")
    answered = urlsplit(await provider.log_in_url(begun.headers["Location"], "user")).query
    await checked("GET /ui/auth/callback", query=answered)
    fields = {name: value for name, value in parse_qsl(answered) if name != "session_state"}
    done = await checked("POST /ui/auth/callback", with_cookie_of(begun), data=fields)
    for path in ("/ui", "/ui/chat"):
        await checked(f"GET {path}", with_cookie_of(done))

    person = provider.realm.sessions.of_person(provider.person("user").user_id)[0]
    logout_token = provider.realm.logout_token(person, provider.client_id)
    await checked("POST /bodhi/v1/auth/backchannel-logout", data={"logout_token": logout_token})
    await checked(
        "GET /bodhi/v1/auth/frontchannel-logout", query=urlencode({"iss": provider.issuer, "sid": person.sid})
    )


async def sign_on_at_another_host(client, checked, user):
    """Hand a session over to another host."""
    app, wiki = {"Host": "app.localhost:1135"}, {"Host": "wiki.localhost:1135"}
    before, checked.client = checked.client, client
    begun = await checked("GET /ui/sso", headers=wiki)
    nonce = begun.headers["Set-Cookie"].partition(";")[0]
    handed = await checked("GET /ui/sso/code", user, headers=app, query=urlsplit(begun.headers["Location"]).query)
    answer = urlsplit(handed.headers["Location"]).query
    done = await checked("GET /ui/sso/session", headers={**wiki, "Cookie": nonce}, query=answer)
    assert user.secret in done.headers["Set-Cookie"]
    checked.client = before


async def ask_for_roles(checked, people):
    """Request, reject, approve, change and remove roles."""
    admin, nobody = await people("admin"), await people("nobody")
    await checked("POST /ui/request-access", nobody)
    await checked("GET /ui/admin/access-requests", admin)
    await checked("GET /ui/admin/activity", admin)
    await checked("POST /ui/admin/access-requests/{id}/reject", admin, id=1)
    await checked("POST /bodhi/v1/user/request-access", nobody)
    await checked("GET /bodhi/v1/user/request-status", nobody)
    await checked("GET /bodhi/v1/access-requests/pending", admin)
    await checked("POST /bodhi/v1/access-requests/{id}/reject", admin, id=2)
    await checked("GET /bodhi/v1/access-requests", admin)
    user_id = checked.json["requests"][0]["user_id"]
    for number, (path, form) in enumerate({"/ui/admin": "data", "/bodhi/v1": "json"}.items(), 3):
        await checked("POST /bodhi/v1/user/request-access", await people("nobody"))
        await checked(
            f"POST {path}/access-requests/{{id}}/approve", admin, id=number, **{form: {"role": "resource_user"}}
        )
        await checked("DELETE /bodhi/v1/users/{user_id}", admin, user_id=user_id)
    await checked("PUT /bodhi/v1/users/{user_id}/role", admin, user_id=user_id, json={"role": "resource_manager"})
    await checked("GET /bodhi/v1/users", admin)


async def let_applications_in(checked, people):
    """Approve four applications: two by the API and two by the pages."""
    user = await people("user")
    ids = []
    for _ in range(4):
        body = {"app_client_id": ANOTHER_APP, "flow_type": "popup", "requested": {"notes": "all"}}
        await checked("POST /bodhi/v1/apps/request-access", json=body)
        ids.append(checked.json["id"])
    await checked("GET /bodhi/v1/apps/access-requests/{id}", id=ids[0], query=f"app_client_id={ANOTHER_APP}")
    await checked("GET /bodhi/v1/access-requests/{id}/review", user, id=ids[0])
    await checked("PUT /bodhi/v1/access-requests/{id}/approve", user, id=ids[0], json={"approved": {"notes": "all"}})
    await checked("POST /bodhi/v1/access-requests/{id}/deny", user, id=ids[1])
    await checked("GET /ui/apps/access-requests/review", user, query=f"id={ids[2]}")
    await checked("POST /ui/apps/access-requests/{id}/approve", user, id=ids[2])
    await checked("POST /ui/apps/access-requests/{id}/deny", user, id=ids[3])
    await checked("GET /bodhi/v1/user/app-access-requests", user)
    await checked("DELETE /bodhi/v1/access-requests/{id}", user, id=ids[0])


async def keep_own_things(checked, people):
    """Use API tokens and settings."""
    admin = await people("admin")
    await checked("POST /bodhi/v1/tokens", admin, json={"scope": "scope_token_user"})
    await checked("GET /bodhi/v1/tokens", admin)
    token = checked.json["data"][0]
    change = {"name": "another name", "status": "inactive"}
    await checked("PUT /bodhi/v1/tokens/{id}", admin, id=token["id"], json=change)
    await checked("DELETE /bodhi/v1/tokens/{id}", admin, id=token["id"])
    await checked("POST /ui/tokens", admin, data={"scope": "scope_token_user"})
    await checked("GET /ui/tokens", admin)
    for paths in (
        ["/ui/tokens/{id}/disable", "/ui/tokens/{id}/enable", "/ui/tokens/{id}/rename", "/ui/tokens/{id}/delete"],
        ["/ui/admin/tokens/{id}/disable"],
    ):
        await checked("POST /ui/tokens", admin, data={"scope": "scope_token_user"})
        await checked("GET /bodhi/v1/tokens", admin)
        token_id = checked.json["data"][0]["id"]
        for path in paths:
            data = {"name": "a name"} if path.endswith("rename") else None
            await checked(f"POST {path}", admin, id=token_id, data=data)
    await checked("GET /ui/admin/tokens", admin)
    await checked("GET /ui/admin/settings", admin)
    await checked("GET /bodhi/v1/settings", admin)
    await checked("PUT /bodhi/v1/settings/{key}", admin, key="BODHI_TOKEN_MEMORY", json={"value": 20})
    await checked("DELETE /bodhi/v1/settings/{key}", admin, key="BODHI_TOKEN_MEMORY")
    await checked("POST /ui/admin/settings/{key}", admin, key="BODHI_TOKEN_MEMORY", data={"value": "20s"})
    await checked("POST /ui/admin/settings/{key}/reset", admin, key="BODHI_TOKEN_MEMORY")


async def see_and_end_sessions(checked, people):
    """List and revoke sessions by the API and the pages."""
    user = await people("user")
    await checked("GET /ui/sessions", user)
    for end_one, end_others in (
        ("DELETE /bodhi/v1/user/sessions/{handle}", "DELETE /bodhi/v1/user/sessions"),
        ("POST /ui/sessions/{handle}/end", "POST /ui/sessions/end-others"),
    ):
        await people("user")
        await checked("GET /bodhi/v1/user/sessions", user)
        other = next(session for session in checked.json["sessions"] if not session["is_current"])
        await checked(end_one, user, handle=other["handle"])
        await checked(end_others, user)
    admin, user_id = await people("admin"), checked.provider.person("user").user_id
    await checked("GET /ui/admin", admin, query="q=user")
    for end_one, query in (
        ("DELETE /bodhi/v1/users/{user_id}/sessions/{handle}", ""),
        ("POST /ui/admin/person/sessions/{handle}/end", f"id={user_id}"),
    ):
        await people("user")
        await checked("GET /bodhi/v1/users/{user_id}/sessions", admin, user_id=user_id)
        handle = checked.json["sessions"][0]["handle"]
        await checked(end_one, admin, query=query, user_id=user_id, handle=handle)
    await checked("GET /ui/admin/person", admin, query=f"id={user_id}")
    await checked("POST /ui/admin/person/end-all", admin, query=f"id={user_id}")
    await checked("DELETE /bodhi/v1/users/{user_id}/sessions", admin, user_id=user_id)
    for name, options in {"role": {"data": {"role": "resource_user"}}, "remove": {}}.items():
        await checked(f"POST /ui/admin/person/{name}", admin, query=f"id={user_id}", **options)
    await people("user")
    await checked("GET /ui/admin/sessions", admin)
    await checked("GET /bodhi/v1/sessions", admin)
    handle = next(one["handle"] for one in checked.json["sessions"] if not one["is_current"])
    await checked("POST /ui/admin/sessions/{handle}/end", admin, handle=handle)
    await checked("POST /ui/admin/sessions/end-all", admin)
    await checked("DELETE /bodhi/v1/sessions", await people("admin"))


def with_cookie_of(response):
    """Return a client with the session cookie of this response."""
    cookie = response.headers["Set-Cookie"].partition(";")[0]
    return Caller("session", "user", {**SAME_ORIGIN, "Cookie": cookie}, cookie.partition("=")[2])


async def test_every_documented_error_occurs(checked, provider, database_url):
    """Of whoever has no credential, too small a one, a wrong host or another site, and of nonsense."""
    callers = await every_caller(checked.client.app, provider, database_url)
    chosen = [one for one in callers if (one.kind, one.level) in REFUSED]
    assert len(REFUSED) == len(chosen)
    for name in sorted(BY_NAME, key=lambda name: name in ENDS_ALL):
        for caller in chosen:
            await checked(name, caller, data=b"{")
            await checked(name, caller, headers={"Host": EVIL})
            await checked(name, caller, headers={"Origin": f"https://{EVIL}", "Sec-Fetch-Site": "cross-site"})


async def test_a_session_is_known_by_its_cookie_alone(checked, people):
    """Its id anywhere else is nothing: not in the address, not in a body, not in another header."""
    session_id = (await people("admin")).secret
    for options in (
        {"query": f"{COOKIE}={session_id}"},
        {"json": {COOKIE: session_id}},
        {"data": {COOKIE: session_id}},
        {"headers": {"Authorization": f"Bearer {session_id}"}},
        {"headers": {COOKIE: session_id, "X-Session-Id": session_id}},
        {"headers": {"Cookie": f"another_{COOKIE}={session_id}"}},
    ):
        await checked("GET /bodhi/v1/user", **options)
        assert {"auth_status": "logged_out"} == checked.json
