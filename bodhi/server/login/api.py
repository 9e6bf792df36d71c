"""Login and logout, for the API and the pages."""

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
from aiohttp import web

from bodhi.errors import root_cause
from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderError, error_code, error_description
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
from bodhi.server.http.paths import CALLBACK_PATH, HOME_PATH, LOGGED_OUT, LOGIN_PATH
from bodhi.server.http.responses import json_response
from bodhi.server.http.return_to import is_recent_requested, requested_page, with_return
from bodhi.server.login.begun_logins import BegunLogins, once_of
from bodhi.server.login.browser_logins import RETURN_PATHS, TRANSACTIONS, FoundLogin, find_login, pages_of, store_login
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
from bodhi.server.login.provider_sessions import ProviderSessions, without_sid
from bodhi.server.login.service import CompletedLogin, LoginFlow, origin_of
from bodhi.session import Session, SessionUnavailable, get_session

LONGEST_PARAMETER = 512  # characters of a parameter that a link to the login sets

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
    link_parameters: Sequence[str] = ()  # of the authorization request, that a link to the login may set
    skips_page: bool = False
    provider_name: str | None = None  # on pages; None without a provider
    logged_out_url: str | None = None


LOGIN = web.AppKey("LOGIN", LoginService)


class Location(msgspec.Struct):
    """The URL to open next."""

    location: str


class LoginQuery(msgspec.Struct, frozen=True):
    """Target of the login: a path of this site with its query; the home page if it is anything else.

    With *recent* a logged-in user signs in again, as ``auth_error-recent_login_required`` requires. The other
    parameters are passed on to the provider; ``BODHI_AUTH_LINK_PARAMETERS`` lists those that are.
    """

    return_to: str | None = None
    recent: bool = False
    login_hint: str | None = None
    kc_idp_hint: str | None = None
    acr_values: str | None = None
    prompt: str | None = None


class CallbackBody(msgspec.Struct):
    """The query of the provider's redirect; other members are ignored."""

    code: str | None = None
    state: str | None = None
    error: str | None = None
    error_description: str | None = None
    iss: str | None = None
    session_state: str | None = None


def link_parameters(request: web.Request) -> dict[str, str]:
    """Return the parameters in the query of *request* that are passed on to the provider."""
    given = {name: request.query.get(name, "") for name in request.app[LOGIN].link_parameters}
    return {
        name: value
        for name, value in given.items()
        if value and value.isprintable() and len(value) <= LONGEST_PARAMETER
    }


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
        parameters=link_parameters(request),
    )
    await store_login(request, service.begun, started)
    return started.url


async def finish_login(request: web.Request, callback_query: Mapping[str, str]) -> str:
    """Complete the login that *callback_query* belongs to, and return the URL to open next.

    The first completed login of a browser drops its other open ones. A logged-in user who returns from one of those is
    redirected to its target, or to the home page if that is unknown. Errors name the URL of a login that leads to the
    same page.
    """
    _log_provider_error(callback_query)
    session, found = await get_session(request), FoundLogin()
    try:
        with request.app[LOGIN].counters.login():
            found = await find_login(request, request.app[LOGIN].begun, session, callback_query.get("state"))
            user_id = await _complete(request, session, found, callback_query)
    except _LoggedInAlready:
        return callback_base(request) + (found.page or HOME_PATH)
    except OtherUserSignedIn:
        raise
    except ApiError as error:
        error.param.setdefault("login", with_return(LOGIN_PATH, found.page, is_recent=found.is_recent))
        raise
    log.info("login completed user_id=%s", user_id, extra={"fields": {"user_id": user_id}})
    assert found.transaction is not None
    return origin_of(found.transaction["callback_url"]) + (found.page or HOME_PATH)


async def end_login(request: web.Request, *, is_page: bool = False) -> str:
    """End the session, revoke its tokens if the provider answers in time, and return the URL to open next.

    The login page there says that the user was signed out if *is_page*; the API's URL of it is that of the contract.
    """
    service = request.app[LOGIN]
    try:
        session = await get_session(request)
        refresh_token, id_token = session.get(REFRESH_TOKEN), session.get(ID_TOKEN)
        session.invalidate()
        await session.save()
    except SessionUnavailable as error:
        raise LogoutFailed from error
    instance = await _instance_if_available(service)
    return_to = service.logged_out_url or callback_base(request) + LOGIN_PATH
    # Without it, a login page that is skipped would log the user in again where the provider still knows them.
    state = LOGGED_OUT if (service.skips_page or is_page) and service.logged_out_url is None else None
    location: str | None = None
    if service.provider is not None and instance is not None:
        with _provider_failures_logged():
            if service.logs_out_at_provider and isinstance(id_token, str):
                async with asyncio.timeout(REVOCATION_SECONDS):
                    location = await service.provider.end_session_url(
                        instance.client_id, return_to=return_to, id_token=id_token, state=state
                    )
        with _provider_failures_logged():
            if isinstance(refresh_token, str):
                async with asyncio.timeout(REVOCATION_SECONDS):
                    await service.provider.grants.revoke(instance.credentials, refresh_token)
    return location or return_to + ("" if state is None else f"?state={state}")


@contextmanager
def _provider_failures_logged() -> Iterator[None]:
    """Log provider failures: the local logout is complete without the provider."""
    try:
        yield
    except (ProviderError, TimeoutError) as error:
        log.warning("logout at the provider failed: %s", root_cause(error))


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
    return response


async def _complete(
    request: web.Request, session: Session, found: FoundLogin, callback_query: Mapping[str, str]
) -> str:
    """Log in, and return the user id."""
    service = request.app[LOGIN]
    if await service.instances.current() is None:
        raise LoginNotSetUp
    if found.transaction is None:
        if session.get(USER_ID) is not None:
            raise _LoggedInAlready
        raise _no_transaction(callback_query, any_open=found.any_open)
    completed = await service.logins.complete(found.transaction, callback_query)
    if not await service.provider_sessions.claim_once(*once_of(callback_query["state"])):
        raise StateMismatch
    late = session.get(TRANSACTIONS, {})
    await _log_in(session, service, completed, {**found.pages, **pages_of(late)})
    service.begun.write(request, {})
    return completed.user_id


class _LoggedInAlready(Exception):
    """The callback belongs to no open login, and the user is already logged in."""


def _no_transaction(callback_query: Mapping[str, str], *, any_open: bool) -> ApiError:
    if "error" in callback_query:
        return LoginFailed.by_provider(callback_query["error"])
    if not any_open:
        return LoginNotStarted()
    return StateMismatch() if "state" in callback_query else MissingState()


def _log_provider_error(callback_query: Mapping[str, str]) -> None:
    if "error" not in callback_query:
        return
    fields = {
        "error": error_code(callback_query["error"]) or "malformed",
        "description": error_description(callback_query.get("error_description")),
    }
    log.warning(
        "login refused by the identity provider error=%s description=%s",
        fields["error"],
        json.dumps(fields["description"], ensure_ascii=False),
        extra={"fields": fields},
    )


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
        if session.identity is not None:
            await service.provider_sessions.remember(
                completed.sid or without_sid(completed.user_id),
                session.identity,
                user_id=completed.user_id,
                lifetime_seconds=service.remember_seconds,
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
        "Sign out",
        responses={200: Location},
        errors=(LogoutFailed,),
    ),
)
