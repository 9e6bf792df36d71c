"""API tokens: create, list, change and verify them. Only the prefix and the SHA-256 of a token are stored."""

import hashlib
import hmac
import logging
import math
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from aiohttp import web

from bodhi.database import Conflict, Database, DatabaseUnavailable, Row
from bodhi.errors import root_cause
from bodhi.server.access.errors import ApiError, InvalidToken, NotSignedIn, TokenInactive
from bodhi.server.access.principal import ApiToken, AuthContext, SessionUser
from bodhi.server.access.profiles import ROLE_MAX_AGE_SECONDS, confirmed_role
from bodhi.server.access.scopes import Role, TokenScope, parse_token_scope
from bodhi.server.access.times import milliseconds_of, time_of
from bodhi.server.access.ttl_cache import TtlCache
from bodhi.server.http.request_errors import InvalidRequest
from bodhi.server.tokens.errors import InvalidTokenScopeForUsers, ScopeAboveOwnRole, SessionRequired, TokenNotFound

PREFIX = "bodhiapp_"
LOOKUP_LENGTH = len(PREFIX) + 8
MAX_ATTEMPTS = 10  # lookup keys have 48 random bits: even a second collision in a row is practically impossible
MAX_MEMORY_SECONDS = 300
USE_INTERVAL_MS = 300_000  # between two writes of a token's last use

# No other text can match a stored hash, so malformed tokens are rejected without a query.
_WELL_FORMED = re.compile(PREFIX + "[A-Za-z0-9_-]{43}")
_NO_HASH = "0" * 64
_HIGHEST_SCOPE = TokenScope.POWER_USER

