"""API tokens: made, listed, changed, and checked. Of a token only its beginning and its SHA-256 are stored."""

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

from bodhi.database import Conflict, Database, Row
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
ATTEMPTS = 10  # two tokens with one lookup key are a matter of 48 bits: a second clash in a row does not happen
LONGEST_MEMORY_SECONDS = 300

# Nothing else can have the hash of a token that was made here, so that nothing else is looked for.
_WELL_FORMED = re.compile(PREFIX + "[A-Za-z0-9_-]{43}")
_NO_HASH = "0" * 64
_STRONGEST = TokenScope.POWER_USER

TokenStatus = Literal["active", "inactive"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is told about a token: neither itself nor its hash."""

    id: str
    user_id: str
    name: str
    token_prefix: str
    scopes: str
    status: str
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was made, the only time that it is seen."""

    token: str = field(repr=False)
    record: TokenRecord


class _Verified(NamedTuple):
    """A token that was found valid: its id, and whom it makes of a request."""

    id: str
    context: ApiToken


class ApiTokens:
    """The tokens of all users in *database*.

    That a token is valid is remembered for *memory_seconds*, and forgotten at once when it is changed through this
    object. *default_lifetime_seconds* is that of tokens without an ``expires_at``, None for ever. Both may be set while
    in service. A token does what its owner's role allows, for *role_max_age_seconds* since the provider last confirmed
    the role. *clock* gives the time in milliseconds, or None for the database's own.
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
        self.memory: TtlCache[_Verified] = TtlCache(seconds=LONGEST_MEMORY_SECONDS, clock=wall_clock)
        self.memory_seconds = memory_seconds
        self.default_lifetime_seconds = default_lifetime_seconds
        self._role_max_age_ms = role_max_age_seconds * 1000
        self._clock = clock
        self._wall_clock = wall_clock

    async def create(
        self, owner: AuthContext, *, scope: TokenScope, name: str = "", expires_at: datetime | None = None
    ) -> NewToken:
        """A new token of *owner*, who is in a session and does not give more than they have.

        Refused: ``api_token_error-access_token_missing``, ``-privilege_escalation``, ``-invalid_scope``, and
        ``json_rejection_error`` for an expiry that has come already.
        """
        user_id = _owner_of(owner, scope)
        end_ms = None if expires_at is None else _end_of(expires_at)
        for attempt in range(1, ATTEMPTS + 1):
            token = PREFIX + secrets.token_urlsafe(32)
            try:
                record = await self._store(token, user_id, scope, name, end_ms)
            except Conflict:
                if attempt == ATTEMPTS:
                    raise
                continue
            break
        log.info("an API token was made: %s", record.id)
        return NewToken(token, record)

    async def _store(self, token: str, user_id: str, scope: TokenScope, name: str, end_ms: int | None) -> TokenRecord:
        lifetime = self.default_lifetime_seconds
        row = await self._database.maybe(
            "create_api_token",
            id=_ordered_id(),
            user_id=user_id,
            name=name,
            token_prefix=token[:LOOKUP_LENGTH],
            token_hash=_hash_of(token),
            scopes=str(scope),
            expires_at=end_ms,
            lifetime_ms=lifetime * 1000 if lifetime is not None else None,
            now=self._clock(),
        )
        if row is None:
            # An expiry that has come; or the owner was removed while this request, from a session of theirs, ran.
            raise InvalidRequest if end_ms is not None else NotSignedIn
        return _record(row)

    async def list_of(self, user_id: str, *, size: int, skip: int = 0) -> tuple[Sequence[TokenRecord], int]:
        """At most *size* of the user's tokens, newest first, after *skip* others; and how many there are in all."""
        rows = await self._database.many("list_api_tokens", user_id=user_id, size=size, skip=skip)
        total = await self._database.maybe("count_api_tokens", user_id=user_id)
        return [_record(row) for row in rows], total["tokens"] if total else 0

    async def list_of_all(self, *, user_id: str | None = None, after: str = "", size: int) -> Sequence[TokenRecord]:
        """At most *size* tokens, of the user or of all, oldest first; *after* is the id of the last one."""
        rows = await self._database.many("list_tokens_of_all", user_id=user_id, after=after, size=size)
        return [_record(row) for row in rows]

    async def disable(self, token_id: str, *, user_id: str | None = None, by: str | None = None) -> bool:
        """Make a token inactive, the user's or whoever's it is; whether there was such an active one.

        *by* is who does it: what its owner did, its owner may undo; what anybody else did is for good.
        """
        is_final = by is None or by != user_id
        disabled = await self._database.count(
            "disable_api_token", id=token_id, user_id=user_id, is_final=int(is_final), now=self._clock()
        )
        self._forget(token_id)
        if disabled:
            whom = f", by {by}" if by else ""
            log.info("an API token was made inactive: %s%s", token_id, whom, extra={"fields": {"by": by}})
        return bool(disabled)

    async def update(self, token_id: str, *, user_id: str, name: str, status: TokenStatus) -> TokenRecord:
        """The user's own token after the change; ``entity_error-not_found`` for any other."""
        row = await self._database.maybe(
            "update_api_token", id=token_id, user_id=user_id, name=name, status=status, now=self._clock()
        )
        self._forget(token_id)
        if row is None:
            raise TokenNotFound
        return _record(row)

    async def delete(self, token_id: str, *, user_id: str) -> None:
        """End the user's own token for good; ``entity_error-not_found`` for any other."""
        deleted = await self._database.count("delete_api_token", id=token_id, user_id=user_id)
        self._forget(token_id)
        if not deleted:
            raise TokenNotFound
        log.info("an API token was deleted: %s", token_id)

    async def disable_tokens_of(self, user_id: str) -> int:
        """Make all tokens of a user inactive for good; how many were active."""
        disabled = await self._database.count("disable_api_tokens", user_id=user_id, now=self._clock())
        self.forget_owner(user_id)
        return disabled

    def forget_owner(self, user_id: str) -> None:
        """Ask the database again about the user's tokens: what they may do has changed."""
        self.memory.invalidate(lambda verified: verified.context.user_id == user_id)

    def _forget(self, token_id: str) -> None:
        self.memory.invalidate(lambda verified: verified.id == token_id)

    async def authenticate(self, token: str) -> ApiToken:
        """Whom *token* makes of a request.

        ``token_error-invalid_token`` for whatever is no token of this server; ``auth_error-token_inactive``, told to
        nobody but the holder of the real token, when it is inactive, has expired, or is more than its owner may do.
        """
        if not _WELL_FORMED.fullmatch(token):
            raise InvalidToken
        verified = await self.memory.get_or_create(token, lambda: self._verified(token))
        return verified.context

    async def _verified(self, token: str) -> tuple[_Verified, float]:
        row = await self._database.maybe("find_api_token", token_prefix=token[:LOOKUP_LENGTH], now=self._clock())
        expected = row["token_hash"] if row else _NO_HASH
        # Before all else, so that nobody learns more about a token than that they do not have it.
        is_genuine = hmac.compare_digest(_hash_of(token).encode(), expected.encode())
        if not row or not is_genuine:
            raise InvalidToken
        scope = _scope_of(row)
        if not _is_live(row) or not _may_have(self._role_in(row), scope):
            raise TokenInactive
        expires_at = row["expires_at"] / 1000 if row["expires_at"] is not None else math.inf
        verified = _Verified(row["id"], ApiToken(row["user_id"], scope, token))
        return verified, min(expires_at, self._wall_clock() + self.memory_seconds)

    def _role_in(self, row: Row) -> Role | None:
        try:
            return confirmed_role(row, self._role_max_age_ms)
        except ApiError:
            return None  # a name that means nothing here gives nothing here


def _owner_of(owner: AuthContext, scope: TokenScope) -> str:
    if not isinstance(owner, SessionUser):
        raise SessionRequired
    is_plain = owner.role is None or owner.role is Role.USER
    if is_plain and scope is not TokenScope.USER:
        raise ScopeAboveOwnRole
    if not _STRONGEST.grants(scope):
        raise InvalidTokenScopeForUsers
    return owner.user_id


def _end_of(expires_at: datetime) -> int:
    """Milliseconds since 1970; ``json_rejection_error`` for a time that UTC has no year for."""
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


def _may_have(role: Role | None, scope: TokenScope) -> bool:
    """Whether somebody with *role*, as it was last known, may hold a token of *scope*."""
    return role is not None and role.rank >= scope.rank


def _hash_of(token: str) -> str:
    return hashlib.sha256(token.encode("ascii")).hexdigest()


def _ordered_id() -> str:
    """A UUID that is greater than those made before, so that tokens of one millisecond have an order too.

    Source: RFC 9562, version 7, with what is below a millisecond in ``rand_a``.
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
    )


API_TOKENS = web.AppKey("API_TOKENS", ApiTokens)
