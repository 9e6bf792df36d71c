"""The request keys of the session and its storage.

aiohttp-session 2.12 uses plain strings as request keys, which aiohttp 3.14 warns about; it looks them up by these two
module names at each use, so typed keys can replace them. This must run before the first request.
"""

import aiohttp_session
from aiohttp import web

SESSION = web.RequestKey("SESSION", aiohttp_session.Session)
STORAGE = web.RequestKey("STORAGE", aiohttp_session.AbstractStorage)

aiohttp_session.SESSION_KEY = SESSION  # type: ignore[assignment]
aiohttp_session.STORAGE_KEY = STORAGE  # type: ignore[assignment]
