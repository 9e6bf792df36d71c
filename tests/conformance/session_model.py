"""A model of the session service: sessions in a dict."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from bodhi.session.handles import digest_of, handle_of

IDLE_MS = 3_600_000
LIFETIME_MS = IDLE_MS * 3 // 2
TOUCH_MS = 60_000
CAP = 3


@dataclass
class ModelSession:
    """A row: live, or expired and not swept yet."""

    digest: bytes
    data: dict[str, Any]
    created_at: int
    last_seen_at: int
    expires_at: int
    ends_at: int

    @property
    def user_id(self) -> str | None:
        return self.data.get("user_id")


@dataclass
class Model:
    """All rows by session id, pending touches, and the time."""

    now: int = 1_800_000_000_000
    rows: dict[str, ModelSession] = field(default_factory=dict)
    noted: dict[str, int] = field(default_factory=dict)

    def live(self, session_id: str) -> ModelSession | None:
        """Return the live session, or None."""
        row = self.rows.get(session_id)
        return row if row is not None and row.expires_at > self.now else None

    def all_live(self, user_id: str | None = None) -> list[ModelSession]:
        """Return the live sessions, of all users or of one."""
        live = [row for row in self.rows.values() if row.expires_at > self.now]
        return [row for row in live if user_id is None or row.user_id == user_id]

    def owner(self, session_id: str) -> str | None:
        """Return the user of a row, live or not."""
        row = self.rows.get(session_id)
        return None if row is None else row.user_id

    def load(self, session_id: str) -> dict[str, Any] | None:
        """Load and touch the session; return its data."""
        row = self.live(session_id)
        if row is None:
            return None
        if self.now - row.last_seen_at >= TOUCH_MS:
            self.noted[session_id] = self.now
        return deepcopy(row.data)

    def create(self, session_id: str, data: Mapping[str, Any]) -> None:
        """Create a session; the oldest ones beyond the cap end."""
        now = self.now
        row = ModelSession(digest_of(session_id), deepcopy(dict(data)), now, now, now + IDLE_MS, now + LIFETIME_MS)
        self.rows[session_id] = row
        self._trim(row.user_id, keep=row)

    def save(self, session_id: str, base: Mapping[str, Any], mine: Mapping[str, Any]) -> dict[str, Any] | None:
        """Save the changes from *base* to *mine*; return the stored data, None if the session is gone."""
        row = self.live(session_id)
        if row is None:
            return None
        row.data = merged(base, mine, row.data)
        if not row.data:
            del self.rows[session_id]
        return deepcopy(row.data)

    def limit(self, session_id: str, max_age_seconds: int | None) -> None:
        """Limit the session to *max_age_seconds* from now."""
        row = self.rows.get(session_id)
        if row is not None:
            longest = row.created_at + LIFETIME_MS
            row.ends_at = longest if max_age_seconds is None else min(longest, self.now + max_age_seconds * 1000)
            row.expires_at = min(row.last_seen_at + IDLE_MS, row.ends_at)

    def rotate(
        self, old_id: str, new_id: str, base: Mapping[str, Any], mine: Mapping[str, Any], *, renewed: bool
    ) -> dict[str, Any]:
        """Rotate the live session with the changes from *base* to *mine*; return the stored data."""
        row = self.rows.pop(old_id)
        row.digest, row.data = digest_of(new_id), merged(base, mine, row.data)
        if renewed:
            row.created_at, row.ends_at = self.now, self.now + LIFETIME_MS
        row.last_seen_at, row.expires_at = self.now, min(self.now + IDLE_MS, row.ends_at)
        self.rows[new_id] = row
        self._trim(mine.get("user_id"), keep=row)
        return deepcopy(row.data)

    def delete(self, session_id: str) -> bool:
        """Delete a session; return whether it was live."""
        live = self.live(session_id) is not None
        self.rows.pop(session_id, None)
        return live

    def clear(self, user_id: str | None, *, keep: str | None = None) -> int:
        """Clear sessions; return how many were live."""
        chosen = [
            session_id
            for session_id, row in self.rows.items()
            if (user_id is None or row.user_id == user_id) and handle_of(row.digest) != keep
        ]
        return sum([self.delete(session_id) for session_id in chosen])

    def flush(self) -> int:
        """Write the pending touches; return how many extended a session."""
        extended = 0
        for session_id, seen_at in self.noted.items():
            row = self.live(session_id)
            if row is not None and row.last_seen_at <= seen_at - TOUCH_MS:
                row.last_seen_at = seen_at
                row.expires_at = max(row.expires_at, min(seen_at + IDLE_MS, row.ends_at))
                extended += 1
        self.noted.clear()
        return extended

    def sweep(self) -> int:
        """Sweep; return how many rows had expired."""
        expired = [session_id for session_id in self.rows if self.live(session_id) is None]
        for session_id in expired:
            del self.rows[session_id]
        return len(expired)

    def _trim(self, user_id: str | None, *, keep: ModelSession) -> None:
        if user_id is None:
            return
        others = [row for row in self.all_live(user_id) if row is not keep]
        others.sort(key=lambda row: (row.created_at, row.digest), reverse=True)
        ended = [id(row) for row in others[CAP - 1 :]]
        self.rows = {session_id: row for session_id, row in self.rows.items() if id(row) not in ended}


def merged(base: Mapping[str, Any], mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """*theirs* with the keys that differ between *base* and *mine* as they are in *mine*."""
    both = dict(theirs)
    for key in {*base, *mine}:
        if base.get(key) != mine.get(key):
            both[key] = mine.get(key)
    return {key: value for key, value in both.items() if value is not None}
