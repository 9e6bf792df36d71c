"""What the shop does with a session: every way in which an aiohttp handler can read or change one."""

import asyncio
from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

from aiohttp import WSCloseCode, web

import pages
from bodhi.session import get_session

PRICES = {"Tea": 450, "Cake": 380, "Honey": 720}  # cents

PACKING_SECONDS = web.AppKey("PACKING_SECONDS", float)
SOCKETS = web.AppKey("SOCKETS", WeakSet[web.WebSocketResponse])

routes = web.RouteTableDef()


def key_of(article: str) -> str:
    """Where a session keeps an article.

    Each has a top-level key of its own: when two tabs add different articles at once, both are kept, since sessions
    are merged by top-level key. In one big `session["cart"]` the later of the two would win.
    """
    return f"cart:{article}"


def quantities(session: Mapping[str, Any]) -> dict[str, int]:
    """What is in the cart."""
    return {article: session[key_of(article)]["quantity"] for article in PRICES if key_of(article) in session}


async def article_of(request: web.Request) -> str:
    """The article that a form names."""
    article = (await request.post()).get("article")
    if article not in PRICES:
        raise web.HTTPBadRequest(text="The shop has no such article.")
    return str(article)


@routes.get("/")
async def show(request: web.Request) -> web.Response:
    """Reading writes nothing; whoever never put anything in the cart has no session and no cookie."""
    session = await get_session(request)
    page = pages.shop(session.get("user_id"), PRICES, quantities(session), session.get("sent", 0))
    return web.Response(text=page, content_type="text/html")


@routes.post("/add")
async def add(request: web.Request) -> web.Response:
    """A change inside a nested value is kept like any other."""
    session = await get_session(request)
    item = session.setdefault(key_of(await article_of(request)), {"quantity": 0})
    item["quantity"] = min(item["quantity"] + 1, 99)
    raise web.HTTPSeeOther("/")  # raised or returned: the session is saved


@routes.post("/remove")
async def remove(request: web.Request) -> web.Response:
    """The last one of its kind takes the key with it."""
    session = await get_session(request)
    key = key_of(await article_of(request))
    if key in session:
        session[key]["quantity"] -= 1
        if not session[key]["quantity"]:
            del session[key]
    raise web.HTTPSeeOther("/")


@routes.post("/login")
async def log_in(request: web.Request) -> web.Response:
    """A new `user_id` moves the session to a new id: who knew the old one does not get in. The cart comes along."""
    name = str((await request.post()).get("name", "")).strip()
    if not (0 < len(name) <= 40 and name.isprintable()):
        raise web.HTTPBadRequest(text="A name has 1 to 40 characters.")
    session = await get_session(request)
    session["user_id"] = name  # a real shop asks for more than a name
    raise web.HTTPSeeOther("/")


@routes.post("/logout")
async def log_out(request: web.Request) -> web.Response:
    """The session ends, here and in every tab; no request that is still under way can bring it back."""
    session = await get_session(request)
    session.invalidate()
    raise web.HTTPSeeOther("/")


@routes.post("/checkout")
async def check_out(request: web.Request) -> web.StreamResponse:
    """A page that is sent bit by bit. What it says is packed is saved: also if the connection breaks after that."""
    session = await get_session(request)
    if not quantities(session):
        raise web.HTTPSeeOther("/")
    response = web.StreamResponse()
    response.content_type = "text/html"
    response.charset = "utf-8"
    await response.prepare(request)
    await response.write(pages.packing().encode())
    for article, quantity in quantities(session).items():
        del session[key_of(article)]
        session["sent"] = session.get("sent", 0) + quantity
        await session.save()
        await response.write(pages.packed(article, quantity).encode())
        await asyncio.sleep(request.app[PACKING_SECONDS])
    await response.write(pages.packed_all().encode())
    return response


@routes.get("/socket")
async def answer(request: web.Request) -> web.WebSocketResponse:
    """A websocket for programs: send an article's name, get its quantity. The session is the one of the handshake."""
    session = await get_session(request)
    socket = web.WebSocketResponse(heartbeat=30)
    await socket.prepare(request)
    request.app[SOCKETS].add(socket)
    await socket.send_json({"user": session.get("user_id"), "cart": quantities(session)})
    async with session.until_revoked(socket):  # a logout closes it, on whichever node
        async for message in socket:
            await socket.send_json({"article": message.data, "quantity": quantities(session).get(message.data, 0)})
    return socket


async def close_sockets(app: web.Application) -> None:
    """Otherwise an open websocket would hold up the end of the process."""
    for socket in set(app[SOCKETS]):
        await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the shop closes")
