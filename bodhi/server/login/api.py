"""Logging in and out, for the API and for the pages alike."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
from aiohttp import web

from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderError
from bodhi.server.access.errors import ApiError, ProviderUnavailable, RecentLoginRequired
from bodhi.server.access.instance import Instance, InstanceService
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.recent_login import RECENT_LOGIN
from bodhi.server.authentication.login_counters import LoginCounters
from bodhi.server.authentication.login_data import ID_TOKEN, REFRESH_TOKEN, USER_ID
from bodhi.server.authentication.role_notes import RoleNotes
from bodhi.server.http.context import context_of
from bodhi.server.http.hosts import callback_base
from bodhi.server.http.input import body_of
from bodhi.server.http.operations import OPTIONAL, PUBLIC, Operation
from bodhi.server.http.paths import CALLBACK_PATH, HOME_PATH, LOGIN_PATH
from bodhi.server.http.responses import json_response
from bodhi.server.http.return_to import is_recent_requested, requested_page
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
RETURN_PATHS = "return_paths"  # by the state of logins that were dropped: where their tabs go on

REVOCATION_SECONDS = 0.9  # twice at most: a logout is answered within 2 s
NOT_CACHED = "no-cache, no-store, must-revalidate"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoginService:
    """What logging in and out takes."""

    logins: LoginFlow
    notes: RoleNotes
    instances: InstanceService
    provider: IdentityProvider | None
    provider_sessions: ProviderSessions
    public_url: str
    remember_seconds: int  # how long the provider may end a session: its absolute timeout
    logs_out_at_provider: bool
    counters: LoginCounters


LOGIN = web.AppKey("LOGIN", LoginService)


class Location(msgspec.Struct):
    """Where the browser is to go."""

    location: str


class LoginQuery(msgspec.Struct, frozen=True):
    """Where the login leads to: a path of this site with its query. Home, where it is anything else.

    With *recent* whoever is logged in signs in again, as ``auth_error-recent_login_required`` asks for.
    """

    return_to: str | None = None
    recent: bool = False


class CallbackBody(msgspec.Struct):
    """The query that the provider sent the browser back with; further members are passed over."""

    code: str | None = None
    state: str | None = None
    error: str | None = None
    error_description: str | None = None
    iss: str | None = None
    session_state: str | None = None


async def begin_login(request: web.Request, *, return_to: str | None = None) -> str | None:
    """The provider's address for a login that this begins; None where somebody is logged in already.

    It leads to *return_to*, a path of this site that is known to be harmless, or home. Where the query asks for a
    recent sign-in, whoever has a session is sent to the provider as well.
    """
    is_recent, context = is_recent_requested(request), context_of(request)
    if context.is_authenticated and not (is_recent and isinstance(context, SessionUser)):
        return None
    desk = request.app[LOGIN]
    begun = await desk.logins.begin(
        callback_base(request) + CALLBACK_PATH,
        return_to=return_to,
        max_age=request.app[RECENT_LOGIN].seconds if is_recent else None,
    )
    session = await get_session(request)
    if not await _add_to_stored(session, begun):
        session = await _new_if_ended(request, session)
        transactions: Transactions = session.setdefault(TRANSACTIONS, {})
        begun.add_to(transactions)
        session.row_seconds = SECONDS_TO_LOG_IN
        await session.save()
    return begun.url


async def finish_login(request: web.Request, answered: Mapping[str, str]) -> str:
    """Completes the login that *answered*, the provider's answer, belongs to; where the browser goes next.

    All logins that are open in a browser end with the first that is completed. Whoever is logged in and comes with the
    answer to another one of them goes on to where that was to lead, as they are; home, where that is not known.
    """
    desk = request.app[LOGIN]
    try:
        with desk.counters.login():
            if await desk.instances.current() is None:
                raise LoginNotSetUp
            session = await get_session(request)
            any_open, transaction = await _taken(session, answered)
            if transaction is None:
                if "state" in answered and isinstance(context_of(request), SessionUser):
                    raise _LoggedInAlready(session.get(RETURN_PATHS, {}).get(answered["state"]))
                raise _no_login(answered, any_open=any_open)
            completed = await desk.logins.complete(transaction, answered)
            await _log_in(session, desk, completed)
    except _LoggedInAlready as stale:
        return callback_base(request) + (stale.return_to or HOME_PATH)
    log.info("a login of %s was completed", completed.user_id, extra={"fields": {"user_id": completed.user_id}})
    return origin_of(transaction["callback_url"]) + (transaction.get("return_to") or HOME_PATH)


async def end_login(request: web.Request) -> str:
    """Ends the session here, and its tokens at the provider if that answers soon; where the browser goes next."""
    desk = request.app[LOGIN]
    try:
        session = await get_session(request)
        refresh_token, id_token = session.get(REFRESH_TOKEN), session.get(ID_TOKEN)
        session.invalidate()
        await session.save()
    except SessionUnavailable as error:
        raise LogoutFailed from error
    instance = await _instance_if_known(desk)
    location: str | None = None
    if desk.provider is not None and instance is not None:
        with _at_the_provider():
            if desk.logs_out_at_provider and isinstance(id_token, str):
                async with asyncio.timeout(REVOCATION_SECONDS):
                    location = await desk.provider.end_session_url(
                        instance.client_id, return_to=callback_base(request) + LOGIN_PATH, id_token=id_token
                    )
        with _at_the_provider():
            if isinstance(refresh_token, str):
                async with asyncio.timeout(REVOCATION_SECONDS):
                    await desk.provider.grants.revoke(instance.credentials, refresh_token)
    return location or desk.public_url + LOGIN_PATH


@contextmanager
def _at_the_provider() -> Iterator[None]:
    """A logout here is one, whatever the provider makes of it."""
    try:
        yield
    except (ProviderError, TimeoutError) as error:
        log.warning("the provider could not be told of a logout: %s", error)


async def initiate(request: web.Request) -> web.Response:
    """201 with the provider's address, or 200 with where that would end if somebody is logged in already."""
    page = requested_page(request)
    url = await begin_login(request, return_to=page)
    end = Location(request.app[LOGIN].public_url + (page or HOME_PATH))
    response = json_response(end) if url is None else json_response(Location(url), 201)
    response.headers["Cache-Control"] = NOT_CACHED
    return response


