"""OpenID Connect login: authorization request, code exchange, and the first administrator.

A started login is a *transaction*: a JSON object that the caller stores under its ``state`` until the callback. It is
used once.
"""

import hmac
import logging
import secrets
import string
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from bodhi.oidc.client import IdentityProvider, pkce_challenge
from bodhi.oidc.errors import ProviderError, ProviderRefused, ProviderUnavailable, TokenError
from bodhi.oidc.responses import IdToken, Tokens
from bodhi.server.access.directory import RoleManagement
from bodhi.server.access.errors import RecentLoginRequired
from bodhi.server.access.instance import Instance, InstanceService, Status
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.provider_errors import provider_errors, unavailable
from bodhi.server.access.recent_login import LEEWAY_SECONDS
from bodhi.server.authentication.login_data import (
    GRANTED_ROLE,
    REFRESH_TOKEN,
    SIGNED_IN_AT,
    USER_ID,
    USERINFO,
    login_data,
    refreshed_data,
)
from bodhi.server.authentication.renewal_policy import RenewalPolicy
from bodhi.server.authentication.role_notes import RoleNotes
from bodhi.server.authentication.user_claims import UserinfoClaims
from bodhi.server.login.errors import AccessChanged, InvalidCallbackUrl, LoginFailed, LoginNotConfigured, MissingCode

STATE_LENGTH = 32
VERIFIER_LENGTH = 43
MAX_OPEN = 5
SECONDS_TO_LOG_IN = 600

VERIFIER, RETURN_TO = "verifier", "return_to"  # in a transaction
CLOSED = 1  # ms since 1970: earlier versions take the transaction for an expired one

_LETTERS = string.ascii_letters + string.digits

Transactions = dict[str, dict[str, Any]]  # by state

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartedLogin:
    """The provider's URL to redirect to, and the transaction to store."""

    url: str
    state: str = field(repr=False)
    transaction: dict[str, Any] = field(repr=False)

    def add_to(self, transactions: Transactions, now_ms: int | None = None) -> None:
        """Add the transaction, dropping the oldest beyond the limit; *now_ms* None: it started with its session."""
        for state in list(transactions)[: max(0, len(transactions) - MAX_OPEN + 1)]:
            del transactions[state]
        until = None if now_ms is None else now_ms + SECONDS_TO_LOG_IN * 1000
        transactions[self.state] = {**self.transaction, "until": until}


@dataclass(frozen=True, slots=True)
class CompletedLogin:
    """The user who logged in, and the data of the new session.

    Pass it to :meth:`LoginFlow.confirm` after the session is stored and before the cookie is sent.
    """

    user_id: str
    sid: str | None  # the provider's session
    since: int  # the last authority change before the code was redeemed
    data: dict[str, Any] = field(repr=False)


def is_open(transaction: Mapping[str, Any] | None) -> bool:
    """Whether the login can be completed; of others only the page that they lead to is known."""
    return transaction is not None and VERIFIER in transaction


def without_expired(transactions: Transactions, now_ms: int, created_ms: int) -> Transactions:
    """Return the transactions with the expired ones closed; one without its own deadline started at *created_ms*."""
    current: Transactions = {}
    for state, transaction in transactions.items():
        if now_ms < (transaction.get("until") or created_ms + SECONDS_TO_LOG_IN * 1000) or not is_open(transaction):
            current[state] = transaction
        else:
            _keep_page(current, state, transaction)
    return current


def take_transaction(transactions: Transactions, state: str) -> dict[str, Any] | None:
    """Close and return the transaction of *state*, or None. The comparison takes constant time."""
    presented = state.encode("utf-8", "surrogatepass")
    matching = [stored for stored in transactions if hmac.compare_digest(stored.encode(), presented)]
    if not matching:
        return None
    taken = transactions.pop(matching[0])
    _keep_page(transactions, matching[0], taken)
    return taken


def latest_page(transactions: Transactions) -> str | None:
    """Return the page that the latest login leads to, or None."""
    return next((page for login in reversed(transactions.values()) if (page := login.get(RETURN_TO))), None)


def _keep_page(transactions: Transactions, state: str, closed: Mapping[str, Any]) -> None:
    """Keep the page of a closed login, before the open ones, so that it makes room first."""
    if page := closed.get(RETURN_TO):
        still_open = {other: transactions.pop(other) for other in list(transactions) if is_open(transactions[other])}
        transactions.update({state: {"until": CLOSED, RETURN_TO: page}, **still_open})


