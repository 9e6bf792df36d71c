"""Parsing of the Authorization header, and selection of the authenticator."""

import pytest

from bodhi.server.access.errors import ApiError
from bodhi.server.access.principal import ApiToken, ExternalApp
from bodhi.server.access.scopes import TokenScope
from bodhi.server.authentication.bearer import BearerAuthenticator, token_in
from bodhi.server.tokens.service import PREFIX
from server.apps.external import refused

SCHEME = (401, "auth_error-invalid_token")
TOKEN = (401, "token_error-invalid_token")


class ApiTokens:
    async def authenticate(self, token):
        return ApiToken("owner", TokenScope.USER, token)


class ExternalApps:
    async def authenticate(self, token):
        return ExternalApp("person", "name", None, "exchanged", token, "app")


def bearer_authenticator(external_apps=None):
    """Returns an authenticator for API tokens, and with a provider for external applications."""
    bearer = BearerAuthenticator()
    if external_apps is not None:
        bearer.add(external_apps.authenticate)
    bearer.add(ApiTokens().authenticate, prefix=PREFIX)
    return bearer


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], SCHEME),
        ([""], SCHEME),
        (["Basic YTpi"], SCHEME),
        (["bearera.b.c"], SCHEME),
        (["bearer: a.b.c"], SCHEME),
        (["Bearera.b.c"], SCHEME),
        (["Bearer\ta.b.c"], SCHEME),
        ([" Bearer a.b.c"], SCHEME),
        (["Token Bearer a.b.c"], SCHEME),
        (["bodhiapp_abcdefgh"], SCHEME),
        (["Bearer \u00e4.b.c"], SCHEME),
        (["Bearer a.b.c\udcff"], SCHEME),
        (["Bearer a.b.c", "Bearer a.b.c"], SCHEME),
        (["Bearer a.b.c", "Basic YTpi"], SCHEME),
        (["Bearer a.b.c", ""], SCHEME),
        (["Bearer"], TOKEN),
        (["Bearer "], TOKEN),
        (["Bearer  \t "], TOKEN),
        (["Bearer " + "a" * 100_001], TOKEN),
    ],
)
def test_header_without_a_token_to_look_at_is_refused(values, expected):
    """Another scheme, no text, or several headers by one code; nothing behind the scheme by another."""
    with pytest.raises(ApiError) as refusal:
        token_in(values)

    assert expected == (refusal.value.status, refusal.value.code)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Bearer a.b.c", "a.b.c"),
        ("Bearer  a.b.c", "a.b.c"),
        ("Bearer \ta.b.c \t", "a.b.c"),
        ("Bearer a b", "a b"),
        ("bearer a.b.c", "a.b.c"),
        ("BEARER a.b.c", "a.b.c"),
        ("bEaReR A.b.c", "A.b.c"),
    ],
)
def test_scheme_has_any_case_and_white_space_is_no_part_of_the_token(value, expected):
    """White space inside of it stays, and makes it none."""
    assert expected == token_in([value])


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("bodhiapp_abcdefgh", ApiToken),
        ("bodhiapp_", ApiToken),
        ("bodhiapp_a.b.c", ApiToken),
        ("Bodhiapp_abcdefgh", ExternalApp),
        ("bodhiapp", ExternalApp),
        ("a.bodhiapp_.c", ExternalApp),
        ("a.b.c", ExternalApp),
    ],
)
async def test_token_prefix_selects_the_authenticator(token, expected):
    """Exactly as it is written."""
    context = await bearer_authenticator(ExternalApps()).authenticate([f"Bearer {token}"])

    assert expected is type(context)
    assert token in {getattr(context, "external_app_token", None), context.token}


async def test_without_a_provider_only_api_tokens_are_accepted():
    """There is nobody who could have signed another."""
    bearer = bearer_authenticator()

    assert "owner" == (await bearer.authenticate(["Bearer bodhiapp_abcdefgh"])).user_id
    assert (401, "token_error-json_web_token") == await refused(bearer.authenticate(["Bearer a.b.c"]))
