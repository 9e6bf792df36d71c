"""When a login has to be renewed or checked at the provider."""

import logging
import math
from collections.abc import Mapping
from typing import Any

from bodhi.oidc.claims import Claims, seconds
from bodhi.server.authentication.login_data import EXPIRY_UNKNOWN, RECHECK_AT, REFRESH_TOKEN, claims_in

RECHECK_SECONDS = 3_600
POSTPONE_SECONDS = 60  # after a check that failed, while the access token is valid

log = logging.getLogger(__name__)


class RenewalPolicy:
    """Decides from a session's data when the provider is asked about the login again."""

    def __init__(self, *, recheck_seconds: int = 0, keeps_without_refresh: bool = False) -> None:
        """The provider is asked at least every *recheck_seconds*, however long access tokens live; 0: not so.

        With *keeps_without_refresh*, a login without refresh token does not end with its access token.
        """
        self._recheck_seconds = recheck_seconds
        self._keeps_without_refresh = keeps_without_refresh
        self._has_warned = False

    def due_at(self, data: Mapping[str, Any], claims: Claims) -> float:
        """Return when the login in *data*, with *claims*, has to be renewed or checked, in seconds since 1970."""
        recheck_at = seconds(data.get(RECHECK_AT))
        rechecked_at = math.inf if recheck_at is None else recheck_at
        return rechecked_at if self.outlives_token(data) else min(rechecked_at, claims.expires_at)

    def outlives_token(self, data: Mapping[str, Any]) -> bool:
        """Whether the login in *data* goes on after its access token has expired, without a refresh."""
        return self._keeps_without_refresh and REFRESH_TOKEN not in data

    def is_checkable(self, data: Mapping[str, Any], now: float) -> bool:
        """Whether a refusal of the access token in *data* means more than that it has expired."""
        return bool(data.get(EXPIRY_UNKNOWN)) or now < claims_in(data).expires_at

    def schedule(self, data: dict[str, Any], now: float) -> None:
        """Set the time of the next check, after a login, a refresh or a check."""
        if self._recheck_seconds:
            data[RECHECK_AT] = int(now) + self._recheck_seconds

    def warn_without_refresh(self, data: Mapping[str, Any]) -> None:
        """Warn, once, if the login in *data* came without a refresh token."""
        if REFRESH_TOKEN in data or self._has_warned:
            return
        self._has_warned = True
        end = "live by their own timeouts" if self._keeps_without_refresh else "end with the access token"
        log.warning(
            "the identity provider sent no refresh token: sessions %s (BODHI_AUTH_WITHOUT_REFRESH); many send "
            "one for the scope offline_access (BODHI_AUTH_SCOPES)",
            end,
        )


def postpone(data: dict[str, Any], now: float) -> None:
    """Set the next check to be soon, after one that failed."""
    data[RECHECK_AT] = int(now) + POSTPONE_SECONDS
