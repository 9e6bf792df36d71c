"""Other applications that act for a person, by access tokens that were issued to them with this server in the audience.

The order of the checks is a part of the contract: the first that fails decides what a client is told, and no token is
sent to the provider before its signature, times, issuer and audience were checked.
"""

import logging
from dataclasses import replace

from bodhi.oidc.claims import Claims
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
    ProviderUnavailable,
)
from bodhi.server.access.instance import InstanceService
from bodhi.server.access.principal import ExternalApp
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.scopes import UserScope
from bodhi.server.access.token_errors import token_errors
from bodhi.server.access.ttl_cache import TtlCache
from bodhi.server.apps.exchange import (
    ACCESS_REQUEST_SCOPES,
    ExchangingProvider,
    check_exchanged,
    exchanged_token,
    user_scope_of,
)
from bodhi.server.apps.records import AppAccessRequest
from bodhi.server.apps.service import AppAccessRequests

log = logging.getLogger(__name__)


class ExternalApps:
    """The applications whose tokens *provider* issues.

    What a token was exchanged for is kept in *memory*, by the token and until it or the exchanged one expires. With
    *caps_roles* an application may do no more than the person whom it acts for.
    """

    def __init__(
        self,
        provider: ExchangingProvider,
        *,
        instances: InstanceService,
        app_access_requests: AppAccessRequests,
        people: Profiles,
        memory: TtlCache[ExternalApp],
        caps_roles: bool = True,
    ) -> None:
        self._provider = provider
        self._instances = instances
        self._app_access_requests = app_access_requests
        self._people = people
        self._memory = memory
        self._caps_roles = caps_roles

    async def authenticate(self, token: str) -> ExternalApp:
        """Who acts for whom with *token*; a :exc:`ApiError` for a token that is not accepted.

        The memory finds nothing but what was found out about this very token, and nothing that has expired: a token
        that is found has been verified.
        """
        app = await self._memory.remembered(token, lambda: self._exchanged(token))
        return await self._capped(app) if self._caps_roles else app

    def forget_user(self, user_id: str) -> None:
        """Ask the provider again about tokens of a person, who was removed or has another role now."""
        self._memory.forget(lambda app: app.user_id == user_id)

    def forget_access_request(self, access_request_id: str) -> None:
        """Check tokens of an app access request again, since it was withdrawn."""
        self._memory.forget(lambda app: app.access_request_id == access_request_id)

    async def _capped(self, app: ExternalApp) -> ExternalApp:
        """*app* with no more scope than its user's role, as last known; none for users who have no role.

        What is remembered is not capped, so that another role holds from the next request on, on every node. The
        exchanged token still carries the scope that was taken away, so it is not handed on.
        """
        person = await self._people.find(app.user_id)
        if person is not None and person.is_removed:
            raise InvalidToken
        if app.role is None:
            return app
        if person is None or person.role is None:
            return replace(app, role=None, token="")
        cap = UserScope.of_role(person.role)
        return app if cap.grants(app.role) else replace(app, role=cap, token="")

    async def _exchanged(self, token: str) -> tuple[ExternalApp, float]:
        try:
            with token_errors():
                presented = await self._provider.verify_access_token(token)
        except ProviderError as error:
            raise ProviderUnavailable from error
        instance = await self._instances.current()
        if instance is None:
            raise NotRegistered
        issuer, client_id = self._provider.issuer, instance.client_id
        app_client_id = _check_addressed(presented, issuer=issuer, client_id=client_id)
        access_request = await self._access_request(presented, app_client_id)
        person = await self._people.find(presented.subject)
        if person is not None and person.is_removed:
            raise InvalidToken
        exchanged, claims = await exchanged_token(self._provider, instance, token, presented)
        check_exchanged(claims, presented=presented, issuer=issuer, client_id=client_id, access_request=access_request)
        app = ExternalApp(
            user_id=claims.subject,
            username=claims.username or claims.subject,
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
        """The request that the token's scope names, or None where it names none."""
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
    """The client that a token was issued to, by *issuer* and with *client_id* in its audience; never *client_id*."""
    if presented.authorized_party is None:
        raise _refused("azp", InvalidToken)
    if presented.issuer != issuer:
        raise _refused("iss", InvalidIssuer)
    if presented.raw.get("aud") is None:
        raise _refused("aud", InvalidToken)
    if client_id not in presented.audience:
        raise _refused("aud", InvalidAudience)
    # A token of this server's own logins is no credential here: whoever has one is not another application.
    if client_id in (presented.authorized_party, presented.client_id):
        raise _refused("azp", InvalidToken)
    return presented.authorized_party


def _refused(claim: str, error: type[ApiError]) -> ApiError:
    log.info("a token of another application was refused: its claim %s is missing or not as it has to be", claim)
    return error()
