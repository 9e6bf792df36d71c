from urllib.parse import urlsplit

import pytest

from bodhi.server.http.canonical import canonical_filter
from bodhi.server.http.forwarded import forwarded_filter
from bodhi.server.http.hosts import host_filter
from bodhi.server.http.public_url import PublicUrl
from server.http.filtered_app import LOCAL, PUBLIC, edge, send

BASE = str(PUBLIC)


def redirecting(public=PUBLIC, *, enabled=True, trusted=("127.0.0.1",)):
    """Return an application with a trusted proxy and canonical redirects."""
    guards = [
        forwarded_filter(trusted),
        canonical_filter(public, enabled=enabled),
        host_filter(public, own_host="localhost"),
    ]
    return edge(guards=guards, public=public)


async def location(host, *lines, target="/where/a", method="GET", app=None):
    """Return the redirect target of a request, or None."""
    status, headers, _ = await send(app or redirecting(), f"{method} {target} HTTP/1.1", f"Host: {host}", *lines)
    assert ("location" in headers) == (status == 301)
    return headers.get("location")


@pytest.mark.parametrize(
    ("host", "lines", "is_public"),
    [
        ("bodhi.example.org", ["X-Forwarded-Proto: https"], True),
        ("BODHI.example.org:443", ["X-Forwarded-Proto: https"], True),
        ("bodhi.example.org", ["X-Forwarded-Scheme: https"], True),
        ("10.0.0.1", ["X-Forwarded-Proto: https", "X-Forwarded-Host: bodhi.example.org"], True),
        ("bodhi.example.org", ["X-Forwarded-Proto: https", "X-Forwarded-Port: 443"], True),
        ("bodhi.example.org", ["X-Forwarded-Proto: https", "X-Forwarded-Port: 80"], True),  # of an inner proxy
        ("bodhi.example.org", ["X-Forwarded-Proto: https", "X-Forwarded-Port: 8443"], False),
        ("bodhi.example.org", ["X-Forwarded-Proto: http"], False),
        ("bodhi.example.org:8443", ["X-Forwarded-Proto: https"], False),
        ("bodhi.example.org:80", ["X-Forwarded-Proto: https"], False),
        ("www.bodhi.example.org", ["X-Forwarded-Proto: https"], False),
        ("localhost:1135", ["X-Forwarded-Proto: https"], False),
        ("localhost:1135", [], False),
    ],
)
async def test_reads_go_to_the_public_scheme_host_and_port(host, lines, is_public):
    """With HEAD as with GET."""
    expected = None if is_public else f"{BASE}/where/a"

    assert [expected] * 2 == [await location(host, *lines, method=method) for method in ("GET", "HEAD")]


@pytest.mark.parametrize("port", [8443, 80, 9999])
@pytest.mark.parametrize("host", ["bodhi.example.org:{}", "bodhi.example.org"])
async def test_other_port_is_recognized_in_the_host_or_beside_it(port, host):
    """A request for the public URL is never redirected to it, whichever way a proxy passes its port on."""
    app = redirecting(PublicUrl("https", "bodhi.example.org", port))
    lines = ["X-Forwarded-Proto: https"]
    lines += [] if ":" in host or port == 80 else [f"X-Forwarded-Port: {port}"]
    host = host if port != 80 else "bodhi.example.org:{}"

    assert await location(host.format(port), *lines, app=app) is None
    assert f"https://bodhi.example.org:{port}/where/a" == await location("bodhi.example.org:1", *lines, app=app)


async def test_unknown_scheme_causes_no_redirect():
    """A proxy that is not trusted would bring the redirected request back in the same form, for ever."""
    app = redirecting(trusted=())

    assert None is await location("bodhi.example.org", "X-Forwarded-Proto: http", app=app)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_are_not_redirected(method):
    """A browser would repeat them as GET."""
    assert None is await location("localhost", method=method)


@pytest.mark.parametrize("target", ["/ping", "/health", "/ping?a"])
async def test_liveness_routes_are_not_redirected(target):
    """A load balancer does not follow."""
    assert None is await location("10.0.0.1", target=target)


async def test_no_redirect_if_disabled_or_without_an_explicit_host():
    """Then every known host is as good as the other."""
    off = redirecting(enabled=False)
    guessed = redirecting(LOCAL)

    assert [None] * 2 == [await location("localhost:8080", app=app) for app in (off, guessed)]


async def test_http_1_0_request_without_host_is_answered_in_place():
    """It cannot be told where it should have gone."""
    assert 200 == (await send(redirecting(), "GET / HTTP/1.0"))[0]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/", "/"),
        ("/a/b?c=d&e=%20f", "/a/b?c=d&e=%20f"),
        ("/a#b", "/a"),
        ("//evil.example/a", "//evil.example/a"),
        ("///evil.example", "///evil.example"),
        ("/\\evil.example", "/\\evil.example"),
        ("/\\/evil.example", "/\\/evil.example"),
        ("/%2f%2fevil.example", "/%2f%2fevil.example"),
        ("/.evil.example", "/.evil.example"),
        ("/@evil.example", "/@evil.example"),
        ("/:80@evil.example", "/:80@evil.example"),
        ("/?//evil.example", "/?//evil.example"),
        ("/..//evil.example", "/..//evil.example"),
        ("/%0d%0aLocation:%20//evil.example", "/%0d%0aLocation:%20//evil.example"),
        ("/javascript:alert(1)", "/javascript:alert(1)"),
        ("http://localhost/a?b", "/a?b"),
        ("http://localhost?b", "/?b"),
        ("http://localhost//evil.example", "//evil.example"),
    ],
)
async def test_redirect_keeps_path_and_query_on_the_public_host(target, expected):
    """They stand behind the whole public URL."""
    sent_to = await location("localhost", target=target)

    assert BASE + expected == sent_to
    assert ("https", "bodhi.example.org") == urlsplit(sent_to)[:2]


@pytest.mark.parametrize("target", ["/a\tb", "/a\u00e4", "/a\x00", "/a b"])
async def test_invalid_bytes_in_the_url_are_refused(target):
    """Before anything is redirected."""
    status, headers, _ = await send(redirecting(), f"GET {target} HTTP/1.1", "Host: localhost")

    assert (400, False) == (status, "location" in headers)


async def test_redirect_does_not_reflect_the_requested_host():
    """Only the public one."""
    assert f"{BASE}/" == await location("evil.example", target="/")


async def test_ports_and_ip_addresses_of_the_host_are_handled():
    """Of a public URL that has them."""
    app = redirecting(PublicUrl("http", "2001:db8::1", 8080))

    assert "http://[2001:db8::1]:8080/" == await location("localhost", target="/", app=app)
