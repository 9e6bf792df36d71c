"""Counters of completed and refused logins."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bodhi.errors import BodhiError
from bodhi.server.access.errors import api_error_of


@dataclass(slots=True)
class LoginCounters:
    """Counts since the start of the process."""

    logins: int = 0
    refused_logins: dict[str, int] = field(default_factory=dict)  # by error code

    @contextmanager
    def login(self) -> Iterator[None]:
        """Count the login completed in the block, or its error."""
        try:
            yield
        except BodhiError as error:
            if (api_error := api_error_of(error)) is not None:
                self.refused_logins[api_error.code] = self.refused_logins.get(api_error.code, 0) + 1
            raise
        self.logins += 1
