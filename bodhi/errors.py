"""Base classes of all errors that bodhi raises on purpose."""

from collections.abc import Iterable


class BodhiError(Exception):
    """Base of all errors of bodhi.

    A subclass's docstring is its default message. ``exit_status`` is that of a command if the error is not caught.
    """

    exit_status = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or type(self).__name__).strip().splitlines()[0])


class ConfigurationError(BodhiError):
    """The configuration is not usable.

    The message names the setting and the cause, one fault per line, and contains no secret.
    ``warnings`` are what is odd besides, and may be the reason: a name that is misspelt sets nothing.
    """

    exit_status = 2

    def __init__(self, message: str | None = None, warnings: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.warnings = tuple(warnings)
        for warning in self.warnings:
            self.add_note(warning)  # for who sees the traceback alone, as under gunicorn
