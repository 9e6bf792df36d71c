"""The request keys of aiohttp-session: under which a request has its session and its storage.

They are plain strings, which aiohttp 3.14 warns about the first time that each is set in a process. The warning is
addressed to aiohttp-session, so it is dropped here; nothing of aiohttp-session itself changes.
"""

import warnings
from typing import Any

from aiohttp import web
from aiohttp_session import SESSION_KEY, STORAGE_KEY

__all__ = ["SESSION_KEY", "STORAGE_KEY"]


class _KeysOnly(web.BaseRequest):
    def __init__(self) -> None:
        # Not super().__init__(), which needs a connection.
        self._state: dict[Any, Any] = {}


with warnings.catch_warnings():
    warnings.simplefilter("ignore", web.NotAppKeyWarning)
    _KeysOnly().update({SESSION_KEY: None, STORAGE_KEY: None})
