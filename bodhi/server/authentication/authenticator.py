"""Who makes a request: by its Authorization header, or else by its session."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from aiohttp import hdrs, web

from bodhi.oidc.claims import Claims
from bodhi.server.access.errors import (
    ApiError,
    DatabaseUnavailable,
    InvalidRoleName,
    NoRole,
    NotSetUp,
    NotSignedIn,
    UnknownRole,
)
from bodhi.server.access.errors import LoginEnded as LoginEndedError
from bodhi.server.access.instance import Instance, InstanceService
from bodhi.server.access.principal import ANONYMOUS, AuthContext, SessionUser
from bodhi.server.access.role_mapping import Roles
from bodhi.server.access.scopes import Role
from bodhi.server.authentication.bearer import BearerAuthenticator
from bodhi.server.authentication.login_data import ACCESS_TOKEN, claims_in, signed_in_at
from bodhi.server.authentication.refresh import Refresher
from bodhi.server.authentication.stored_login import LoginEnded, SessionRow
from bodhi.server.http.context import LOGIN_FAULT, LOGIN_FAULTS
from bodhi.server.http.cross_site import is_cross_site_read
from bodhi.session import REQUEST_SESSION, SESSIONS, Session, SessionRecord, StoredSession, get_session

MOST_READ = 4096  # logins, each with an access token of a kilobyte or two

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Login:
    """What a session's data says of its user, until their access token expires."""

    row: tuple[object, ...]  # SHA-256 of what the session's row holds, encrypted, and what it is bound to
    expires_at: int  # seconds since 1970
    user: SessionUser
    fault: type[ApiError] | None  # the code for routes that need a role, where there is none


class Authenticator:
    """Asks whoever knows the kind of credential.

    Every request asks the database for the row of its session. What was read from the tokens in it is kept for as long
    as the row holds the same bytes, which are not decrypted again: that would give the same.
    """

    def __init__(
        self,
        *,
        instances: InstanceService,
        bearer: BearerAuthenticator,
        refresher: Refresher,
        roles: Roles,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._instances = instances
        self._bearer = bearer
        self._refresher = refresher
        self._roles = roles
        self._clock = clock
        self._read: dict[bytes, _Login] = {}  # by the digest of the session's id, oldest first

    async def strict(self, request: web.Request) -> AuthContext:
        """Who makes *request*; a :exc:`ApiError` where nobody is known."""
        instance = await self._instances.current()
        if instance is None:
            raise NotSetUp
        if hdrs.AUTHORIZATION in request.headers:
            return await self._bearer.authenticate(request.headers.getall(hdrs.AUTHORIZATION))
        if is_cross_site_read(request):
            raise NotSignedIn
        try:
            login = await self._known_login(request) or await self._login(request, await get_session(request), instance)
        except LOGIN_FAULTS as error:
            request[LOGIN_FAULT] = error
            raise
        if login.fault is not None:
            raise login.fault
        return login.user

    async def optional(self, request: web.Request, *, sees_session: bool | None = None) -> AuthContext:
        """Who makes *request*, or nobody: bad credentials are no error, and an outage of the provider ends nothing.

        *sees_session* is for who knows better than the request's own headers whether it may have a session.
        """
        try:
            instance = await self._instances.current()
            if instance is None:
                return ANONYMOUS
            if hdrs.AUTHORIZATION in request.headers:
                return await self._bearer.authenticate(request.headers.getall(hdrs.AUTHORIZATION))
            if is_cross_site_read(request) if sees_session is None else not sees_session:
                return ANONYMOUS
            return await self._visitor(request, instance)
        except DatabaseUnavailable:
            raise
        except ApiError as error:
            if isinstance(error, LOGIN_FAULTS):
                request[LOGIN_FAULT] = error
            log.debug("anonymous: %s", error.code)
            return ANONYMOUS

    async def _visitor(self, request: web.Request, instance: Instance) -> AuthContext:
        login = await self._known_login(request)
        if login is None:
            session = await get_session(request)
            if ACCESS_TOKEN not in session:
                return ANONYMOUS
            login = await self._login(request, session, instance)
        # With the provider's own roles alone a person has none here, and may ask for one.
        return login.user

    async def _known_login(self, request: web.Request) -> _Login | None:
        """What was read from the session as it still is in the database; None where it has to be read again."""
        current = request[REQUEST_SESSION]
        if current.session is not None:
            return None  # somebody has it in their hands, and may have changed it
        record = await current.find()
        login = self._read.get(record.digest) if record is not None else None
        if record is None or login is None or login.row != _row_of(record) or self._clock() >= login.expires_at:
            return None
        current.note_use(record)
        return login

    async def _login(self, request: web.Request, session: Session, instance: Instance) -> _Login:
        """What the session says of its user, with tokens that were refreshed where they have to be."""
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
        await self._refresher.refresh(row, instance)
        try:
            stored = await row.read()
        except LoginEnded:
            raise LoginEndedError from None
        session.adopt(stored)
        return self._read_login(session, stored, instance)

    def _read_login(self, session: Session, stored: StoredSession, instance: Instance) -> _Login:
        digest, row = stored.record.digest, _row_of(stored.record)
        if session.is_changed:
            return self._login_in(session, row, instance)  # which is not what the row says
        login = self._read.get(digest)
        if login is not None and login.row == row:
            return login
        login = self._login_in(session, row, instance)
        self._read.pop(digest, None)
        if len(self._read) >= MOST_READ:
            del self._read[next(iter(self._read))]
        self._read[digest] = login
        return login

    def _login_in(self, session: Mapping[str, Any], row: tuple[object, ...], instance: Instance) -> _Login:
        claims = claims_in(session)
        role, fault = self._role(claims, instance)
        user = SessionUser(
            user_id=claims.subject,
            username=claims.username or claims.subject,
            role=role,
            token=session[ACCESS_TOKEN],
            first_name=claims.first_name,
            last_name=claims.last_name,
            signed_in_at=signed_in_at(session),
        )
        return _Login(row, claims.expires_at, user, fault)

    def _role(self, claims: Claims, instance: Instance) -> tuple[Role | None, type[ApiError] | None]:
        try:
            role = self._roles.of(claims, instance.client_id)
        except InvalidRoleName:
            return None, UnknownRole
        return role, NoRole if role is None else None


def _row_of(record: SessionRecord) -> tuple[object, ...]:
    return sha256(record.data).digest(), record.user_id, record.created_at, record.ends_at


AUTHENTICATOR = web.AppKey("AUTHENTICATOR", Authenticator)
