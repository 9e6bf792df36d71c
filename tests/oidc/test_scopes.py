"""The scopes of a login."""

from urllib.parse import parse_qs, urlsplit

import pytest

from oidc.scripted import DISCOVERY, Reply

ALL = ["openid", "email", "profile", "roles", "offline_access", "address"]


async def requested(provider):
    """Return the scopes of an authorization request."""
    url = await provider.authorization_url("bodhi", redirect_uri="http://b/", state="s", nonce="n", challenge="c")
    return parse_qs(urlsplit(url).query)["scope"][0]


@pytest.mark.parametrize(
    ("supported", "options", "expected"),
    [
        (None, {}, "openid email profile"),
        (None, {"is_keycloak": True}, "openid email profile roles"),
        (["openid"], {}, "openid email profile"),
        (["openid", "roles"], {}, "openid email profile roles"),
        (ALL, {}, "openid email profile roles"),
        (ALL, {"is_keycloak": True}, "openid email profile roles"),
        ("openid roles", {}, "openid email profile"),
        (ALL, {"scopes": "openid groups"}, "openid groups"),
        (None, {"scopes": "openid offline_access", "is_keycloak": True}, "openid offline_access"),
    ],
)
async def test_scopes_depend_on_the_provider(make_provider, scripted, supported, options, expected):
    """``roles`` where it is known, or the provider is Keycloak; what is configured as it is."""
    scripted.describe(scopes_supported=supported)

    assert expected == await requested(make_provider(**options))


@pytest.mark.parametrize(
    ("member", "end", "is_wanted"),
    [
        ("device_authorization_endpoint", "/oauth/device/code", True),
        ("device_authorization_endpoint", "/dex/device/code", True),
        ("device_authorization_endpoint", "/tenant/oauth2/v2.0/devicecode", True),
        ("authorization_endpoint", "/application/o/authorize/", True),
        ("authorization_endpoint", "/oauth/v2/authorize", True),
        ("authorization_endpoint", "/api/auth/oauth2/authorize", True),
        ("authorization_endpoint", "/realms/x/protocol/openid-connect/auth", False),
        ("authorization_endpoint", "/oauth2/authorize", False),
        ("authorization_endpoint", "/api/oidc/authorization", False),
    ],
)
async def test_offline_access_goes_where_it_is_wanted(make_provider, scripted, member, end, is_wanted):
    """And only if it is announced: elsewhere it is refused to unprepared clients, or outlives the logout."""
    for supported in (ALL, ["openid", "email", "profile"]):
        scripted.describe(scopes_supported=supported, **{member: f"{scripted.issuer}{end}"})

        scopes = await requested(make_provider())

        assert (is_wanted and supported is ALL) == ("offline_access" in scopes.split())


@pytest.mark.parametrize(
    ("supported", "options", "missing"),
    [
        (["openid", "email", "profile"], {"scopes": "openid email profile roles"}, "roles"),
        (["openid", "groups"], {}, "email profile"),
        (["openid", "email", "profile"], {"is_keycloak": True}, "roles"),
        ([], {"scopes": "openid"}, "openid"),
    ],
)
async def test_unsupported_scope_is_a_warning_at_startup(
    make_provider, scripted, caplog, clock, supported, options, missing
):
    """With the setting; once, as long as nothing changes."""
    scripted.describe(scopes_supported=supported)
    provider = make_provider(**options)

    provider.start()
    await provider.announces_issuer()
    await requested(provider)

    expected = f"BODHI_AUTH_SCOPES: the identity provider does not announce {missing}; logins may fail"
    assert [expected] == [record.getMessage() for record in caplog.records if "SCOPES" in record.getMessage()]
    assert 1 == scripted.count(DISCOVERY)


@pytest.mark.parametrize("supported", [None, ALL, "roles"])
async def test_no_warning_where_nothing_is_missing(make_provider, scripted, caplog, supported):
    """A provider may announce no scopes at all."""
    scripted.describe(scopes_supported=supported)

    await requested(make_provider(scopes="openid roles"))

    assert "SCOPES" not in caplog.text


async def test_warning_comes_once_the_provider_answers(make_provider, scripted, caplog, clock):
    """It was away at startup."""
    scripted.reply(DISCOVERY, Reply(503), Reply(200, {**scripted.metadata, "scopes_supported": ["openid"]}))
    provider = make_provider()
    provider.start()
    with pytest.raises(Exception, match="503"):
        await provider.announces_issuer()

    await provider.announces_issuer()

    assert "BODHI_AUTH_SCOPES" in caplog.text
