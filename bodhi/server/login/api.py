"""Login and logout, for the API and the pages."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
from aiohttp import web

from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderError
from bodhi.server.access.errors import ApiError, NotAllowed, ProviderUnavailable, RecentLoginRequired
from bodhi.server.access.instance import Instance, InstanceService
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.recent_login import RECENT_LOGIN
from bodhi.server.application_metrics import LoginCounters
from bodhi.server.authentication.login_data import ID_TOKEN, REFRESH_TOKEN, USER_ID
from bodhi.server.authentication.role_notes import RoleNotes
from bodhi.server.http.context import context_of
from bodhi.server.http.hosts import callback_base
from bodhi.server.http.input import body_of
from bodhi.server.http.operations import OPTIONAL, PUBLIC, Operation
from bodhi.server.http.paths import CALLBACK_PATH, HOME_PATH, LOGIN_PATH
from bodhi.server.http.responses import json_response
from bodhi.server.http.return_to import is_recent_requested, requested_page
from bodhi.server.login.begun_logins import BegunLogins, once_of
from bodhi.server.login.errors import (
    AccessChanged,
    InvalidCallbackUrl,
    LoginFailed,
    LoginNotConfigured,
    LoginNotSetUp,
    LoginNotStarted,
    LogoutFailed,
    MissingCode,
    MissingState,
    OtherUserSignedIn,
    StateMismatch,
)
from bodhi.server.login.provider_sessions import ProviderSessions
from bodhi.server.login.service import (
    SECONDS_TO_LOG_IN,
    CompletedLogin,
    LoginFlow,
    StartedLogin,
    Transactions,
    open_transactions,
    origin_of,
    take_transaction,
)
from bodhi.session import Session, SessionGone, SessionUnavailable, get_session, new_session

TRANSACTIONS = "logins"  # the key in a session's data
RETURN_PATHS = "return_paths"  # return_to by the state of dropped logins, for their browser tabs

REVOCATION_SECONDS = 0.9  # per request to the provider, at most two: a logout completes within 2 s
NOT_CACHED = "no-cache, no-store, must-revalidate"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoginService:
    """The services for logins and logouts."""

    logins: LoginFlow
    notes: RoleNotes
    instances: InstanceService
    provider: IdentityProvider | None
    provider_sessions: ProviderSessions
    begun: BegunLogins
    remember_seconds: int  # how long the provider can end a session: the absolute timeout
    logs_out_at_provider: bool
    counters: LoginCounters


LOGIN = web.AppKey("LOGIN", LoginService)


class Location(msgspec.Struct):
    """The URL to open next."""

    location: str


class LoginQuery(msgspec.Struct, frozen=True):
    """Target of the login: a path of this site with its query; the home page if it is anything else.

    With *recent* a logged-in user signs in again, as ``auth_error-recent_login_required`` requires.
    """

    return_to: str | None = None
    recent: bool = False


class CallbackBody(msgspec.Struct):
    """The query of the provider's redirect; other members are ignored."""

    code: str | None = None
    state: str | None = None
    error: str | None = None
    error_description: str | None = None
    iss: str | None = None
    session_state: str | None = None


async def begin_login(request: web.Request, *, return_to: str | None = None) -> str | None:
    """Start a login and return the provider's URL for it, or None if the user is already logged in.

    The login redirects to *return_to*, a validated path of this site, or to the home page. If the query requires a
    recent sign-in, users with a session also go to the provider.
    """
    is_recent, context = is_recent_requested(request), context_of(request)
    if context.is_authenticated and not (is_recent and isinstance(context, SessionUser)):
        return None
    service = request.app[LOGIN]
    started = await service.logins.begin(
        callback_base(request) + CALLBACK_PATH,
        return_to=return_to,
        max_age=request.app[RECENT_LOGIN].seconds if is_recent else None,
    )
    session = await get_session(request)
    if not await _add_to_stored(session, started) and not await service.begun.add(request, started):
        session = await _new_if_ended(request, session)
        transactions: Transactions = session.setdefault(TRANSACTIONS, {})
        started.add_to(transactions)
        session.row_seconds = SECONDS_TO_LOG_IN
        await session.save()
    return started.url


