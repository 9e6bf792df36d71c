"""OAuth calls that are authenticated as this client: grants at the token endpoint, and revocation."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from bodhi.oidc.client_authentication import ClientAuthentication
from bodhi.oidc.discovery import Discovery
from bodhi.oidc.errors import ProviderTimedOut, ProviderUnavailable
from bodhi.oidc.responses import ClientCredentials, Tokens
from bodhi.oidc.transport import Answer

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
SERVICE_SCOPE = "service_account"
RETRY_DELAYS = (0.1, 0.5, 2.0)  # seconds
_LONGEST_LIFETIME = 10**9  # seconds; a larger number is invalid

Sleep = Callable[[float], Awaitable[None]]


class TokenEndpoint:
    """Grants; each raises :exc:`ProviderRefused` for a 4xx except 429, else :exc:`ProviderUnavailable`."""

    def __init__(
        self,
        authentication: ClientAuthentication,
        discovery: Discovery,
        *,
        refresh_limit_seconds: float,
        refresh_reuse: bool = False,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._authentication = authentication
        self._discovery = discovery
        self.refresh_limit_seconds = refresh_limit_seconds  # of a refresh with all its attempts
        self._refresh_reuse = refresh_reuse
        self._retry_delays = retry_delays
        self._sleep = sleep

    async def redeem_code(self, client: ClientCredentials, *, code: str, redirect_uri: str, verifier: str) -> Tokens:
        """Exchange an authorization code for tokens; one attempt, because a code works only once."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return _tokens(await self._request_token("code", client, form))

    async def refresh(
        self, client: ClientCredentials, refresh_token: str, *, limit_seconds: float | None = None
    ) -> Tokens:
        """Return new tokens; without a refresh token among them, the old one stays valid.

        *limit_seconds* replaces ``refresh_limit_seconds`` and the limit of each attempt: a late response is worth
        waiting for, because the provider may have replaced the refresh token.

        Connection errors and 5xx are retried. A timeout is not: the provider may have replaced the refresh token, and
        may treat a second use of the old one as theft and end the login (H-31). *refresh_reuse* rules that out.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        try:
            async with asyncio.timeout(limit_seconds or self.refresh_limit_seconds) as limit:
                # If the token may be sent twice, retrying beats waiting.
                attempt_seconds = None if self._refresh_reuse else limit_seconds
                return _tokens(await self._refresh_with_retries(client, form, limit, attempt_seconds))
        except TimeoutError as error:
            raise ProviderTimedOut from error

    async def exchange(self, client: ClientCredentials, subject_token: str, *, scope: str) -> str:
        """Exchange another client's access token for one of our own (RFC 8693)."""
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": subject_token,
            "subject_token_type": ACCESS_TOKEN_TYPE,
            "audience": client.client_id,
            "scope": scope,
        }
        return _tokens(await self._request_token("token exchange", client, form)).access_token

    async def service_token(self, client: ClientCredentials) -> str:
        """Return an access token for the client itself (client credentials grant)."""
        form = {"grant_type": "client_credentials", "scope": SERVICE_SCOPE}
        return _tokens(await self._request_token("service account", client, form)).access_token

    async def revoke(self, client: ClientCredentials, refresh_token: str) -> None:
        """Revoke the refresh token (RFC 7009); do nothing if the provider has no revocation endpoint."""
        endpoint = (await self._discovery.metadata()).revocation
        if endpoint is not None:
            form = {"token": refresh_token, "token_type_hint": "refresh_token"}
            (await self._authentication.post("revocation", endpoint, client, form)).checked()

    async def _request_token(
        self, what: str, client: ClientCredentials, form: Mapping[str, str], *, limit_seconds: float | None = None
    ) -> Answer:
        endpoint = (await self._discovery.metadata()).token
        return await self._authentication.post(what, endpoint, client, form, limit_seconds=limit_seconds)

    async def _refresh_with_retries(
        self, client: ClientCredentials, form: Mapping[str, str], limit: asyncio.Timeout, attempt_seconds: float | None
    ) -> Answer:
        for delay in self._retry_delays:
            try:
                answer = await self._request_token("refresh", client, form, limit_seconds=attempt_seconds)
                if answer.status < 500 or _is_too_late(delay, limit):
                    return answer
            except ProviderUnavailable as error:
                if _is_too_late(delay, limit) or (isinstance(error, ProviderTimedOut) and not self._refresh_reuse):
                    raise
            await self._sleep(delay)
        return await self._request_token("refresh", client, form, limit_seconds=attempt_seconds)


def _is_too_late(delay: float, limit: asyncio.Timeout) -> bool:
    until = limit.when()
    return until is not None and asyncio.get_running_loop().time() + delay >= until


def _tokens(answer: Answer) -> Tokens:
    """Return the tokens in *answer*, or raise the error that it stands for."""
    body = answer.checked()
    access_token = _token_in(body, "access_token")
    if access_token is None:
        # Some providers send errors with status 200.
        raise answer.failure() if answer.error else answer.unusable()
    return Tokens(access_token, _token_in(body, "refresh_token"), _token_in(body, "id_token"), _lifetime_in(body))


def _token_in(body: Mapping[str, Any], name: str) -> str | None:
    """Return the token under *name*, or None unless it is visible ASCII (RFC 6749, appendix A) and fits a header."""
    token = body.get(name)
    return token if isinstance(token, str) and re.fullmatch("[!-~]+", token) else None


def _lifetime_in(body: Mapping[str, Any]) -> int | None:
    """Return ``expires_in``, which some providers send as text or with a fraction; None if it is no lifetime."""
    value = body.get("expires_in")
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LONGEST_LIFETIME:
        return None
    return max(1, int(value))
