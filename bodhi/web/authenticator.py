"""Who makes a request: by its Authorization header, or else by its session."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from aiohttp import hdrs, web

from bodhi.auth.bearer import BearerAuthenticator
from bodhi.auth.context import ANONYMOUS, AuthContext, SessionUser
from bodhi.auth.instance import Instance, InstanceService
from bodhi.auth.provider.claims import Claims
from bodhi.auth.refresh import LoginEnded, Refresher
from bodhi.auth.refusal import Refusal
from bodhi.auth.roles import Roles
from bodhi.auth.scopes import Role
from bodhi.auth.session_login import ACCESS_TOKEN, claims_in
from bodhi.session import SESSIONS, Session, get_session
from bodhi.web.cross_site import is_cross_site_read
from bodhi.web.stored_login import SessionRow

log = logging.getLogger(__name__)


class AnyAuthenticator(Protocol):
    """What guards ask."""

    async def strict(self, request: web.Request) -> AuthContext:
        """Who makes *request*; a :exc:`Refusal` where nobody is known."""

    async def optional(self, request: web.Request) -> AuthContext:
        """Who makes *request*, or nobody; bad credentials are no error."""


AUTHENTICATOR: "web.AppKey[AnyAuthenticator]" = web.AppKey("AUTHENTICATOR", object)  # type: ignore[arg-type]


class Authenticator:
    """Asks whoever knows the kind of credential."""

    def __init__(
        self,
        *,
        instances: InstanceService,
        bearer: BearerAuthenticator,
        refresher: Refresher | None,
        roles: Roles,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Without a *refresher*, there being no provider, a login ends with its access token."""
        self._instances = instances
        self._bearer = bearer
        self._refresher = refresher
        self._roles = roles
        self._clock = clock

    async def strict(self, request: web.Request) -> AuthContext:
        """Who makes *request*; a :exc:`Refusal` where nobody is known."""
        instance = await self._instances.current()
        if instance is None:
            raise Refusal("auth_error-app_status_invalid")
        if hdrs.AUTHORIZATION in request.headers:
            return await self._bearer.authenticate(request.headers.getall(hdrs.AUTHORIZATION))
        if is_cross_site_read(request):
            raise Refusal("auth_error-invalid_access")
        session = await get_session(request)
        claims = await self._claims(request, session, instance)
        try:
            role = self._roles.of(claims, instance.client_id)
        except Refusal as error:
            raise Refusal(error.code, status=401) from error
        if role is None:
            raise Refusal("auth_error-missing_roles")
        return _user(session, claims, role)

    async def optional(self, request: web.Request) -> AuthContext:
        """Who makes *request*, or nobody: bad credentials are no error, and an outage of the provider ends nothing."""
        try:
            instance = await self._instances.current()
            if instance is None:
                return ANONYMOUS
            if hdrs.AUTHORIZATION in request.headers:
                return await self._bearer.authenticate(request.headers.getall(hdrs.AUTHORIZATION))
            if is_cross_site_read(request):
                return ANONYMOUS
            session = await get_session(request)
            if ACCESS_TOKEN not in session:
                return ANONYMOUS
            claims = await self._claims(request, session, instance)
        except Refusal as refusal:
            if refusal.code == "auth_error-database_unavailable":
                raise
            log.debug("anonymous, since: %s", refusal.code)
            return ANONYMOUS
        try:
            role = self._roles.of(claims, instance.client_id)
        except Refusal:
            role = None  # with the provider's own roles alone a person has none here, and may ask for one
        return _user(session, claims, role)

    async def _claims(self, request: web.Request, session: Session, instance: Instance) -> Claims:
        """The claims of the session's access token, which is refreshed where it has to be."""
        if session.stored is None or not isinstance(session.get(ACCESS_TOKEN), str):
            raise Refusal("auth_error-invalid_access")
        claims = claims_in(session)
        if self._clock() < claims.expires_at:
            return claims
        if self._refresher is None:
            raise Refusal("auth_error-refresh_token_not_found")
        row = SessionRow(request.app[SESSIONS], session.stored.record.digest)
        await self._refresher.refresh(row, instance)
        try:
            session.adopt(await row.read())
        except LoginEnded:
            raise Refusal("auth_error-refresh_token_not_found") from None
        return claims_in(session)


def _user(session: Session, claims: Claims, role: Role | None) -> SessionUser:
    return SessionUser(
        user_id=claims.subject,
        username=claims.username or claims.subject,
        role=role,
        token=session[ACCESS_TOKEN],
        first_name=claims.first_name,
        last_name=claims.last_name,
    )
