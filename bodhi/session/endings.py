"""The one place where it is told that sessions ended: a record in the log, and a count by reason."""

import logging
from typing import Literal

from bodhi.session.counters import SessionCounters

Reason = Literal[
    "logout",
    "replaced",  # by a new session, or another user's login, in the same browser
    "revoked",
    "cleared",
    "role_change",
    "approval",  # of a request for a role
    "removal",  # of the user
    "backchannel_logout",
    "invalid_grant",  # the provider does not refresh the login any more
    "cap",  # of sessions a user may have
    "expired",
    "unreadable",  # nobody can read what is stored: set aside
]

NOBODYS_PURPOSE = frozenset({"expired", "unreadable"})

log = logging.getLogger(__name__)


def note_ended(
    counters: SessionCounters, reason: Reason, sessions: int = 1, *, user_id: str | None = None, by: str | None = None
) -> None:
    """Tell that *sessions* ended; nothing where none did.

    *user_id* is whose they were, where that is one user's and known, *by* the one who ended them, if not the owner.
    Which sessions they were is told to nobody: an id would let its reader in, while it lives.
    """
    if sessions < 1:
        return
    counters.endings[reason] = counters.endings.get(reason, 0) + sessions
    if reason not in NOBODYS_PURPOSE:
        counters.deletions += sessions
    fields = {"event": "sessions_ended", "reason": reason, "ended": sessions, "user_id": user_id, "by": by}
    noun = "session" if sessions == 1 else "sessions"
    whose = f" of {user_id}" if user_id else ""
    whom = f", by {by}" if by else ""
    log.info("%d %s%s ended: %s%s", sessions, noun, whose, reason, whom, extra={"fields": fields})
