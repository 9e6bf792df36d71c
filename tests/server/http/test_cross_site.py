import itertools

import pytest
from aiohttp import web

from bodhi.server.http.cross_site import cross_site_filter, is_cross_site_read
from bodhi.server.http.hosts import host_filter
from bodhi.server.http.public_url import PublicUrl
from server.http.filtered_app import code_of, edge, send

COOKIE = "__Host-sid"
REFUSED = (403, "auth_error-cross_site_request")
UNSAFE = ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"]
SAFE = ["GET", "HEAD", "OPTIONS"]
TARGETS = ["/", "/where/a", "/nowhere"]

EXPLICIT = PublicUrl("http", "bodhi.example.org", 1135)
GUESSED = PublicUrl("http", "localhost", 1135, is_explicit=False)
# By the Host of a request: the origin of a page that came from there.
OWN_ORIGINS = {
    EXPLICIT: dict.fromkeys(["bodhi.example.org:1135", "localhost:1135", "127.0.0.1"], "http://bodhi.example.org:1135"),
    GUESSED: {
        "localhost:1135": "http://localhost:1135",
        "localhost:8080": "http://localhost:8080",
        "127.0.0.1": "http://127.0.0.1",
    },
}
SITES = ["same-origin", "same-site", "cross-site", "none", "Same-Origin", "", None]
CREDENTIALS = {
    "nothing": ({}, False),
    "the session's cookie": ({"Cookie": f"a=b; {COOKIE}=x"}, False),
    "a bearer": ({"Authorization": "Bearer x"}, True),
    "a bearer in lower case": ({"Authorization": "bearer x"}, True),  # as RFC 9110, 11.1 has it
    "both": ({"Cookie": f"{COOKIE}=x", "Authorization": "Bearer x"}, True),
    "a password": ({"Authorization": "Basic YTpi"}, False),
}


def guarded(public=GUESSED, exempt=()):
    """Return an application with the check."""
    guards = [host_filter(public, own_host="localhost"), cross_site_filter(COOKIE, exempt=exempt)]
    return edge(guards=guards, public=public)


def origins(own):
    """Return Origin headers, by whether they are same-origin."""
    foreign = ["http://evil.example", "null", "", own.upper(), f"{own}/", own.replace("http", "https"), f"{own}0"]
    return {own: True, **dict.fromkeys(foreign, False), None: None}


def must_pass(site, origin_is_own, has_cookie):
    """Return whether a request without a bearer token must pass."""
    if site is not None:
        return site == "same-origin"
    if origin_is_own is not None:
        return origin_is_own
    return not has_cookie


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("public", [EXPLICIT, GUESSED], ids=["explicit", "guessed"])
async def test_unsafe_requests_require_a_same_origin_header(aiohttp_client, public, credential):
    """Every method, site, origin and host, on addresses that exist and one that does not."""
    client = await aiohttp_client(guarded(public))
    own_headers, is_bearer = CREDENTIALS[credential]
    wrong = []

    for host, own in OWN_ORIGINS[public].items():
        for method, target, site, (origin, is_own) in itertools.product(UNSAFE, TARGETS, SITES, origins(own).items()):
            if (UNSAFE.index(method) + TARGETS.index(target)) % 3:
                continue  # each method on some address, each address by some method
            headers = {"Host": host, "Sec-Fetch-Site": site, "Origin": origin, **own_headers}
            sent = {name: value for name, value in headers.items() if value is not None}
            async with client.request(method, target, headers=sent) as response:
                is_refused = response.status == 403
                if is_refused:
                    assert REFUSED == (response.status, (await response.json())["error"]["code"])
            if is_refused is (is_bearer or must_pass(site, is_own, "Cookie" in own_headers)):
                wrong.append((method, target, sent))

    assert [] == wrong


