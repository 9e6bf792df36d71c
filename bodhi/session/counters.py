"""Event counters of the sessions of a process."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class SessionCounters:
    """Counts since the service was opened."""

    loads: int = 0
    creations: int = 0
    saves: int = 0
    rotations: int = 0
    deletions: int = 0  # sessions ended deliberately
    merges: int = 0  # saves merged with another request's save
    overwrites: int = 0  # keys changed by both: the later save won
    blocked_saves: int = 0  # saves of a session that had ended, which did not restore it
    lost_changes: int = 0  # changes lost because they came too late or their request failed
    unreadable: int = 0  # rows in quarantine
    unknown_keys: int = 0  # rows under an unconfigured key, left unchanged
    touches: int = 0
    touch_failures: int = 0
    swept: int = 0
    sweep_failures: int = 0
    ambiguous_cookies: int = 0  # requests with several different session cookies, treated as anonymous
    unavailable: int = 0  # operations that timed out
    endings: dict[str, int] = field(default_factory=dict)  # ended sessions by reason
