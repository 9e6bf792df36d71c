"""Incomplete requests block no other clients: requests have deadlines, idle connections are closed."""

import asyncio
import errno
import http.client
import os
import resource
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp import ClientSession, WSMsgType, web

from bodhi.run import connections
from bodhi.run.connections import DEFAULT_LIMITS, Limits, raise_file_limit
from database.loop_clock import LoopClock

PROGRAM = (str(Path(__file__).with_name("limited_files.py")),)
HALF_REQUESTS = 1_200
FILES = 1_024
DEADLINE_SECONDS = 300
WHOLE = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /upload HTTP/1.1\r\nHost: localhost\r\n"
HALVES = {
    "nothing": b"",
    "half a head": b"GET /ping HTTP/1.1\r\nHost: localhost\r\nX-Half: ",
    "half a body": POST + b"Content-Length: 99\r\n\r\nhalf",
    "half a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf",
}
# What comes after a request that was answered, and what looks like much but is no whole request.
FURTHER = {
    "half a further head": WHOLE + HALVES["half a head"],
    "half a further body": WHOLE + HALVES["half a body"],
    "many header lines": b"GET /ping HTTP/1.1\r\nHost: localhost\r\n" + b"X-Line: 1\r\n" * 100,
}


@pytest.fixture
def sockets():
    """Opens any number of local connections, and closes them after the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, HALF_REQUESTS + 500)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.fail(f"this test opens {wanted} files and may open {hard}: raise the hard limit (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    with ExitStack() as stack:

        def connect(port, first=b""):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS))
            connection.sendall(first)
            return connection

        connect.close = stack.close  # type: ignore[attr-defined]
        yield connect
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def status_of(port, path="/ping"):
    """Return the status of a request on a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("half", "settings"),
    [
        ("half a head", {"TEST_LOOP": "asyncio"}),
        ("half a head", {"TEST_LOOP": "uvloop"}),
        ("half a head", {"BODHI_WORKERS": "2", "TEST_FILES": "512"}),
        ("nothing", {}),
        ("half a body", {}),
        ("half a chunk", {"TEST_LOOP": "asyncio"}),
        ("half a further head", {}),
        ("half a further body", {"TEST_LOOP": "asyncio"}),
        ("many header lines", {}),
    ],
)
def test_incomplete_requests_do_not_block_others(serve, database_url, sockets, half, settings):
    """More of them than there may be open files: others are answered all the time, and the log stays short."""
    server = serve(program=PROGRAM, BODHI_SESSION_DB_URL=database_url, **{"TEST_FILES": str(FILES), **settings})

    for number in range(HALF_REQUESTS):
        sockets(server.port, (HALVES | FURTHER)[half])
        if number % 100 == 0:
            assert (200, 200) == (status_of(server.port), status_of(server.port, "/health"))
    assert (200, 200) == (status_of(server.port), status_of(server.port, "/health"))
    sockets.close()
    assert (200, 200) == (status_of(server.port), status_of(server.port, "/health"))

    assert 0 == server.stop()
    told = [line for line in server.stderr.splitlines() if "connections are open (BODHI_MAX_CONNECTIONS)" in line]
    assert 1 <= len(told) <= int(settings.get("BODHI_WORKERS", 1))
    assert "Traceback" not in server.stderr
    assert len([line for line in server.stderr.splitlines() if "GET /" not in line and "POST /" not in line]) < 20


def test_incomplete_requests_to_the_metrics_port_do_not_block_others(serve, sockets):
    """Its port has few connections, and the same manners."""
    server = serve(program=PROGRAM, TEST_FILES=str(FILES), BODHI_METRICS_PORT="0")
    port = int(server.stderr.partition("metrics are on http://localhost:")[2].partition("/")[0])

    for _ in range(200):
        sockets(port, HALVES["half a head"])

    assert 200 == status_of(port, "/metrics")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_soft_limit_of_open_files_is_raised(serve, workers):
    """As far as the connections need it and the hard limit allows."""
    server = serve(program=PROGRAM, TEST_FILES="256,4096", BODHI_WORKERS=workers)

    pids = [worker.pid for worker in server.workers()] or [server.popen.pid]
    assert {(4096, 4096)} == {resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids}
    assert "at most 3820 connections (BODHI_MAX_CONNECTIONS): open files are limited to 4096" in server.stderr


@pytest.mark.parametrize(
    ("soft", "hard", "raised_to", "connections_possible"),
    [
        (1_024, 1_048_576, 1_100, 1_000),
        (1_024, resource.RLIM_INFINITY, 1_100, 1_000),
        (1_024, 1_050, 1_050, 950),
        (64, 64, 64, 32),
        (5_000, 5_000, 5_000, 1_000),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, resource.RLIM_INFINITY, 1_000),
    ],
)
def test_connection_limit_leaves_room_for_other_files(monkeypatch, soft, hard, raised_to, connections_possible):
    """1,000 of them beside 100 files; where the limit is low, half of it."""
    limit = [soft, hard]
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limit))
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limit.__setitem__(slice(None), wanted))

    assert connections_possible == raise_file_limit(1_000, 100)
    assert [raised_to, hard] == limit


