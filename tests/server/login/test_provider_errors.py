"""What the provider answers in place of a code, or to a code: in the log and for the user."""

import pytest
from yarl import URL

from bodhi.oidc.errors import LONGEST_DESCRIPTION, error_code, error_description

PAGE = "/reports/7?year=2026#q3"


async def begun(browser, page=PAGE):
    """Begin a login that leads to *page*; return the provider's URL."""
    response = await browser.post(URL("/bodhi/v1/auth/initiate").with_query(return_to=page))
    return str((await response.json())["location"])


def state_in(url):
    """Return the state of a login."""
    return URL(url).query["state"]


async def error_of(response, status=400):
    """Return the error in a response."""
    assert status == response.status, await response.text()
    return (await response.json())["error"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("access_denied", "You cancelled the sign-in, or the identity provider denied access (access_denied)."),
        (
            "invalid_scope",
            "The identity provider rejects this server (invalid_scope). An administrator has to correct its settings.",
        ),
        ("login_required", "The identity provider did not complete the sign-in (login_required)."),
        ("AADSTS50105", "The identity provider did not complete the sign-in (AADSTS50105)."),
    ],
)
@pytest.mark.parametrize("has_state", [True, False])
async def test_error_of_the_provider_is_named(browser, caplog, error, message, has_state):
    """In the answer and, with its description, in the log; also where the provider leaves out the state."""
    callback = {"error": error, "error_description": "The scope 'roles'\r\nis not \x1b[1mknown"}
    state = state_in(await begun(browser))

    told = await error_of(await browser.finish({**callback, **({"state": state} if has_state else {})}))

    assert ("login_error-o_auth_error", error) == (told["code"], told["param"]["error"])
    begin_again = "" if message.endswith("settings.") else " Try again."
    assert message + begin_again == told["message"]
    (line,) = [text for text in caplog.messages if text.startswith("login refused by the identity provider")]
    assert line.endswith(f"""error={error} description="The scope 'roles' is not [1mknown\"""")


@pytest.mark.parametrize("error", ["<script>alert(1)</script>", "a b", "\r\nSet-Cookie: a=b", "x" * 65, "é", ""])
async def test_malformed_error_code_is_not_repeated(browser, caplog, error):
    """Neither to the user nor in the log."""
    response = await browser.finish({"error": error, "state": state_in(await begun(browser))})

    told = await error_of(response)
    assert ("login_error-o_auth_error", "The identity provider did not complete the sign-in. Try again.") == (
        told["code"],
        told["message"],
    )
    assert not error or error not in f"{told}{caplog.text}"
    assert "error=malformed" in caplog.text


@pytest.mark.parametrize("error", ["invalid_client", "invalid_grant", "unauthorized_client"])
async def test_refused_code_is_named(browser, provider, caplog, error):
    """What the token endpoint answers is told like what the authorization endpoint does."""
    url = await provider.log_in_url(await begun(browser), user="user")
    provider.fail("code", status=400, body={"error": error}, times=None)

    told = await error_of(await browser.finish(url))

    assert ("login_error-o_auth_error", error) == (told["code"], told["param"]["error"])
    assert f"error={error}" in caplog.text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("AADSTS50011: The redirect URI 'https://a.example/cb' is wrong", None),
        ("a\r\nb\tc\x00d\u2028e", "a b c d e"),
        ("x y " * 200, ("x y " * 200)[:LONGEST_DESCRIPTION] + "…"),
        (
            "refresh token eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2ln spent",
            "refresh token ***.***.c2ln spent",
        ),
        ("code 0b79bab50daca910b000d4f1a2b675d6 is used", "code *** is used"),
        (["a"], ""),
        (None, ""),
    ],
)
def test_description_is_cleaned_and_cut(given, shown):
    """One line, at most so long, and nothing that may be a code or token."""
    assert (given if shown is None else shown) == error_description(given)


@pytest.mark.parametrize("code", ["invalid_scope", "consent.required", "AADSTS1-2"])
def test_well_formed_code_is_kept(code):
    """As OAuth, and those who go beyond it, spell them."""
    assert (code, "") == (error_code(code), error_code(f"{code} "))


FAILURES = {
    "declined": lambda provider, state: {"error": "access_denied", "state": state},
    "refused code": lambda provider, state: {"code": "guessed", "state": state, "iss": provider.issuer},
    "no code": lambda provider, state: {"state": state, "iss": provider.issuer},
    "another issuer": lambda provider, state: {"code": "c", "state": state, "iss": "https://evil.example"},
    "another state": lambda provider, state: {"code": "c", "state": "x" * 32},
    "no state": lambda provider, state: {"error": "server_error"},
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
async def test_failed_login_keeps_the_way_back(browser, provider, failure):
    """Its answer names a login that leads to the same page, which works."""
    state = state_in(await begun(browser))

    told = await error_of(await browser.finish(failure(provider, state)))

    again = URL(told["param"]["login"])
    assert ("/ui/login", PAGE) == (again.path, again.query["return_to"])
    response = await browser.finish(await provider.log_in_url(await begun(browser, again.query["return_to"])))
    assert str(browser.make_url("/")).removesuffix("/") + PAGE == (await response.json())["location"]


async def test_outage_at_the_code_keeps_the_way_back(browser, provider):
    """The user is to come back in a moment, to the same page."""
    url = await provider.log_in_url(await begun(browser), user="user")
    provider.fail("code", status=503)

    told = await error_of(await browser.finish(url), 503)

    assert PAGE == URL(told["param"]["login"]).query["return_to"]


async def test_each_failed_login_keeps_its_own_page(browser):
    """Of several tabs; one that began nowhere in particular leads home."""
    states = {page: state_in(await begun(browser, page)) for page in ("/a", "/b", "/c")}
    for page in ("/b", "/a", "/a", "/c"):  # also the second time, when the state is gone
        told = await error_of(await browser.finish({"error": "access_denied", "state": states[page]}))
        assert f"/ui/login?return_to={page}" == told["param"]["login"]


@pytest.mark.parametrize("has_script", [True, False])
async def test_page_names_the_error_and_leads_back(browser, provider, has_script):
    """For the script in its answer, and without one on the page itself."""
    query = {
        "error": "invalid_scope",
        "error_description": "No <b>roles</b> here",
        "state": state_in(await begun(browser)),
    }
    shown = await browser.get(URL("/ui/auth/callback").with_query(query), headers={"Sec-Fetch-Site": "cross-site"})
    text = await shown.text()
    assert (200, False) == (shown.status, "<b>" in text)
    assert 'name="error" value="invalid_scope"' in text

    if has_script:
        told = await error_of(await browser.finish(query))
        assert PAGE == URL(told["param"]["login"]).query["return_to"]
        return
    response = await browser.post("/ui/auth/callback", data=query, headers={"Accept": "text/html"})
    text = await response.text()
    assert (400, True) == (response.status, "(invalid_scope)" in text)
    assert 'href="/ui/login?return_to=/reports/7?year=2026%23q3">Sign in</a>' in text
