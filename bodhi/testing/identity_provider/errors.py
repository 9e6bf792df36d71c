"""OAuth errors and their JSON responses."""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

NO_STORE = {hdrs.CACHE_CONTROL: "no-store", "Pragma": "no-cache"}


class OAuthError(Exception):
    """An error with an OAuth error code."""

    def __init__(self, error: str, description: str = "", *, status: int = 400) -> None:
        super().__init__(f"{error}: {description}" if description else error)
        self.error = error
        self.description = description
        self.status = status

    def response(self) -> web.Response:
        """Return the JSON response of RFC 6749, section 5.2."""
        body = {"error": self.error, "error_description": self.description}
        challenge: dict[str, str] = (
            {hdrs.WWW_AUTHENTICATE: f'Bearer error="{self.error}"'} if self.status == 401 else {}
        )
        return web.json_response(body, status=self.status, headers={**NO_STORE, **challenge})


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn an :exc:`OAuthError` into a JSON response."""
    try:
        return await handler(request)
    except OAuthError as error:
        return error.response()
