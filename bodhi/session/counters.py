"""What the sessions of one process went through, counted."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class SessionCounters:
    """Counts since the service was opened."""

    loads: int = 0
    creations: int = 0
    saves: int = 0
    rotations: int = 0
    deletions: int = 0  # sessions that were ended on purpose
    merges: int = 0  # saves that met another request's save and were merged with it
    overwrites: int = 0  # keys that both of them had changed: the later save won
    blocked_saves: int = 0  # saves of a session that had ended meanwhile: they did not bring it back
    lost_changes: int = 0  # changes that came too late to be kept, or whose request failed
    unreadable: int = 0  # rows set aside
    unknown_keys: int = 0  # rows under a key that is not configured, left alone
    touches: int = 0
    touch_failures: int = 0
    swept: int = 0
    sweep_failures: int = 0
    ambiguous_cookies: int = 0  # requests with several different session cookies: they are anonymous
    unavailable: int = 0  # operations that the database did not answer in time
    endings: dict[str, int] = field(default_factory=dict)  # sessions that ended, by the reason
