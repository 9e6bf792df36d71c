"""A login: the way to the provider, and what comes of its answer.

A login that was begun is a *transaction*: a JSON object that the caller keeps under its state until the answer comes,
and hands over once.
"""

import hmac
import logging
import secrets
import string
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bodhi.oidc.client import IdentityProvider, pkce_challenge
from bodhi.oidc.errors import TokenError
from bodhi.oidc.responses import IdToken, Tokens
from bodhi.server.access.errors import RecentLoginRequired
from bodhi.server.access.instance import Instance, InstanceService, Status
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.provider_errors import provider_errors
from bodhi.server.access.recent_login import LEEWAY_SECONDS
from bodhi.server.authentication.login_data import SIGNED_IN_AT, login_data
from bodhi.server.authentication.role_notes import RoleNotes
from bodhi.server.login.errors import AccessChanged, InvalidCallbackUrl, LoginFailed, LoginNotConfigured, MissingCode

STATE_LENGTH = 32
VERIFIER_LENGTH = 43
MAX_OPEN = 5
SECONDS_TO_LOG_IN = 600

_LETTERS = string.ascii_letters + string.digits

Transactions = dict[str, dict[str, Any]]  # by state

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartedLogin:
    """Where to send the browser, and what to keep."""

    url: str
    state: str = field(repr=False)
    transaction: dict[str, Any] = field(repr=False)

    def add_to(self, transactions: Transactions, now_ms: int | None = None) -> None:
        """Put it beside those that are open, of which the oldest make place; *now_ms* None: as old as its session."""
        for state in list(transactions)[: max(0, len(transactions) - MAX_OPEN + 1)]:
            del transactions[state]
        until = None if now_ms is None else now_ms + SECONDS_TO_LOG_IN * 1000
        transactions[self.state] = {**self.transaction, "until": until}


@dataclass(frozen=True, slots=True)
class CompletedLogin:
    """Somebody who logged in, and what their session is to hold.

    It is for :meth:`Logins.confirm` once the session is stored, and before the browser is given its cookie.
    """

    user_id: str
    sid: str | None  # the provider's session
    since: int  # the last change of anybody's authority, as the code was redeemed
    data: dict[str, Any] = field(repr=False)


def open_transactions(transactions: Transactions, now_ms: int, created_ms: int) -> Transactions:
    """Those whose time is not up; one without a time of its own began with its session, at *created_ms*."""
    return {
        state: transaction
        for state, transaction in transactions.items()
        if now_ms < (transaction.get("until") or created_ms + SECONDS_TO_LOG_IN * 1000)
    }


def take_transaction(transactions: Transactions, state: str) -> dict[str, Any] | None:
    """The transaction under *state*, taken out; None where there is none. Takes the same time for any wrong state."""
    given = state.encode("utf-8", "surrogatepass")
    found = [own for own in transactions if hmac.compare_digest(own.encode(), given)]
    return transactions.pop(found[0]) if found else None


