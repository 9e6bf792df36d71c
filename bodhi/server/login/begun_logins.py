"""The logins that a browser has begun: in its session, or in an encrypted cookie where it has none.

A begun login is a *transaction*: a JSON object under its ``state``. It is used once: closed, only the page that it
leads to is left of it, for the next attempt. The cookie is worth nothing without the provider's answer to one of its
logins, and the answer nothing without the cookie. A copy of the cookie completes no login a second time:
:class:`BegunLogins` takes each state once, and the provider takes a code once.
"""

import hmac
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec
from aiohttp import hdrs, web

from bodhi.keyring import NEWEST_FORMAT, Keyring, UnknownKey, Unreadable
from bodhi.server.authentication.login_data import USER_ID
from bodhi.session import CookiePolicy, Session, SessionGone, get_session, new_session

MAX_OPEN = 5
SECONDS_TO_LOG_IN = 600
LONGEST = 3_072  # characters of the cookie's value
MOST_TAKEN = 10_000  # states that a process remembers; they are of use for ten minutes
COOKIE_SECONDS = 86_400  # people leave the provider's login page open for hours

TRANSACTIONS = "logins"  # the key in a session's data
RETURN_PATHS = "return_paths"  # return_to by the state of dropped logins, for their browser tabs
VERIFIER, RETURN_TO = "verifier", "return_to"  # in a transaction; a closed one has no verifier
CLOSED = 1  # ms since 1970: earlier versions take the transaction for an expired one

COOKIE = web.RequestKey("COOKIE", str)  # the Set-Cookie line for the response

Transactions = dict[str, dict[str, Any]]  # by state


@dataclass(frozen=True, slots=True)
class StartedLogin:
    """The provider's URL to redirect to, and the transaction to store."""

    url: str
    state: str = field(repr=False)
    transaction: dict[str, Any] = field(repr=False)

    def add_to(self, transactions: Transactions, now_ms: int | None = None) -> None:
        """Add the transaction, dropping the oldest beyond the limit; *now_ms* None: it started with its session."""
        for state in list(transactions)[: max(0, len(transactions) - MAX_OPEN + 1)]:
            del transactions[state]
        until = None if now_ms is None else now_ms + SECONDS_TO_LOG_IN * 1000
        transactions[self.state] = {**self.transaction, "until": until}


@dataclass(frozen=True, slots=True)
class FoundLogin:
    """The login that a callback belongs to, and what else the browser knows of its logins."""

    transaction: dict[str, Any] | None = None  # None unless it is open
    page: str | None = None  # that it leads to
    pages: Mapping[str, str] = field(default_factory=dict)  # by state: of logins in other tabs
    any_open: bool = False

    @property
    def is_recent(self) -> bool:
        """Whether the login requires a recent sign-in."""
        return self.transaction is not None and "max_age" in self.transaction


class _Begun(msgspec.Struct, array_like=True):
    """A transaction in the cookie."""

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
    """Stores the logins of browsers, and finds them again.

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

    async def store(self, request: web.Request, started: StartedLogin) -> None:
        """Add the login to the browser's session, to its cookie, or to a new session if older nodes read no cookie."""
        session = await get_session(request)
        if await _add_to_stored(session, started):
            return
        self._is_understood = self._is_understood or await self._data_format() >= NEWEST_FORMAT
        if self._is_understood:
            logins = self._read(request)
            started.add_to(logins, round(self._clock() * 1000))
            self._write(request, logins)
            return
        if session.stored is not None:  # it has ended
            session = await new_session(request)
        transactions: Transactions = session.setdefault(TRANSACTIONS, {})
        started.add_to(transactions)
        session.row_seconds = SECONDS_TO_LOG_IN
        await session.save()

    async def find(self, request: web.Request, session: Session, state: str | None) -> FoundLogin:
        """Close and return the login with *state*, in the session or the cookie."""
        any_stored_open, logins, transaction = await _take_stored(session, state)
        in_cookie = self._read(request)
        any_open = any_stored_open or any(VERIFIER in login for login in in_cookie.values())
        if transaction is None:
            transaction = self._take(request, in_cookie, state)
        logins |= in_cookie
        pages = pages_of(logins)
        page = {**session.get(RETURN_PATHS, {}), **pages}.get(state)
        if transaction is None and session.get(USER_ID) is None:
            page = page or next(reversed(pages.values()), None)  # of the latest login
        return FoundLogin(transaction, page, pages, any_open)

    def forget(self, request: web.Request) -> None:
        """Let the response to *request* remove the cookie, if there is one."""
        if hdrs.COOKIE in request.headers and self._policy.values(request.headers.getall(hdrs.COOKIE)):
            request[COOKIE] = self._policy.removal()

    def _read(self, request: web.Request) -> Transactions:
        """Return the logins in the cookie of *request*, the expired ones closed; none if it cannot be decrypted."""
        value = self._policy.read(request.headers.getall(hdrs.COOKIE, ()))
        if value is None or len(value) > LONGEST:
            return {}
        try:
            opened = _decode(self._keyring.open_text(value))
        except (Unreadable, UnknownKey, msgspec.MsgspecError):
            return {}
        logins: Transactions = {}
        for begun in opened:
            values = msgspec.structs.asdict(begun)
            state = values.pop("state")
            logins[state] = {name: value for name, value in values.items() if value not in (None, "")}
        close_expired(logins, round(self._clock() * 1000))
        return logins

    def _take(self, request: web.Request, logins: Transactions, state: str | None) -> dict[str, Any] | None:
        """Close and return the login with that *state* in the cookie's *logins*.

        None if there is none that is open, or if another request took it: there is one attempt for each.
        """
        login = take_transaction(logins, state)
        if state is None or login is None:
            return None
        self._write(request, logins)
        digest = sha256(state.encode()).digest()
        if digest in self._taken:
            return None
        if len(self._taken) >= MOST_TAKEN:
            del self._taken[next(iter(self._taken))]
        self._taken[digest] = None
        return login

    def _write(self, request: web.Request, logins: Transactions) -> None:
        """Let the response to *request* set the cookie with *logins*, or remove it if there are none."""
        if logins:
            request[COOKIE] = self._policy.set(self._seal(logins), COOKIE_SECONDS)
        else:
            self.forget(request)

    def _seal(self, logins: Transactions) -> str:
        begun = [_Begun(state, **login) for state, login in logins.items()]
        while len(value := self._keyring.seal_text(_encode(begun))) > LONGEST:
            if len(begun) > 1:
                del begun[0]  # the oldest make place
            else:
                begun[0].return_to = None
        return value