def test_refused_raise_of_the_file_limit_is_no_error(monkeypatch):
    """Such as macOS, whose hard limit is beyond what the kernel grants."""

    def refuse(*_):
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)

    assert 156 == raise_file_limit(1_000, 100)


def test_the_defaults_are_those_of_the_settings(make_settings, monkeypatch):
    """For runners that get no limits."""
    monkeypatch.setattr(connections, "raise_file_limit", lambda wanted, _: wanted)

    assert DEFAULT_LIMITS == Limits.of(make_settings())


# In this process, where it can be seen which connection is closed.


async def upload(request):
    """Return the length of the body."""
    return web.Response(text=str(len(await request.read())))


@pytest.fixture
async def open_to():
    """Opens connections to a port, sends data on them, and closes them after the test."""
    writers = []

    async def open_to(port, first=b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        writer.write(first)
        return reader, writer

    yield open_to
    for writer in writers:
        writer.transport.abort()


async def wait_for_response(reader):
    """Wait for the response to WHOLE."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert b"HTTP/1.1 200 OK\r\n" == await reader.readline()
        while not (await reader.readline()).startswith(b"Content-Length:"):
            pass
        await reader.readuntil(b"}")


async def closed(reader):
    """Wait until the server closes the connection without a response."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        try:
            return b"" == await reader.read()
        except ConnectionError:  # where something was sent after it
            return True


async def until(condition):
    """Wait for what the server does next."""
    for _ in range(DEADLINE_SECONDS * 100):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come to that")


@pytest.mark.parametrize("half", HALVES)
async def test_a_request_that_does_not_arrive_in_time_is_closed(run_app, open_to, caplog, half):
    """Whichever part of it is missing; one log line tells of all."""
    caplog.set_level("INFO")
    uploads = []

    async def upload(request):
        uploads.append(request)
        return web.Response(text=str(len(await request.read())))

    runner, port = await run_app(web.post("/upload", upload))
    has_head = half in ("half a body", "half a chunk")
    limit = DEFAULT_LIMITS.body_seconds if has_head else DEFAULT_LIMITS.head_seconds
    readers = [(await open_to(port, HALVES[half]))[0] for _ in range(3)]
    await until(lambda: runner.server.open == 3 and (len(uploads) == 3 or not has_head))
    clock = LoopClock()

    await clock.move(limit - 10)
    assert 3 == runner.server.open
    await clock.move(11)
    await until(lambda: runner.server.open == 0)

    assert all([await closed(reader) for reader in readers])
    told = [line for line in caplog.messages if "did not arrive in time" in line]
    assert ["closed 1 connections whose request did not arrive in time"] == [line.partition(" (")[0] for line in told]
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    ("first", "limit"),
    [
        (HALVES["half a head"], DEFAULT_LIMITS.head_seconds),
        (WHOLE + HALVES["half a head"], DEFAULT_LIMITS.head_seconds),
        (HALVES["half a body"], DEFAULT_LIMITS.body_seconds),
    ],
    ids=["head", "head behind another request", "body"],
)
async def test_a_request_that_arrives_byte_by_byte_is_closed(run_app, open_to, first, limit):
    """The time is for all of it, and begins anew for no byte."""
    runner, port = await run_app(web.post("/upload", upload))
    reader, writer = await open_to(port, first)
    if first.startswith(WHOLE):
        await wait_for_response(reader)
    await until(lambda: runner.server.open == 1)
    clock = LoopClock()

    for _ in range(int(limit) + 5):
        writer.write(b"x")
        await clock.move(1)

    await until(lambda: runner.server.open == 0)
    assert await closed(reader)


async def test_each_request_of_a_connection_has_its_own_deadline(run_app, open_to):
    """A connection that is kept alive may wait for longer than a head may take, until the next one begins."""
    runner, port = await run_app()
    kept, writer = await open_to(port, WHOLE)
    await wait_for_response(kept)
    clock = LoopClock()

    await clock.move(DEFAULT_LIMITS.head_seconds * 10)
    writer.write(WHOLE)
    await wait_for_response(kept)
    (connection,) = runner.server.connections
    writer.write(HALVES["half a head"])
    await until(lambda: connection.rank)
    await clock.move(DEFAULT_LIMITS.head_seconds + 1)

    assert await closed(kept)


