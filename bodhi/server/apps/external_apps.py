"""Authenticate external applications by access tokens that name this server in their audience.

The order of the checks is part of the contract: the first failure determines the error, and a token is sent to the
provider only after its signature, times, issuer and audience were checked.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter

from bodhi.oidc.claims import Claims
from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderError
from bodhi.server.access.errors import (
    AccessNotApproved,
    AccessOfAnotherApp,
    AccessOfAnotherUser,
    AccessScopeNotFound,
    ApiError,
    InvalidAudience,
    InvalidIssuer,
    InvalidToken,
    NotRegistered,
)
from bodhi.server.access.instance import InstanceService
from bodhi.server.access.principal import ExternalApp
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.provider_errors import token_errors, unavailable
from bodhi.server.access.scopes import UserScope
from bodhi.server.access.ttl_cache import TtlCache
from bodhi.server.apps.exchange import (
    ACCESS_REQUEST_SCOPES,
    check_exchanged,
    exchanged_token,
    user_scope_of,
)
from bodhi.server.apps.records import AppAccessRequest
from bodhi.server.apps.service import AppAccessRequests

log = logging.getLogger(__name__)


class ExternalApps:
    """Authenticates external applications, which present tokens issued by *provider*.

    *cache* holds the result of each exchange by the presented token, until that token or the exchanged one expires.
    With *caps_roles*, an application's scope is limited to the role of the user it acts for.
    """

    def __init__(
        self,
        provider: IdentityProvider,
        *,
        instances: InstanceService,
        app_access_requests: AppAccessRequests,
        profiles: Profiles,
        cache: TtlCache[ExternalApp],
        caps_roles: bool = True,
        name_of: Callable[[Claims], str] = attrgetter("shown_name"),
    ) -> None:
        self._provider = provider
        self._instances = instances
        self._app_access_requests = app_access_requests
        self._profiles = profiles
        self._cache = cache
        self._caps_roles = caps_roles
        self._name_of = name_of

    async def authenticate(self, token: str) -> ExternalApp:
        """Return the application and user that *token* authenticates; raise :exc:`ApiError` for a rejected token.

        The cache is keyed by the token and returns nothing expired, so a token found there has been verified.
        """
        app = await self._cache.get_or_create(token, lambda: self._exchanged(token))
        return await self._capped(app) if self._caps_roles else app

    def forget_user(self, user_id: str) -> None:
        """Drop the cached exchanges of a user who was removed or whose role changed."""
        self._cache.invalidate(lambda app: app.user_id == user_id)

    def forget_access_request(self, access_request_id: str) -> None:
        """Drop the cached exchanges of a withdrawn app access request."""
        self._cache.invalidate(lambda app: app.access_request_id == access_request_id)

    async def _capped(self, app: ExternalApp) -> ExternalApp:
        """Return *app* with its scope limited to the user's last known role; no scope for a user without a role.

        The cache holds the uncapped value, so a role change applies to the next request on every node. The exchanged
        token still carries the wider scope, so a capped *app* has no token.
        """
        profile = await self._profiles.find(app.user_id)
        if profile is not None and profile.is_removed:
            raise InvalidToken
        if app.role is None:
            return app
        if profile is None or profile.role is None:
            return replace(app, role=None, token="")
        cap = UserScope.of_role(profile.role)
        return app if cap.grants(app.role) else replace(app, role=cap, token="")

    async def _exchanged(self, token: str) -> tuple[ExternalApp, float]:
        try:
            with token_errors():
                presented = await self._provider.verifier.access_token(token)
        except ProviderError as error:
            raise unavailable(error) from error
        instance = await self._instances.current()
        if instance is None:
            raise NotRegistered
        issuer, client_id = self._provider.issuer, instance.client_id
        app_client_id = _check_addressed(presented, issuer=issuer, client_id=client_id)
        access_request = await self._access_request(presented, app_client_id)
        profile = await self._profiles.find(presented.subject)
        if profile is not None and profile.is_removed:
            raise InvalidToken
        exchanged, claims = await exchanged_token(self._provider, instance, token, presented)
        check_exchanged(claims, presented=presented, issuer=issuer, client_id=client_id, access_request=access_request)
        app = ExternalApp(
            user_id=claims.subject,
            username=self._name_of(claims),
            role=user_scope_of(claims),
            token=exchanged,
            external_app_token=token,
            app_client_id=app_client_id,
            access_request_id=claims.access_request_id,
            first_name=claims.first_name,
            last_name=claims.last_name,
        )
        return app, min(presented.expires_at, claims.expires_at)

    async def _access_request(self, presented: Claims, app_client_id: str) -> AppAccessRequest | None:
        """Return the app access request in the token's scope, or None if the scope names none."""
        scopes = [scope for scope in presented.scope.split() if scope.startswith(ACCESS_REQUEST_SCOPES)]
        if not scopes:
            return None
        if len(scopes) > 1:
            raise InvalidToken
        access_request = await self._app_access_requests.by_scope(scopes[0])
        if access_request is None:
            raise AccessScopeNotFound
        if access_request.status != "approved":
            raise AccessNotApproved
        if access_request.app_client_id != app_client_id:
            raise AccessOfAnotherApp
        if access_request.user_id is None:
            raise AccessNotApproved
        if access_request.user_id != presented.subject:
            raise AccessOfAnotherUser
        return access_request


def _check_addressed(presented: Claims, *, issuer: str, client_id: str) -> str:
    """Return the client that the token was issued to; check issuer and audience, reject *client_id* itself."""
    if presented.authorized_party is None:
        raise _claim_rejected("azp", InvalidToken)
    if presented.issuer != issuer:
        raise _claim_rejected("iss", InvalidIssuer)
    if presented.at(["aud"]) is None:
        raise _claim_rejected("aud", InvalidToken)
    if client_id not in presented.audience:
        raise _claim_rejected("aud", InvalidAudience)
    # Tokens from this server's own logins are not credentials of an external application.
    if client_id in (presented.authorized_party, presented.client_id):
        raise _claim_rejected("azp", InvalidToken)
    return presented.authorized_party


def _claim_rejected(claim: str, error: type[ApiError]) -> ApiError:
    log.info("external app token rejected claim=%s", claim)
    return error()
