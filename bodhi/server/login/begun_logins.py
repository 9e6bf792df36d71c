"""Logins begun in a browser without a session: they are in an encrypted cookie, and in no row.

The cookie is worth nothing without the provider's answer to one of its logins, and the answer nothing without the
cookie. A copy of the cookie completes no login a second time: :class:`BegunLogins` takes each state once, and the
provider takes a code once. The pages that logins lead to stay longer than the logins, for the next attempt.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from aiohttp import hdrs, web

from bodhi.keyring import NEWEST_FORMAT, Keyring, UnknownKey, Unreadable
from bodhi.server.login.service import (
    SECONDS_TO_LOG_IN,
    StartedLogin,
    Transactions,
    is_open,
    take_transaction,
    without_expired,
)
from bodhi.session import CookiePolicy

LONGEST = 3_072  # characters of the cookie's value
MOST_TAKEN = 10_000  # states that a process remembers; they are of use for ten minutes
COOKIE_SECONDS = 86_400  # people leave the provider's login page open for hours

COOKIE = web.RequestKey("COOKIE", str)  # the Set-Cookie line for the response


class _Begun(msgspec.Struct, array_like=True):
    state: str
    verifier: str = ""  # empty: closed
    nonce: str = ""
    callback_url: str = ""
    until: int = 0  # milliseconds since 1970
    return_to: str | None = None
    max_age: int | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Begun]).decode


class BegunLogins:
    """The logins in the cookie of a browser.

    *data_format* gives the newest format of sessions that every node reads: nodes of version 0.1.0, which do not know
    the cookie either, may run until it is the newest one.
    """

    def __init__(
        self,
        keys: Sequence[str | bytes],
        policy: CookiePolicy,
        *,
        data_format: Callable[[], Awaitable[int]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keyring = Keyring(keys, purpose=b"bodhi begun logins")
        self._policy = policy
        self._data_format = data_format
        self._is_understood = False  # by every node; once it is, it stays so
        self._clock = clock
        self._taken: dict[bytes, None] = {}  # oldest first

    async def add(self, request: web.Request, begun: StartedLogin) -> bool:
        """Put *begun* beside the logins in the browser's cookie; False where another node may not read it there."""
        self._is_understood = self._is_understood or await self._data_format() >= NEWEST_FORMAT
        if not self._is_understood:
            return False
        logins = self.read(request)
        begun.add_to(logins, self._now_ms())
        self.write(request, logins)
        return True

    def read(self, request: web.Request) -> Transactions:
        """Return the logins in the cookie of *request*, the expired ones closed; none if it cannot be decrypted."""
        value = self._policy.read(request.headers.getall(hdrs.COOKIE, ()))
        if value is None or len(value) > LONGEST:
            return {}
        try:
            opened = _decode(self._keyring.open_text(value))
        except (Unreadable, UnknownKey, msgspec.MsgspecError):
            return {}
        return without_expired({begun.state: _transaction(begun) for begun in opened}, self._now_ms(), 0)

    def write(self, request: web.Request, logins: Transactions) -> None:
        """Let the response to *request* set the cookie with *logins*, or remove it if there are none."""
        if logins:
            request[COOKIE] = self._policy.set(self._seal(logins), COOKIE_SECONDS)
        elif hdrs.COOKIE in request.headers and self._policy.values(request.headers.getall(hdrs.COOKIE)):
            request[COOKIE] = self._policy.removal()

    def take(self, request: web.Request, logins: Transactions, state: str | None) -> dict[str, Any] | None:
        """Close and return the login with that *state* in *logins*, which the response's cookie contains closed.

        None if there is none that is open, or if another request took it: there is one attempt for each.
        """
        login = take_transaction(logins, state) if state is not None else None
        if state is None or not is_open(login):
            return None
        self.write(request, logins)
        digest = sha256(state.encode()).digest()
        if digest in self._taken:
            return None
        if len(self._taken) >= MOST_TAKEN:
            del self._taken[next(iter(self._taken))]
        self._taken[digest] = None
        return login

    def _seal(self, logins: Transactions) -> str:
        begun = [_Begun(state, **login) for state, login in logins.items()]
        while len(value := self._keyring.seal_text(_encode(begun))) > LONGEST:
            if len(begun) > 1:
                del begun[0]  # the oldest make place
            else:
                begun[0].return_to = None
        return value

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)


async def set_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """Add the cookie to *response*, whatever its status: for ``on_response_prepare``."""
    if (line := request.get(COOKIE)) is not None:
        response.headers.add(hdrs.SET_COOKIE, line)


def once_of(state: str) -> tuple[str, int]:
    """Return the mark of a *state* that led to a login, and until when it is needed (seconds since 1970)."""
    return f"login {sha256(state.encode()).hexdigest()}", int(time.time()) + SECONDS_TO_LOG_IN


def _transaction(begun: _Begun) -> dict[str, Any]:
    values = msgspec.structs.asdict(begun).items()
    return {name: value for name, value in values if name != "state" and value not in (None, "")}
