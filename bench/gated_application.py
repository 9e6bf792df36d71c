"""The server process whose gates are measured: the whole application, with one handler behind a gate and before none.

Run as ``python -m bench.gated_application FOLDER [--core N]``: it writes the headers of seeded logins and API tokens
into the folder, prints its port when it answers, and ends with its standard input.
"""

import argparse
import asyncio
import base64
import json
import os
import sys
import time
from pathlib import Path

from aiohttp import web

from bodhi.app import create_app
from bodhi.auth.context import SessionUser
from bodhi.auth.gate import USER
from bodhi.auth.people import People
from bodhi.auth.scopes import Role, TokenScope
from bodhi.auth.session_login import ACCESS_TOKEN, REFRESH_TOKEN, USER_ID
from bodhi.server.runner import Runner
from bodhi.session import SESSIONS, get_session
from bodhi.settings import load_settings
from bodhi.web.guard import routes_of
from bodhi.web.operations import PUBLIC, Operation
from bodhi.web.services import API_TOKENS, INSTANCES

CLIENT_ID = "bodhi"
CALLERS = 500
FILLING = "x" * 400  # access tokens are a kilobyte or so


async def with_session(request: web.Request) -> web.Response:
    """What a page does that greets its visitor."""
    session = await get_session(request)
    return web.Response(text=session[USER_ID])


async def without_session(_: web.Request) -> web.Response:
    """What a program is answered."""
    return web.Response(text="user")


OPERATIONS = (
    Operation("GET", "/session/open", with_session, PUBLIC, "no gate"),
    Operation("GET", "/session/gated", with_session, USER, "a gate"),
    Operation("GET", "/token/open", without_session, PUBLIC, "no gate"),
    Operation("GET", "/token/gated", without_session, USER, "a gate"),
)


def access_token(user_id: str) -> str:
    """A token as a provider would give it, but for the signature: the session's own is not verified again."""
    claims = {
        "sub": user_id,
        "exp": int(time.time()) + 86_400,
        "preferred_username": user_id,
        "resource_access": {CLIENT_ID: {"roles": [str(Role.POWER_USER)]}},
        "filling": FILLING,
    }
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJSUzI1NiJ9.{payload}.{'s' * 342}"


async def seed(app: web.Application, folder: Path) -> None:
    """Logins and API tokens; their headers go into *folder*."""
    # The same database that the API tokens are in.
    people = People(app[INSTANCES]._database)
    cookies, tokens = [], []
    for number in range(CALLERS):
        user_id = f"user-{number:06}"
        token = access_token(user_id)
        data = {USER_ID: user_id, ACCESS_TOKEN: token, REFRESH_TOKEN: "r" * 40}
        session_id, _ = await app[SESSIONS].create(data)
        cookies.append(f"Cookie: {app[SESSIONS].cookie.full_name}={session_id}")
        await people.note(user_id, user_id, Role.POWER_USER)
        owner = SessionUser(user_id, user_id, Role.POWER_USER, token)
        made = await app[API_TOKENS].create(owner, scope=TokenScope.USER)
        tokens.append(f"Authorization: Bearer {made.token}")
    (folder / "session.headers").write_text("".join(f"{line}\n" for line in cookies))
    (folder / "token.headers").write_text("".join(f"{line}\n" for line in tokens))


async def serve(folder: Path) -> None:
    """Serve until standard input ends."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    environ = {
        "BODHI_HOME": str(folder),
        "BODHI_AUTH_ISSUER": "http://127.0.0.1:9/realms/nobody",
        "BODHI_CLIENT_ID": CLIENT_ID,
        "BODHI_CLIENT_SECRET": "never sent anywhere",
    }
    app = create_app(load_settings(environ=environ, cwd=folder))
    app.add_routes(routes_of(OPERATIONS))
    runner = Runner(app, grace_seconds=1)
    await runner.setup()
    try:
        await seed(app, folder)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await ended.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    if options.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    asyncio.run(serve(options.folder))


if __name__ == "__main__":
    main()
