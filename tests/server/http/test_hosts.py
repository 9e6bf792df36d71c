import pytest

from bodhi.server.http.canonical import canonical_filter
from bodhi.server.http.forwarded import HOST, forwarded_filter
from bodhi.server.http.hosts import host_filter
from bodhi.server.http.public_url import PublicUrl
from server.http.filtered_app import LOCAL, PUBLIC, code_of, edge, send

UNKNOWN = (421, "route_error-misdirected_request")
MALFORMED = (400, "route_error-bad_request")

LONG = ".".join(["a" * 50] * 6)


def guarded(public=LOCAL, own_host="localhost", allowed_hosts=(), *, outside=()):
    """Return an application with the check."""
    check = host_filter(public, own_host=own_host, allowed_hosts=allowed_hosts)
    return edge(guards=[*outside, check], public=public)


def get(host, target="/", method="GET"):
    """Return the request lines for *host*."""
    return f"{method} {target} HTTP/1.1", f"Host: {host}"


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost:8080",
        "localhost.",
        "a.localhost",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.9.9.9:65535",
        "[::1]",
        "[::1]:1135",
        "[0:0::0:1]",
    ],
)
async def test_loopback_host_is_always_allowed(host):
    """Nobody else is behind it."""
    assert 200 == (await send(guarded(PUBLIC), *get(host)))[0]


@pytest.mark.parametrize(
    ("host", "options"),
    [
        ("bodhi.example.org", {"public": PUBLIC}),
        ("Bodhi.Example.Org:443", {"public": PUBLIC}),
        ("bodhi.example.org:8443", {"public": PUBLIC}),
        ("10.1.2.3:1135", {"own_host": "10.1.2.3"}),
        ("[2001:db8::1]:1135", {"own_host": "2001:db8:0::1"}),
        ("other.example", {"allowed_hosts": ["b.example", "other.example"]}),
        ("my_service:1135", {"allowed_hosts": ["my_service"]}),
    ],
)
async def test_hosts_in_the_settings_are_allowed(host, options):
    """By the same name, on any port: a proxy or a container may map it."""
    assert 200 == (await send(guarded(**options), *get(host)))[0]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "xlocalhost",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "[::]",
        "10.1.2.3",
        "169.254.169.254",
        "2130706433",
        "0x7f.1",
        "127.1",
        "..",
        "bodhi.example.org.evil.example",
    ],
)
@pytest.mark.parametrize("target", ["/", "/nowhere", "/where/a"])
async def test_other_hosts_are_misdirected(host, target):
    """Also where every address is listened on, and where there is nothing at the address."""
    for method in ("GET", "POST"):
        assert UNKNOWN == code_of(await send(guarded(PUBLIC, own_host="0.0.0.0"), *get(host, target, method)))


@pytest.mark.parametrize("path", ["/ping", "/health", "/ping?a=b"])
async def test_liveness_routes_accept_any_host(path):
    """Load balancers ask by address."""
    assert 200 == (await send(guarded(), *get("10.1.2.3:1135", path)))[0]


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost:",
        "localhost:port",
        "localhost:0",
        "localhost:65536",
        "localhost:+80",
        "localhost:80:80",
        "user@localhost",
        "user:password@localhost",
        "evil.example@localhost",
        "localhost@evil.example",
        "localhost#evil.example",
        "localhost/evil",
        "localhost\\evil.example",
        "localhost?evil",
        "localhost,evil.example",
        "localhost evil.example",
        "local host",
        "::1",
        "[::1",
        "[::1]evil.example",
        "[localhost]",
        "[::1%25eth0]",
        "%6cocalhost",
        "l\u00f6calhost",
        "localhost\u3002evil",
        "http://localhost",
        LONG,
    ],
)
async def test_malformed_hosts_are_refused(host):
    """Everywhere, and by no guess of what may be meant."""
    for target in ("/", "/ping"):
        assert MALFORMED == code_of(await send(guarded(), *get(host, target)))


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: localhost", "Host: evil.example"],
        ["Host: localhost", "Host: localhost"],
        ["Host: localhost", "host: localhost"],
        ["Host : localhost"],
        [" Host: localhost"],
        ["X: y", "Host: localhost", " evil.example"],
        [],
    ],
)
async def test_two_hosts_or_none_are_refused(lines):
    """Whichever program looks first would decide."""
    assert 400 == (await send(guarded(), "GET /ping HTTP/1.1", *lines))[0]


