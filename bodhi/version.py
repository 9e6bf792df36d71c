"""The version of the installed program."""

from functools import cache


@cache
def program_version() -> str:
    """The version, or ``unknown`` in a checkout that is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # here, for it takes a while

    try:
        return version("bodhi")
    except PackageNotFoundError:
        return "unknown"
