"""The provider's own sessions (single sign-on)."""

import secrets
from dataclasses import dataclass, field
from uuid import uuid4

from bodhi.testing.identity_provider.accounts import Person


@dataclass(slots=True, eq=False)
class ProviderSession:
    """A user's session in one browser."""

    person: Person
    auth_time: float
    sid: str = field(default_factory=lambda: str(uuid4()))
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    client_ids: set[str] = field(default_factory=set)  # clients with tokens of this session
    ended: bool = False


class ProviderSessions:
    """The live sessions."""

    def __init__(self) -> None:
        self._by_cookie: dict[str, ProviderSession] = {}
        self._by_sid: dict[str, ProviderSession] = {}

    def __len__(self) -> int:
        return len(self._by_sid)

    def begin(self, person: Person, auth_time: float) -> ProviderSession:
        """Start a session."""
        session = ProviderSession(person, auth_time)
        self._by_cookie[session.cookie] = self._by_sid[session.sid] = session
        return session

    def of_cookie(self, cookie: str) -> ProviderSession | None:
        """Return the session with this cookie, or None."""
        return self._by_cookie.get(cookie)

    def of_sid(self, sid: str) -> ProviderSession | None:
        """Return the session with this id, or None."""
        return self._by_sid.get(sid)

    def of_person(self, user_id: str) -> list[ProviderSession]:
        """Return all sessions of a user."""
        return [session for session in self._by_sid.values() if session.person.user_id == user_id]

    def end(self, session: ProviderSession) -> None:
        """End a session, which invalidates its tokens at the provider."""
        session.ended = True
        self._by_cookie.pop(session.cookie, None)
        self._by_sid.pop(session.sid, None)
