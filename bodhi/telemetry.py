"""OpenTelemetry spans for requests, statements and provider calls, if ``bodhi-sessions[otel]`` is installed.

They use the process's tracer provider, such as ``opentelemetry-instrument`` sets up. No span contains an id, a token,
a statement parameter, or the text of an exception, which may repeat one.
"""

from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from time import monotonic
from typing import Any, Protocol, TypeVar

try:
    from opentelemetry import propagate, trace
    from opentelemetry.context import Context
except ImportError:
    IS_INSTALLED = False
else:
    IS_INSTALLED = True

FIND_TRACER_SECONDS = 1.0

Answer = TypeVar("Answer")
Call = Coroutine[Any, Any, Answer]


class SpanLike(Protocol):
    """The part of a span that bodhi uses."""

    def set_attribute(self, key: str, value: str | int) -> None:
        """Set an attribute."""


Spanning = AbstractContextManager[SpanLike | None]

_NOTHING: "nullcontext[None]" = nullcontext()

if IS_INSTALLED:

    class _FindTracer:
        """Finds the process's tracer; one that is set up later is found within a second.

        Looking it up at each call would cost a tenth of a statement while there is none.
        """

        def __init__(self) -> None:
            self.none_until = 0.0  # by the monotonic clock: do not call it before, there is no tracer

        def __call__(self) -> trace.Tracer | None:
            """Return the tracer, or None if no tracer provider is set up, so that tracing costs nothing."""
            provider = trace.get_tracer_provider()
            if isinstance(provider, trace.ProxyTracerProvider):
                self.none_until = monotonic() + FIND_TRACER_SECONDS
                return None
            return _tracer_of(provider)

    @cache
    def _tracer_of(provider: trace.TracerProvider) -> trace.Tracer:
        return provider.get_tracer("bodhi")

    @contextmanager
    def _span(
        tracer: trace.Tracer,
        name: str,
        kind: trace.SpanKind,
        attributes: Mapping[str, str],
        parent: Context | None = None,
    ) -> Iterator[SpanLike]:
        span = tracer.start_span(name, parent, kind, dict(attributes))
        # Both would record the exception's text.
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                if getattr(error, "status", 500) >= 500:  # one of aiohttp's may be a redirect
                    span.set_status(trace.StatusCode.ERROR)
                raise

    _tracer = _FindTracer()

    def request_span(headers: Mapping[str, str], method: str, route: str) -> Spanning | None:
        """Return a span around a request, in the trace of its *headers*; None if spans go nowhere."""
        if monotonic() < _tracer.none_until or (tracer := _tracer()) is None:
            return None
        attributes = {"http.request.method": method, "http.route": route}
        return _span(tracer, f"{method} {route}", trace.SpanKind.SERVER, attributes, propagate.extract(headers))

    def provider_span(what: str) -> Spanning:
        """Return a span around a call of the identity provider."""
        tracer = _tracer()
        if tracer is None:
            return _NOTHING
        return _span(tracer, f"provider {what}", trace.SpanKind.CLIENT, {"bodhi.provider.call": what})

    def trace_statement(system: str, name: str, call: Call[Answer]) -> Call[Answer]:
        """Return *call*, in a span of the statement's *name* if spans go anywhere."""
        if monotonic() < _tracer.none_until or (tracer := _tracer()) is None:
            return call
        return _in_statement_span(tracer, system, name, call)

    async def _in_statement_span(tracer: trace.Tracer, system: str, name: str, call: Call[Answer]) -> Answer:
        with _span(tracer, name, trace.SpanKind.CLIENT, {"db.system.name": system, "db.operation.name": name}):
            return await call

else:

    def request_span(headers: Mapping[str, str], method: str, route: str) -> Spanning | None:
        """Nothing."""
        return None

    def provider_span(what: str) -> Spanning:
        """Nothing."""
        return _NOTHING

    def trace_statement(system: str, name: str, call: Call[Answer]) -> Call[Answer]:
        """Return *call* itself."""
        return call
