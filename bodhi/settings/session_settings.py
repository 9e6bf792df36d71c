"""Settings of sessions: cookie and timeouts."""

from dataclasses import dataclass
from typing import Annotated

from bodhi.settings import kinds, names
from bodhi.settings.setting import Setting


@dataclass(frozen=True, repr=False)
class SessionSettings:
    """Sessions: cookie and timeouts."""

    cookie_name: Annotated[
        str,
        Setting(
            names.BODHI_SESSION_COOKIE_NAME, kinds.cookie_name(), "bodhiapp_session_id", "Name of the session cookie."
        ),
    ]
    cookie_samesite: Annotated[
        str,
        Setting(
            names.BODHI_SESSION_COOKIE_SAMESITE,
            kinds.choice("Strict", "Lax"),
            "Strict",
            "SameSite attribute of the session cookie. None is refused: it would send the cookie with cross-site "
            "requests.",
        ),
    ]
    cookie_host_prefix: Annotated[
        bool,
        Setting(
            names.BODHI_SESSION_COOKIE_HOST_PREFIX,
            kinds.switch(),
            "true",
            "Prefix the cookie's name with __Host- if BODHI_PUBLIC_SCHEME is https.",
        ),
    ]
    idle_seconds: Annotated[
        int,
        Setting(
            names.BODHI_SESSION_IDLE_TIMEOUT,
            kinds.seconds(1, 315_360_000),
            "24h",
            "Idle timeout: a session ends after this time without a request.",
        ),
    ]
    lifetime_seconds: Annotated[
        int,
        Setting(
            names.BODHI_SESSION_ABSOLUTE_TIMEOUT,
            kinds.seconds(1, 315_360_000),
            "14d",
            "Absolute timeout: a session ends this long after it began; at least BODHI_SESSION_IDLE_TIMEOUT.",
        ),
    ]
    max_per_user: Annotated[
        int | None,
        Setting(
            names.BODHI_SESSION_MAX_PER_USER,
            kinds.whole_number(1, 1_000_000),
            None,
            "Maximum number of sessions per user: a login ends the oldest ones beyond it. Not set: unlimited.",
        ),
    ]
    touch_seconds: Annotated[
        int,
        Setting(
            names.BODHI_SESSION_TOUCH_INTERVAL,
            kinds.seconds(1, 86_400),
            "1m",
            "Minimum time between two writes of a session's last use; less than BODHI_SESSION_IDLE_TIMEOUT.",
        ),
    ]
    sweep_seconds: Annotated[
        int,
        Setting(
            names.BODHI_SESSION_SWEEP_INTERVAL,
            kinds.seconds(1, 86_400),
            "5m",
            "Interval at which expired sessions are deleted.",
        ),
    ]