async def test_http_1_0_needs_no_host():
    """It is no browser."""
    status, _, body = await send(guarded(), "GET /where/a HTTP/1.0")

    assert (200, [str(LOCAL)] * 2) == (status, body)


@pytest.mark.parametrize(
    ("target", "host", "expected"),
    [
        ("http://localhost/ping", "localhost", 200),
        ("http://LOCALHOST/ping", "localhost", 200),
        ("http://localhost:1135/ping?a", "localhost:1135", 200),
        ("http://evil.example/", "localhost", 400),
        ("http://localhost/", "evil.example", 400),
        ("http://localhost:1/", "localhost:2", 400),
        ("http://localhost/", "localhost:80", 400),
        ("http://user@localhost/", "localhost", 400),
        ("http://localhost@evil.example/", "localhost", 400),
        ("http://evil.example/", "evil.example", 421),
        ("http://evil.example#localhost", "localhost", 400),
        ("evil://localhost/ping", "localhost", 200),
    ],
)
async def test_target_in_absolute_form_names_the_same_host(target, host, expected):
    """Or the request is refused."""
    assert expected == (await send(guarded(), *get(host, target)))[0]


@pytest.mark.parametrize(
    ("method", "target", "public", "status"),
    [
        ("GET", "/", PUBLIC, 301),
        ("HEAD", "/", PUBLIC, 301),
        ("POST", "/", PUBLIC, 421),
        ("GET", "/where/exempt", PUBLIC, 421),
        ("HEAD", "/where/exempt", PUBLIC, 421),
        ("POST", "/where/exempt", PUBLIC, 421),
        ("GET", "/", LOCAL, 421),
    ],
)
async def test_reads_for_other_hosts_are_sent_to_the_public_one(method, target, public, status):
    """Where somebody said which it is; other methods cannot be repeated there, and are refused."""
    redirects = canonical_filter(public, enabled=True, exempt=["/where/exempt"])
    for lines in (get("evil.example", target, method), (*get("localhost", target, method), f"{HOST}: evil.example")):
        app = guarded(public, outside=[forwarded_filter(["127.0.0.1"]), redirects])
        assert status == (await send(app, *lines))[0]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", "http://localhost"),
        ("localhost:1135", "http://localhost:1135"),
        ("localhost:80", "http://localhost"),
        ("LocalHost:8080", "http://localhost:8080"),  # a published port
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("other.example", "http://other.example"),
        ("[::1]:1135", "http://[::1]:1135"),
        ("[2001:DB8::0:7]:8080", "http://[2001:db8::7]:8080"),
        ("my_service:1", "http://my_service:1"),
    ],
)
async def test_origin_and_redirect_uri_follow_the_request_host(host, expected):
    """Where nobody said which host browsers see: a login returns where it began."""
    app = guarded(own_host="::", allowed_hosts=["other.example", "my_service", "2001:db8::7"])

    assert [expected] * 2 == (await send(app, *get(host, "/where/a")))[2]


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "my_service:1", "[::1]:8080"])
@pytest.mark.parametrize(("scheme", "port", "origin"), [("http", 4711, "http://{}:4711"), ("https", 443, "https://{}")])
async def test_configured_scheme_and_port_are_those_of_the_redirect_uri(host, scheme, port, origin):
    """They are what several hosts have in common, whatever a proxy makes of the port."""
    public = PublicUrl(scheme, "localhost", port, is_explicit=False, is_port_explicit=True)

    answer = await send(guarded(public, allowed_hosts=["my_service"]), *get(host, "/where/a"))

    assert origin.format(host.rpartition(":")[0] or host) == answer[2][1]


