"""Audit: log and count every ended session, by reason."""

import logging
from typing import Literal

from bodhi.session.counters import SessionCounters

Reason = Literal[
    "logout",
    "replaced",  # by a new session or another user's login in the same browser
    "revoked",
    "cleared",
    "role_change",
    "approval",  # of a role request
    "removal",  # of the user
    "backchannel_logout",
    "frontchannel_logout",
    "invalid_grant",  # the provider refused to refresh the login
    "cap",  # of sessions per user
    "expired",
    "unreadable",  # the stored data is unreadable: set aside
]

NOBODYS_PURPOSE = frozenset({"expired", "unreadable"})

log = logging.getLogger(__name__)


def note_ended(
    counters: SessionCounters, reason: Reason, sessions: int = 1, *, user_id: str | None = None, by: str | None = None
) -> None:
    """Log and count *sessions* ended sessions, if any.

    *user_id* is their user, if single and known, and *by* the acting user, if not the owner. Session ids are not
    logged: while a session lives, its id authenticates.
    """
    if sessions < 1:
        return
    counters.endings[reason] = counters.endings.get(reason, 0) + sessions
    if reason not in NOBODYS_PURPOSE:
        counters.deletions += sessions
    fields = {"event": "sessions_ended", "reason": reason, "ended": sessions, "user_id": user_id, "by": by}
    whose = f" user_id={user_id}" if user_id else ""
    actor = f" by={by}" if by else ""
    log.info("sessions ended reason=%s ended=%d%s%s", reason, sessions, whose, actor, extra={"fields": fields})
