"""Guards: authentication, authorization and input validation before a handler runs."""

from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Handler

from bodhi.database import DatabaseUnavailable
from bodhi.server.access.errors import ApiError, RecentLoginRequired
from bodhi.server.access.gate import Gate
from bodhi.server.access.principal import ANONYMOUS, AuthContext
from bodhi.server.access.recent_login import RECENT_LOGIN
from bodhi.server.authentication.authenticator import AUTHENTICATOR
from bodhi.server.http.context import CONTEXT
from bodhi.server.http.errors import refusal
from bodhi.server.http.input import BODY, PARAMETERS, QUERY, read_body, read_form, read_parameters, read_query
from bodhi.server.http.operations import Access, Operation
from bodhi.server.http.paths import LOGIN_PATH
from bodhi.server.http.rate_limits import rate_limited
from bodhi.server.http.return_to import with_return


def guarded(operation: Operation) -> Handler:
    """Return the operation's handler, wrapped in its gate and then its input validation.

    API errors become responses here, inside the session middleware, so that session changes made before are saved.
    """
    access, handler = operation.access, operation.handler
    gate = access if isinstance(access, Gate) else None
    takes_input = operation.takes_input

    async def guard(request: web.Request) -> web.StreamResponse:
        try:
            if gate is not None:
                context = request[CONTEXT] = await request.app[AUTHENTICATOR].strict(request)
                gate.check(context)
                if gate.recent_login_from is not None:
                    _require_recent_login(request, gate, context)
            elif access is Access.OPTIONAL:
                request[CONTEXT] = await request.app[AUTHENTICATOR].optional(request)
            else:
                request[CONTEXT] = ANONYMOUS
            if takes_input:
                await _read_input(request, operation)
            return await handler(request)
        except (ApiError, DatabaseUnavailable) as error:
            raise refusal(error, request) from error

    return guard


async def _read_input(request: web.Request, operation: Operation) -> None:
    if "{" in operation.path:
        request[PARAMETERS] = read_parameters(request, operation.parameters)
    if operation.query is not None:
        request[QUERY] = read_query(request, operation.query)
    if operation.body is not None:
        request[BODY] = await read_body(request, operation.body)
    elif operation.form is not None:
        request[BODY] = await read_form(request, operation.form)


def _require_recent_login(request: web.Request, gate: Gate, context: AuthContext) -> None:
    if gate.needs_recent_login(context) and not request.app[RECENT_LOGIN].admits(context):
        raise RecentLoginRequired(login=with_return(LOGIN_PATH, None, is_recent=True))


def routes_of(operations: Iterable[Operation]) -> list[web.RouteDef]:
    """Return the operations as aiohttp routes; GET routes also serve HEAD."""
    routes = []
    for operation in operations:
        # aiohttp's `get` adds HEAD, its `route` does not.
        # A public operation without input and errors needs no guard.
        is_guarded = operation.access is not Access.PUBLIC or operation.takes_input or bool(operation.errors)
        handler = guarded(operation) if is_guarded else operation.handler
        if operation.rate_limit is not None:
            handler = rate_limited(handler, operation.rate_limit)
        if operation.method == "GET":
            routes.append(web.get(operation.path, handler))
        else:
            routes.append(web.route(operation.method, operation.path, handler))
    return routes
