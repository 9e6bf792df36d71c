"""The provider's pages."""

from html.parser import HTMLParser

import pytest

from support.provider import authorization_url


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def of(self, tag):
        """The attributes of each element of this kind."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def visit(http):
    """Fetches a page; returns it with its headers."""

    async def visit(url):
        async with http.get(url, allow_redirects=False) as response:
            assert "text/html" == response.content_type
            return Page(await response.text()), response.headers

    return visit


async def test_login_page_has_a_button_for_each_user(provider, visit):
    """It works without a script, and says that it lets anybody in."""
    page, _ = await visit(authorization_url(provider))

    assert ["admin", "manager", "power", "user", "nobody"] == [button["value"] for button in page.of("button")]
    assert "development provider" in page.text
    assert "lets anybody in" in page.text
    assert "Ada Admin, resource_admin" in page.text
    assert "Noa Nobody, no role" in page.text
    assert [] == page.of("script")


async def test_pages_are_readable_on_a_phone_and_aloud(provider, visit):
    """A language, a title, one heading, and a viewport as wide as the device."""
    page, _ = await visit(authorization_url(provider))

    assert [{"lang": "en"}] == page.of("html")
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.of("meta")
    assert (1, 1, 1) == (len(page.of("title")), len(page.of("main")), len(page.of("h1")))


async def test_pages_load_their_style_and_nothing_else(provider, visit, http):
    """The policy lets the form lead back to the application, which browsers check too."""
    page, headers = await visit(authorization_url(provider))

    assert headers["Content-Security-Policy"].endswith("form-action 'self' http://localhost:1135")
    assert "default-src 'none'; style-src 'self'" in headers["Content-Security-Policy"]
    [link] = page.of("link")
    async with http.get(provider.issuer.replace("/realms/bodhi", link["href"])) as response:
        assert (200, "text/css") == (response.status, response.content_type)


async def test_request_parameters_are_escaped(provider, visit):
    """Neither its parameters nor the names of clients."""
    provider.add_client("app", name="<i>app</i>", any_loopback=True)

    page, _ = await visit(authorization_url(provider, client_id="app", state='"><script>'))

    assert ([], []) == (page.of("script"), page.of("i"))
    assert "<i>app</i>" in page.text


async def test_login_form_for_an_unknown_user_is_refused(provider, http):
    """Only people with an account have a button."""
    url = authorization_url(provider).replace("/protocol/openid-connect/auth", "/login-actions/authenticate")

    async with http.post(url, data={"user": "somebody"}) as response:
        assert 400 == response.status


async def test_root_page_describes_the_provider(provider, visit):
    """For whoever comes by chance."""
    page, _ = await visit(provider.issuer.removesuffix("realms/bodhi"))

    assert "development provider" in page.text


async def test_other_host_names_are_refused(provider, http):
    """A page elsewhere could read the answers if its own name led here."""
    url = f"{provider.issuer}/.well-known/openid-configuration"

    async with http.get(url, headers={"Host": "evil.example.org"}) as response:
        assert 400 == response.status
