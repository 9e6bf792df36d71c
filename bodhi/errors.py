"""The base of every error that bodhi raises on purpose."""


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
    """

    exit_status = 2
