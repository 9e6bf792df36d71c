"""The runner: behaviour of aiohttp before and after the application, corrected."""

import asyncio
import json

import pytest
from aiohttp import ClientSession, WSMsgType, web

from bodhi.run import application
from bodhi.server.http.lifecycle import SHUTDOWN


async def answer_to(port, request):
    """Send raw data on a connection; return head and body of the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head, _, body = (await asyncio.wait_for(reader.read(), 300)).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return head, body


async def ended(reader):
    """Return whether the server closed the connection without further data."""
    return await asyncio.wait_for(reader.read(), 60) == b""


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"a" * 40_000),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: a=hunter2\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % b"".join(b"X-%d: 1\r\n" % number for number in range(200)),
        b"GET http://[::1/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["no HTTP", "TLS", "long path", "NUL", "bad length", "many headers", "bad address"],
)
async def test_malformed_request_has_the_envelope_and_the_headers(run_app, caplog, request_bytes):
    """Although aiohttp refuses it before anything of the application runs; the log repeats nothing of it."""
    caplog.set_level("INFO")
    _, port = await run_app()

    head, body = await answer_to(port, request_bytes)

    assert "400 Bad Request" in head.splitlines()[0]
    error = json.loads(body)["error"]
    assert ("invalid_request_error", "route_error-malformed_request") == (error["type"], error["code"])
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    assert ("bodhi", "nosniff") == (headers["Server"], headers["X-Content-Type-Options"])
    assert "default-src 'none'; frame-ancestors 'none'" == headers["Content-Security-Policy"]
    assert 32 == len(headers["X-Request-ID"])
    assert "hunter2" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    "path",
    ["/ping", "/nowhere", "/bodhi/v1/auth/callback", "/bodhi/v1/auth/backchannel-logout"],
)
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_undecodable_compressed_body_is_one_log_line(run_app, caplog, path, encoding):
    """Whether somebody wants to read it or not; anybody can send it."""
    caplog.set_level("INFO")
    _, port = await run_app()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: {encoding}\r\nContent-Length: 20\r\n\r\n"

    answer, _ = await answer_to(port, head.encode() + b"x" * 20)

    assert answer.splitlines()[0].split()[1] in ("400", "404", "405")
    assert 1 == caplog.messages.count("request body could not be read")
    assert not [record for record in caplog.records if record.exc_info]


async def test_unknown_expectation_has_the_envelope(run_app):
    """And is not repeated."""
    _, port = await run_app()

    request = b"GET /ping HTTP/1.1\r\nHost: localhost\r\nExpect: hunter2\r\nConnection: close\r\n\r\n"
    head, body = await answer_to(port, request)

    assert "417" in head.splitlines()[0]
    assert "route_error-expectation_failed" == json.loads(body)["error"]["code"]
    assert "hunter2" not in body


async def test_error_rendered_as_a_page_stays_a_page(run_app):
    """People read it in a browser."""
    _, port = await run_app()
    url, headers = f"http://127.0.0.1:{port}/ui/nothing", {"Accept": "text/html"}
    async with ClientSession() as http, http.get(url, headers=headers) as missing:
        assert (404, "text/html") == (missing.status, missing.content_type)
        assert "Page not found" in await missing.text()


async def test_failure_in_a_stream_is_logged_once(run_app, caplog):
    """With the traceback; the connection ends."""

    async def fails(request):
        response = web.StreamResponse()
        await response.prepare(request)
        raise ZeroDivisionError("division")

    _, port = await run_app(web.get("/fails", fails))

    head, body = await answer_to(port, b"GET /fails HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert ("HTTP/1.1 200 OK", "") == (head.splitlines()[0], body)
    [record] = [record for record in caplog.records if record.exc_info]
    assert "GET /fails failed" == record.message
    assert "ZeroDivisionError: division" in caplog.text


@pytest.mark.parametrize("in_stream", [False, True])
async def test_client_disconnect_is_not_logged_as_an_error(run_app, caplog, in_stream):
    """A line without a traceback, whether the answer had begun or not."""
    caplog.set_level("INFO")
    begun, over = asyncio.Event(), asyncio.Event()

    async def reads(request):
        begun.set()
        if in_stream:
            await web.StreamResponse().prepare(request)
        try:
            return web.Response(body=await request.read())
        finally:
            over.set()

    runner, port = await run_app(web.post("/", reads))
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n12")
    await begun.wait()
    writer.close()
    await writer.wait_closed()
    await over.wait()
    await runner.cleanup()

    assert "POST /: client disconnected" in caplog.text
    assert not [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"]


async def test_shutdown_lets_a_request_finish(run_app):
    """Its body still arrives, and its answer goes out; new connections are refused, idle ones closed."""
    begun = asyncio.Event()

    async def upload(request):
        begun.set()
        return web.json_response(len(await request.read()))

    runner, port = await run_app(web.post("/", upload))
    uploading, upload_writer = await asyncio.open_connection("127.0.0.1", port)
    upload_writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n12")
    idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
    idle_writer.write(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await idle.readuntil(b"}")).startswith(b"HTTP/1.1 200")
    silent, silent_writer = await asyncio.open_connection("127.0.0.1", port)
    await begun.wait()

    end = asyncio.create_task(runner.cleanup())
    assert await ended(idle)
    assert await ended(silent)
    assert runner.app[SHUTDOWN].is_draining
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    upload_writer.write(b"34")
    answer = await asyncio.wait_for(uploading.read(), 60)
    await end

    assert b"HTTP/1.1 200 OK" in answer
    assert b"Connection: close" in answer
    assert answer.endswith(b"\r\n\r\n4")
    for writer in (upload_writer, idle_writer, silent_writer):
        writer.close()
        await writer.wait_closed()


async def test_shutdown_closes_websockets_as_going_away(run_app):
    """At once: they would never end by themselves. Their handlers go on to their own end."""
    finished = asyncio.Event()

    async def chat(request):
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        async for _ in websocket:
            pass
        finished.set()
        return websocket

    runner, port = await run_app(web.get("/chat", chat), grace_seconds=600)
    async with ClientSession() as client, client.ws_connect(f"http://127.0.0.1:{port}/chat") as websocket:
        end = asyncio.create_task(runner.cleanup())
        message = await websocket.receive()
        await asyncio.wait_for(end, 60)

    assert (WSMsgType.CLOSE, 1001) == (message.type, message.data)
    assert finished.is_set()


async def test_shutdown_does_not_wait_for_a_silent_websocket(run_app, monkeypatch):
    """A peer that does not say goodbye has a moment."""
    monkeypatch.setattr("bodhi.server.http.lifecycle.CLOSE_SECONDS", 0.05)

    async def chat(request):
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        async for _ in websocket:
            pass
        return websocket

    runner, port = await run_app(web.get("/chat", chat), grace_seconds=600)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert b"101" in await reader.readline()

    await asyncio.wait_for(runner.cleanup(), 60)

    writer.close()
    await writer.wait_closed()


async def test_shutdown_cancels_requests_that_do_not_end(run_app, caplog):
    """A stream without an end is cancelled when the grace is over."""
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def stream(request):
        response = web.StreamResponse()
        await response.prepare(request)
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    runner, port = await run_app(web.get("/stream", stream), grace_seconds=0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await begun.wait()

    await asyncio.wait_for(runner.cleanup(), 60)

    assert b"HTTP/1.1 200 OK\r\n" == await reader.readline()
    assert cancelled.is_set()
    assert "1 connections closed: they did not end within 0.1 s" in caplog.text
    writer.close()
    await writer.wait_closed()


async def test_application_for_gunicorn_takes_its_settings_from_the_environment(monkeypatch, tmp_path):
    """Gunicorn's worker awaits it, sets up the runner it gets, and listens itself."""
    configured = []
    monkeypatch.setattr("bodhi.logs.configure", lambda *how: configured.append(how))
    monkeypatch.setenv("BODHI_HOME", str(tmp_path / "bodhi"))
    monkeypatch.setenv("BODHI_LOG_FORMAT", "json")

    runner = await application()
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with ClientSession() as client, client.get(f"http://127.0.0.1:{site.port}/health") as response:
        assert 200 == response.status
    await runner.cleanup()

    assert [("INFO", "json")] == configured
