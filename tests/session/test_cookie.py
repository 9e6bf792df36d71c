"""The cookie: how it is set and removed, and how little of a hostile one gets through."""

import asyncio
import logging

import pytest
from aiohttp import web
from aiohttp_session import get_session

from bodhi.errors import ConfigurationError
from bodhi.session import CookiePolicy
from session.pages import cookie_of, sent, set_cookies

NAME = "bodhiapp_session_id"
UNKNOWN = "u" * 43


def _attributes(response):
    """The cookie's name and its attributes in the raw header, in small letters."""
    (line,) = set_cookies(response)
    pair, *attributes = line.split("; ")
    return pair.partition("=")[0], [attribute.lower() for attribute in attributes]


# Setting and removing.


@pytest.mark.parametrize(
    ("policy", "name", "attributes"),
    [
        (CookiePolicy(), NAME, ["path=/", "httponly", "samesite=strict"]),
        (CookiePolicy(samesite="Lax"), NAME, ["path=/", "httponly", "samesite=lax"]),
        (CookiePolicy(samesite="lAX"), NAME, ["path=/", "httponly", "samesite=lax"]),
        (CookiePolicy(name="sid"), "sid", ["path=/", "httponly", "samesite=strict"]),
        (CookiePolicy(secure=True), f"__Host-{NAME}", ["path=/", "httponly", "samesite=strict", "secure"]),
        (CookiePolicy(secure=True, host_prefix=False), NAME, ["path=/", "httponly", "samesite=strict", "secure"]),
    ],
    ids=["http", "Lax", "lAX", "another name", "https", "https without prefix"],
)
async def test_every_set_cookie_has_the_same_attributes(policy, name, attributes, serve, make_service):
    """At the beginning, at a login, at a rotation and at the end: no Domain, no Max-Age, one line."""
    client = await serve(await make_service(cookie=policy), keeps_cookies=False)
    begun = await client.post("/set", json={"a": 1})
    login = await client.post("/login/alice", headers=sent(cookie_of(begun), name))
    away = await client.post("/remove/user_id", headers=sent(cookie_of(login), name))
    logout = await client.post("/logout", headers=sent(cookie_of(away), name))

    for response in (begun, login, away):
        assert (name, attributes) == _attributes(response)
        assert len(response.headers["Set-Cookie"]) < 4096
    removal = ["max-age=0", "expires=thu, 01 jan 1970 00:00:00 gmt", *attributes]
    assert (name, removal) == _attributes(logout)
    assert "" == cookie_of(logout)


def _warnings(caplog):
    return [record.getMessage() for record in caplog.records if "without Secure" in record.getMessage()]


HTTPS = [
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Proto": "HTTPS, http"},
    {"Forwarded": 'for=192.0.2.1;Proto="https"'},
    {"Forwarded": "for=192.0.2.1;proto=https;host=example.org"},
]


@pytest.mark.parametrize("headers", HTTPS, ids=str)
async def test_an_insecure_cookie_over_https_warns_once(headers, serve, service, caplog):
    """The first https request that sets a cookie; the warning says what to change, and nothing else happens."""
    client = await serve(service, keeps_cookies=False)
    plain = await client.post("/set", json={"a": 1})
    await client.get("/read", headers={**headers, **sent(cookie_of(plain))})
    assert [] == _warnings(caplog)

    first = await client.post("/set", json={"a": 1}, headers=headers)
    await client.post("/login/alice", headers={**headers, **sent(cookie_of(first))})

    (warning,) = _warnings(caplog)
    assert "CookiePolicy(secure=True)" in warning
    assert "docs/reference/library.md" in warning
    assert _attributes(plain) == _attributes(first)


@pytest.mark.parametrize("path", ["/set", "/stream"])
async def test_a_request_whose_scheme_is_https_warns(path, serve, service, caplog):
    """As a server that speaks TLS itself sees it, or a middleware that knows its proxy; streams too."""

    @web.middleware
    async def behind_a_proxy(request, handler):
        return await handler(request.clone(scheme="https"))

    async def stream(request):
        (await get_session(request))["a"] = 1
        response = web.StreamResponse()
        await response.prepare(request)
        return response

    client = await serve(service, around=[behind_a_proxy], stream=stream)

    await client.post(path, json={"a": 1})

    assert 1 == len(_warnings(caplog))


