"""What the provider's refusal of a refresh means: only a new login helps, or the operator has to act."""

from bodhi.oidc.errors import ProviderRefused
from bodhi.server.access.errors import ApiError, ProviderUnavailable, RefreshRefused

# OAuth errors after which only a new login helps.
# Source: RFC 6749, 5.2; RFC 6750, 3.1; OpenID Connect Core 3.1.2.6; token_inactive is Keycloak's and Ory's.
LOGIN_ENDING_ERRORS = frozenset(
    {
        "invalid_grant",
        "token_inactive",
        "interaction_required",
        "login_required",
        "consent_required",
        "invalid_token",
    }
)
# OAuth errors about this server as a client: a new login would fail with them, too.
_CLIENT_ERRORS = frozenset({"invalid_client", "unauthorized_client"})


def api_error_of(error: ProviderRefused) -> ApiError:
    """Return the API error for a refusal that does not end the login.

    After an OAuth error about this grant, a new login may help. Everything else, such as a changed client secret or a
    wrong URL, has to be fixed by the operator.
    """
    if error.status in {200, 400, 403} and error.error and error.error not in _CLIENT_ERRORS:
        return RefreshRefused()
    return ProviderUnavailable(message="The identity provider refused to renew the login.")
