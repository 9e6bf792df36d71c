"""An access token of another application, exchanged for one of this server's own, and what has to be true of that one.

Source: RFC 8693; RFC 9700, section 2.3 (no token may give more than the one it came from).
"""

import logging
from collections.abc import Collection, Iterable
from typing import Protocol

from bodhi.oidc.claims import Claims
from bodhi.oidc.errors import ProviderError, ProviderRefused, TokenError
from bodhi.oidc.responses import ClientCredentials
from bodhi.server.access.errors import AccessRequestIdMismatch, ApiError, InvalidToken, ProviderUnavailable
from bodhi.server.access.instance import Instance
from bodhi.server.access.scopes import UserScope, highest_user_scope
from bodhi.server.apps.records import AppAccessRequest

USER_SCOPES = "scope_user_"
ACCESS_REQUEST_SCOPES = "scope_access_request:"
LOGIN_SCOPES = ("openid", "email", "profile", "roles")

log = logging.getLogger(__name__)


class ExchangingProvider(Protocol):
    """What is asked of the identity provider."""

    @property
    def issuer(self) -> str:
        """Whom its tokens name as their issuer."""

    async def verify_access_token(self, token: str, *, required: Collection[str] = ...) -> Claims:
        """The claims of a token that it signed and that is valid now; a :exc:`ApiError` for any other.

        Claims that are *required* have to be there, beside whose it is and until when it lives.
        """

    async def exchange(self, client: ClientCredentials, subject_token: str, *, scope: str) -> str:
        """An access token for *client* in the place of *subject_token*."""


async def exchanged_token(
    provider: ExchangingProvider, instance: Instance, token: str, presented: Claims
) -> tuple[str, Claims]:
    """The access token that *provider* gives for *token*, whose claims are *presented*, and its own claims.

    ``token_error-invalid_token`` where the provider refuses, or what it gives is not sound.
    """
    scope = " ".join(_forwarded(presented.scope.split()))
    try:
        exchanged = await provider.exchange(instance.credentials, token, scope=scope)
        return exchanged, await provider.verify_access_token(exchanged, required=())
    except ProviderRefused as error:
        log.info("the provider does not exchange a token of %r: %s", presented.authorized_party, error)
        raise InvalidToken from error
    except ProviderError as error:
        raise ProviderUnavailable from error
    except TokenError as error:
        log.error("exchanged token rejected: %s", error)
        raise InvalidToken from error


def check_exchanged(
    claims: Claims, *, presented: Claims, issuer: str, client_id: str, access_request: AppAccessRequest | None
) -> None:
    """Nothing when the exchanged token is for the same access request and person, for this server, and gives no more.

    Else ``access_request_validation_error-access_request_id_mismatch``, or ``token_error-invalid_token``.
    """
    if access_request is not None and claims.access_request_id != access_request.id:
        raise AccessRequestIdMismatch
    is_ours = (
        claims.subject == presented.subject
        and claims.issuer == issuer
        and claims.authorized_party in {None, client_id}
        and (not claims.audience or client_id in claims.audience)
    )
    if not is_ours or _gives_more(user_scope_of(claims), user_scope_of(presented)):
        log.error("the provider exchanged a token for one of somebody else, or for somebody else, or for more")
        raise InvalidToken


def user_scope_of(claims: Claims) -> UserScope | None:
    """The highest user scope of a token; None for one that may tell who somebody is, and no more."""
    try:
        return highest_user_scope(claims.scope)
    except ApiError:
        return None


def _gives_more(exchanged: UserScope | None, presented: UserScope | None) -> bool:
    return exchanged is not None and (presented is None or exchanged.rank > presented.rank)


def _forwarded(scopes: Iterable[str]) -> Iterable[str]:
    yield from (scope for scope in scopes if scope.startswith((USER_SCOPES, ACCESS_REQUEST_SCOPES)))
    yield from LOGIN_SCOPES
