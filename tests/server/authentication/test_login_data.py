"""When a session's access token counts as expired."""

import pytest

from bodhi.oidc.responses import IdToken, Tokens
from bodhi.server.authentication.login_data import CLOCK_OFFSET, claims_in, login_data, refreshed_data
from oidc.tokens import encoded

NOW = 1_800_000_000


def jwt(**claims):
    """Return an access token with these claims, unsigned."""
    return ".".join((encoded({"alg": "none"}), encoded({"sub": "ann", **claims}), "x"))


def expiry(access_token, expires_in, now=NOW, **options):
    """Return when the token of a login expires."""
    return claims_in(login_data(Tokens(access_token, None, None, expires_in), IdToken("ann", None, {}), now, **options))


@pytest.mark.parametrize(
    ("claims", "expires_in", "lifetime"),
    [
        ({"exp": NOW + 300, "iat": NOW}, 300, 300),
        ({"exp": NOW + 300}, None, 300),
        ({"exp": NOW + 3_600, "iat": NOW}, None, 3_600),
        ({}, 3_600, 3_600),
        ({}, None, 300),
        ({"exp": NOW - 3_300, "iat": NOW - 3_600}, 300, 300),  # the provider's clock is an hour behind
        ({"exp": NOW - 3_300, "iat": NOW - 3_600}, None, 300),
        ({"exp": NOW - 3_300}, 300, 300),
        ({"exp": NOW - 40, "iat": NOW - 70}, 30, 30),  # by more than the life of its tokens
        ({"exp": NOW + 900, "iat": NOW + 600}, 300, 300),  # or ahead
        ({"exp": NOW + 120, "iat": NOW - 180}, 120, 120),  # a token that it gave out before
        ({"exp": NOW + 300, "iat": NOW}, 86_400, 300),  # an expires_in of something else
        ({"exp": NOW - 5, "iat": NOW}, 300, -5),  # expired on purpose
        ({"exp": NOW + 298, "iat": NOW - 2}, 300, 298),  # it was under way
        ({"exp": "soon", "iat": "now"}, 60, 60),
    ],
)
def test_lifetime_counts_from_the_arrival(claims, expires_in, lifetime):
    """Not from the time of the provider's clock."""
    assert NOW + lifetime == expiry(jwt(**claims), expires_in).expires_at


def test_opaque_token_is_not_read():
    """Its content may be about something else."""
    assert NOW + 600 == expiry(jwt(exp=NOW - 1, iat=NOW - 2), 600, is_opaque=True).expires_at


def test_clock_that_was_set_right_leaves_nothing_behind():
    """The next tokens are measured by themselves."""
    behind, right = jwt(exp=NOW - 3_300, iat=NOW - 3_600), jwt(exp=NOW + 900, iat=NOW + 600)
    data = login_data(Tokens(behind, None, None, 300), IdToken("ann", None, {}), NOW)
    assert 3_600 == data[CLOCK_OFFSET]

    refreshed_data(data, Tokens(right, None, None, 300), NOW + 600)

    assert CLOCK_OFFSET not in data
    assert NOW + 900 == claims_in(data).expires_at
