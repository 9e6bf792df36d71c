"""The pages that every application under test has: enough of a site to log in, change, read and log out."""

from typing import Any

from aiohttp import web
from aiohttp_session import get_session

PAGES = web.RouteTableDef()


@PAGES.get("/plain")
async def plain(request: web.Request) -> web.Response:
    """A page that needs no session."""
    return web.Response(text="plain")


@PAGES.get("/read")
async def read(request: web.Request) -> web.Response:
    """What the session holds."""
    return web.json_response(dict(await get_session(request)))


@PAGES.post("/set")
async def set_keys(request: web.Request) -> web.Response:
    """Sets the keys of the JSON object in the body."""
    session = await get_session(request)
    session.update(await request.json())
    return web.Response()


@PAGES.post("/remove/{key}")
async def remove(request: web.Request) -> web.Response:
    """Removes one key."""
    session = await get_session(request)
    session.pop(request.match_info["key"], None)
    return web.Response()


@PAGES.post("/login/{user_id}")
async def login(request: web.Request) -> web.Response:
    """Makes the session a user's."""
    session = await get_session(request)
    session["user_id"] = request.match_info["user_id"]
    return web.Response()


@PAGES.post("/logout")
async def logout(request: web.Request) -> web.Response:
    """Ends the session."""
    session = await get_session(request)
    session.invalidate()
    return web.Response()


def cookie_of(response: Any) -> str | None:
    """The id that the response gives the browser; "" where it removes the cookie, None where it says nothing."""
    lines = set_cookies(response)
    assert len(lines) <= 1, "one Set-Cookie header at most"
    return lines[0].partition("=")[2].partition(";")[0].strip('"') if lines else None


def set_cookies(response: Any) -> list[str]:
    """The response's Set-Cookie headers, without those of the marker that says that there is a session."""
    return [line for line in response.headers.getall("Set-Cookie", []) if "_exists=" not in line]


def sent(cookie: str | None, name: str = "bodhiapp_session_id") -> dict[str, str]:
    """The request headers with which a browser sends the cookie."""
    return {"Cookie": f"{name}={cookie}"}