async def test_a_secure_cookie_and_http_warn_of_nothing(serve, make_service, caplog):
    """Each is as it should be."""
    for policy, headers in ((CookiePolicy(secure=True), HTTPS[0]), (CookiePolicy(), {"X-Forwarded-Proto": "http"})):
        client = await serve(await make_service(cookie=policy), keeps_cookies=False)
        assert cookie_of(await client.post("/set", json={"a": 1}, headers=headers))

    assert [] == _warnings(caplog)


async def test_the_value_has_256_random_bits(service):
    """43 characters of base64url, never twice the same."""
    ids = {(await service.create({"a": 1}))[0] for _ in range(50)}

    assert 50 == len(ids)
    assert {43} == {len(session_id) for session_id in ids}


@pytest.mark.parametrize(
    "options",
    [
        {"name": ""},
        {"name": "my session"},
        {"name": "a=b"},
        {"name": "a;b"},
        {"name": "naïve"},
        {"name": "a\r\nSet-Cookie: x"},
        {"name": "__Host-x"},
        {"name": "__host-x"},
        {"name": "__Secure-x"},
        {"samesite": "None"},
        {"samesite": "NONE"},
        {"samesite": ""},
        {"samesite": None, "secure": True},
        {"samesite": "Lax ", "secure": True},
    ],
)
def test_a_policy_that_browsers_would_not_honour_is_refused(options):
    """One line for the operator."""
    with pytest.raises(ConfigurationError):
        CookiePolicy(**options)


@pytest.mark.parametrize("samesite", ["None", "none", "NONE"])
async def test_other_sites_may_have_the_cookie(samesite, serve, make_service):
    """For `form_post` logins and embedded applications; nothing is withheld, so there is no marker beside it."""
    service = await make_service(cookie=CookiePolicy(secure=True, samesite=samesite))
    client = await serve(service, keeps_cookies=False)
    name = f"__Host-{NAME}"

    begun = await client.post("/set", json={"a": 1})

    (line,) = begun.headers.getall("Set-Cookie")
    assert line.endswith("; Path=/; HttpOnly; SameSite=None; Secure")
    removed = await client.post("/logout", headers=sent(cookie_of(begun), name))
    assert [True] == ["SameSite=None; Secure" in line for line in removed.headers.getall("Set-Cookie")]
    # A marker of another configuration keeps nobody from a session.
    again = await client.post(
        "/set", json={"a": 1}, headers={"Cookie": f"{name}_exists=1", "Sec-Fetch-Site": "cross-site"}
    )
    assert cookie_of(again)


# Caching.


@pytest.mark.parametrize(
    "request_line", [("POST", "/set"), ("POST", "/login/a"), ("POST", "/logout"), ("GET", "/read")]
)
async def test_answers_that_depend_on_the_session_are_not_cached(request_line, client):
    """Neither those that set the cookie nor those that only read the session."""
    await client.post("/set", json={"a": 1})

    response = await client.request(*request_line, json={"b": 2})

    assert "no-store" == response.headers["Cache-Control"]
    assert ["Cookie"] == response.headers.getall("Vary")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["Accept-Encoding"], {"accept-encoding", "cookie"}),
        (["cookie"], {"cookie"}),
        (["Accept, Cookie"], {"accept", "cookie"}),
        (["*"], {"*"}),
        (["Accept", "Accept-Language"], {"accept", "accept-language", "cookie"}),
        (["X-Cookie-Banner"], {"x-cookie-banner", "cookie"}),
    ],
)
async def test_vary_is_added_to_what_the_handler_said(said, expected, serve, service):
    """Nothing of it is lost, and nothing stands twice."""

    async def handler(request):
        await get_session(request)
        response = web.Response()
        for value in said:
            response.headers.add("Vary", value)
        return response

    client = await serve(service, page=handler)

    response = await client.get("/page")

    fields = [field.strip().lower() for line in response.headers.getall("Vary") for field in line.split(",")]
    assert sorted(expected) == sorted(fields)


async def test_the_handlers_cache_control_stays(serve, service):
    """Unless the handler said otherwise."""

    async def handler(request):
        await get_session(request)
        return web.Response(headers={"Cache-Control": "private, max-age=60"})

    client = await serve(service, page=handler)

    assert "private, max-age=60" == (await client.get("/page")).headers["Cache-Control"]


