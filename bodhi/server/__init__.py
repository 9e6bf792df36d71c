"""The server: HTTP, access control, and one package for each feature."""

import warnings
from importlib import import_module
from typing import Any

_MOVED = ("application", "serve")  # to bodhi.run, which is above this package


def __getattr__(name: str) -> Any:
    if name in _MOVED:
        warnings.warn(
            f"bodhi.server.{name} is deprecated: use bodhi.run.{name}, as in `gunicorn bodhi.run:application`",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(import_module("bodhi.run"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
