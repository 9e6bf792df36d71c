"""The floors: the minimum work an aiohttp handler must do for the same response. bodhi is compared with them.

A session floor reads and writes 1 KB in bodhi's own table: cookie, SHA-256, one statement on an open connection,
AES-GCM, msgspec, a middleware and a signal that do nothing. It has none of bodhi's guarantees: no timeouts, checks,
merging, rotation or touches. The difference is bodhi's own cost, not that of aiohttp or a driver, so cryptography,
durability and headers must be the same as bodhi's.
"""

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import lru_cache
from hashlib import blake2b, sha256
from secrets import token_urlsafe

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.candidates import FLOORS, PING_FLOOR
from bench.floor_queries import Queries
from bench.session_data import KEY, session_data
from bench.sql_files import statements_of
from bodhi.keyring import KEPT_CIPHERS
from bodhi.session import DefaultSessionService

HEADERS = {"Cache-Control": "no-store", "Vary": "Cookie"}
DAY_MS = 86_400_000
NONCE_BYTES = 12
OPEN_SECONDS = 60.0  # a program under valgrind is some fifty times slower


@web.middleware
async def pass_through(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A middleware that does nothing."""
    return await handler(request)


async def do_nothing(_: web.Request, __: web.StreamResponse) -> None:
    """A signal handler that does nothing."""


async def open_floor(kind: str, url: str, stack: AsyncExitStack) -> Callable[[web.Application], None]:
    """Return a setup function that adds the floor's handlers to an application."""
    if kind == PING_FLOOR:
        return _add_ping
    dialect = next(dialect for dialect, kinds in FLOORS.items() if kind in kinds)
    async with DefaultSessionService.from_url(url, keys=[KEY], limit_seconds=OPEN_SECONDS):
        pass  # creates the tables
    if dialect == "postgres":
        from bench.floor_postgres import open_queries
    else:
        from bench.floor_sqlite import open_queries
    queries = await open_queries(url, stack, batched=kind.endswith("_batched"))
    return lambda app: _add_sessions(app, dialect, queries)


def _add_ping(app: web.Application) -> None:
    async def ping(_: web.Request) -> web.Response:
        return web.Response(text='{"message":"pong"}', content_type="application/json")

    app.middlewares.append(pass_through)
    app.router.add_get("/ping", ping)


def _add_sessions(app: web.Application, dialect: str, queries: Queries) -> None:
    columns = statements_of(dialect)["load_session"].columns
    digest_at, data_at, version_at = (columns.index(name) for name in ("digest", "data", "version"))
    secret = sha256(KEY.encode()).digest()

    @lru_cache(KEPT_CIPHERS)
    def cipher_of(digest: bytes) -> AESGCM:
        """Return the cipher of a row. Each row has its own key and ciphers are cached, as in bodhi."""
        return AESGCM(blake2b(digest, key=secret, digest_size=32).digest())

    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
    load, save = queries.load, queries.save

    async def seed(request: web.Request) -> web.Response:
        session_id = token_urlsafe(32)
        data = session_data(int(request.query["number"]))
        digest, nonce = sha256(session_id.encode()).digest(), os.urandom(NONCE_BYTES)
        encrypted = nonce + cipher_of(digest).encrypt(nonce, encode(data), digest)
        await queries.create((digest, 1, encrypted, data["user_id"], DAY_MS, DAY_MS, None))
        return web.Response(text="seeded", headers={"Set-Cookie": f"session={session_id}; Path=/"})

    async def read(request: web.Request) -> web.Response:
        row = await load((sha256(request.headers["Cookie"].partition("=")[2].encode()).digest(), None))
        assert row is not None
        encrypted = row[data_at]
        data = decode(
            cipher_of(row[digest_at]).decrypt(encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:], row[digest_at])
        )
        return web.Response(text=data["user_id"], headers=HEADERS)

    async def write(request: web.Request) -> web.Response:
        row = await load((sha256(request.headers["Cookie"].partition("=")[2].encode()).digest(), None))
        assert row is not None
        encrypted, digest = row[data_at], row[digest_at]
        cipher = cipher_of(digest)
        data = decode(cipher.decrypt(encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:], digest))
        data["visits"] += 1
        nonce = os.urandom(NONCE_BYTES)
        encrypted = nonce + cipher.encrypt(nonce, encode(data), digest)
        assert await save((digest, row[version_at], encrypted, data["user_id"], None)) is not None
        return web.Response(text=data["user_id"], headers=HEADERS)

    app.middlewares.append(pass_through)
    app.on_response_prepare.append(do_nothing)
    app.router.add_get("/seed", seed)
    app.router.add_get("/read", read)
    app.router.add_get("/write", write)
