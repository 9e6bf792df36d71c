import secrets
from urllib.parse import parse_qs, urlsplit

import pytest

from bodhi.oidc import pkce_challenge
from bodhi.oidc.client import LONGEST_LOGOUT_URL


async def authorization_url(provider, **changes):
    """Return an authorization URL with default parameters and *changes*."""
    parameters = {"redirect_uri": "http://b/ui/auth/callback", "state": "s", "nonce": "n", "challenge": "c", **changes}
    return await provider.authorization_url(parameters.pop("client_id", "resource-bodhi"), **parameters)


async def test_the_authorization_url_has_every_parameter_once(make_provider, scripted):
    """SR-30: response type, S256, exact scopes."""
    url = await authorization_url(make_provider(is_keycloak=True))

    assert url.startswith(f"{scripted.issuer}/protocol/openid-connect/auth?")
    assert {
        "response_type": ["code"],
        "client_id": ["resource-bodhi"],
        "redirect_uri": ["http://b/ui/auth/callback"],
        "scope": ["openid email profile roles"],
        "state": ["s"],
        "nonce": ["n"],
        "code_challenge": ["c"],
        "code_challenge_method": ["S256"],
    } == parse_qs(urlsplit(url).query, strict_parsing=True)


@pytest.mark.parametrize("text", ["a&b=c", "a b", "a+b", "a%26b", "a#b", "ä?/:@", "a;b"])
async def test_reserved_characters_are_encoded(provider, text):
    """SR-30: no value can add a parameter or end the query."""
    url = await authorization_url(provider, client_id=text, redirect_uri=f"http://b/{text}", state=text)
    query = parse_qs(urlsplit(url).query, strict_parsing=True)

    assert [text] == query["client_id"] == query["state"]
    assert [f"http://b/{text}"] == query["redirect_uri"]
    assert "+" not in url
    assert 8 == len(query)


async def test_an_endpoint_with_a_query_keeps_it(provider, scripted):
    """Some providers name the tenant in the query."""
    scripted.describe(authorization_endpoint="http://login.example/authorize?tenant=1")

    url = await authorization_url(provider)

    assert url.startswith("http://login.example/authorize?tenant=1&response_type=code&")


async def test_the_logout_url_names_client_and_return(provider, scripted):
    """OpenID Connect RP-Initiated Logout 1.0, with the hint where there is one."""
    plain = await provider.end_session_url("bodhi", return_to="http://b/ui/login")
    hinted = await provider.end_session_url("bodhi", return_to="http://b/", id_token="a.b.c")

    base = f"{scripted.issuer}/protocol/openid-connect/logout"
    assert f"{base}?client_id=bodhi&post_logout_redirect_uri=http%3A%2F%2Fb%2Fui%2Flogin" == plain
    assert hinted.endswith("&id_token_hint=a.b.c")


@pytest.mark.parametrize("length", [10, 1_700, 1_900, 4_000, 16_000])
async def test_logout_url_is_never_too_long(provider, length):
    """The hint of a user in many groups goes; what the provider needs to know where to return stays, and the state."""
    url = await provider.end_session_url("bodhi", return_to="http://b/ui/login", id_token="a" * length, state="s")
    query = parse_qs(urlsplit(url).query, strict_parsing=True)

    assert len(url) <= LONGEST_LOGOUT_URL
    assert (["bodhi"], ["http://b/ui/login"], ["s"]) == tuple(
        query[name] for name in ("client_id", "post_logout_redirect_uri", "state")
    )
    assert (length < 1_800) == ("id_token_hint" in query)


async def test_further_parameters_replace_none_of_bodhis_own(provider):
    """They are encoded like the others, and may come several times."""
    further = [("resource", "a&b"), ("resource", "c d"), ("state", "x"), ("scope", "all"), ("max_age", "9")]

    url = await authorization_url(provider, parameters=further, max_age=3)

    query = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert (["a&b", "c d"], ["s"], ["3"]) == (query["resource"], query["state"], query["max_age"])
    assert ["openid email profile"] == query["scope"]


async def test_a_provider_without_logout_page_has_no_url(provider, scripted):
    """Then a logout ends at bodhi."""
    scripted.describe(end_session_endpoint=None)

    assert await provider.end_session_url("bodhi", return_to="http://b/") is None


async def test_browser_facing_endpoints_of_the_provider_are_known(provider, scripted):
    """Where browsers are sent, so that pages may allow it."""
    base = f"{scripted.issuer}/protocol/openid-connect"

    assert [f"{base}/auth", f"{base}/logout"] == await provider.page_urls()


@pytest.mark.parametrize(("announced", "expected"), [(True, True), (False, False), (None, False), ("true", False)])
async def test_support_of_the_iss_parameter_is_read_from_the_metadata(provider, scripted, announced, expected):
    """SR-34: RFC 9207 is in force where the metadata say so."""
    scripted.describe(authorization_response_iss_parameter_supported=announced)

    assert expected is await provider.announces_issuer()


def test_pkce_challenge_matches_the_rfc_example():
    """RFC 7636, appendix B."""
    challenge = pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")

    assert "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" == challenge


def test_pkce_challenges_are_unique():
    """SR-30: a thousand verifiers, a thousand challenges without padding."""
    challenges = {pkce_challenge(secrets.token_urlsafe(32)) for _ in range(1000)}

    assert {43} == {len(challenge) for challenge in challenges}
    assert 1000 == len(challenges)
