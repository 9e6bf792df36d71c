"""Base classes of all errors that bodhi raises on purpose."""

from collections.abc import Iterable


class BodhiError(Exception):
    """Base of all errors of bodhi.

    A subclass's docstring is its default message. ``exit_status`` is that of a command if the error is not caught.
    """

    exit_status = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default_message())

    @classmethod
    def default_message(cls) -> str:
        """Return the first line of the class's docstring."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0]


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


def root_cause(error: BaseException) -> str:
    """Return why *error* happened, in one line that is never empty, from the errors that it was raised from.

    An error of bodhi that says only what its class says gives way to its cause, and one without a text is named.
    """
    lines, cause = str(error).strip().splitlines(), error.__cause__
    if cause is not None and isinstance(error, BodhiError) and str(error) == error.default_message():
        return root_cause(cause)
    if lines:
        return lines[0]
    return type(error).__name__ + ("" if cause is None else f": {root_cause(cause)}")
