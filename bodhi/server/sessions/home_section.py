"""The home page's section: the user's sessions and the last sign-in."""

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from bodhi.server.http.rendering import current_user
from bodhi.server.http.sections import Section
from bodhi.session import SESSIONS, get_session, info_of


async def own_sessions(request: web.Request) -> dict[str, Any] | None:
    """Return this browser's session and the number of all sessions of its user."""
    user, stored = current_user(request), (await get_session(request)).stored
    if user is None or stored is None:
        return None
    current = info_of(stored.record, stored.handle)
    return {
        "current_session": current,
        "session_count": await request.app[SESSIONS].count_sessions_for_user(user.user_id),
        "signed_in_at": current.created_at
        if user.signed_in_at is None
        else datetime.fromtimestamp(user.signed_in_at, UTC),
    }


HOME_SECTION = Section("_home_sessions.html", own_sessions)
