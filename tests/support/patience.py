"""Time for databases on a busy machine: a test that gives no time limit is not about one."""

from bodhi.database import open_database
from bodhi.session import DefaultSessionService

SECONDS = 60.0
# As the program has it, for tests of what it says of its own defaults.
DEFAULT_SECONDS = 5.0


def be_patient() -> None:
    """Make the default time limit of databases *SECONDS* in this process."""
    for function in (open_database, DefaultSessionService.from_url):
        assert function.__kwdefaults__ is not None
        assert function.__kwdefaults__["limit_seconds"] in {DEFAULT_SECONDS, SECONDS}
        function.__kwdefaults__["limit_seconds"] = SECONDS
