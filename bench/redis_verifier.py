"""The reference for bodhi's ``verify``: a login as oauth2-proxy stores it, in aiohttp-session's RedisStorage.

oauth2-proxy stores logins encrypted in Redis, and answers ``/oauth2/auth`` with 202 and the user in headers. This
handler decrypts with AES-GCM, as bodhi does, which is faster than the Fernet of aiohttp-session's cookies.
"""

import base64
import json
import os
import time
from typing import Any

from aiohttp import web
from aiohttp_session import get_session, new_session
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.logins import login_of
from bodhi.server.authentication.login_data import EXPIRES_AT, ID_CLAIMS, USER_ID

NONCE_BYTES = 12
CIPHER = AESGCM(AESGCM.generate_key(256))


def add_handlers(app: web.Application) -> None:
    """Add ``/seed`` and ``/verify``."""
    app.router.add_get("/seed", _seed)
    app.router.add_get("/verify", _verify)


async def _seed(request: web.Request) -> web.Response:
    session = await new_session(request)
    session["login"] = _encrypt(login_of(f"user-{int(request.query['number']):06}"))
    return web.Response(text="seeded")


async def _verify(request: web.Request) -> web.Response:
    session = await get_session(request)
    login = _decrypt(session["login"]) if "login" in session else None
    if login is None or login[EXPIRES_AT] <= time.time():
        return web.Response(status=401)
    claims = login[ID_CLAIMS]
    headers = {
        "X-Auth-Request-User": login[USER_ID],
        "X-Auth-Request-Email": claims["email"],
        "X-Auth-Request-Preferred-Username": claims["preferred_username"],
    }
    return web.Response(status=202, headers=headers)


def _encrypt(login: dict[str, Any]) -> str:
    nonce = os.urandom(NONCE_BYTES)
    return base64.b64encode(nonce + CIPHER.encrypt(nonce, json.dumps(login).encode(), None)).decode()


def _decrypt(text: str) -> dict[str, Any]:
    data = base64.b64decode(text)
    login: dict[str, Any] = json.loads(CIPHER.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], None))
    return login
