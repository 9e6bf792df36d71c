"""Session errors, by what the caller can do about them."""

from bodhi.errors import BodhiError


class SessionError(BodhiError):
    """Something about a session went wrong."""


class SessionUnavailable(SessionError):
    """The session database does not answer: say 503, keep the cookie, try later."""

    ended = 0  # sessions that had ended before the failure of a bulk operation


class SessionGone(SessionError):
    """The session was revoked, or it expired, while the request ran."""


class DigestTaken(SessionError):
    """A session is stored under this digest already."""


class VersionConflict(SessionError):
    """The session was changed since it was read, in a store that does not lock, or whose row moves elsewhere."""


class CapabilityMissing(SessionError):
    """The session store does not support this operation."""


class SessionDataError(SessionError, TypeError):
    """The session holds a value that cannot be stored."""


class SessionNotSaved(SessionError):
    """A change of the session can no longer be kept, since the response's headers are out."""
