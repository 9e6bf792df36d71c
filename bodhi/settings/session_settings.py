"""The settings of sessions: their cookie and their times."""

from dataclasses import dataclass
from typing import Annotated

from bodhi.settings import kinds, names
from bodhi.settings.setting import Setting


@dataclass(frozen=True, repr=False)
class SessionSettings:
    """Sessions: their cookie and their times."""

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
            "SameSite attribute of the session cookie. None is refused: it hands the cookie to other sites' requests.",
        ),
    ]
    cookie_host_prefix: Annotated[
        bool,
        Setting(
            names.BODHI_SESSION_COOKIE_HOST_PREFIX,
            kinds.switch(),
            "true",
            "Put __Host- in front of the cookie's name when BODHI_PUBLIC_SCHEME is https.",
        ),
    ]
    idle_seconds: Annotated[
        int,
        Setting(
            names.BODHI_SESSION_IDLE_TIMEOUT,
            kinds.seconds(1, 315_360_000),
            "86400",
            "How long a session lives without being used.",
        ),
    ]
    lifetime_seconds: Annotated[
        int,
        Setting(
            names.BODHI_SESSION_ABSOLUTE_TIMEOUT,
            kinds.seconds(1, 315_360_000),
            "1209600",
            "How long a session lives at most; no shorter than BODHI_SESSION_IDLE_TIMEOUT.",
        ),
    ]
    max_per_user: Annotated[
        int | None,
        Setting(
            names.BODHI_SESSION_MAX_PER_USER,
            kinds.whole_number(1, 1_000_000),
            None,
            "How many sessions a user may have: a login ends the oldest ones beyond. Unset, any number.",
        ),
    ]
    touch_seconds: Annotated[
        int,
        Setting(
            names.BODHI_SESSION_TOUCH_INTERVAL,
            kinds.seconds(1, 86_400),
            "60",
            "At most one write per session in this time to note that it is used; less than BODHI_SESSION_IDLE_TIMEOUT.",
        ),
    ]
    sweep_seconds: Annotated[
        int,
        Setting(
            names.BODHI_SESSION_SWEEP_INTERVAL,
            kinds.seconds(1, 86_400),
            "300",
            "Time between two removals of expired sessions.",
        ),
    ]
