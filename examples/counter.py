"""A page that counts your visits, on http://localhost:8080. To run it:

    export BODHI_ENCRYPTION_KEY=$(python -m bodhi config generate-key)
    python examples/counter.py

Keep the key: sessions can be read with the same one only, after a restart as well. BODHI_SESSION_DB_URL names the
database, by default the SQLite file counter.sqlite.
"""

import os

from aiohttp import web
from aiohttp_session import get_session

from bodhi.session import DefaultSessionService, setup


async def count(request: web.Request) -> web.Response:
    session = await get_session(request)
    session["visits"] = session.get("visits", 0) + 1
    return web.Response(text=f"Visit {session['visits']}\n")


url, keys = os.environ.get("BODHI_SESSION_DB_URL", "sqlite:counter.sqlite"), os.environ["BODHI_ENCRYPTION_KEY"]
app = web.Application()
app.router.add_get("/", count)
setup(app, DefaultSessionService.from_url(url, keys=keys.split(",")))
web.run_app(app, host=os.environ.get("BODHI_HOST", "localhost"), port=int(os.environ.get("BODHI_PORT", "8080")))