def set_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """Add the cookie to *response*, whatever its status."""
    if (line := request.get(COOKIE)) is not None:
        response.headers.add(hdrs.SET_COOKIE, line)


def close_expired(transactions: Transactions, now_ms: int, created_ms: int = 0) -> None:
    """Close the expired transactions; one without its own deadline started at *created_ms*."""
    for state, login in list(transactions.items()):
        if VERIFIER in login and now_ms >= (login.get("until") or created_ms + SECONDS_TO_LOG_IN * 1000):
            _close(transactions, state)


def take_transaction(transactions: Transactions, state: str | None) -> dict[str, Any] | None:
    """Close and return the transaction of *state*, or None if there is no open one. The comparison is constant-time."""
    presented = (state or "").encode("utf-8", "surrogatepass")
    matching = [stored for stored in transactions if hmac.compare_digest(stored.encode(), presented)]
    if not matching:
        return None
    taken = _close(transactions, matching[0])
    return taken if VERIFIER in taken else None


def pages_of(transactions: Transactions) -> dict[str, str]:
    """Return the pages that *transactions* lead to, by state. They are not enough to complete a login."""
    return {state: login[RETURN_TO] for state, login in transactions.items() if login.get(RETURN_TO)}


def _close(transactions: Transactions, state: str) -> dict[str, Any]:
    """Close and return a login; its page stays, before the open ones, so that it makes room first."""
    closed = transactions.pop(state)
    if page := closed.get(RETURN_TO):
        still_open = {other: transactions.pop(other) for other in list(transactions) if VERIFIER in transactions[other]}
        transactions.update({state: {"until": CLOSED, RETURN_TO: page}, **still_open})
    return closed


async def _take_stored(session: Session, state: str | None) -> tuple[bool, Transactions, dict[str, Any] | None]:
    """Return whether any login in the session is open, all of its logins, and the open one with *state*, now closed."""

    def take(data: dict[str, Transactions], now_ms: int) -> tuple[bool, Transactions, dict[str, Any] | None]:
        if TRANSACTIONS not in data:
            return False, {}, None
        logins = data[TRANSACTIONS]
        close_expired(logins, now_ms, session.created * 1000)
        any_open = any(VERIFIER in login for login in logins.values())
        taken = take_transaction(logins, state)
        return any_open, dict(logins), taken

    if session.stored is not None:
        with suppress(SessionGone):
            return await session.atomically(take)
    return False, {}, None


async def _add_to_stored(session: Session, started: StartedLogin) -> bool:
    """Add the login to the stored session, without losing concurrent ones; return False if there is no session."""

    def add(data: dict[str, Transactions], now_ms: int) -> None:
        started.add_to(data.setdefault(TRANSACTIONS, {}), now_ms)

    if session.stored is None:
        return False
    try:
        # A row with nothing but pending logins expires with the newest of them.
        only_logins = set(session) <= {TRANSACTIONS}
        await session.atomically(add, max_age_seconds=SECONDS_TO_LOG_IN if only_logins else None)
    except SessionGone:
        return False
    return True
