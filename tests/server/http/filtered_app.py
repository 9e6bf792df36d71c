"""An application of middlewares only, and a client for malformed requests."""

import asyncio
import json

from aiohttp import web
from aiohttp.test_utils import TestServer

from bodhi.server.http import hosts
from bodhi.server.http.errors import error_middleware
from bodhi.server.http.forwarded import FORWARDED, client_of, forwarded_scheme
from bodhi.server.http.public_url import PublicUrl
from bodhi.server.http.request_filters import request_filter_middleware

PUBLIC = PublicUrl("https", "bodhi.example.org", 443)
LOCAL = PublicUrl("http", "localhost", 1135, is_explicit=False)


async def show_request(request):
    """Return the request as seen by a handler."""
    told = request.get(FORWARDED)
    return web.json_response(
        {
            "headers": [[name, value] for name, value in request.headers.items()],
            "raw": b"\n".join(name + b":" + value for name, value in request.raw_headers).decode("latin-1"),
            "path": request.path,
            "scheme": forwarded_scheme(request) or request.scheme,
            "host": told.host if told is not None and told.host is not None else request.host,
            "remote": client_of(request),
            "match": dict(request.match_info),
            "has_transport": request.transport is not None,
        }
    )


async def where(request):
    """Return the server's origin and the redirect URI."""
    return web.json_response([hosts.origin_for(request), hosts.callback_base(request)])


def edge(*middlewares, guards=(), public=LOCAL):
    """Return an application with the error middleware, these *middlewares*, and *guards* inside."""
    app = web.Application(middlewares=[error_middleware, *middlewares])
    app[hosts.PUBLIC_URL] = public
    if guards:
        app.middlewares.append(request_filter_middleware(guards))
    for path in ("/", "/ping", "/health", "/where/{name}"):
        app.router.add_route("*", path, where if path.startswith("/where") else show_request)
    return app


async def send(app, *head, body=b""):
    """Status, headers (names in lower case) and body of the answer to a request, whose lines are sent as they are."""
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        lines = [line if isinstance(line, bytes) else line.encode() for line in (*head, "Connection: close", "", "")]
        writer.write(b"\r\n".join(lines) + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    top, _, content = answer.partition(b"\r\n\r\n")
    status_line, *header_lines = top.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in header_lines)}
    is_json = headers.get("content-type", "").startswith("application/json") and content
    return int(status_line.split()[1]), headers, json.loads(content) if is_json else content


def code_of(answer):
    """Status and error code."""
    status, _, body = answer
    return status, body["error"]["code"]
