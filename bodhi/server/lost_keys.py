"""Check at startup that the configured keys decrypt the stored sessions, and warn early if they do not."""

import logging

from bodhi.errors import BodhiError
from bodhi.session import DefaultSessionService, SessionUnavailable
from bodhi.settings import BODHI_ENCRYPTION_KEY, Settings

SAMPLE = 20  # sessions; digests are random, so the first ones are a random sample

log = logging.getLogger(__name__)


async def warn_of_lost_keys(service: DefaultSessionService, settings: Settings) -> None:
    """Log a warning if there are sessions but none of the sampled ones decrypts with the configured keys."""
    try:
        counts = await service.sample_keys(SAMPLE)
    except BodhiError as error:
        # Not a reason to refuse the start: requests report the database error themselves.
        cause = error.__cause__ if isinstance(error, SessionUnavailable) and error.__cause__ else error
        log.warning("whether the keys open the stored sessions could not be looked at: %s", cause)
        return
    if counts["unknown"] and not counts["newest"] + counts["older_format"] + counts["older"]:
        log.warning(
            "NO STORED SESSION OPENS: all %d that were looked at are encrypted with a key that is not in %s (%s), and"
            " whose they are is logged out; unless that key was dropped on purpose, put it back, behind the first one"
            " if that is to stay, and start again (docs/how-to/rotate-keys.md, a key was dropped too early)",
            counts["unknown"],
            BODHI_ENCRYPTION_KEY,
            settings.sources.get(BODHI_ENCRYPTION_KEY, "default"),
        )
