"""Log in through the identity provider, for the API and the pages."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from aiohttp import web

from bodhi.database import DatabaseUnavailable
from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import error_code, error_description
from bodhi.server.access.errors import ApiError, NotAllowed, ProviderUnavailable, RecentLoginRequired
from bodhi.server.access.instance import InstanceService
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.recent_login import RECENT_LOGIN
from bodhi.server.application_metrics import LoginCounters
from bodhi.server.authentication.login_data import GRANTED_ROLE, USER_ID
from bodhi.server.authentication.user_claims import UserClaims
from bodhi.server.http.context import context_of
from bodhi.server.http.hosts import callback_base
from bodhi.server.http.input import body_of
from bodhi.server.http.operations import OPTIONAL, Operation
from bodhi.server.http.paths import CALLBACK_PATH, HOME_PATH, LOGIN_PATH
from bodhi.server.http.responses import json_response
from bodhi.server.http.return_to import is_recent_requested, requested_page, with_return
from bodhi.server.login.begun_logins import (
    RETURN_PATHS,
    SECONDS_TO_LOG_IN,
    TRANSACTIONS,
    BegunLogins,
    FoundLogin,
    pages_of,
)
from bodhi.server.login.errors import (
    AccessChanged,
    InvalidCallbackUrl,
    LoginFailed,
    LoginNotConfigured,
    LoginNotSetUp,
    LoginNotStarted,
    MissingCode,
    MissingState,
    OtherUserSignedIn,
    StateMismatch,
)
from bodhi.server.login.provider_sessions import ProviderSessions, without_sid
from bodhi.server.login.service import CallbackBody, CompletedLogin, LoginFlow, origin_of
from bodhi.session import Session, get_session

LONGEST_PARAMETER = 512  # characters of a parameter that a link to the login sets
NOT_CACHED = "no-cache, no-store, must-revalidate"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoginService:
    """The services for logins and logouts."""

    logins: LoginFlow
    users: UserClaims
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
    await service.begun.store(request, started)
    return started.url


async def finish_login(request: web.Request, answer: CallbackBody) -> str:
    """Complete the login that the provider's *answer* belongs to, and return the URL to open next.

    The first completed login of a browser drops its other open ones. A logged-in user who returns from one of those is
    redirected to its target, or to the home page if that is unknown. Errors name the URL of a login that leads to the
    same page.
    """
    if answer.error is not None:
        _log_provider_error(answer)
    service, found = request.app[LOGIN], FoundLogin()
    try:
        session = await get_session(request)
        found = await service.begun.find(request, session, answer.state)
        instance = await service.instances.current()
        if instance is None:
            raise LoginNotSetUp
        if found.transaction is None:
            if session.get(USER_ID) is not None:
                return callback_base(request) + (found.page or HOME_PATH)
            raise _no_transaction(answer, any_open=found.any_open)
        completed = await service.logins.complete(instance, found.transaction, answer)
        assert answer.state is not None  # by which the transaction was found
        if not await service.provider_sessions.claim_secret("login", answer.state, SECONDS_TO_LOG_IN):
            raise StateMismatch
        await _log_in(session, service, completed, found.pages)
        service.begun.forget(request)
    except (ApiError, DatabaseUnavailable) as error:
        service.counters.count_refusal(error)
        if isinstance(error, ApiError) and not isinstance(error, OtherUserSignedIn):
            error.param.setdefault("login", with_return(LOGIN_PATH, found.page, is_recent=found.is_recent))
        raise
    service.counters.logins += 1
    log.info("login completed user_id=%s", completed.user_id, extra={"fields": {"user_id": completed.user_id}})
    return origin_of(found.transaction["callback_url"]) + (found.page or HOME_PATH)


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
    return json_response(Location(await finish_login(request, body_of(request, CallbackBody))))


def _no_transaction(answer: CallbackBody, *, any_open: bool) -> ApiError:
    if answer.error is not None:
        return LoginFailed.by_provider(answer.error)
    if not any_open:
        return LoginNotStarted()
    return MissingState() if answer.state is None else StateMismatch()


def _log_provider_error(answer: CallbackBody) -> None:
    fields = {
        "error": error_code(answer.error) or "malformed",
        "description": error_description(answer.error_description),
    }
    log.warning(
        "login refused by the identity provider error=%s description=%s",
        fields["error"],
        json.dumps(fields["description"], ensure_ascii=False),
        extra={"fields": fields},
    )


async def _log_in(session: Session, service: LoginService, completed: CompletedLogin, pages: Mapping[str, str]) -> None:
    """Make this the user's session, under a new id and without its previous data, including pending logins.

    Raises :exc:`OtherUserSignedIn` if another user is logged in: switching users requires an explicit logout.
    """
    if session.get(USER_ID) not in (None, completed.user_id):
        raise OtherUserSignedIn
    return_paths = {**pages, **pages_of(session.get(TRANSACTIONS, {}))}  # of logins that began meanwhile, too
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
        if not await service.users.note(
            completed.claims, completed.data.get(GRANTED_ROLE), completed.since, is_login=True
        ):
            user_id = completed.user_id
            fields = {"user_id": user_id}
            log.warning("login refused: role changed during the login user_id=%s", user_id, extra={"fields": fields})
            raise AccessChanged
    except BaseException:
        # Without the record, back-channel logout cannot find the session; or its tokens predate a role change. The
        # cookie was not sent yet.
        session.invalidate()
        await session.save()
        raise


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
)
