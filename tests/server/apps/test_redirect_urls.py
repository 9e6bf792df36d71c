from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from bodhi.server.access.errors import ApiError
from bodhi.server.apps.redirect_urls import redirect_url_with_id

ID = "0190d7a8-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("given_url", "rebuilt"),
    [
        ("https://app.example/done", "https://app.example/done?id=1"),
        ("https://app.example/done?", "https://app.example/done?id=1"),
        ("https://app.example/done?a=b", "https://app.example/done?a=b&id=1"),
        ("https://app.example/done?a=b&", "https://app.example/done?a=b&&id=1"),
        ("https://app.example", "https://app.example/?id=1"),
        ("https://app.example?a", "https://app.example/?a&id=1"),
        ("HTTPS://App.Example:443/Done", "https://app.example/Done?id=1"),
        ("http://app.example:80/", "http://app.example/?id=1"),
        ("http://app.example:08080/", "http://app.example:8080/?id=1"),
        ("http://localhost:3000/cb", "http://localhost:3000/cb?id=1"),
        ("http://127.0.0.1:3000/cb", "http://127.0.0.1:3000/cb?id=1"),
        ("http://[::1]:3000/cb", "http://[::1]:3000/cb?id=1"),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/?id=1"),
        ("https://app.example./cb", "https://app.example./cb?id=1"),
        ("https://xn--bcher-kva.example/cb", "https://xn--bcher-kva.example/cb?id=1"),
        ("https://app.example/%2f%2fevil.example", "https://app.example/%2f%2fevil.example?id=1"),
        ("https://app.example//evil.example", "https://app.example//evil.example?id=1"),
        ("https://app.example/a@b:c;d?x=/?@:", "https://app.example/a@b:c;d?x=/?@:&id=1"),
    ],
)
def test_redirect_url_is_normalized_with_the_id(given_url, rebuilt):
    """At the end of its query, whether there is one or not."""
    assert rebuilt == redirect_url_with_id(given_url, "1")


REFUSED = [
    "",
    "/done",
    "done",
    "//evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "https://",
    "https://?id=2",
    "javascript:alert(1)",
    "javascript://app.example/%0aalert(1)",
    "data:text/html,x",
    "ftp://app.example/",
    "myapp://callback",
    "java\tscript:alert(1)",
    "ht\ntps://app.example/",
    "https://app.example/\n",
    "https://app.example/\r\nSet-Cookie: a=b",
    "https://app.example/\0",
    " https://app.example/",
    "https://app.example/ ",
    "https://app.example /",
    "https://app.example\\@evil.example/",
    "https://app.example/\\evil",
    "https://user@app.example/",
    "https://user:pass@app.example/",
    "https://app.example:pass@evil.example/",
    "https://@app.example/",
    "https://app.example#fragment",
    "https://app.example/done#",
    "https://app.example/done?a#b",
    "https://%2f%2fevil.example/",
    "https://app%2eexample/",
    "https://app\u3002example/",
    "https://app\uff0eexample/",
    "https://bücher.example/",
    "https://app.example/ü",
    "https://app.example/\u2028",
    "https://app.example/%",
    "https://app.example/%zz",
    "https://app.example/?a=%4",
    'https://app.example/"onload',
    "https://app.example/<script>",
    "https://app.example/{a}",
    "https://app.example/|",
    "https://app..example/",
    "https://.example/",
    "https://-app.example/",
    "https://app.example:/",
    "https://app.example:0/",
    "https://app.example:65536/",
    "https://app.example:99999999/",
    "https://app.example:8a/",
    "https://app.example:-1/",
    "https://127.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://2130706433/",
    "https://127.0.0.256/",
    "https://127.0.0.1./",
    "https://127.0.0.01/",
    "https://[::1/",
    "https://[]/",
    "https://[::1%25eth0]/",
    "https://[v1.x]/",
    "https://::1/",
    "https://a_very_long_label" + "x" * 60 + ".example/",
    "https://app.example/" + "x" * 2_048,
]


@pytest.mark.parametrize("url", REFUSED, ids=lambda url: url[:30].encode("unicode_escape").decode())
def test_ambiguous_urls_are_refused(url):
    """Nobody can be sent anywhere that the one who decides did not see."""
    with pytest.raises(ApiError) as caught:
        redirect_url_with_id(url, ID)
    assert "app_access_request_error-invalid_redirect_url" == caught.value.code


HOSTS = st.sampled_from(["app.example", "localhost", "127.0.0.1", "[::1]", "a-b.example", "APP.example"])
ANYTHING = st.text(max_size=20)
NEARLY_URLS = st.builds(
    "{}://{}{}{}{}".format,
    st.sampled_from(["http", "https", "HTTP", "javascript"]) | ANYTHING,
    HOSTS | ANYTHING,
    st.sampled_from(["", ":80", ":3000", ":0"]) | ANYTHING,
    st.sampled_from(["", "/", "/a/b", "/%2f"]) | ANYTHING,
    st.sampled_from(["", "?", "?a=b", "?a#b"]) | ANYTHING,
)


@given(NEARLY_URLS | ANYTHING)
@example("https://app.example\\@evil.example/")
@example("https://app.example:80@evil.example/")
def test_normalized_url_is_read_alike_by_every_parser(url):
    """Two parsers agree about its origin, which is the one that was given, and it has no user and no fragment."""
    try:
        made = redirect_url_with_id(url, ID)
    except ApiError:
        return
    split, parsed, before = urlsplit(made), URL(made), urlsplit(url)
    assert made.isascii()
    assert made.isprintable()
    assert not set(' \\"<>') & set(made)
    assert split.scheme in {"http", "https"}
    assert (split.scheme, split.hostname, split.port) == (
        parsed.scheme,
        parsed.raw_host,
        parsed.explicit_port,
    )
    assert (before.scheme, before.hostname) == (split.scheme, split.hostname)
    assert not split.username
    assert not split.fragment
    assert "@" not in split.netloc
    assert split.query.endswith(f"id={ID}")
    assert redirect_url_with_id(made, "2") == made + "&id=2"
