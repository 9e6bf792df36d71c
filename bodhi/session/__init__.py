"""Server-side sessions: the service, what an aiohttp application calls, and what can go wrong."""

from bodhi.session.cookie import CookiePolicy
from bodhi.session.errors import (
    CapabilityMissing,
    DigestTaken,
    SessionDataError,
    SessionError,
    SessionGone,
    SessionNotSaved,
    SessionUnavailable,
    VersionConflict,
)
from bodhi.session.middleware import SESSIONS, get_session, new_session, setup
from bodhi.session.service import DefaultSessionService, SessionInfo, SessionPage
from bodhi.session.session import Session
from bodhi.session.sql_store import PostgresSessionStore, SqliteSessionStore
from bodhi.session.storage import SessionStorage
from bodhi.session.store import (
    AllSessions,
    ChangeNotification,
    LockedSession,
    Quarantine,
    Reencryption,
    SessionStore,
    UserSessions,
)

__all__ = [
    "SESSIONS",
    "AllSessions",
    "CapabilityMissing",
    "ChangeNotification",
    "CookiePolicy",
    "DefaultSessionService",
    "DigestTaken",
    "LockedSession",
    "PostgresSessionStore",
    "Quarantine",
    "Reencryption",
    "Session",
    "SessionDataError",
    "SessionError",
    "SessionGone",
    "SessionInfo",
    "SessionNotSaved",
    "SessionPage",
    "SessionStorage",
    "SessionStore",
    "SessionUnavailable",
    "SqliteSessionStore",
    "UserSessions",
    "VersionConflict",
    "get_session",
    "new_session",
    "setup",
]
