"""Long timeouts of databases and providers for busy machines, in tests without a time limit of their own."""

from hypothesis import HealthCheck, settings

from bodhi.database import open_database
from bodhi.session import DefaultSessionService

SECONDS = 60.0
# The program's default, for tests of its documented defaults.
DEFAULT_SECONDS = 5.0
# The same for a server that is configured by its environment.
PATIENT_ENVIRON = {"BODHI_DB_TIMEOUT": f"{SECONDS:.0f}", "BODHI_AUTH_TIMEOUT": f"{SECONDS:.0f}"}


def be_patient() -> None:
    """Make the default time limit of databases *SECONDS* in this process, and give generated examples any time."""
    for function in (open_database, DefaultSessionService.from_url):
        assert function.__kwdefaults__ is not None
        assert function.__kwdefaults__["limit_seconds"] in {DEFAULT_SECONDS, SECONDS}
        function.__kwdefaults__["limit_seconds"] = SECONDS
    # The working directory, where examples would be stored, goes away with the test.
    settings.register_profile("patient", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")