async def test_safe_requests_pass(aiohttp_client):
    """They change nothing, and are asked about where the session is read."""
    client = await aiohttp_client(guarded())
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example", "Cookie": f"{COOKIE}=x"}

    for method, target in itertools.product(SAFE, TARGETS):
        async with client.request(method, target, headers=headers) as response:
            assert (404 if target == "/nowhere" else 200) == response.status


@pytest.mark.parametrize(
    "lines",
    [
        ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"],
        ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: same-origin"],
        ["Sec-Fetch-Site: same-origin, same-origin"],
        ["Origin: http://localhost:1135", "Origin: http://evil.example"],
        ["Origin: http://evil.example", "Origin: http://localhost:1135"],
        ["Origin: http://localhost:1135, http://evil.example"],
        [b"Origin: http://localhost:1135\xff"],
        ["Cookie: a=b", f"Cookie: {COOKIE}=x"],
        [f"Cookie: {COOKIE}=x; {COOKIE}=y"],
        ["Origin: http://evil.example", "Authorization: Bearer a", "Authorization: Bearer b"],
        ["Origin: http://evil.example", "Authorization: Bearer"],
        ["Origin: http://evil.example", "Authorization: Basic Bearer "],
        ["Origin: http://evil.example", "X_Authorization: Bearer a"],
    ],
)
async def test_duplicate_or_malformed_origin_headers_are_refused(lines):
    """Nobody can tell which one is meant."""
    answer = await send(guarded(), "POST / HTTP/1.1", "Host: localhost:1135", "Content-Length: 0", *lines)

    assert REFUSED == code_of(answer)


async def test_program_without_a_session_needs_no_origin():
    """It carries nothing that a browser would have added."""
    for line in ("Cookie: other=1", "X-Other: 1"):
        assert 200 == (await send(guarded(), "POST / HTTP/1.1", "Host: localhost:1135", line))[0]


async def test_route_may_be_exempt():
    """By its pattern, whatever its parameters; the others are not."""
    app = guarded(exempt=["/where/{name}"])
    lines = ["Host: localhost:1135", "Sec-Fetch-Site: cross-site", "Origin: http://evil.example"]

    assert 200 == (await send(app, "POST /where/a HTTP/1.1", *lines))[0]
    assert REFUSED == code_of(await send(guarded(exempt=["/where/{name}"]), "POST / HTTP/1.1", *lines))


async def test_refused_request_reaches_no_handler():
    """Nothing has happened when it is answered."""
    seen = []

    async def handler(request):
        seen.append(request)
        return web.Response()

    app = guarded()
    app.router.add_post("/change", handler)
    await send(app, "POST /change HTTP/1.1", "Host: localhost:1135", "Sec-Fetch-Site: cross-site")

    assert [] == seen


@pytest.mark.parametrize(
    ("method", "lines", "expected"),
    [
        ("GET", [], False),
        ("GET", ["Sec-Fetch-Site: none"], False),
        ("GET", ["Sec-Fetch-Site: same-origin"], False),
        ("GET", ["Sec-Fetch-Site: same-site"], True),
        ("GET", ["Sec-Fetch-Site: cross-site"], True),
        ("GET", ["Sec-Fetch-Site: anything"], True),
        ("GET", ["Sec-Fetch-Site:"], True),
        ("GET", ["Sec-Fetch-Site: none", "Sec-Fetch-Site: none"], True),
        ("HEAD", ["Sec-Fetch-Site: cross-site"], True),
        ("OPTIONS", ["Sec-Fetch-Site: cross-site"], True),
        ("POST", ["Sec-Fetch-Site: same-origin"], False),
    ],
)
async def test_safe_cross_site_request_gets_no_session(method, lines, expected):
    """A typed address does, and so does a browser that does not say."""

    async def handler(request):
        return web.Response(headers={"X-Cross-Site": str(is_cross_site_read(request))})

    app = guarded()
    app.router.add_route("*", "/read", handler)

    _, headers, _ = await send(app, f"{method} /read HTTP/1.1", "Host: localhost:1135", *lines)

    assert str(expected) == headers["x-cross-site"]
