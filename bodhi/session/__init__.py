"""Server-side sessions for aiohttp: the service, the functions an application calls, and the errors.

All names here are public, including the records that a store exchanges; the modules below are internal.
"""

from bodhi.keyring import NEWEST_FORMAT
from bodhi.session.administration import SessionInfo, SessionPage, info_of
from bodhi.session.changes import StoredSession
from bodhi.session.codec import encode
from bodhi.session.cookie import CookiePolicy
from bodhi.session.counters import SessionCounters
from bodhi.session.cursors import cursor_of
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
from bodhi.session.handles import DIGEST_BYTES, digest_of, digests_of, handle_of, share_up_to
from bodhi.session.lifetime import SESSIONS
from bodhi.session.middleware import get_session, new_session, setup
from bodhi.session.owner import owner_of
from bodhi.session.partitioning import count_partitions, partition_sessions
from bodhi.session.records import (
    Device,
    End,
    NewExpiry,
    NewSession,
    Revoked,
    Save,
    SessionListing,
    SessionRecord,
    StoredData,
    Touch,
    UserActivity,
    UserCap,
)
from bodhi.session.reencryption import OpenedBy
from bodhi.session.request_session import REQUEST_SESSION
from bodhi.session.responses import RETRY_AFTER_SECONDS, SessionGoneResponse, SessionUnavailableResponse
from bodhi.session.sealing import bound_columns, resealed, seal_data, written_format
from bodhi.session.service import DefaultSessionService
from bodhi.session.session import Session
from bodhi.session.sql_store import PostgresSessionStore, SqliteSessionStore, SqlSessionStore
from bodhi.session.storage import SessionStorage
from bodhi.session.store import (
    BEGINNING,
    CAPABILITIES,
    AllSessions,
    ChangeNotification,
    LockedSession,
    Quarantine,
    RecentEnds,
    Reencryption,
    SessionOverview,
    SessionStore,
    UserSessions,
)
from bodhi.session.user_index import drop_user_index, make_user_index

__all__ = [
    "BEGINNING",
    "CAPABILITIES",
    "DIGEST_BYTES",
    "NEWEST_FORMAT",
    "REQUEST_SESSION",
    "RETRY_AFTER_SECONDS",
    "SESSIONS",
    "AllSessions",
    "CapabilityMissing",
    "ChangeNotification",
    "CookiePolicy",
    "DefaultSessionService",
    "Device",
    "DigestTaken",
    "End",
    "LockedSession",
    "NewExpiry",
    "NewSession",
    "OpenedBy",
    "PostgresSessionStore",
    "Quarantine",
    "RecentEnds",
    "Reencryption",
    "Revoked",
    "Save",
    "Session",
    "SessionCounters",
    "SessionDataError",
    "SessionError",
    "SessionGone",
    "SessionGoneResponse",
    "SessionInfo",
    "SessionListing",
    "SessionNotSaved",
    "SessionOverview",
    "SessionPage",
    "SessionRecord",
    "SessionStorage",
    "SessionStore",
    "SessionUnavailable",
    "SessionUnavailableResponse",
    "SqlSessionStore",
    "SqliteSessionStore",
    "StoredData",
    "StoredSession",
    "Touch",
    "UserActivity",
    "UserCap",
    "UserSessions",
    "VersionConflict",
    "bound_columns",
    "count_partitions",
    "cursor_of",
    "digest_of",
    "digests_of",
    "drop_user_index",
    "encode",
    "get_session",
    "handle_of",
    "info_of",
    "make_user_index",
    "new_session",
    "owner_of",
    "partition_sessions",
    "resealed",
    "seal_data",
    "setup",
    "share_up_to",
    "written_format",
]