async def finish_login(request: web.Request, callback_query: Mapping[str, str]) -> str:
    """Complete the login that *callback_query* belongs to, and return the URL to open next.

    The first completed login of a browser drops its other open ones. A logged-in user who returns from one of those is
    redirected to its target, or to the home page if that is unknown.
    """
    service = request.app[LOGIN]
    try:
        with service.counters.login():
            if await service.instances.current() is None:
                raise LoginNotSetUp
            session = await get_session(request)
            in_cookie = service.begun.read(request)
            any_open, transaction = await _take_transaction(session, callback_query)
            if transaction is None:
                any_open = any_open or bool(in_cookie)
                transaction = service.begun.take(request, in_cookie, callback_query.get("state"))
            if transaction is None:
                if "state" in callback_query and isinstance(context_of(request), SessionUser):
                    raise _LoggedInAlready(session.get(RETURN_PATHS, {}).get(callback_query["state"]))
                raise _no_transaction(callback_query, any_open=any_open)
            completed = await service.logins.complete(transaction, callback_query)
            if not await service.provider_sessions.claim_once(*once_of(callback_query["state"])):
                raise StateMismatch
            await _log_in(session, service, completed, _return_paths(session.get(TRANSACTIONS, {}), in_cookie))
            service.begun.write(request, {})
    except _LoggedInAlready as stale:
        return callback_base(request) + (stale.return_to or HOME_PATH)
    fields = {"user_id": completed.user_id}
    log.info("login completed user_id=%s", completed.user_id, extra={"fields": fields})
    return origin_of(transaction["callback_url"]) + (transaction.get("return_to") or HOME_PATH)


async def end_login(request: web.Request) -> str:
    """End the session, revoke its tokens if the provider answers in time, and return the URL to open next."""
    service = request.app[LOGIN]
    try:
        session = await get_session(request)
        refresh_token, id_token = session.get(REFRESH_TOKEN), session.get(ID_TOKEN)
        session.invalidate()
        await session.save()
    except SessionUnavailable as error:
        raise LogoutFailed from error
    instance = await _instance_if_available(service)
    location: str | None = None
    if service.provider is not None and instance is not None:
        with _provider_failures_logged():
            if service.logs_out_at_provider and isinstance(id_token, str):
                async with asyncio.timeout(REVOCATION_SECONDS):
                    location = await service.provider.end_session_url(
                        instance.client_id, return_to=callback_base(request) + LOGIN_PATH, id_token=id_token
                    )
        with _provider_failures_logged():
            if isinstance(refresh_token, str):
                async with asyncio.timeout(REVOCATION_SECONDS):
                    await service.provider.grants.revoke(instance.credentials, refresh_token)
    return location or callback_base(request) + LOGIN_PATH


@contextmanager
def _provider_failures_logged() -> Iterator[None]:
    """Log provider failures: the local logout is complete without the provider."""
    try:
        yield
    except (ProviderError, TimeoutError) as error:
        log.warning("logout at the provider failed: %s", error)


async def initiate(request: web.Request) -> web.Response:
    """Return 201 with the provider's URL, or 200 with the target of the login if the user is already logged in."""
    page = requested_page(request)
    url = await begin_login(request, return_to=page)
    target = Location(callback_base(request) + (page or HOME_PATH))
    response = json_response(target) if url is None else json_response(Location(url), 201)
    response.headers["Cache-Control"] = NOT_CACHED
    return response


async def callback(request: web.Request) -> web.Response:
    """Complete a login with the query of the provider's redirect."""
    body = body_of(request, CallbackBody)
    query = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not None}
    return json_response(Location(await finish_login(request, query)))


async def logout(request: web.Request) -> web.Response:
    """End the session; returns 200 even without one."""
    response = json_response(Location(await end_login(request)))
    response.headers["Cache-Control"] = "no-store"
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


async def _add_to_stored(session: Session, started: StartedLogin) -> bool:
    """Add the login to the stored session, without losing concurrent ones; return False if there is no session."""

    def add(data: dict[str, Transactions], now_ms: int) -> None:
        started.add_to(data.setdefault(TRANSACTIONS, {}), now_ms)

    if session.stored is None:
        return False
    try:
        # A row with nothing but pending logins expires with the newest of them.
        only_logins = set(session) <= {TRANSACTIONS}
        await session.atomically(add, max_age_seconds=SECONDS_TO_LOG_IN if only_logins else None)
    except SessionGone:
        return False
    return True


