"""``/bodhi/v1/users/{user_id}/sessions`` and ``/bodhi/v1/sessions``: other people's sessions, by rank."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from aiohttp import web

from bodhi.server.access.directory import DIRECTORY
from bodhi.server.access.errors import ProviderUnavailable, UserNotFound, UsersNotListed
from bodhi.server.access.gate import RECENT_ADMIN, RECENT_MANAGER, SESSION_ADMIN, SESSION_MANAGER
from bodhi.server.http.context import session_user_of
from bodhi.server.http.input import UserId, parameter_of, query_of
from bodhi.server.http.operations import Operation
from bodhi.server.http.responses import empty_response
from bodhi.server.sessions.api import Ended, Handle, OwnSession, SessionPaging, page_of_sessions, told
from bodhi.server.sessions.errors import SessionNotFound
from bodhi.session import SESSIONS, SessionInfo, SessionPage, get_session

PATH = "/bodhi/v1/sessions"
USER_PATH = "/bodhi/v1/users/{user_id}/sessions"


class AnyPaging(SessionPaging, frozen=True):
    """The same, for the sessions of one user where one is named."""

    user_id: UserId | None = None


class AnySession(msgspec.Struct, frozen=True):
    """One session: nothing in it lets anybody in."""

    handle: str
    user_id: str | None
    device: str
    ip: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_current: bool

    @classmethod
    def of(cls, info: SessionInfo) -> "AnySession":
        """What is told of *info*."""
        return cls(user_id=info.user_id, **msgspec.structs.asdict(OwnSession.of(info)))


class AnySessions(msgspec.Struct, frozen=True):
    """Some sessions: of one user oldest first, else in no order; ``after`` asks for the next ones, null at the end."""

    sessions: Sequence[AnySession]
    after: str | None


async def list_of_user(request: web.Request) -> web.Response:
    """One page of a user's sessions, for those who do not stand below them."""
    user_id = parameter_of(request, "user_id")
    await request.app[DIRECTORY].refuse_above(session_user_of(request), user_id)
    return _page(await page_of_sessions(request, query_of(request, SessionPaging), user_id))


async def end_of_user(request: web.Request) -> web.Response:
    """Ends all sessions of a user; how many."""
    return told(Ended(await end_sessions_of_user(request, parameter_of(request, "user_id"))))


async def end_one_of_user(request: web.Request) -> web.Response:
    """204: the session is no more."""
    await end_session_of_user(request, parameter_of(request, "user_id"), parameter_of(request, "handle"))
    return empty_response(204)


async def list_all(request: web.Request) -> web.Response:
    """One page of all sessions."""
    query = query_of(request, AnyPaging)
    return _page(await page_of_sessions(request, query, query.user_id))


async def end_all(request: web.Request) -> web.Response:
    """Ends every session, the caller's own among them; how many."""
    return told(Ended(await end_every_session(request)))


async def end_session_of_user(request: web.Request, user_id: str | None, handle: str) -> bool:
    """Ends that session of the user; whether it was the one of this request, whose cookie then goes.

    ``session_error-not_found`` where the user has no such session, whoever else may have it, and
    ``api_auth_error-forbidden`` for a caller who stands below the user. None, for administrators: whoever has it.
    """
    caller, session = session_user_of(request), await get_session(request)
    if user_id is not None:
        await request.app[DIRECTORY].refuse_above(caller, user_id)
    if not await request.app[SESSIONS].revoke_session(handle, user_id=user_id, reason="revoked", by=caller.user_id):
        raise SessionNotFound
    is_own = session.identity == handle
    if is_own:
        session.invalidate()  # the row is gone; this takes the cookie away
    return is_own


async def end_sessions_of_user(request: web.Request, user_id: str) -> int:
    """Ends all sessions of the user, for those who do not stand below them; how many.

    Where the user is the caller, the cookie of this request goes as well.
    """
    caller = session_user_of(request)
    await request.app[DIRECTORY].refuse_above(caller, user_id)
    ended = await request.app[SESSIONS].clear_sessions_for_user(user_id, reason="revoked", by=caller.user_id)
    if user_id == caller.user_id:
        (await get_session(request)).invalidate()
    return ended


async def end_every_session(request: web.Request) -> int:
    """Ends all sessions of everybody, the one of this request too, whose cookie then goes; how many."""
    ended = await request.app[SESSIONS].clear_all_sessions(by=session_user_of(request).user_id)
    (await get_session(request)).invalidate()
    return ended


def _page(page: SessionPage) -> web.Response:
    return told(AnySessions([AnySession.of(info) for info in page.sessions], page.after))


_OF_ONE_USER = (
    UserNotFound,
    UsersNotListed,
    ProviderUnavailable,
)

OPERATIONS = (
    Operation(
        "GET",
        USER_PATH,
        list_of_user,
        SESSION_MANAGER,
        "List the sessions of a user",
        query=SessionPaging,
        parameters={"user_id": UserId},
        responses={200: AnySessions},
        errors=_OF_ONE_USER,
    ),
    Operation(
        "DELETE",
        USER_PATH,
        end_of_user,
        RECENT_MANAGER,
        "End all sessions of a user",
        parameters={"user_id": UserId},
        responses={200: Ended},
        errors=_OF_ONE_USER,
    ),
    Operation(
        "DELETE",
        f"{USER_PATH}/{{handle}}",
        end_one_of_user,
        RECENT_MANAGER,
        "End one session of a user",
        parameters={"user_id": UserId, "handle": Handle},
        responses={204: None},
        errors=(SessionNotFound, *_OF_ONE_USER),
    ),
    Operation("GET", PATH, list_all, SESSION_ADMIN, "List all sessions", query=AnyPaging, responses={200: AnySessions}),
    Operation("DELETE", PATH, end_all, RECENT_ADMIN, "End all sessions", responses={200: Ended}),
)