class LoginFlow:
    """Starts and completes logins."""

    def __init__(
        self,
        provider: IdentityProvider | None,
        *,
        instances: InstanceService,
        profiles: Profiles,
        notes: RoleNotes,
        userinfo: UserinfoClaims,
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
        self._notes = notes
        self._userinfo = userinfo
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

    async def complete(self, transaction: Mapping[str, Any], callback_query: Mapping[str, str]) -> CompletedLogin:
        """Exchange the code in *callback_query*, whose state matches *transaction*, and verify the tokens.

        Raises :exc:`RecentLoginRequired` if a recent sign-in was requested and the provider did not enforce it.
        """
        if "error" in callback_query:
            raise LoginFailed.by_provider(callback_query["error"])
        code = callback_query.get("code")
        if not code:
            raise MissingCode
        instance = await self._instances.current()
        if instance is None or self._provider is None:
            raise LoginNotConfigured
        since = await self._profiles.last_change()
        with _login_errors():
            await self._check_issuer(callback_query)
            tokens, id_token = await self._redeem(instance, transaction, code)
        now = self._clock()
        data = login_data(tokens, id_token, now, is_opaque=not self._reads_access_tokens)
        _check_age(data, transaction.get("max_age"), now)
        await self._add_userinfo(data)
        await self._notes.check_allowed(data, since)
        self._policy.warn_without_refresh(data)
        if instance.status is Status.RESOURCE_ADMIN:
            with provider_errors(LoginFailed):
                await self._become_ready(instance, data)
        self._policy.schedule(data, now)
        if self._grants_roles_here:
            data[GRANTED_ROLE] = await self._profiles.granted_role(id_token.subject)
        return CompletedLogin(id_token.subject, id_token.sid, since, data)

    async def confirm(self, completed: CompletedLogin) -> None:
        """Store the user's profile and role; call it after the session is stored.

        Raises :exc:`AccessChanged` if the user's authority changed since the code was redeemed: the session's tokens
        are outdated, and the caller has to end it. Later changes end the stored session themselves.
        """
        if not await self._notes.note_login(completed.data, completed.since):
            log.warning(
                "login refused: role changed during the login user_id=%s",
                completed.user_id,
                extra={"fields": {"user_id": completed.user_id}},
            )
            raise AccessChanged

    async def _check_issuer(self, callback_query: Mapping[str, str]) -> None:
        # Protects against mix-up attacks. Source: RFC 9207.
        assert self._provider is not None
        issuer = callback_query.get("iss")
        if issuer is None and not await self._provider.announces_issuer():
            return
        if issuer != self._provider.issuer:
            log.warning("login refused: the authorization response names another issuer")
            raise LoginFailed

    async def _redeem(self, instance: Instance, transaction: Mapping[str, Any], code: str) -> tuple[Tokens, IdToken]:
        assert self._provider is not None
        tokens = await self._provider.grants.redeem_code(
            instance.credentials,
            code=code,
            redirect_uri=transaction["callback_url"],
            verifier=transaction[VERIFIER],
        )
        if tokens.id_token is None:
            log.warning("login refused: the token response has no ID token; check that BODHI_AUTH_SCOPES has openid")
            raise LoginFailed
        try:
            id_token = await self._provider.verifier.id_token(
                tokens.id_token,
                client_id=instance.client_id,
                nonce=transaction["nonce"],
                access_token=tokens.access_token,
                reads_access_token=self._reads_access_tokens,
            )
        except TokenError as error:
            raise LoginFailed from error
        return tokens, id_token

    async def _add_userinfo(self, data: dict[str, Any]) -> None:
        """Add the userinfo claims that *data* lacks.

        A provider that refuses them has no more to say about the user. In an outage the role may be unknown: the login
        then fails, rather than taking the user for somebody without a role.
        """
        try:
            data[USERINFO] = await self._userinfo.request(data)
        except TokenError as error:
            raise LoginFailed from error
        except ProviderError as error:
            if isinstance(error, ProviderUnavailable) and not await self._userinfo.is_decided(data):
                raise unavailable(error) from error
            log.warning("login without userinfo (BODHI_AUTH_USERINFO): %s", error)

    async def _become_ready(self, instance: Instance, data: dict[str, Any]) -> None:
        """Make the first user the administrator, and refresh the tokens so that they contain the role."""
        provider = self._provider
        assert provider is not None

        async def appoint(user_id: str) -> None:
            await self._role_management.make_resource_admin(instance.credentials, user_id)

        is_appointed = await self._instances.become_ready(data[USER_ID], appoint)
        if is_appointed and not self._grants_roles_here and REFRESH_TOKEN in data:
            renewed = await provider.grants.refresh(instance.credentials, data[REFRESH_TOKEN])
            refreshed_data(data, renewed, self._clock())


@contextmanager
def _login_errors() -> Iterator[None]:
    """Map errors of the provider; :exc:`LoginFailed` names the provider's error code."""
    try:
        with provider_errors(LoginFailed):
            yield
    except LoginFailed as error:
        if isinstance(error.__cause__, ProviderRefused):
            raise LoginFailed.by_provider(error.__cause__.error) from error.__cause__
        raise


def _check_age(data: Mapping[str, Any], max_age: int | None, now: float) -> None:
    """Check the age of the sign-in: a provider may ignore ``max_age``. Source: OpenID Connect Core 3.1.3.7."""
    if max_age is None or now - data[SIGNED_IN_AT] <= max_age + LEEWAY_SECONDS:
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
