"""The base of every error that bodhi raises on purpose."""

from collections.abc import Iterable


class BodhiError(Exception):
    """Something that bodhi expects to go wrong went wrong.

    A subclass's docstring is its default message, so that ``raise SessionGone`` says something.
    ``exit_status`` is what the command line ends with when nobody catches the error.
    """

    exit_status = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or type(self).__name__).strip().splitlines()[0])


class ConfigurationError(BodhiError):
    """The configuration is not usable.

    The message names the setting and the cause and holds no secret; several faults stand on a line each.
    ``warnings`` are what is odd besides, and may be the reason: a name that is misspelt sets nothing.
    """

    exit_status = 2

    def __init__(self, message: str | None = None, warnings: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.warnings = tuple(warnings)
        for warning in self.warnings:
            self.add_note(warning)  # for who sees the traceback alone, as under gunicorn
