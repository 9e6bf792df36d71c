"""OpenTelemetry spans: their content, and no overhead if it is not installed."""

import asyncio
import runpy
import sys

import pytest
from aiohttp import ClientSession, web
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from bodhi import telemetry
from bodhi.database import DatabaseError
from bodhi.logs import REQUEST_ID
from bodhi.metrics.requests import RequestTimes
from bodhi.oidc.errors import ProviderUnavailable
from bodhi.oidc.transport import Transport
from bodhi.server.http import instrumentation as watching


@pytest.fixture
def spans(monkeypatch):
    """The finished spans."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(telemetry, "_tracer", telemetry._FindTracer())
    yield exporter.get_finished_spans
    provider.shutdown()


def attributes_of(span):
    """Return the attributes of a span."""
    return dict(span.attributes)


async def test_a_statement_is_a_span_of_its_name(spans, application):
    """Within a transaction too, and with none of its values."""
    async with application.transaction() as transaction:
        await transaction.maybe("find_person", user_id="ann-the-secret", now=None)
    values = {"user_id": "ann-the-secret", "role": "resource_user", "sought": "ann-the-secret"}
    await application.count("change_person_role", **values, now=1)

    told = [span for span in spans() if "person" in span.name]
    assert ["find_person", "change_person_role"] == [span.name for span in told]
    system = {"sqlite": "sqlite", "postgres": "postgresql"}[application.dialect]
    assert [{"db.system.name": system, "db.operation.name": span.name} for span in told] == list(
        map(attributes_of, told)
    )
    assert {SpanKind.CLIENT} == {span.kind for span in told}
    assert "ann-the-secret" not in "".join(span.to_json() for span in spans())


async def test_failed_statement_span_has_the_error_type(spans, application):
    """Not in its words, which repeat values."""
    with pytest.raises(DatabaseError):
        await application.maybe("take_lease", name="the-secret", holder=None, hold_ms=1, now=1)

    [span] = [span for span in spans() if span.name == "take_lease"]
    assert StatusCode.ERROR is span.status.status_code
    assert "error.type" in attributes_of(span)
    assert () == span.events
    assert "the-secret" not in span.to_json()


async def answer(request):
    """The id, or an error for the id 500."""
    if request.match_info["id"] == "500":
        raise ZeroDivisionError("the-secret")
    return web.Response(text=request.match_info["id"])


@pytest.fixture
async def client(aiohttp_client):
    """A client of an instrumented application."""
    app = web.Application()
    watching.setup(app, RequestTimes())
    app.add_routes([web.get("/things/{id}", answer)])
    return await aiohttp_client(app)


async def test_a_request_is_a_span_of_its_route(spans, client):
    """Within the trace that it names, and without what is in its path, its query and its headers."""
    trace_id, parent_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    await client.get(
        "/things/the-secret?code=the-secret",
        headers={"traceparent": f"00-{trace_id}-{parent_id}-01", "Cookie": "session_id=the-secret"},
    )

    [span] = spans()
    assert ("GET /things/{id}", SpanKind.SERVER) == (span.name, span.kind)
    assert (int(trace_id, 16), int(parent_id, 16)) == (span.context.trace_id, span.parent.span_id)
    assert {
        "http.request.method": "GET",
        "http.route": "/things/{id}",
        "http.response.status_code": 200,
    } == attributes_of(span)
    assert "the-secret" not in span.to_json()


@pytest.mark.parametrize(
    ("path", "status", "facts"),
    [
        ("/things/500", StatusCode.ERROR, {"error.type": "ZeroDivisionError"}),
        ("/nothing", StatusCode.UNSET, {"error.type": "HTTPNotFound", "http.response.status_code": 404}),
    ],
)
async def test_a_request_that_fails_is_a_failed_span(spans, client, path, status, facts):
    """If the failure is the server's."""
    await client.get(path)

    [span] = spans()
    assert status is span.status.status_code
    assert facts.items() <= attributes_of(span).items()
    assert "the-secret" not in span.to_json()


async def test_a_call_of_the_provider_is_a_span_and_brings_the_requests_id(spans, aiohttp_server):
    """So that its log can be laid beside ours; work that belongs to no request brings none."""
    heard = []

    async def keys(request):
        heard.append(request.headers.get("X-Request-ID"))
        return web.json_response({})

    app = web.Application()
    app.add_routes([web.get("/keys", keys)])
    server = await aiohttp_server(app)
    url = str(server.make_url("/keys"))
    async with ClientSession() as http:
        transport = Transport(lambda: http, version="1", limit_seconds=60)
        await transport.get("keys", url, token="the-secret")
        given = REQUEST_ID.set("request-0001")
        await transport.get("keys", f"{url}?id=the-secret")
        REQUEST_ID.reset(given)
        await server.close()
        with pytest.raises(ProviderUnavailable):
            await transport.get("keys", url)

    assert [None, "request-0001"] == heard
    assert ["provider keys"] * 3 == [span.name for span in spans()]
    assert [StatusCode.UNSET, StatusCode.UNSET, StatusCode.ERROR] == [span.status.status_code for span in spans()]
    assert {"bodhi.provider.call": "keys"} == attributes_of(spans()[0])
    assert "the-secret" not in "".join(span.to_json() for span in spans())


def test_without_opentelemetry_nothing_is_wrapped(monkeypatch):
    """A statement's call is the very coroutine that it is without spans."""
    for name in [name for name in sys.modules if name == "opentelemetry" or name.startswith("opentelemetry.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    without = runpy.run_path(telemetry.__file__)

    call = asyncio.sleep(0)
    assert not without["IS_INSTALLED"]
    assert call is without["trace_statement"]("sqlite", "find_person", call)
    call.close()
    assert without["request_span"]({}, "GET", "/") is None
    with without["provider_span"]("keys") as span:
        assert span is None
