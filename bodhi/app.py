"""Deprecated: the names are in :mod:`bodhi.server.app`."""

import warnings

from bodhi.server.app import (
    application_database,
    application_database_faults,
    create_app,
    session_database,
    session_database_faults,
    session_service,
)

__all__ = [
    "application_database",
    "application_database_faults",
    "create_app",
    "session_database",
    "session_database_faults",
    "session_service",
]

warnings.warn("bodhi.app is deprecated: import from bodhi.server.app", DeprecationWarning, stacklevel=2)