async def _new_if_ended(request: web.Request, session: Session) -> Session:
    return session if session.stored is None else await new_session(request)


async def _take_transaction(session: Session, callback_query: Mapping[str, str]) -> tuple[bool, dict[str, str] | None]:
    """Return whether any login is open, and remove and return the one with the state of *callback_query*."""
    created_ms = session.created * 1000
    state = callback_query.get("state")

    def take(data: dict[str, Transactions], now_ms: int) -> tuple[bool, dict[str, str] | None]:
        pending = open_transactions(data.get(TRANSACTIONS, {}), now_ms, created_ms)
        any_open = bool(pending)
        taken = take_transaction(pending, state) if state is not None else None
        if TRANSACTIONS in data:
            data[TRANSACTIONS] = pending
        return any_open, taken

    if session.stored is None:
        return False, None
    try:
        return await session.atomically(take)
    except SessionGone:
        return False, None


class _LoggedInAlready(Exception):
    """The callback belongs to a dropped login, and the user is already logged in."""

    def __init__(self, return_to: str | None) -> None:
        super().__init__()
        self.return_to = return_to


def _no_transaction(callback_query: Mapping[str, str], *, any_open: bool) -> ApiError:
    if "error" in callback_query:
        return LoginFailed()
    if not any_open:
        return LoginNotStarted()
    return StateMismatch() if "state" in callback_query else MissingState()


def _return_paths(*pending: Transactions) -> dict[str, str]:
    """Return the targets of logins in other tabs, by state. They are not enough to complete a login."""
    return {
        state: login["return_to"] for logins in pending for state, login in logins.items() if login.get("return_to")
    }


async def _log_in(
    session: Session, service: LoginService, completed: CompletedLogin, return_paths: dict[str, str]
) -> None:
    """Make this the user's session, under a new id and without its previous data, including pending logins.

    Raises :exc:`OtherUserSignedIn` if another user is logged in: switching users requires an explicit logout.
    """
    if session.get(USER_ID) not in (None, completed.user_id):
        raise OtherUserSignedIn
    session.clear()
    session.update(completed.data)
    if return_paths:
        session[RETURN_PATHS] = return_paths
    session.rotate(renewed=True)
    await session.save()
    try:
        if completed.sid is not None and session.identity is not None:
            await service.provider_sessions.remember(
                completed.sid, session.identity, user_id=completed.user_id, lifetime_seconds=service.remember_seconds
            )
        await service.logins.confirm(completed)
    except BaseException:
        # Without the record, back-channel logout cannot find the session; or its tokens predate a role change. The
        # cookie was not sent yet.
        session.invalidate()
        await session.save()
        raise


async def _instance_if_available(service: LoginService) -> Instance | None:
    try:
        return await service.instances.current()
    except ApiError:
        return None


CALLBACK_ERRORS = (
    LoginFailed,
    LoginNotStarted,
    MissingState,
    StateMismatch,
    MissingCode,
    LoginNotSetUp,
    LoginNotConfigured,
    InvalidCallbackUrl,
    AccessChanged,
    OtherUserSignedIn,
    NotAllowed,
)

OPERATIONS = (
    Operation(
        "POST",
        "/bodhi/v1/auth/initiate",
        initiate,
        OPTIONAL,
        "Start a login",
        query=LoginQuery,
        rate_limit="begun logins",
        responses={200: Location, 201: Location},
        errors=(LoginNotConfigured, ProviderUnavailable),
    ),
    Operation(
        "POST",
        "/bodhi/v1/auth/callback",
        callback,
        OPTIONAL,
        "Complete a login",
        body=CallbackBody,
        rate_limit="callbacks",
        responses={200: Location},
        errors=(*CALLBACK_ERRORS, RecentLoginRequired, ProviderUnavailable),
    ),
    Operation(
        "POST",
        "/bodhi/v1/logout",
        logout,
        PUBLIC,
        "Log out",
        responses={200: Location},
        errors=(LogoutFailed,),
    ),
)