async def test_other_cookies_of_the_handler_stay(serve, service):
    """The session's is one more."""

    async def handler(request):
        (await get_session(request))["a"] = 1
        response = web.Response()
        response.set_cookie("theme", "dark")
        return response

    client = await serve(service, page=handler)

    names = [line.partition("=")[0] for line in set_cookies(await client.get("/page"))]

    assert sorted([NAME, "theme"]) == sorted(names)


# Hostile cookies.


async def _raw_request(client, *lines, path="/read"):
    """The status line and the body of the answer to a request with these header lines, byte for byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    head = [b"GET " + path.encode() + b" HTTP/1.1", b"Host: localhost", *lines, b"Connection: close", b"", b""]
    writer.write(b"\r\n".join(head))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    start, _, body = answer.partition(b"\r\n\r\n")
    return int(start.split()[1]), start, body


HOSTILE = {
    "empty": b"",
    "the name alone": b"NAME",
    "an empty value": b"NAME=",
    "quotes": b'NAME="ID"',
    "half quoted": b'NAME="ID',
    "a prefix": b"xNAME=ID",
    "a suffix": b"NAMEx=ID",
    "capitals": b"BODHIAPP_SESSION_ID=ID",
    "no name": b"=NAME=ID",
    "only separators": b";;;===;; ;",
    "not ASCII": "NAME=üüü".encode(),
    "no UTF-8": b"NAME=\xff\xfe" + b"u" * 41,
    "no UTF-8 elsewhere": b"other=\xff\xfe; NAME=zzz",
    "a byte too many": b"NAME=IDx",
    "a byte too few": b"NAME=" + b"u" * 42,
    "padded": b"NAME=" + b"u" * 42 + b"=",
    "standard base64": b"NAME=" + b"u" * 41 + b"+/",
    "percent": b"NAME=" + b"%75" * 14 + b"u",
    "SQL": b"NAME=' OR 1=1 --" + b"u" * 30,
    "two thousand bytes": b"NAME=" + b"u" * 2_000,
    "seven thousand bytes": b"NAME=" + b"u" * 7_000,
    "two hundred cookies": b"; ".join(b"c%d=v" % number for number in range(200)),
    "planted first": b"NAME=" + b"p" * 43 + b"; NAME=ID",
    "planted last": b"NAME=ID; NAME=" + b"p" * 43,
    "planted empty": b"NAME=; NAME=ID",
    "wrapped in quotes": b'a="x; NAME=' + b"p" * 43 + b'; y"; NAME=ID',
    "tabs": b"NAME\t=\tI D",
    "comma": b"NAME=ID, NAME=ID",
}


async def test_a_hostile_cookie_is_an_anonymous_visitor(bare_client, service, caplog, raw, subtests):
    """200, nobody's session, nothing about the cookie, nothing in the log, and no harm to the real session."""
    session_id, _ = await service.create({"secret": True})
    rows = await raw.sessions()
    for name, hostile in HOSTILE.items():
        line = b"Cookie: " + hostile.replace(b"NAME", NAME.encode()).replace(b"ID", session_id.encode())
        with subtests.test(name), caplog.at_level(logging.INFO):
            status, head, body = await _raw_request(bare_client, line)

            assert (200, b"{}") == (status, body)
            assert b"Set-Cookie" not in head
            assert rows == await raw.sessions()
    # Several values are no accident: that is one line, however many requests bring them.
    [record] = [record for record in caplog.records if record.name.startswith("bodhi")]
    assert (logging.INFO, True) == (record.levelno, "session cookie ambiguous" in record.getMessage())
    assert 4 == service.counters.ambiguous_cookies


@pytest.mark.parametrize(
    "line", [b"Cookie: bodhiapp_session_id=\x00", b"Cookie: bodhiapp_session_id=" + b"u" * 10_000], ids=["NUL", "10 kB"]
)
async def test_what_aiohttp_itself_refuses_is_no_5xx(line, bare_client):
    """400 from its parser."""
    status, _, _ = await _raw_request(bare_client, line)

    assert 400 <= status < 500


