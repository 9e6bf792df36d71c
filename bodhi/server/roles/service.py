"""Role requests: created by users without a role, decided by managers."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec
from aiohttp import web

from bodhi.database import Database, DatabaseError, DatabaseUnavailable, Row
from bodhi.errors import BodhiError, root_cause
from bodhi.server.access.audit import note_role_change
from bodhi.server.access.directory import ROLES_LEASE, Directory, RoleManagement
from bodhi.server.access.ending import EndSessions, not_ended
from bodhi.server.access.errors import AlreadyDecided, ProviderCallNotSupported, ProviderRefused
from bodhi.server.access.leases import Leases
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.provider_errors import provider_errors
from bodhi.server.access.scopes import Role
from bodhi.server.access.times import time_of
from bodhi.server.roles.errors import (
    AlreadyHasAccess,
    AlreadyPending,
    NoPendingRequest,
    RoleAboveOwn,
    RoleRequestNotFound,
    RoleRequestsUnreadable,
)

log = logging.getLogger(__name__)


class AccessRequest(msgspec.Struct, frozen=True):
    """A role request as managers see it."""

    id: int
    username: str
    user_id: str
    reviewer: str | None
    status: Literal["pending", "approved", "rejected"]
    created_at: datetime  # UTC, as below
    updated_at: datetime


class AccessRequests:
    """Manages role requests and applies the decisions."""

    def __init__(
        self,
        database: Database,
        *,
        profiles: Profiles,
        management: RoleManagement,
        end_sessions: EndSessions,
        directory: Directory | None = None,
        leases: Leases | None = None,
        clock: Callable[[], int | None] = lambda: None,
    ) -> None:
        """*end_sessions* revokes all sessions of a user."""
        self._database = database
        self._profiles = profiles
        self._directory = directory or Directory(management, profiles)
        self._management = management
        self._end_sessions = end_sessions
        self._leases = leases or Leases(database, clock=clock)
        self._clock = clock

    async def create(self, user_id: str, username: str) -> AccessRequest:
        """Create a pending request; raise ``access_request_error-already_pending`` if the user has one."""
        row = await self._database.maybe("create_access_request", user_id=user_id, username=username, now=self._clock())
        if row is None:
            raise AlreadyPending
        return _request(row)

    async def pending_of(self, user_id: str) -> AccessRequest:
        """Return the user's pending request, or raise ``access_request_error-pending_request_not_found``."""
        row = await self._database.maybe("find_pending_access_request", user_id=user_id)
        if row is None:
            raise NoPendingRequest
        return _request(row)

    async def list_page(
        self, *, size: int, skip: int = 0, only_pending: bool = False
    ) -> tuple[list[AccessRequest], int]:
        """Return at most *size* requests, oldest first, after skipping *skip*; and the total."""
        status = "pending" if only_pending else None
        try:
            rows = await self._database.many("list_access_requests", status=status, batch=size, skip=skip)
            total = await self._database.maybe("count_access_requests", status=status)
        except DatabaseUnavailable:
            raise
        except DatabaseError as error:
            log.warning("role requests unreadable error=%s", error)
            raise RoleRequestsUnreadable from error
        return [_request(row) for row in rows], total["requests"] if total else 0

    async def approve(self, request_id: int, role: Role, reviewer: SessionUser) -> None:
        """Assign *role* to the requesting user and revoke their sessions, which do not carry it.

        The request is marked as approved last: if the provider or the revocation fails, it stays pending, and
        approving it again completes the change.
        """
        _check_role_granted(reviewer, role)
        async with self._leases.held(ROLES_LEASE):
            request = await self._pending(request_id)
            current = await self._check_not_lowered(request, role, reviewer)
            await self._directory.check_caller(reviewer)
            with provider_errors(ProviderRefused):
                await self._management.assign_role(reviewer.token, request.user_id, str(role))
            note_role_change(request.user_id, current, role, by=reviewer.user_id)
            # In this order: a login in progress either fails on the new role or has its session revoked.
            await self._profiles.set_role(request.user_id, role)
            await revoke_sessions(self._end_sessions, request.user_id, by=reviewer.user_id)
            await self._profiles.finish_role_change(request.user_id)
            await self._decide("approve_access_request", request, reviewer)
        _log_decision("approved", request, reviewer.user_id, role=str(role))

    async def reject(self, request_id: int, reviewer: SessionUser) -> None:
        """Reject the request. The user may request again."""
        async with self._leases.held(ROLES_LEASE):
            request = await self._pending(request_id)
            await self._directory.check_caller(reviewer)
            await self._decide("reject_access_request", request, reviewer)
        _log_decision("rejected", request, reviewer.user_id)

    async def reject_pending_of(self, user_id: str, reviewer: SessionUser) -> None:
        """Reject the pending request of a user who is being removed. The user may request again."""
        try:
            request = await self.pending_of(user_id)
        except NoPendingRequest:
            return
        await self._decide("reject_access_request", request, reviewer)
        _log_decision("rejected", request, reviewer.user_id)

    async def _check_not_lowered(self, request: AccessRequest, role: Role, reviewer: SessionUser) -> Role | None:
        """Return the user's role; raise if it is higher by now: approving an old request must not lower it."""
        try:
            current, _ = await self._directory.standing(reviewer, request.user_id, refused=ProviderRefused)
        except ProviderCallNotSupported:
            current = await self._profiles.last_role_of(request.user_id)
        if current is not None and current.rank > role.rank:
            raise AlreadyHasAccess(message="They have a higher role by now.")
        return current

    async def _pending(self, request_id: int) -> AccessRequest:
        row = await self._database.maybe("find_access_request", id=request_id)
        if row is None:
            raise RoleRequestNotFound
        if row["status"] != "pending":
            raise AlreadyDecided
        return _request(row)

    async def _decide(self, decision: str, request: AccessRequest, reviewer: SessionUser) -> None:
        decided = await self._database.count(decision, id=request.id, reviewer=reviewer.username, now=self._clock())
        if not decided:
            raise AlreadyDecided


def _log_decision(decision: str, request: AccessRequest, by: str, **fields: str) -> None:
    logged = {"request_id": request.id, "user_id": request.user_id, **fields, "by": by}
    text = " ".join(f"{name}={value}" for name, value in logged.items())
    log.info("access request %s %s", decision, text, extra={"fields": logged})


async def revoke_sessions(end_sessions: EndSessions, user_id: str, *, by: str) -> None:
    """Revoke all sessions of the user; raise ``user_route_error-session_clear_failed`` if that fails."""
    try:
        await end_sessions(user_id, reason="approval", by=by)
    except BodhiError as error:
        log.warning("session revocation failed user_id=%s error=%s", user_id, root_cause(error))
        raise not_ended(error) from error


def _check_role_granted(reviewer: SessionUser, role: Role) -> None:
    if reviewer.role is None or not reviewer.role.grants(role):
        raise RoleAboveOwn


def _request(row: Row) -> AccessRequest:
    return AccessRequest(
        row["id"],
        row["username"],
        row["user_id"],
        row["reviewer"],
        row["status"],
        time_of(row["created_at"]),
        time_of(row["updated_at"]),
    )


ACCESS_REQUESTS = web.AppKey("ACCESS_REQUESTS", AccessRequests)
