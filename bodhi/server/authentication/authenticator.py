"""Authentication of requests by the Authorization header, or else by the session."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web

from bodhi.keyring import TAG_BYTES
from bodhi.oidc.claims import Claims
from bodhi.server.access.claim_mapping import ClaimMapping
from bodhi.server.access.errors import (
    ApiError,
    DatabaseUnavailable,
    InvalidRoleName,
    NoRole,
    NotSetUp,
    NotSignedIn,
    ProviderUnavailable,
    TooManyRequests,
    UnknownRole,
)
from bodhi.server.access.identity import IdentityReader
from bodhi.server.access.instance import Instance, InstanceService
from bodhi.server.access.principal import ANONYMOUS, ApiToken, AuthContext, ExternalApp, SessionUser
from bodhi.server.access.scopes import Role
from bodhi.server.authentication.bearer import BearerAuthenticator
from bodhi.server.authentication.login_data import ACCESS_TOKEN, GRANTED_ROLE, RenewalPolicy, claims_in, signed_in_at
from bodhi.server.authentication.refresh import Refresher
from bodhi.server.authentication.stored_login import SessionRow
from bodhi.server.http.context import LOGIN_FAULT, LOGIN_FAULTS
from bodhi.server.http.cross_site import is_cross_site_read
from bodhi.server.http.rate_limits import RATE_LIMITS
from bodhi.session import REQUEST_SESSION, SESSIONS, Session, SessionRecord, StoredSession, get_session

MAX_ACCEPTED = 10_000  # bearer tokens
MAX_CACHED = 4096  # logins, each with an access token of a kilobyte or two

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Login:
    """The user of a session, read from its data; valid until the provider has to be asked."""

    row: tuple[object, ...]  # the tag of the row's encrypted data, and the columns it is bound to
    expires_at: float  # seconds since 1970
    user: SessionUser
    fault: type[ApiError] | None  # the error for routes that need a role, if there is none


class Authenticator:
    """Authenticates requests by session or bearer token.

    Every request loads the row of its session. The user read from its tokens is cached as long as the row does not
    change, so that it need not be decrypted again.
    """

    def __init__(
        self,
        *,
        instances: InstanceService,
        bearer: BearerAuthenticator,
        refresher: Refresher,
        mapping: ClaimMapping,
        policy: RenewalPolicy,
        identities: IdentityReader,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._instances = instances
        self._bearer = bearer
        self._refresher = refresher
        self._mapping = mapping
        self._policy = policy
        self._identities = identities
        self._clock = clock
        self._accepted: dict[int, None] = {}  # hashes of bearer tokens, oldest first
        self._cache: dict[bytes, _Login] = {}  # by the digest of the session id, oldest first

    async def strict(self, request: web.Request) -> AuthContext:
        """Return the caller of *request*; raise :exc:`ApiError` without valid credentials."""
        instance = self._instances.ready or await self._instances.current()
        if instance is None:
            raise NotSetUp
        if hdrs.AUTHORIZATION in request.headers:
            return await self._authenticate_token(request)
        if is_cross_site_read(request):
            raise NotSignedIn
        try:
            login = await self._cached_login(request) or await self._login(
                request, await get_session(request), instance
            )
        except LOGIN_FAULTS as error:
            request[LOGIN_FAULT] = error
            raise
        if login.fault is not None:
            raise login.fault
        return login.user

    async def optional(self, request: web.Request, *, sees_session: bool | None = None) -> AuthContext:
        """Return the caller of *request*; anonymous without valid credentials, or if the provider is unavailable.

        *sees_session* overrides whether the request's headers allow the use of the session.
        """
        try:
            instance = self._instances.ready or await self._instances.current()
            if instance is None:
                return ANONYMOUS
            if hdrs.AUTHORIZATION in request.headers:
                return await self._authenticate_token(request)
            if is_cross_site_read(request) if sees_session is None else not sees_session:
                return ANONYMOUS
            login = await self._cached_login(request)
            # A user whose claims contain no known role has no role here, and can request one.
            return login.user if login is not None else await self._session_user(request, instance)
        except (DatabaseUnavailable, TooManyRequests):
            raise
        except ApiError as error:
            if isinstance(error, LOGIN_FAULTS):
                request[LOGIN_FAULT] = error
            log.debug("anonymous: %s", error.code)
            return ANONYMOUS

    async def _authenticate_token(self, request: web.Request) -> ApiToken | ExternalApp:
        """Return the caller of the bearer token of *request*.

        Refused tokens count for the rate limit of the client. A token that was accepted before passes it, so that one
        program with an expired token keeps out no others behind the same address.
        """
        values = request.headers.getall(hdrs.AUTHORIZATION)
        key = hash(tuple(values))  # not the token itself, which would stay in memory
        is_accepted = key in self._accepted
        if not is_accepted:
            request.app[RATE_LIMITS]["unknown tokens"].check(request)
        try:
            context = await self._bearer.authenticate(values)
        except ApiError as error:
            if error.status == 401:
                self._accepted.pop(key, None)
                request.app[RATE_LIMITS]["unknown tokens"].count(request)
            raise
        if not is_accepted:
            if len(self._accepted) >= MAX_ACCEPTED:
                del self._accepted[next(iter(self._accepted))]
            self._accepted[key] = None
        return context

    async def _session_user(self, request: web.Request, instance: Instance) -> AuthContext:
        session = await get_session(request)
        if ACCESS_TOKEN not in session:
            return ANONYMOUS
        return (await self._login(request, session, instance)).user

    async def _cached_login(self, request: web.Request) -> _Login | None:
        """Return the cached login of the session's current row, or None."""
        current = request[REQUEST_SESSION]
        if current.session is not None:
            return None  # opened earlier in this request, and possibly changed
        record = await current.find()
        login = self._cache.get(record.digest) if record is not None else None
        if record is None or login is None or login.row != _row_of(record) or self._clock() >= login.expires_at:
            return None
        current.note_use(record)
        return login

    async def _login(self, request: web.Request, session: Session, instance: Instance) -> _Login:
        """Return the login in the session; refresh expired tokens."""
        if session.stored is None or not isinstance(session.get(ACCESS_TOKEN), str):
            raise NotSignedIn
        digest = session.stored.record.digest
        login = self._read_login(session, session.stored, instance)
        if self._clock() < login.expires_at:
            return login
        renewed = self._refresher.with_unstored_tokens(digest, session)
        if renewed is not None:
            login = self._login_in(renewed, login.row, instance)
            if self._clock() < login.expires_at:
                return login
        row = SessionRow(request.app[SESSIONS], digest, user_id=session.stored.record.user_id)
        try:
            await self._refresher.refresh(row, instance)
        except ProviderUnavailable:
            # It is only to be checked whether the login still holds: an outage does not end it.
            if self._policy.outlives_token(session) or self._clock() < claims_in(session).expires_at:
                return login
            raise
        stored = await row.read()
        session.adopt(stored)
        return self._read_login(session, stored, instance)

    def _read_login(self, session: Session, stored: StoredSession, instance: Instance) -> _Login:
        digest, row = stored.record.digest, _row_of(stored.record)
        if session.is_changed:
            return self._login_in(session, row, instance)  # differs from the row, so it is not cached
        login = self._cache.get(digest)
        if login is not None and login.row == row:
            return login
        login = self._login_in(session, row, instance)
        self._cache.pop(digest, None)
        if len(self._cache) >= MAX_CACHED:
            del self._cache[next(iter(self._cache))]
        self._cache[digest] = login
        return login

    def _login_in(self, session: Mapping[str, Any], row: tuple[object, ...], instance: Instance) -> _Login:
        claims = claims_in(session)
        role, fault = self._role(claims, instance, session.get(GRANTED_ROLE))
        user = SessionUser(
            user_id=claims.subject,
            username=self._mapping.name_of(claims),
            role=role,
            token=session[ACCESS_TOKEN],
            first_name=claims.first_name,
            last_name=claims.last_name,
            signed_in_at=signed_in_at(session),
            identity=self._identities.read(claims),
        )
        return _Login(row, self._policy.due_at(session, claims), user, fault)

    def _role(
        self, claims: Claims, instance: Instance, granted: str | None
    ) -> tuple[Role | None, type[ApiError] | None]:
        try:
            role = self._mapping.role_of(claims, instance.client_id, granted)
        except InvalidRoleName:
            return None, UnknownRole
        return role, NoRole if role is None else None


def _row_of(record: SessionRecord) -> tuple[object, ...]:
    # The end of the data is its authentication tag, which is another for each encryption.
    return record.data[-TAG_BYTES:], record.user_id, record.created_at, record.ends_at


AUTHENTICATOR = web.AppKey("AUTHENTICATOR", Authenticator)
