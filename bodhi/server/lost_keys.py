"""Whether the keys that are set open what is stored: told at start, for nobody would look for it before it hurts."""

import logging

from bodhi.errors import BodhiError
from bodhi.session import DefaultSessionService, SessionUnavailable
from bodhi.settings import BODHI_ENCRYPTION_KEY, Settings

SAMPLE = 20  # sessions; digests are random, so that the first of them are anybody's

log = logging.getLogger(__name__)


async def warn_of_lost_keys(service: DefaultSessionService, settings: Settings) -> None:
    """A warning in the log if there are sessions, and none of those that are looked at opens under the keys set."""
    try:
        found = await service.sample_keys(SAMPLE)
    except BodhiError as error:
        # No reason not to start: requests find out by themselves what is wrong.
        cause = error.__cause__ if isinstance(error, SessionUnavailable) and error.__cause__ else error
        log.warning("whether the keys open the stored sessions could not be looked at: %s", cause)
        return
    if found["unknown"] and not found["newest"] + found["older_format"] + found["older"]:
        log.warning(
            "NO STORED SESSION OPENS: all %d that were looked at are encrypted with a key that is not in %s (%s), and"
            " whose they are is logged out; unless that key was dropped on purpose, put it back, behind the first one"
            " if that is to stay, and start again (docs/how-to/rotate-keys.md, a key was dropped too early)",
            found["unknown"],
            BODHI_ENCRYPTION_KEY,
            settings.sources.get(BODHI_ENCRYPTION_KEY, "default"),
        )
