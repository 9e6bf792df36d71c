"""Whether the provider still accepts a login: what its refusals mean, and the check of logins without refresh token.

For those, userinfo tells whether the access token is still accepted.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, NoReturn

from bodhi.oidc.errors import ProviderError, ProviderLacks, ProviderRefused, TokenError
from bodhi.server.access.errors import ApiError, LoginEnded, ProviderUnavailable, RefreshRefused
from bodhi.server.authentication.login_data import RECHECK_AT, USER_ID, USERINFO, RenewalPolicy
from bodhi.server.authentication.refresh_lease import Claimed, RefreshLeases, release
from bodhi.server.authentication.stored_login import SessionRow
from bodhi.server.authentication.user_claims import UserClaims

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

log = logging.getLogger(__name__)


class LoginCheck:
    """Checks logins, and stores the userinfo claims and the role that come with it."""

    def __init__(
        self,
        leases: RefreshLeases,
        policy: RenewalPolicy,
        *,
        users: UserClaims | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._leases = leases
        self._policy = policy
        self._users = users
        self._clock = clock

    async def run(self, session: SessionRow, claimed: Claimed, since: int | None) -> None:
        """Ask userinfo whether a login without refresh token still holds; end the session if it does not."""
        try:
            if self._users is None:
                raise ProviderLacks
            userinfo = await self._users.check(claimed.data)
        except ProviderLacks:
            await self._put_check(session, claimed, {RECHECK_AT: None})
        except (ProviderError, TokenError) as error:
            is_refused = isinstance(error, ProviderRefused) and (
                error.status == 401 or error.error in LOGIN_ENDING_ERRORS
            )
            if not is_refused:
                log.warning("login not checked, session unchanged: %s", error)
                await self._leases.postpone(session, claimed)
            elif self._policy.is_checkable(claimed.data, self._clock()):
                log.info("login ended: the provider rejected the access token")
                await end_login(session, claimed.data.get(USER_ID), self._users)
            else:  # it has expired: nothing can be asked any more
                await self._put_check(session, claimed, {RECHECK_AT: None})
        else:
            checked: dict[str, Any] = {USERINFO: userinfo, RECHECK_AT: None}
            self._policy.schedule(checked, self._clock())
            stored = await self._put_check(session, claimed, checked)
            await self._users.note_checked(stored, since)

    @staticmethod
    async def _put_check(session: SessionRow, claimed: Claimed, values: dict[str, Any]) -> dict[str, Any]:
        """Store *values* and release the lease; return the session's data."""

        def put(data: dict[str, Any], _: int) -> dict[str, Any]:
            data.update(values)
            release(data, claimed.lease)
            return dict(data)

        return await session.atomically(put)


async def end_login(session: SessionRow, user_id: object, users: UserClaims | None) -> NoReturn:
    """End the session of a login that the provider ended, and check the user's role; raise :exc:`LoginEnded`."""
    await session.end()
    if users is not None and isinstance(user_id, str):
        users.check_role(user_id)
    raise LoginEnded


def api_error_of(error: ProviderRefused) -> ApiError:
    """Return the API error for a refusal that does not end the login.

    After an OAuth error about this grant, a new login may help. Everything else, such as a changed client secret or a
    wrong URL, has to be fixed by the operator.
    """
    if error.status in {200, 400, 403} and error.error and error.error not in _CLIENT_ERRORS:
        return RefreshRefused()
    return ProviderUnavailable(message="The identity provider refused to renew the login.")