class LoginFlow:
    """Begins logins and completes them."""

    def __init__(
        self,
        provider: IdentityProvider | None,
        *,
        instances: InstanceService,
        profiles: Profiles,
        notes: RoleNotes,
        scopes: str = "openid email profile roles",
        reads_access_tokens: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Without a *provider* nobody can log in. *reads_access_tokens* tells whether those are JWTs meant for us."""
        self._provider = provider
        self._instances = instances
        self._profiles = profiles
        self._notes = notes
        self._scopes = scopes
        self._reads_access_tokens = reads_access_tokens
        self._clock = clock

    async def begin(
        self, callback_url: str, *, return_to: str | None = None, max_age: int | None = None
    ) -> StartedLogin:
        """A login whose answer comes to *callback_url*; *return_to* is kept with it, for whoever completes it.

        With *max_age* it takes somebody who signed in at the provider at most so many seconds ago.
        """
        instance = await self._instances.current()
        if instance is None or self._provider is None:
            raise LoginNotConfigured
        state, nonce, verifier = _random(STATE_LENGTH), _random(STATE_LENGTH), _random(VERIFIER_LENGTH)
        with provider_errors(LoginFailed):
            url = await self._provider.authorization_url(
                instance.client_id,
                redirect_uri=callback_url,
                state=state,
                nonce=nonce,
                challenge=pkce_challenge(verifier),
                scope=self._scopes,
                max_age=max_age,
            )
        transaction: dict[str, Any] = {
            "verifier": verifier,
            "nonce": nonce,
            "callback_url": callback_url,
            "return_to": return_to,
        }
        if max_age is not None:
            transaction["max_age"] = max_age
        return StartedLogin(url, state, transaction)

    async def complete(self, transaction: Mapping[str, Any], answer: Mapping[str, str]) -> CompletedLogin:
        """Who logged in, by the provider's *answer* to *transaction*, whose state is right.

        ``auth_error-recent_login_required`` where a recent sign-in was asked for, and the provider did not see to it.
        """
        if "error" in answer:
            raise LoginFailed
        code = answer.get("code")
        if not code:
            raise MissingCode
        instance = await self._instances.current()
        if instance is None or self._provider is None:
            raise LoginNotConfigured
        since = await self._profiles.last_change()
        with provider_errors(LoginFailed):
            await self._check_issuer(answer)
            tokens, id_token = await self._redeem(instance, transaction, code)
            if instance.status is Status.RESOURCE_ADMIN:
                tokens, id_token = await self._become_ready(instance, tokens, id_token)
        now = self._clock()
        data = login_data(tokens, id_token, now, is_opaque=not self._reads_access_tokens)
        _check_age(data, transaction.get("max_age"), now)
        return CompletedLogin(id_token.subject, id_token.sid, since, data)

    async def confirm(self, completed: CompletedLogin) -> None:
        """Remember who logged in and with which role; call it when their session is stored.

        ``login_error-access_changed`` where what they may do was changed since the code was redeemed: the tokens in the
        session are older, and it has to be ended. A change that comes later ends the stored session itself.
        """
        if not await self._notes.note_login(completed.data, completed.since):
            log.warning(
                "login refused: the role was changed meanwhile user_id=%s",
                completed.user_id,
                extra={"fields": {"user_id": completed.user_id}},
            )
            raise AccessChanged

    async def _check_issuer(self, answer: Mapping[str, str]) -> None:
        # A provider that was talked into another one's answer. Source: RFC 9207.
        assert self._provider is not None
        issuer = answer.get("iss")
        if issuer is None and not await self._provider.announces_issuer():
            return
        if issuer != self._provider.issuer:
            log.warning("a login was refused: its answer names another issuer")
            raise LoginFailed

    async def _redeem(self, instance: Instance, transaction: Mapping[str, Any], code: str) -> tuple[Tokens, IdToken]:
        assert self._provider is not None
        tokens = await self._provider.grants.redeem_code(
            instance.credentials,
            code=code,
            redirect_uri=transaction["callback_url"],
            verifier=transaction["verifier"],
        )
        if tokens.id_token is None:
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

    async def _become_ready(self, instance: Instance, tokens: Tokens, id_token: IdToken) -> tuple[Tokens, IdToken]:
        """The first who logs in becomes the administrator; their tokens are fetched anew, so that they say so."""
        provider = self._provider
        assert provider is not None

        async def appoint(user_id: str) -> None:
            await provider.management.make_resource_admin(instance.credentials, user_id)

        if not await self._instances.become_ready(id_token.subject, appoint) or tokens.refresh_token is None:
            return tokens, id_token
        renewed = await provider.grants.refresh(instance.credentials, tokens.refresh_token)
        refresh_token = renewed.refresh_token or tokens.refresh_token
        return Tokens(renewed.access_token, refresh_token, tokens.id_token, renewed.expires_in), id_token


def _check_age(data: Mapping[str, Any], max_age: int | None, now: float) -> None:
    """OpenID Connect Core 3.1.3.7: a provider may pass over ``max_age``. Asking it once more would change nothing."""
    if max_age is None or now - data[SIGNED_IN_AT] <= max_age + LEEWAY_SECONDS:
        return
    log.warning("a login was refused: the provider was asked for a sign-in that is recent, and gave an old one")
    raise RecentLoginRequired(
        "The identity provider let you in without asking you to sign in again, and your sign-in there is too "
        "old for this. Sign out at the provider, then try again.",
    )


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL of our own."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidCallbackUrl
    return f"{parts.scheme}://{parts.netloc}"


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
