"""OpenID Connect login: authorization request, code exchange, and the first administrator."""

import logging
import secrets
import string
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bodhi.oidc.claims import Claims
from bodhi.oidc.client import IdentityProvider, pkce_challenge
from bodhi.oidc.errors import TokenError
from bodhi.oidc.responses import IdToken, Tokens
from bodhi.server.access.directory import RoleManagement
from bodhi.server.access.errors import RecentLoginRequired
from bodhi.server.access.instance import Instance, InstanceService, Status
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.provider_errors import provider_errors
from bodhi.server.access.recent_login import LEEWAY_SECONDS
from bodhi.server.authentication.login_data import (
    GRANTED_ROLE,
    REFRESH_TOKEN,
    SIGNED_IN_AT,
    USER_ID,
    RenewalPolicy,
    claims_in,
    login_data,
    refreshed_data,
)
from bodhi.server.authentication.user_claims import UserClaims
from bodhi.server.login.begun_logins import RETURN_TO, VERIFIER, StartedLogin
from bodhi.server.login.errors import InvalidCallbackUrl, LoginFailed, LoginNotConfigured, MissingCode

STATE_LENGTH = 32
VERIFIER_LENGTH = 43

_LETTERS = string.ascii_letters + string.digits

log = logging.getLogger(__name__)


class CallbackBody(msgspec.Struct):
    """The query of the provider's redirect; other members are ignored."""

    code: str | None = None
    state: str | None = None
    error: str | None = None
    error_description: str | None = None
    iss: str | None = None
    session_state: str | None = None


@dataclass(frozen=True, slots=True)
class CompletedLogin:
    """The user who logged in, and the data of the new session."""

    user_id: str
    claims: Claims = field(repr=False)
    sid: str | None  # the provider's session
    since: int  # the last authority change before the code was redeemed
    data: dict[str, Any] = field(repr=False)