GOOD = {
    "alone": [b"Cookie: NAME=ID"],
    "among others": [b"Cookie: a=b; NAME=ID; c=d"],
    "without blanks": [b"Cookie: a=b;NAME=ID;c=d"],
    "with more blanks": [b"Cookie:   a=b ;   NAME = ID  "],
    "twice": [b"Cookie: NAME=ID; NAME=ID"],
    "twice, with blanks": [b"Cookie: NAME= ID ;a=b; NAME\t=ID\t"],
    "on both lines": [b"Cookie: NAME=ID", b"Cookie: a=b; NAME=ID"],
    "a hundred times": [b"Cookie: " + b"NAME=ID; " * 100],
    "on the second line": [b"Cookie: a=b", b"Cookie: NAME=ID"],
    "beside a value with the name in it": [b"Cookie: a=NAME; NAME=ID; b=xNAME=1"],
    "beside a half quoted one": [b'Cookie: a="x; NAME=ID'],
    "beside capitals": [b"Cookie: BODHIAPP_SESSION_ID=" + b"p" * 43 + b"; NAME=ID"],
    "beside a nameless one": [b"Cookie: =NAME=" + b"p" * 43 + b"; NAME=ID"],
    "beside bytes that are no UTF-8": [b"Cookie: a=\xff; NAME=ID"],
    "after an empty pair": [b"Cookie: ; ;NAME=ID"],
}


async def test_the_cookie_is_found_among_whatever_else_there_is(bare_client, service, subtests, caplog):
    """What http.cookies would stumble over does not log anybody out."""
    session_id, _ = await service.create({"secret": True})
    for name, templates in GOOD.items():
        lines = [line.replace(b"NAME", NAME.encode()).replace(b"ID", session_id.encode()) for line in templates]
        with subtests.test(name):
            status, _, body = await _raw_request(bare_client, *lines)

            assert (200, b'{"secret": true}') == (status, body)
    assert (0, "") == (service.counters.ambiguous_cookies, caplog.text)


async def test_a_planted_twin_on_another_header_line_counts_as_no_session(bare_client, service):
    """Two Cookie lines are one cookie header."""
    mine, _ = await service.create({"secret": True})
    lines = [f"Cookie: {NAME}={value}".encode() for value in ("p" * 43, mine)]

    assert b"{}" == (await _raw_request(bare_client, *lines))[2]
    assert b"{}" == (await _raw_request(bare_client, *lines[::-1]))[2]


@pytest.mark.parametrize("order", [1, -1])
async def test_a_planted_twin_makes_no_login_on_the_planted_session(order, bare_client, service):
    """A login under two cookies begins a session of its own, and ends neither of the two."""
    ids = [(await service.create({"whose": whose}))[0] for whose in ("victim", "attacker")][::order]
    headers = {"Cookie": f"{NAME}={ids[0]}; {NAME}={ids[1]}"}

    issued = cookie_of(await bare_client.post("/login/alice", headers=headers))

    assert issued not in ids
    assert {"user_id": "alice"} == (await service.load(issued)).data
    assert all([await service.load(session_id) for session_id in ids])


@pytest.mark.parametrize("other", [NAME, f"__host-{NAME}", f"__HOST-{NAME}", f"__Secure-{NAME}", f" __Host-{NAME}x"])
async def test_under_https_only_the_prefixed_name_counts(other, serve, make_service):
    """A sibling host or http can plant the plain name and variants of the prefix, but not the prefixed name."""
    service = await make_service(cookie=CookiePolicy(secure=True))
    client = await serve(service, keeps_cookies=False)
    mine, _ = await service.create({"whose": "mine"})
    planted, _ = await service.create({"whose": "planted"})

    alone = await client.get("/read", headers={"Cookie": f"{other}={planted}"})
    beside = await client.get("/read", headers={"Cookie": f"{other}={planted}; __Host-{NAME}={mine}"})

    assert "{}" == await alone.text()
    assert '{"whose": "mine"}' == await beside.text()


async def test_a_logout_without_a_session_is_a_logout(bare_client, service):
    """Always 200; whatever cookie of that name there was is removed."""
    session_id, _ = await service.create({"a": 1})
    first = await bare_client.post("/logout", headers=sent(session_id))
    second = await bare_client.post("/logout", headers=sent(session_id))
    unknown = await bare_client.post("/logout", headers=sent(UNKNOWN))
    malformed = await bare_client.post("/logout", headers=sent("x"))
    without = await bare_client.post("/logout")

    answers = [(one.status, cookie_of(one)) for one in (first, second, unknown, malformed, without)]
    assert [(200, "")] * 4 + [(200, None)] == answers