@pytest.mark.parametrize(
    ("length", "body"),
    [(b"Content-Length: 4\r\n", b"full"), (b"Transfer-Encoding: chunked\r\n", b"4\r\nfull\r\n0\r\n\r\n")],
    ids=["of a length", "in chunks"],
)
async def test_a_handler_may_take_longer_than_a_request(run_app, open_to, length, body):
    """Once the body has arrived, which it reads at its end only."""
    begun, late = asyncio.Event(), asyncio.Event()

    async def upload(request):
        begun.set()
        await late.wait()
        return web.Response(text=f"{{{len(await request.read())}}}")

    runner, port = await run_app(web.post("/upload", upload))
    reader, writer = await open_to(port, POST + length + b"\r\n" + body[:1])
    await begun.wait()
    writer.write(body[1:])
    (connection,) = runner.server.connections
    await until(lambda: connection.rank is None)
    clock = LoopClock()

    await clock.move(DEFAULT_LIMITS.body_seconds * 10)
    assert 1 == runner.server.open
    late.set()

    await wait_for_response(reader)


async def test_connection_whose_response_is_still_being_sent_is_not_closed(run_app, open_to):
    """Its handler is done, and the client has not read the response yet; once it has, the connection may go."""
    part, served = b"x" * 32_768, []  # less than what makes a handler wait for its client

    async def download(request):
        served.append(request)
        return web.Response(body=part)

    runner, port = await run_app(web.get("/download", download))
    reader, writer = await open_to(port, b"")
    await until(lambda: runner.server.connections)
    (connection,) = runner.server.connections
    asked = 0
    while not (connection.is_idle and connection.transport.get_write_buffer_size()):
        writer.write(WHOLE.replace(b"/ping", b"/download"))
        asked += 1
        await until(lambda: connection.is_idle and len(served) == asked)  # noqa: B023 - called before it changes

    runner.server.make_room("a test")

    for _ in range(asked):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert part == await reader.readexactly(len(part))
    await until(lambda: not connection.transport.get_write_buffer_size())
    runner.server.make_room("a test")
    assert await closed(reader)


async def test_idle_connections_are_closed_first(run_app, caplog, open_to):
    """Kept-alive ones, then half requests; never a request that is answered, or a websocket."""
    release, under_way = asyncio.Event(), asyncio.Semaphore(0)

    async def wait(_):
        under_way.release()
        await release.wait()
        return web.Response(text="{}")

    async def talk(request):
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        async for message in websocket:
            await websocket.send_str(message.data)
        return websocket

    routes = web.get("/wait", wait), web.get("/talk", talk), web.post("/upload", upload)
    _, port = await run_app(*routes, limits=Limits(connections=6))
    async with ClientSession() as client, client.ws_connect(f"http://127.0.0.1:{port}/talk") as talking:
        waiting, _ = await open_to(port, WHOLE.replace(b"/ping", b"/wait"))
        await under_way.acquire()
        half_head, _ = await open_to(port, HALVES["half a head"])
        half_body, _ = await open_to(port, HALVES["half a body"])
        kept = [await open_to(port, WHOLE) for _ in range(2)]
        for reader, _ in kept:
            await wait_for_response(reader)

        newcomers = []
        for victim in (kept[0][0], kept[1][0], half_head, half_body):  # all were there before the newcomers
            reader, _ = await open_to(port, WHOLE.replace(b"/ping", b"/wait"))
            newcomers.append(reader)
            assert await closed(victim)
            await under_way.acquire()

        one_more, _ = await open_to(port, WHOLE)  # waits: all others have something to do
        await talking.send_str("still there")
        assert (WSMsgType.TEXT, "still there") == (await talking.receive(DEADLINE_SECONDS))[:2]
        release.set()
        for reader in (waiting, *newcomers):
            await wait_for_response(reader)
        await wait_for_response(one_more)
    assert 1 == len([line for line in caplog.messages if "6 connections are open (BODHI_MAX_CONNECTIONS)" in line])


async def test_running_out_of_files_is_one_log_line(run_app, caplog, open_to):
    """Although every attempt fails until others have closed theirs; then connections are accepted again."""
    failures = [OSError(errno.EMFILE, os.strerror(errno.EMFILE)) for _ in range(5)]

    class Bound(socket.socket):
        def accept(self):
            if failures and armed:
                raise failures.pop()
            return super().accept()

    armed = False
    _, port = await run_app(bound=Bound())
    kept, _ = await open_to(port, WHOLE)
    await wait_for_response(kept)
    armed = True

    reader, _ = await open_to(port, WHOLE)

    assert await closed(kept)
    await wait_for_response(reader)
    assert not failures
    told = [line for line in caplog.messages if "a connection cannot be accepted: Too many open files" in line]
    assert 1 == len(told)
    assert not [record for record in caplog.records if record.exc_info]


async def test_pages_of_the_session_are_served_at_the_bound(make_settings, run_app, open_to):
    """A browser that comes while all connections are taken by half requests is answered."""
    _, port = await run_app(limits=Limits(connections=16))
    for _ in range(40):
        await open_to(port, HALVES["half a head"])

    async with ClientSession() as client, client.get(f"http://127.0.0.1:{port}/ui/login") as page:
        assert 200 == page.status
