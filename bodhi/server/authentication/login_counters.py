"""What the logins of one process went through, counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bodhi.errors import BodhiError
from bodhi.server.access.errors import api_error_of


@dataclass(slots=True)
class LoginCounters:
    """Counts since the process began."""

    logins: int = 0
    refused_logins: dict[str, int] = field(default_factory=dict)  # by the code of the refusal

    @contextmanager
    def login(self) -> Iterator[None]:
        """Inside, a login is completed: it is counted as what it came to."""
        try:
            yield
        except BodhiError as error:
            if (seen := api_error_of(error)) is not None:
                self.refused_logins[seen.code] = self.refused_logins.get(seen.code, 0) + 1
            raise
        self.logins += 1
