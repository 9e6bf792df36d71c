"""A browser without JavaScript that follows redirects within the site and checks every page."""

from urllib.parse import urljoin, urlsplit

from support.markup import Element, read_page

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action {}; base-uri 'none'; frame-ancestors 'none'"
)


class Browser:
    """A tab with the cookies of *client*.

    After each step *page* is what is shown, with its *status*, *headers* and *path*; *left_for* is the address on
    another site to which the last step led, where nothing is shown.
    """

    def __init__(self, client, form_targets=()):
        self.client = client
        self.form_targets = ["'self'", *form_targets]
        self.path, self.url = "/", None
        self.left_for = None
        self.page: Element

    async def open(self, path, *, site="none", **headers):
        """Open a typed URL, or with *site* a link on another site."""
        return await self._go("GET", path, {**HTML, "Sec-Fetch-Site": site, **headers})

    async def press(self, name, /, **fields):
        """Fill in *fields* and press the first button of that name."""
        forms = [form for form in self.page.all("form") if name in [button.text for button in form.all("button")]]
        assert forms, f"no button {name!r} in: {self.page.text}"
        button = next(button for button in forms[0].all("button") if button.text == name)
        assert "post" == forms[0].attributes["method"]
        target = button.attributes.get("formaction") or forms[0].attributes["action"]
        headers = {**HTML, "Sec-Fetch-Site": "same-origin", "Referer": str(self.url)}
        return await self._go("POST", target, headers, data={**filled_in(forms[0]), **fields})

    async def follow(self, name):
        """Follow the link of that name."""
        (link,) = [link for link in self.page.all("a") if link.text == name]
        return await self.open(link.attributes["href"], site="same-origin")

    async def log_in(self, provider, user="user"):
        """Log in as *user*, from the login page."""
        await self.open("/ui/login")
        await self.press("Sign in")
        await self.open(path_of(await provider.log_in_url(self.left_for, user)), site="cross-site")
        await self.press("Continue")
        assert "/ui/chat" == self.path, self.page.text
        return self

    async def _go(self, method, path, headers, data=None):
        self.left_for = None
        for _ in range(5):
            options = {"headers": headers, "data": data, "allow_redirects": False}
            async with self.client.request(method, path, **options) as response:
                if response.status not in {301, 302, 303}:
                    return await self._show(response)
                assert "no-store" == response.headers["Cache-Control"]
                assert (303, "") == (response.status, await response.text())
                target = urljoin(str(response.url), response.headers["Location"])
                if urlsplit(target).netloc != response.url.authority:
                    self.left_for = target
                    return self
            method, path, data = "GET", path_of(target), None
        raise AssertionError("redirected without an end")

    async def _show(self, response):
        self.path, self.url = response.url.path, response.url
        self.status, self.headers = response.status, response.headers
        assert "text/html; charset=utf-8" == response.headers["Content-Type"], await response.text()
        self.page = read_page(await response.text())
        policies = response.headers.getall("Content-Security-Policy")
        assert [POLICY.format(" ".join(self.form_targets))] == policies or [POLICY.format("'self'")] == policies
        assert "no-store" == response.headers["Cache-Control"]
        assert "Cookie" in response.headers["Vary"]
        assert "nosniff" == response.headers["X-Content-Type-Options"]
        return self


def filled_in(form):
    """Return the default field values of a form."""
    fields = {field.attributes["name"]: field.attributes["value"] for field in form.all("input")}
    for field in form.all("select"):
        options = field.all("option")
        chosen = next((option for option in options if "selected" in option.attributes), options[0])
        fields[field.attributes["name"]] = chosen.attributes["value"]
    return fields


def path_of(url):
    """Return path and query of a URL of this site."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