@pytest.mark.parametrize("host", ["localhost:1135", "bodhi.example.org", "[::1]"])
async def test_origin_and_redirect_uri_are_the_explicit_public_url(host):
    """Whatever a request says."""
    assert [str(PUBLIC)] * 2 == (await send(guarded(PUBLIC), *get(host, "/where/a")))[2]


async def test_unknown_host_never_gets_into_a_url():
    """Not even where a request for it is answered."""
    status, headers, body = await send(guarded(LOCAL), *get("evil.example", "/where/a"))
    assert (421, False) == (status, "evil" in f"{headers}{body}")

    redirects = canonical_filter(PUBLIC, enabled=True)
    status, headers, _ = await send(guarded(PUBLIC, outside=[redirects]), *get("evil.example", "/where/a"))
    assert (301, f"{PUBLIC}/where/a") == (status, headers["location"])


async def test_forwarded_host_and_scheme_are_those_of_the_request():
    """From a trusted proxy; the host has to be known all the same."""
    outside = [forwarded_filter(["127.0.0.1"])]
    app = {"allowed_hosts": ["a.example"], "outside": outside}
    lines = get("10.0.0.1:1135", "/where/a")

    answer = await send(guarded(**app), *lines, "X-Forwarded-Host: a.example:8443", "X-Forwarded-Proto: https")
    foreign = await send(guarded(**app), *lines, "X-Forwarded-Host: evil.example")
    malformed = await send(guarded(**app), *lines, "X-Forwarded-Host: a.example@evil.example")

    assert ["https://a.example:8443"] * 2 == answer[2]
    assert (UNKNOWN, MALFORMED) == (code_of(foreign), code_of(malformed))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["X-Forwarded-Port: 8443", "X-Forwarded-Proto: https"], "https://a.example:8443"),
        (["X-Forwarded-Port: 8080"], "http://a.example:8080"),
        (["X-Forwarded-Port: 1, 8080"], "http://a.example:8080"),  # the client's own is to the left
        (["X-Forwarded-Port: 443", "X-Forwarded-Proto: https"], "https://a.example"),
        (["X-Forwarded-Port: 80", "X-Forwarded-Proto: https"], "https://a.example"),  # TLS ends further outside
        (["X-Forwarded-Port: 443", "X-Forwarded-Proto: http"], "http://a.example"),
        (["X-Forwarded-Port: 8080", "X-Forwarded-Host: a.example:9090"], "http://a.example:9090"),
        (["X-Forwarded-Port: 8080", "X-Forwarded-Host: a_b.example"], "http://a_b.example:8080"),
        *(([f"X-Forwarded-Port: {port}"], "http://a.example") for port in ("", "0", "65536", "-1", "x", "8080/x")),
    ],
)
@pytest.mark.parametrize("is_trusted", [True, False])
async def test_forwarded_port_completes_a_host_without_one(lines, expected, is_trusted):
    """From a trusted proxy."""
    outside = [forwarded_filter(["127.0.0.1" if is_trusted else "192.0.2.1"])]
    app = guarded(allowed_hosts=["a.example", "a_b.example"], outside=outside)

    answer = await send(app, *get("a.example", "/where/a"), *lines)

    assert [expected if is_trusted else "http://a.example"] * 2 == answer[2]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (PublicUrl("http", "localhost", 80), "http://localhost"),
        (PublicUrl("https", "a.example", 443), "https://a.example"),
        (PublicUrl("https", "A.Example", 80), "https://a.example:80"),
        (PublicUrl("http", "::1", 1135), "http://[::1]:1135"),
    ],
)
def test_public_url_is_normalized_as_in_browsers(url, expected):
    """So that it can be compared with an Origin."""
    assert expected == str(url)
