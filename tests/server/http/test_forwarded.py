import pytest

from bodhi.server.http.forwarded import forwarded_filter
from bodhi.server.http.request_filters import request_filter_middleware
from server.http.filtered_app import edge, send, show_request

LOOPBACK = "127.0.0.0/8"
CLIENT = "192.0.2.7"


async def forwarded_request(*lines, trusted=(LOOPBACK,), target="/", host="bodhi.example.org"):
    """Return client, scheme and host of a request with *lines*, as seen by a handler."""
    app = edge(guards=[forwarded_filter(trusted)])
    status, _, seen = await send(app, f"GET {target} HTTP/1.1", f"Host: {host}", *lines)
    assert 200 == status
    return seen["remote"], seen["scheme"], seen["host"]


async def test_headers_of_a_trusted_proxy_are_used():
    """Who the client is, and what it asked for."""
    seen = await forwarded_request(
        f"X-Forwarded-For: {CLIENT}", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.example:8443"
    )

    assert (CLIENT, "https", "a.example:8443") == seen


@pytest.mark.parametrize("trusted", [["10.0.0.0/8"], ["::1/128"], ["127.0.0.2/32"]])
async def test_headers_of_untrusted_peers_are_ignored(trusted):
    """Anybody could send these headers."""
    seen = await forwarded_request(
        f"X-Forwarded-For: {CLIENT}", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example", trusted=trusted
    )

    assert ("127.0.0.1", "http", "bodhi.example.org") == seen


async def test_headers_are_ignored_without_trusted_proxies():
    """As they come without any setting."""
    app = edge(guards=[forwarded_filter(())])

    _, _, seen = await send(app, "GET / HTTP/1.1", "Host: a", "X-Forwarded-Proto: https", f"X-Forwarded-For: {CLIENT}")

    assert ("127.0.0.1", "http", "a") == (seen["remote"], seen["scheme"], seen["host"])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "127.0.0.1"),
        ([""], "127.0.0.1"),
        ([CLIENT], CLIENT),
        ([f"198.51.100.1, {CLIENT}"], CLIENT),  # what stands further left was made up by the client
        (["198.51.100.1", CLIENT], CLIENT),
        ([f"{CLIENT}, 127.0.0.9, 127.0.0.8"], CLIENT),
        ([CLIENT, "127.0.0.9"], CLIENT),
        ([f"198.51.100.1, {CLIENT}, 127.0.0.9"], CLIENT),
        (["127.0.0.9"], "127.0.0.9"),
        ([f"{CLIENT}, unknown"], "127.0.0.1"),
        ([f"{CLIENT}, unknown, 127.0.0.9"], "127.0.0.9"),
        ([f"{CLIENT}:50000"], CLIENT),
        (["[2001:DB8::1]:443"], "2001:db8::1"),
        (["[2001:db8::1]"], "2001:db8::1"),
        (["2001:db8:0::1"], "2001:db8::1"),
        ([f"::ffff:{CLIENT}"], CLIENT),
        ([f"{CLIENT}, ::ffff:127.0.0.9"], CLIENT),
        (["evil.example"], "127.0.0.1"),
        (["1.2.3.4.5"], "127.0.0.1"),
        (["<script>"], "127.0.0.1"),
    ],
)
async def test_client_is_the_first_address_from_the_right_that_is_no_trusted_proxy(lines, expected):
    """As far as the addresses can be read."""
    assert expected == (await forwarded_request(*(f"X-Forwarded-For: {line}" for line in lines)))[0]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["X-Forwarded-Proto: https"], "https"),
        (["X-Forwarded-Proto: HTTPS"], "https"),
        (["X-Forwarded-Proto: http"], "http"),
        (["X-Forwarded-Scheme: https"], "https"),
        (["X-Forwarded-Scheme: https", "X-Forwarded-Proto: http"], "http"),
        (["X-Forwarded-Proto: https, http"], "http"),  # one proxy: it has appended to what the client made up
        (["X-Forwarded-Proto: https", "X-Forwarded-Proto: http"], "http"),
        ([f"X-Forwarded-For: {CLIENT}, 127.0.0.9", "X-Forwarded-Proto: https, http"], "https"),  # two proxies
        ([f"X-Forwarded-For: {CLIENT}, 127.0.0.9", "X-Forwarded-Proto: https"], "https"),
        (["X-Forwarded-Proto: ftp"], "http"),
        (["X-Forwarded-Proto: javascript:alert(1)"], "http"),
        (["X-Forwarded-Proto:"], "http"),
    ],
)
async def test_scheme_comes_from_the_outermost_trusted_proxy(lines, expected):
    """And nothing but http or https."""
    assert expected == (await forwarded_request(*lines))[1]


async def test_host_comes_from_the_outermost_trusted_proxy():
    """Like the scheme."""
    _, _, one = await forwarded_request("X-Forwarded-Host: evil.example, a.example")
    _, _, two = await forwarded_request(
        "X-Forwarded-Host: a.example, b.example", f"X-Forwarded-For: {CLIENT}, 127.0.0.9"
    )

    assert ("a.example", "a.example") == (one, two)


async def test_absolute_form_target_keeps_its_host():
    """A proxy does not send such a request."""
    lines = ("X-Forwarded-Host: evil.example:1", "X-Forwarded-Proto: https")

    assert "bodhi.example.org" == (await forwarded_request(*lines, target="http://bodhi.example.org/"))[2]


async def test_rest_of_the_request_is_unchanged():
    """Headers and path parameters."""
    app = edge(guards=[forwarded_filter([LOOPBACK])])
    app.router.add_get("/names/{name}", show_request)

    _, _, seen = await send(app, "GET /names/a HTTP/1.1", "Host: a", f"X-Forwarded-For: {CLIENT}")

    assert ({"name": "a"}, True) == (seen["match"], seen["has_transport"])
    assert ["X-Forwarded-For", CLIENT] in seen["headers"]


async def test_access_log_names_the_client(aiohttp_client, make_app, caplog):
    """Not the proxy in front, which is the same for everybody."""
    caplog.set_level("INFO", logger="bodhi.access")
    app = make_app()
    app.middlewares.insert(0, request_filter_middleware([forwarded_filter([LOOPBACK])]))
    client = await aiohttp_client(app)

    await client.get("/ping", headers={"X-Forwarded-For": CLIENT})
    await client.get("/ping")

    assert [CLIENT, "127.0.0.1"] == [record.fields["remote"] for record in caplog.records]