class LoginFlow:
    """Starts and completes logins."""

    def __init__(
        self,
        provider: IdentityProvider | None,
        *,
        instances: InstanceService,
        profiles: Profiles,
        users: UserClaims,
        policy: RenewalPolicy,
        role_management: RoleManagement,
        grants_roles_here: bool = False,
        reads_access_tokens: bool = True,
        parameters: Sequence[tuple[str, str]] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create the flow; *reads_access_tokens*: access tokens are JWTs for this server rather than opaque.

        *parameters* are added to every authorization request.
        """
        self._provider = provider
        self._instances = instances
        self._profiles = profiles
        self._users = users
        self._policy = policy
        self._role_management = role_management
        self._grants_roles_here = grants_roles_here
        self._reads_access_tokens = reads_access_tokens
        self._parameters = tuple(parameters)
        self._clock = clock

    async def begin(
        self,
        callback_url: str,
        *,
        return_to: str | None = None,
        max_age: int | None = None,
        parameters: Mapping[str, str] = MappingProxyType({}),
    ) -> StartedLogin:
        """Start a login with *callback_url* as redirect URI; *return_to* is stored in the transaction.

        With *max_age* the provider requires a sign-in that is at most that many seconds old. *parameters* are added to
        the authorization request, unless they are configured.
        """
        instance = await self._instances.current()
        if instance is None or self._provider is None:
            raise LoginNotConfigured
        state, nonce, verifier = _random(STATE_LENGTH), _random(STATE_LENGTH), _random(VERIFIER_LENGTH)
        configured = dict(self._parameters)
        further = [(name, value) for name, value in parameters.items() if name not in configured]
        with provider_errors(LoginFailed):
            url = await self._provider.authorization_url(
                instance.client_id,
                redirect_uri=callback_url,
                state=state,
                nonce=nonce,
                challenge=pkce_challenge(verifier),
                max_age=max_age,
                parameters=[*self._parameters, *further],
            )
        transaction: dict[str, Any] = {
            VERIFIER: verifier,
            "nonce": nonce,
            "callback_url": callback_url,
            RETURN_TO: return_to,
        }
        if max_age is not None:
            transaction["max_age"] = max_age
        return StartedLogin(url, state, transaction)

    async def complete(
        self, instance: Instance, transaction: Mapping[str, Any], answer: CallbackBody
    ) -> CompletedLogin:
        """Exchange the code in *answer*, whose state matches *transaction*, and verify the tokens.

        Raises :exc:`RecentLoginRequired` if a recent sign-in was requested and the provider did not enforce it.
        """
        if answer.error is not None:
            raise LoginFailed.by_provider(answer.error)
        if self._provider is None:
            raise LoginNotConfigured
        since = await self._profiles.last_change()
        try:
            with provider_errors(LoginFailed):
                tokens, id_token = await self._redeem(self._provider, instance, transaction, answer)
            now = self._clock()
            data = login_data(tokens, id_token, now, is_opaque=not self._reads_access_tokens)
            if (max_age := transaction.get("max_age")) is not None:
                _check_age(data, max_age, now)
            claims = await self._users.complete(data, instance.client_id)
        except TokenError as error:
            raise LoginFailed from error
        await self._users.check_allowed(claims, since)
        self._policy.warn_without_refresh(data)
        if instance.status is Status.RESOURCE_ADMIN and await self._became_ready(self._provider, instance, data):
            claims = claims_in(data)
        self._policy.schedule(data, now)
        if self._grants_roles_here:
            data[GRANTED_ROLE] = await self._profiles.granted_role(id_token.subject)
        return CompletedLogin(id_token.subject, claims, id_token.sid, since, data)

    async def _redeem(
        self,
        provider: IdentityProvider,
        instance: Instance,
        transaction: Mapping[str, Any],
        answer: CallbackBody,
    ) -> tuple[Tokens, IdToken]:
        """Exchange the code for tokens, and verify the ID token among them."""
        if not answer.code:
            raise MissingCode
        # Protects against mix-up attacks. Source: RFC 9207.
        if answer.iss != provider.issuer and (answer.iss is not None or await provider.announces_issuer()):
            log.warning("login refused: the authorization response names another issuer")
            raise LoginFailed
        tokens = await provider.grants.redeem_code(
            instance.credentials,
            code=answer.code,
            redirect_uri=transaction["callback_url"],
            verifier=transaction[VERIFIER],
        )
        if tokens.id_token is None:
            log.warning("login refused: the token response has no ID token; check that BODHI_AUTH_SCOPES has openid")
            raise LoginFailed
        id_token = await provider.verifier.id_token(
            tokens.id_token,
            client_id=instance.client_id,
            nonce=transaction["nonce"],
            access_token=tokens.access_token,
            reads_access_token=self._reads_access_tokens,
        )
        return tokens, id_token

    async def _became_ready(self, provider: IdentityProvider, instance: Instance, data: dict[str, Any]) -> bool:
        """Make the first user the administrator; return True after refreshing the tokens, which contain the role."""

        async def appoint(user_id: str) -> None:
            await self._role_management.make_resource_admin(instance.credentials, user_id)

        with provider_errors(LoginFailed):
            is_appointed = await self._instances.become_ready(data[USER_ID], appoint)
            if not is_appointed or self._grants_roles_here or REFRESH_TOKEN not in data:
                return False
            renewed = await provider.grants.refresh(instance.credentials, data[REFRESH_TOKEN])
        refreshed_data(data, renewed, self._clock())
        return True


def _check_age(data: Mapping[str, Any], max_age: int, now: float) -> None:
    """Check the age of the sign-in: a provider may ignore ``max_age``. Source: OpenID Connect Core 3.1.3.7."""
    if now - data[SIGNED_IN_AT] <= max_age + LEEWAY_SECONDS:
        return
    log.warning("login refused: the provider ignored max_age and returned an old sign-in")
    raise RecentLoginRequired(
        "The identity provider let you in without asking you to sign in again, and your sign-in there is too "
        "old for this. Sign out at the provider, then try again.",
    )


def origin_of(url: str) -> str:
    """Return scheme, host and port of a callback URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidCallbackUrl
    return f"{parts.scheme}://{parts.netloc}"


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
