"""The server process of the whole application, with additional handlers, with and without a gate.

Run as ``python -m bench.whole_application FOLDER [--url URL] [--behind-proxy] [--core N]``. It writes the headers of
seeded logins and API tokens into the folder, prints its port when it is ready, and exits when its standard input
closes.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import uvloop
from aiohttp import web

from bench.logins import CLIENT_ID, access_token, login_of
from bodhi.run.process import settle_heap
from bodhi.run.runner import Runner
from bodhi.server.access.gate import USER
from bodhi.server.access.instance import INSTANCES
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.scopes import Role, TokenScope
from bodhi.server.app import create_app
from bodhi.server.authentication.guard import routes_of
from bodhi.server.authentication.login_data import USER_ID
from bodhi.server.http.operations import PUBLIC, Operation
from bodhi.server.tokens.service import API_TOKENS
from bodhi.session import SESSIONS, get_session
from bodhi.settings import load_settings

CALLERS = 500
ADMINISTRATOR = "administrator"


async def with_session(request: web.Request) -> web.Response:
    """Read the session, as a page that greets the user does."""
    session = await get_session(request)
    return web.Response(text=session[USER_ID])


async def with_change(request: web.Request) -> web.Response:
    """Change the session."""
    session = await get_session(request)
    session["visits"] = session.get("visits", 0) + 1
    return web.Response(text=session[USER_ID])


async def without_session(_: web.Request) -> web.Response:
    """Answer without a session, as to API clients."""
    return web.Response(text="user")


OPERATIONS = (
    Operation("GET", "/session/open", with_session, PUBLIC, "no gate"),
    Operation("GET", "/session/changed", with_change, PUBLIC, "no gate, and a save"),
    Operation("GET", "/session/gated", with_session, USER, "a gate"),
    Operation("GET", "/token/open", without_session, PUBLIC, "no gate"),
    Operation("GET", "/token/gated", without_session, USER, "a gate"),
)


async def seed(app: web.Application, folder: Path, *, callers: int = CALLERS) -> None:
    """Create logins and API tokens of *callers* users, and an administrator; write their headers into *folder*."""
    # The database of the API tokens.
    profiles = Profiles(app[INSTANCES]._database)
    cookies, tokens = [], []
    for number in range(callers):
        user_id = f"user-{number:06}"
        session_id, _ = await app[SESSIONS].create(login_of(user_id))
        cookies.append(f"Cookie: {app[SESSIONS].cookie.full_name}={session_id}")
        await profiles.note(user_id, user_id, Role.POWER_USER)
        owner = SessionUser(user_id, user_id, Role.POWER_USER, access_token(user_id))
        created = await app[API_TOKENS].create(owner, scope=TokenScope.USER)
        tokens.append(f"Authorization: Bearer {created.token}")
    administrator, _ = await app[SESSIONS].create(login_of(ADMINISTRATOR, Role.ADMIN))
    await profiles.note(ADMINISTRATOR, ADMINISTRATOR, Role.ADMIN)
    (folder / "admin.headers").write_text(f"Cookie: {app[SESSIONS].cookie.full_name}={administrator}\n")
    (folder / "session.headers").write_text("".join(f"{line}\n" for line in cookies))
    (folder / "token.headers").write_text("".join(f"{line}\n" for line in tokens))


def create_application(folder: Path, url: str | None, *, behind_proxy: bool) -> web.Application:
    """Return the application on the database of *url*, by default on SQLite in *folder*."""
    environ = {
        "BODHI_HOME": str(folder),
        "BODHI_AUTH_ISSUER": "http://127.0.0.1:9/realms/nobody",
        "BODHI_CLIENT_ID": CLIENT_ID,
        "BODHI_CLIENT_SECRET": "never sent anywhere",
        **({"BODHI_TRUSTED_PROXIES": "127.0.0.0/8"} if behind_proxy else {}),
        **({"BODHI_SESSION_DB_URL": url, "BODHI_DATABASE_URL": url} if url else {}),
    }
    app = create_app(load_settings(environ=environ, cwd=folder))
    app.add_routes(routes_of(OPERATIONS))
    return app


async def serve(folder: Path, url: str | None, *, behind_proxy: bool) -> None:
    """Serve until standard input ends."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    app = create_application(folder, url, behind_proxy=behind_proxy)
    runner = Runner(app, grace_seconds=1)
    await runner.setup()
    try:
        await seed(app, folder)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        settle_heap()
        print(runner.addresses[0][1], flush=True)
        await ended.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url")
    parser.add_argument("--behind-proxy", action="store_true", help="trust proxies on this machine")
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    if options.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:  # as `serve` chooses
        loop.run(serve(options.folder, options.url, behind_proxy=options.behind_proxy))


if __name__ == "__main__":
    main()
