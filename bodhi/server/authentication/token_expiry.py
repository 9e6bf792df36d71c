"""When an access token expires by this server's clock, which may differ from the provider's."""

from collections.abc import Mapping
from typing import Any

from bodhi.oidc.claims import seconds

DEFAULT_LIFETIME_SECONDS = 300  # of an access token without expires_in and exp
LEAST_OFFSET_SECONDS = 5  # a smaller difference may be the time that the response took


def expiry_of(expires_in: int | None, claims: Mapping[str, Any], now: float) -> tuple[int, int]:
    """Return when a token that arrived at *now* expires, and by how much that is later than its ``exp``.

    The lifetime counts from the arrival: by the provider's clock the token may have expired long before it came. The
    second value is 0 where the clocks agree, and without ``exp`` or a lifetime.
    """
    exp, iat = seconds(claims.get("exp")), seconds(claims.get("iat"))
    lifetimes = [expires_in] if expires_in is not None else []
    if exp is not None and iat is not None:
        lifetimes.append(exp - iat)
    lifetime = min(lifetimes, default=0)
    if exp is None or lifetime <= 0:
        return int(now + (expires_in or DEFAULT_LIFETIME_SECONDS)), 0
    offset = int(now + lifetime) - exp
    return int(now + lifetime), offset if abs(offset) >= LEAST_OFFSET_SECONDS else 0