async def callback(request: web.Request) -> web.Response:
    """Completes a login with what the provider answered."""
    given = body_of(request, CallbackBody)
    answered = {name: value for name in given.__struct_fields__ if (value := getattr(given, name)) is not None}
    return json_response(Location(await finish_login(request, answered)))


async def logout(request: web.Request) -> web.Response:
    """Ends the session; 200 also without one."""
    response = json_response(Location(await end_login(request)))
    response.headers["Cache-Control"] = "no-store"
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


async def _add_to_stored(session: Session, begun: StartedLogin) -> bool:
    """Whether the login was put into a session that is stored; its other requests keep theirs."""

    def add(data: dict[str, Transactions], now_ms: int) -> None:
        begun.add_to(data.setdefault(TRANSACTIONS, {}), now_ms)

    if session.stored is None:
        return False
    try:
        # A row that holds nothing but logins lives as long as the youngest of them.
        only_logins = set(session) <= {TRANSACTIONS}
        await session.atomically(add, max_age_seconds=SECONDS_TO_LOG_IN if only_logins else None)
    except SessionGone:
        return False
    return True


async def _new_if_ended(request: web.Request, session: Session) -> Session:
    return session if session.stored is None else await new_session(request)


async def _taken(session: Session, answered: Mapping[str, str]) -> tuple[bool, dict[str, str] | None]:
    """Whether any login is open, and the one that *answered* belongs to, which nobody gets a second time."""
    created_ms = session.created * 1000
    state = answered.get("state")

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
    """The answer to a login that is not open any more, in the browser of somebody who is logged in."""

    def __init__(self, return_to: str | None) -> None:
        super().__init__()
        self.return_to = return_to


def _no_login(answered: Mapping[str, str], *, any_open: bool) -> ApiError:
    if "error" in answered:
        return LoginFailed()
    if not any_open:
        return LoginNotStarted()
    return StateMismatch() if "state" in answered else MissingState()


async def _log_in(session: Session, desk: LoginService, completed: CompletedLogin) -> None:
    """Make the session the person's, under a new id; nothing that was in it before stays, logins under way included.

    ``login_error-other_user`` where somebody else is logged in: people change only by a logout that they chose.
    """
    if session.get(USER_ID) not in (None, completed.user_id):
        raise OtherUserSignedIn
    # Where the other tabs go on; nothing of it could complete a login.
    return_paths = {
        state: begun["return_to"] for state, begun in session.get(TRANSACTIONS, {}).items() if begun.get("return_to")
    }
    session.clear()
    session.update(completed.data)
    if return_paths:
        session[RETURN_PATHS] = return_paths
    session.rotate(renewed=True)
    await session.save()
    try:
        if completed.sid is not None and session.identity is not None:
            await desk.provider_sessions.remember(
                completed.sid, session.identity, user_id=completed.user_id, lifetime_seconds=desk.remember_seconds
            )
        await desk.logins.confirm(completed)
    except BaseException:
        # The provider could not end this session, or its tokens are older than a change of the role. Nobody has its
        # cookie yet.
        session.invalidate()
        await session.save()
        raise


async def _instance_if_known(desk: LoginService) -> Instance | None:
    try:
        return await desk.instances.current()
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
)

OPERATIONS = (
    Operation(
        "POST",
        "/bodhi/v1/auth/initiate",
        initiate,
        OPTIONAL,
        "Begin a login",
        query=LoginQuery,
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
