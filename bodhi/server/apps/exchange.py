"""Exchange an external application's access token for one of this server, and validate the result.

Source: RFC 8693; RFC 9700, section 2.3 (an exchanged token must not grant more than the original).
"""

import logging
from collections.abc import Iterable

from bodhi.oidc.claims import Claims
from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderError, ProviderRefused, TokenError
from bodhi.server.access.errors import AccessRequestIdMismatch, ApiError, InvalidToken
from bodhi.server.access.instance import Instance
from bodhi.server.access.provider_errors import unavailable
from bodhi.server.access.scopes import UserScope, highest_user_scope
from bodhi.server.apps.records import AppAccessRequest

USER_SCOPES = "scope_user_"
ACCESS_REQUEST_SCOPES = "scope_access_request:"
LOGIN_SCOPES = ("openid", "email", "profile", "roles")

log = logging.getLogger(__name__)


async def exchanged_token(
    provider: IdentityProvider, instance: Instance, token: str, presented: Claims
) -> tuple[str, Claims]:
    """Exchange *token*, which has the claims *presented*; return the new access token and its claims.

    Raises ``token_error-invalid_token`` if the provider refuses or returns an invalid token.
    """
    scope = " ".join(_scopes_to_request(presented.scope.split()))
    try:
        exchanged = await provider.grants.exchange(instance.credentials, token, scope=scope)
        return exchanged, await provider.verifier.access_token(exchanged, required=())
    except ProviderRefused as error:
        log.info("token exchange refused app_client_id=%r error=%s", presented.authorized_party, error)
        raise InvalidToken from error
    except ProviderError as error:
        raise unavailable(error) from error
    except TokenError as error:
        log.error("exchanged token rejected: %s", error)
        raise InvalidToken from error


def check_exchanged(
    claims: Claims, *, presented: Claims, issuer: str, client_id: str, access_request: AppAccessRequest | None
) -> None:
    """Check that the exchanged token has the same access request and subject, this server as audience, no wider scope.

    Raises ``access_request_validation_error-access_request_id_mismatch`` or ``token_error-invalid_token``.
    """
    if access_request is not None and claims.access_request_id != access_request.id:
        raise AccessRequestIdMismatch
    is_ours = (
        claims.subject == presented.subject
        and claims.issuer == issuer
        and claims.authorized_party in {None, client_id}
        and (not claims.audience or client_id in claims.audience)
    )
    if not is_ours or _has_wider_scope(user_scope_of(claims), user_scope_of(presented)):
        log.error("exchanged token rejected: other subject, other audience, or wider scope")
        raise InvalidToken


def user_scope_of(claims: Claims) -> UserScope | None:
    """Return the highest user scope of a token, or None if it only identifies the user."""
    try:
        return highest_user_scope(claims.scope)
    except ApiError:
        return None


def _has_wider_scope(exchanged: UserScope | None, presented: UserScope | None) -> bool:
    return exchanged is not None and (presented is None or exchanged.rank > presented.rank)


def _scopes_to_request(scopes: Iterable[str]) -> Iterable[str]:
    yield from (scope for scope in scopes if scope.startswith((USER_SCOPES, ACCESS_REQUEST_SCOPES)))
    yield from LOGIN_SCOPES