TokenStatus = Literal["active", "inactive"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """The public fields of a token: neither its value nor its hash."""

    id: str
    user_id: str
    name: str
    token_prefix: str
    scopes: str
    status: str
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    last_used_at: datetime | None  # at most five minutes late


@dataclass(frozen=True, slots=True)
class NewToken:
    """A created token with its value, which is returned only once."""

    token: str = field(repr=False)
    record: TokenRecord


class _Verified(NamedTuple):
    """A verified token: its id and the principal it authenticates."""

    id: str
    context: ApiToken


class ApiTokens:
    """Manages the API tokens stored in *database*.

    A verified token is cached for *memory_seconds*, or until it is changed through this object.
    *default_lifetime_seconds* applies to tokens without an ``expires_at``; None means no expiry. Both may be changed at
    run time. A token is limited to its owner's role, which counts for *role_max_age_seconds* after the provider last
    confirmed it. *clock* returns milliseconds since 1970, or None for the database's time.
    """

    def __init__(
        self,
        database: Database,
        *,
        memory_seconds: float = 10,
        default_lifetime_seconds: int | None = None,
        role_max_age_seconds: int = ROLE_MAX_AGE_SECONDS,
        clock: Callable[[], int | None] = lambda: None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self.memory: TtlCache[_Verified] = TtlCache(seconds=MAX_MEMORY_SECONDS, clock=wall_clock)
        self.memory_seconds = memory_seconds
        self.default_lifetime_seconds = default_lifetime_seconds
        self._role_max_age_ms = role_max_age_seconds * 1000
        self._clock = clock
        self._wall_clock = wall_clock

    async def create(
        self, owner: AuthContext, *, scope: TokenScope, name: str = "", expires_at: datetime | None = None
    ) -> NewToken:
        """Create a token for *owner*, who needs a session and a role at least as high as *scope*.

        Raises ``api_token_error-access_token_missing``, ``-privilege_escalation``, ``-invalid_scope``, and
        ``json_rejection_error`` for an expiry in the past.
        """
        user_id = _check_owner(owner, scope)
        expires_at_ms = None if expires_at is None else _expiry_ms(expires_at)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            token = PREFIX + secrets.token_urlsafe(32)
            try:
                record = await self._store(token, user_id, scope, name, expires_at_ms)
            except Conflict:
                if attempt == MAX_ATTEMPTS:
                    raise
                continue
            break
        fields = {"token_id": record.id, "user_id": user_id}
        log.info("api token created token_id=%s user_id=%s", *fields.values(), extra={"fields": fields})
        return NewToken(token, record)

    async def _store(
        self, token: str, user_id: str, scope: TokenScope, name: str, expires_at_ms: int | None
    ) -> TokenRecord:
        lifetime = self.default_lifetime_seconds
        row = await self._database.maybe(
            "create_api_token",
            id=_ordered_id(),
            user_id=user_id,
            name=name,
            token_prefix=token[:LOOKUP_LENGTH],
            token_hash=_hash_of(token),
            scopes=str(scope),
            expires_at=expires_at_ms,
            lifetime_ms=lifetime * 1000 if lifetime is not None else None,
            now=self._clock(),
        )
        if row is None:
            # The expiry is in the past, or the owner was removed during this request.
            raise InvalidRequest if expires_at_ms is not None else NotSignedIn
        return _record(row)

    async def list_of(self, user_id: str, *, size: int, skip: int = 0) -> tuple[Sequence[TokenRecord], int]:
        """Return at most *size* tokens of the user, newest first, after skipping *skip*; and the total."""
        rows = await self._database.many("list_api_tokens", user_id=user_id, size=size, skip=skip)
        total = await self._database.maybe("count_api_tokens", user_id=user_id)
        return [_record(row) for row in rows], total["tokens"] if total else 0

    async def list_of_all(
        self, *, user_id: str | None = None, after: str = "", before: str | None = None, size: int
    ) -> Sequence[TokenRecord]:
        """Return at most *size* tokens, of one user or of all, oldest first, after the id *after*.

        With *before* it is the page that ends before that id.
        """
        if before is not None:
            rows = await self._database.many("list_tokens_of_all_before", user_id=user_id, before=before, size=size)
            return [_record(row) for row in reversed(rows)]
        rows = await self._database.many("list_tokens_of_all", user_id=user_id, after=after, size=size)
        return [_record(row) for row in rows]

    async def count_of_all(self, *, user_id: str | None = None, most: int) -> int:
        """Return the number of tokens, of one user or of all, up to *most*."""
        row = await self._database.maybe("count_tokens_of_all", user_id=user_id, most=most)
        return int(row["tokens"]) if row else 0

    async def disable(self, token_id: str, *, user_id: str | None = None, by: str | None = None) -> TokenRecord | None:
        """Disable a token, of *user_id* or (None) of any user, and return it; None if there is no such active token.

        *by* is the acting user: owners may re-enable tokens they disabled, but not those disabled by others.
        """
        is_final = by is None or by != user_id
        row = await self._database.maybe(
            "disable_api_token", id=token_id, user_id=user_id, is_final=int(is_final), now=self._clock()
        )
        self._forget(token_id)
        if row is None:
            return None
        log.info("api token disabled token_id=%s by=%s", token_id, by, extra={"fields": {"by": by}})
        return _record(row)

    async def update(
        self,
        token_id: str,
        *,
        user_id: str,
        name: str | None = None,
        status: TokenStatus | None = None,
        may_enable: bool = True,
    ) -> TokenRecord:
        """Change a token of the user and return it; None leaves the name or the status as it is.

        Raises ``entity_error-not_found`` for any other token, and for an inactive one that would become active unless
        *may_enable*.
        """
        row = await self._database.maybe(
            "update_api_token",
            id=token_id,
            user_id=user_id,
            name=name,
            status=status,
            may_enable=int(may_enable),
            now=self._clock(),
        )
        self._forget(token_id)
        if row is None:
            raise TokenNotFound
        return _record(row)

    async def delete(self, token_id: str, *, user_id: str) -> None:
        """Delete a token of the user; raise ``entity_error-not_found`` for any other token."""
        deleted = await self._database.count("delete_api_token", id=token_id, user_id=user_id)
        self._forget(token_id)
        if not deleted:
            raise TokenNotFound
        log.info("api token deleted token_id=%s", token_id)

    async def disable_tokens_of(self, user_id: str) -> int:
        """Disable all tokens of a user permanently; return how many were active."""
        disabled = await self._database.count("disable_api_tokens", user_id=user_id, now=self._clock())
        self.forget_owner(user_id)
        return disabled

    def forget_owner(self, user_id: str) -> None:
        """Drop the user's tokens from the cache, because the user's role changed."""
        self.memory.invalidate(lambda verified: verified.context.user_id == user_id)

    def _forget(self, token_id: str) -> None:
        self.memory.invalidate(lambda verified: verified.id == token_id)

    async def authenticate(self, token: str) -> ApiToken:
        """Return the principal that *token* authenticates.

        Raises ``token_error-invalid_token`` for anything but a token of this server. A genuine token that is inactive,
        expired, or exceeds its owner's role raises ``auth_error-token_inactive``.
        """
        if not _WELL_FORMED.fullmatch(token):
            raise InvalidToken
        verified = self.memory.get(token) or await self.memory.get_or_create(token, lambda: self._verified(token))
        return verified.context

    async def _verified(self, token: str) -> tuple[_Verified, float]:
        row = await self._database.maybe("find_api_token", token_prefix=token[:LOOKUP_LENGTH], now=self._clock())
        expected = row["token_hash"] if row else _NO_HASH
        # Check the hash first: only the holder of the token may learn its status.
        is_genuine = hmac.compare_digest(_hash_of(token).encode(), expected.encode())
        if not row or not is_genuine:
            raise InvalidToken
        scope = _scope_of(row)
        if not _is_live(row) or not _role_permits(self._role_in(row), scope):
            raise TokenInactive
        await self._note_use(row)
        expires_at = row["expires_at"] / 1000 if row["expires_at"] is not None else math.inf
        verified = _Verified(row["id"], ApiToken(row["user_id"], scope, token))
        return verified, min(expires_at, self._wall_clock() + self.memory_seconds)

    async def _note_use(self, row: Row) -> None:
        """Record the use of an accepted token, unless one was recorded in the last minutes."""
        if row["last_used_at"] is not None and row["now"] - row["last_used_at"] < USE_INTERVAL_MS:
            return
        try:
            await self._database.count(
                "note_api_token_use", id=row["id"], interval_ms=USE_INTERVAL_MS, now=self._clock()
            )
        except DatabaseUnavailable as error:
            log.warning("api token use not recorded token_id=%s: %s", row["id"], root_cause(error))

    def _role_in(self, row: Row) -> Role | None:
        try:
            return confirmed_role(row, self._role_max_age_ms)
        except ApiError:
            return None  # an unknown role grants nothing


def _check_owner(owner: AuthContext, scope: TokenScope) -> str:
    if not isinstance(owner, SessionUser):
        raise SessionRequired
    is_plain = owner.role is None or owner.role is Role.USER
    if is_plain and scope is not TokenScope.USER:
        raise ScopeAboveOwnRole
    if not _HIGHEST_SCOPE.grants(scope):
        raise InvalidTokenScopeForUsers
    return owner.user_id


def _expiry_ms(expires_at: datetime) -> int:
    """Return milliseconds since 1970; raise ``json_rejection_error`` for a time beyond the range of UTC years."""
    try:
        return milliseconds_of(expires_at.astimezone(UTC))
    except OverflowError:
        raise InvalidRequest from None


def _is_live(row: Row) -> bool:
    return bool(row["status"] == "active" and (row["expires_at"] is None or row["expires_at"] > row["now"]))


def _scope_of(row: Row) -> TokenScope:
    try:
        return parse_token_scope(row["scopes"])
    except ApiError:
        raise InvalidToken from None


def _role_permits(role: Role | None, scope: TokenScope) -> bool:
    """Return whether the last known *role* permits a token of *scope*."""
    return role is not None and role.rank >= scope.rank


def _hash_of(token: str) -> str:
    return hashlib.sha256(token.encode("ascii")).hexdigest()


def _ordered_id() -> str:
    """Return a UUID greater than all earlier ones, which orders tokens even within one millisecond.

    Source: RFC 9562, version 7, with the sub-millisecond fraction in ``rand_a``.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    high = milliseconds << 16 | 0x7000 | fraction
    return str(UUID(int=high << 64 | 0b10 << 62 | secrets.randbits(62)))


def _record(row: Row) -> TokenRecord:
    return TokenRecord(
        row["id"],
        row["user_id"],
        row["name"],
        row["token_prefix"],
        row["scopes"],
        row["status"],
        time_of(row["expires_at"]) if row["expires_at"] is not None else None,
        time_of(row["created_at"]),
        time_of(row["updated_at"]),
        time_of(row["last_used_at"]) if row["last_used_at"] is not None else None,
    )


API_TOKENS = web.AppKey("API_TOKENS", ApiTokens)
