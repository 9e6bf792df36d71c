"""Return targets of logins: paths on this site only."""

from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from yarl import URL

from bodhi.server.http.return_to import LONGEST, page_to_return_to, with_return

PAGES = [
    "/",
    "/reports/7",
    "/reports/7?year=2026&from=/a//b/../c&to=https://example.org/",
    "/a//b/",
    "/.well-known/x",
    "/a..b/...",
    "/files/a%2Fb%20c",
    "/gr%C3%B6%C3%9Fe?q=%26%23%0A",
    "/caf%E9",  # not UTF-8
    "/a;b=c@d:e",
    "/%D9%85%DB%8C%E2%80%8C%D8%B1%D9%88%D9%85",  # Persian, with a zero-width non-joiner
    "/%E0%AE%95%E0%AF%8D%E2%80%8D%E0%AE%B7",  # Tamil, with a zero-width joiner
    "/a%C2%A0b%C2%ADc",  # non-breaking space, soft hyphen
    "/%F0%9F%91%A9%E2%80%8D%F0%9F%94%AC?q=%E2%80%8C",  # an emoji of several parts
    "/%E2%80%AE%E2%80%A8%EF%BB%BF",  # right-to-left override, line separator, byte order mark
    "/orders?x=1#/orders/7?tab=2",
    "/#a",
    "/a#//evil.test",
    "/a#/../b%0A",
    "/ui",
    "/ui/sessions",
    "/ui/logins",
    "/bodhisattva",
    "/" + "x" * (LONGEST - 1),
]

# Source: ASVS 5.0, 3.7.2; the forms in which browsers, proxies and frameworks were led astray before.
EVIL = [
    "",
    " ",
    "x",
    "reports/7",
    "?a=b",
    "#a",
    "//evil.test",
    "///evil.test",
    "////evil.test/%2e%2e",
    "/\\evil.test",
    "\\\\evil.test",
    "\\/evil.test",
    "/a\\b",
    "/%5Cevil.test",
    "/%5c%5cevil.test",
    "/%2Fevil.test",
    "/%2f%2fevil.test",
    "%2f%2fevil.test",
    "http://evil.test",
    "https://evil.test/",
    "https:evil.test",
    "http:/evil.test",
    "javascript:alert(1)",
    "data:text/html,x",
    "@evil.test",
    "user@evil.test/",
    ":80/x",
    ".evil.test",
    " /reports",
    "/reports ",
    "/ /evil.test",
    "\t//evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "/\r\n/evil.test",
    "/a\r\nSet-Cookie: a=b",
    "/a%0D%0ASet-Cookie:%20a=b",
    "/%09/evil.test",
    "/%00",
    "/a\x00",
    "/a\x7f",
    "/a\x85b",
    "/a%C2%85b",
    "/a%C2%9Fb",
    "/a%1bb",
    "/a#b c",
    "/a#\nb",
    "/..#a",
    "//evil.test#a",
    "/ui/login#a",
    "/\ud800",
    "/" + "\u00e4" * (LONGEST // 6 + 1),
    "/.",
    "/..",
    "/./a",
    "/../a",
    "/..//evil.test",
    "/.//evil.test",
    "/%2e%2e//evil.test",
    "/%2e/%2fevil.test",
    "/a/../../bodhi/v1/user",
    "/a/%2E%2e/bodhi/v1/user",
    "/a%2f..%2fbodhi/v1/user",
    "/a/..",
    "/a/..?b",
    "/bodhi",
    "/bodhi/",
    "/bodhi?",
    "/bodhi/v1/auth/callback?code=c&state=s",
    "/BODHI/v1/user",
    "/%62odhi/v1/user",
    "/bodhi%2fv1/user",
    "/ui/login",
    "/ui/login?return_to=/ui/login",
    "/ui/Login/",
    "/ui%2flogin",
    "/ui/logout",
    "/ui/auth/callback?code=c&state=s",
    "/" + "x" * LONGEST,
]


@pytest.mark.parametrize("page", PAGES)
def test_return_path_on_this_site_is_accepted(page):
    """Stays as it is, and is found again in the address of the login."""
    assert page == page_to_return_to([page])
    url = with_return("https://here.test/ui/login", page)
    assert {"return_to": [page]} == parse_qs(urlsplit(url).query, strict_parsing=True)
    assert page == URL(url).query["return_to"]


@pytest.mark.parametrize("given", EVIL)
def test_other_return_targets_are_refused(given):
    """Refused, rather than repaired."""
    assert page_to_return_to([given]) is None


@pytest.mark.parametrize(
    ("given", "page"),
    [
        ("/gr\u00f6\u00dfe?q=\u00e4#\u00fc", "/gr%C3%B6%C3%9Fe?q=%C3%A4#%C3%BC"),
        ("/\u0645\u06cc\u200c\u0631\u0648\u0645/%41", "/%D9%85%DB%8C%E2%80%8C%D8%B1%D9%88%D9%85/%41"),
        ("/\U0001f469\u200d\U0001f52c\u00a0\u00ad", "/%F0%9F%91%A9%E2%80%8D%F0%9F%94%AC%C2%A0%C2%AD"),
        ("/\N{FULLWIDTH SOLIDUS}evil.test", "/%EF%BC%8Fevil.test"),
        ("/\N{IDEOGRAPHIC FULL STOP}", "/%E3%80%82"),
        ("/caf\udce9", "/caf%E9"),  # a header's byte that is not UTF-8
    ],
)
def test_characters_beyond_ascii_are_percent_encoded(given, page):
    """As browsers encode them: a link to the login may contain them as they are."""
    assert page == page_to_return_to([given])
    assert "here.test" == urlsplit(urljoin("https://here.test/ui/login", page)).netloc


@pytest.mark.parametrize("given", [[], ["/a", "/a"], ["/a", "/b"]])
def test_several_return_targets_are_refused(given):
    """Whoever says two things says nothing."""
    assert page_to_return_to(given) is None
    assert "https://here.test/ui/login" == with_return("https://here.test/ui/login", page_to_return_to(given))


@pytest.mark.parametrize("page", PAGES)
def test_accepted_return_paths_stay_on_this_site_in_browsers(page):
    """However they join the path with where they are."""
    assert "here.test" == urlsplit(urljoin("https://here.test/ui/login", page)).netloc
