"""Server-side sessions and logins for aiohttp, in SQLite or PostgreSQL."""

__version__: str


def __getattr__(name: str) -> str:
    # Read on first access: importlib.metadata takes longer to import than all of bodhi.session.
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("bodhi-sessions")
    except PackageNotFoundError:
        found = "unknown"  # a checkout that is not installed
    globals()["__version__"] = found
    return found
