"""Public keys of the provider (JWKS), fetched and cached."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from bodhi.oidc.discovery import Discovery
from bodhi.oidc.errors import ProviderUnavailable
from bodhi.oidc.transport import Transport
from bodhi.single_flight import SingleFlight

if TYPE_CHECKING:
    from bodhi.oidc.jose import PublicKey

MIN_INTERVAL_SECONDS = 5.0
REFRESH_SECONDS = 900.0  # a key withdrawn by the provider is used no longer than this
MOST_KEYS = 100

# Only the members of a public key: no private part, no URL to fetch a key from, no symmetric key.
_MEMBERS = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}
_SHORTEST_RSA = 342  # base64url characters of a 2048-bit modulus

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One public signing key."""

    kid: str | None
    algorithms: frozenset[str]  # that it may be used with; only one if the provider names it
    key: "PublicKey"

    @classmethod
    def of(cls, jwk: object) -> Self | None:
        """Read the key in *jwk*; None if it is not a signing key, too weak, or of an unknown type."""
        from bodhi.oidc import jose

        if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig" or not _verifies(jwk.get("key_ops")):
            return None
        key = _public_key(jwk)
        kid, algorithm = jwk.get("kid"), jwk.get("alg")
        if key is None or not all(member is None or isinstance(member, str) for member in (kid, algorithm)):
            return None
        supported = jose.algorithms_of(key)
        return cls(kid, supported if algorithm is None else supported & {algorithm}, key)


class SigningKeys:
    """Keys of one provider, fetched when a key id is unknown or a signature fails, and refreshed periodically.

    At most one fetch starts per *min_interval_seconds*, whatever tokens arrive. While the provider is unavailable or
    its response is invalid, the known keys stay in use.
    """

    def __init__(
        self,
        transport: Transport,
        discovery: Discovery,
        *,
        min_interval_seconds: float = MIN_INTERVAL_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._discovery = discovery
        self._min_interval_seconds = min_interval_seconds
        self._clock = clock
        self._keys: Sequence[SigningKey] = ()
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching: SingleFlight[None] = SingleFlight()

    async def matching(self, kid: str | None, algorithm: str) -> "Sequence[PublicKey]":
        """Return the keys that may verify a token with this header; without a *kid*, all keys for *algorithm*.

        Raises :exc:`ProviderUnavailable` if no key matches and the keys could not be fetched.
        """
        found = self._known(kid, algorithm)
        if not found:
            return await self.renewed(kid, algorithm)
        if self._is_past(self._fetched_at, REFRESH_SECONDS) and self._may_fetch():
            self._fetching.start(None, self._fetch)  # in the background
        return found

    async def renewed(self, kid: str | None, algorithm: str) -> "Sequence[PublicKey]":
        """Return the same after fetching the keys, unless they were fetched within the minimum interval.

        Raises :exc:`ProviderUnavailable` if they could not be fetched, then or at the last attempt.
        """
        if self._fetching.is_busy or self._may_fetch():
            await self._fetching(None, self._fetch)
        found = self._known(kid, algorithm)
        if self._fetched_at != self._tried_at:
            raise ProviderUnavailable("the identity provider's keys could not be fetched")
        return found

    async def close(self) -> None:
        """Cancel a fetch in progress."""
        await self._fetching.close()

    def _known(self, kid: str | None, algorithm: str) -> "Sequence[PublicKey]":
        return [one.key for one in self._keys if kid in (None, one.kid) and algorithm in one.algorithms]

    def _may_fetch(self) -> bool:
        return self._is_past(self._tried_at, self._min_interval_seconds)

    def _is_past(self, since: float, seconds: float) -> bool:
        # A clock that was set back must not stop fetches until it catches up.
        return not 0 <= self._clock() - since < seconds

    async def _fetch(self) -> None:
        self._tried_at = tried_at = self._clock()
        metadata = await self._discovery.metadata()
        answer = await self._transport.get("keys", metadata.jwks_uri)
        keys = _usable(answer.body) if answer.status == 200 and answer.body else []
        if not keys:
            log.warning("identity provider keys rejected: no usable key status=%d", answer.status)
            raise ProviderUnavailable("the identity provider's keys are not usable")
        self._keys = keys
        self._fetched_at = tried_at


def _usable(body: Mapping[str, Any]) -> list[SigningKey]:
    jwks = body.get("keys")
    found = [SigningKey.of(jwk) for jwk in jwks[:MOST_KEYS]] if isinstance(jwks, list) else []
    return [key for key in found if key is not None]


def _verifies(operations: object) -> bool:
    return operations is None or (isinstance(operations, list) and "verify" in operations)


def _public_key(jwk: Mapping[str, Any]) -> "PublicKey | None":
    from bodhi.oidc import jose

    kind = jwk.get("kty")
    members = _MEMBERS.get(kind, ()) if isinstance(kind, str) else ()
    is_weak = kind == "RSA" and len(str(jwk.get("n"))) < _SHORTEST_RSA
    if not members or is_weak or (kind == "OKP" and jwk.get("crv") != "Ed25519"):  # X25519 is for encryption
        return None
    return jose.public_key({member: jwk[member] for member in members if member in jwk})
