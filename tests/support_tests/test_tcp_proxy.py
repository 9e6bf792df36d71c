"""The failure modes of the TCP proxy, on which other tests rely."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from support.tcp_proxy import TcpProxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    """A proxy in front of an echo server."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1024):
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with TcpProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    server.close()


@pytest.fixture
async def streams(proxy: TcpProxy) -> AsyncIterator[Streams]:
    """A used connection through the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert b"ready" == await echoed(reader, writer, b"ready")
    yield reader, writer
    writer.close()


async def echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    """Send *data* and return the response."""
    writer.write(data)
    return await asyncio.wait_for(reader.read(1024), 300)


async def reconnected(proxy: TcpProxy) -> bytes:
    """Return the echo of b"again" on a new connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        return await echoed(reader, writer, b"again")
    finally:
        writer.close()


async def test_drop_closes_what_is_open_and_refuses_what_is_new(proxy: TcpProxy, streams: Streams) -> None:
    """A dropped connection ends in order; a new one is refused, and works again afterwards."""
    proxy.mode = "drop"

    assert b"" == await asyncio.wait_for(streams[0].read(), 300)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", proxy.port)
    proxy.mode = "forward"
    assert b"again" == await reconnected(proxy)


async def test_hang_keeps_connections_open_and_silent(proxy: TcpProxy, streams: Streams) -> None:
    """While hanging, old and new connections take bytes and answer none."""
    proxy.mode = "hang"
    new = await asyncio.open_connection("127.0.0.1", proxy.port)

    for reader, writer in (streams, new):
        writer.write(b"lost")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), timeout=0.05)
    proxy.mode = "forward"
    assert b"" == await asyncio.wait_for(streams[0].read(), 300), "a connection with lost bytes cannot go on"
    assert b"again" == await reconnected(proxy)
    new[1].close()


async def test_reset_sends_rst_to_what_is_open_and_what_is_new(proxy: TcpProxy, streams: Streams) -> None:
    """A reset connection fails rather than ends, also when the mode changes back at once."""
    proxy.mode = "reset"
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(streams[0].read(), 300)
    with pytest.raises(ConnectionResetError):
        await reconnected(proxy)

    proxy.mode = "forward"
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert b"again" == await echoed(reader, writer, b"again")
    proxy.mode = "reset"
    proxy.mode = "forward"
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 300)
    writer.close()


async def test_a_mode_switched_back_and_forth_loses_no_other_socket(proxy: TcpProxy) -> None:
    """Closing the listener leaves alone whichever socket gets its file number next."""
    for _ in range(20):
        proxy.mode = "drop"
        proxy.mode = "forward"
        assert b"again" == await reconnected(proxy)


def test_url_for_replaces_only_host_and_port() -> None:
    """User, password, database and parameters stay in the URL."""
    proxy = TcpProxy.to("postgresql://user:p%40ss@db.example:5433/sessions?sslmode=disable")

    told = proxy.url_for("postgresql://user:p%40ss@db.example:5433/sessions?sslmode=disable")
    assert f"postgresql://user:p%40ss@127.0.0.1:{proxy.port}/sessions?sslmode=disable" == told


async def test_leaving_frees_the_port(proxy: TcpProxy) -> None:
    """A proxy that was left listens no more."""
    async with TcpProxy("127.0.0.1", proxy.port) as outer:
        assert b"again" == await reconnected(outer)

    with socket.socket() as client:
        assert 0 != client.connect_ex(("127.0.0.1", outer.port))
