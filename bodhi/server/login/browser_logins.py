"""The logins that a browser has begun: in its session, or in a cookie where it has none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bodhi.server.authentication.login_data import USER_ID
from bodhi.server.login.begun_logins import BegunLogins
from bodhi.server.login.service import (
    RETURN_TO,
    SECONDS_TO_LOG_IN,
    StartedLogin,
    Transactions,
    is_open,
    latest_page,
    take_transaction,
    without_expired,
)
from bodhi.session import Session, SessionGone, get_session, new_session

TRANSACTIONS = "logins"  # the key in a session's data
RETURN_PATHS = "return_paths"  # return_to by the state of dropped logins, for their browser tabs


async def store_login(request: web.Request, begun: BegunLogins, started: StartedLogin) -> None:
    """Add the login to the browser's session, to its cookie, or to a new session if older nodes read no cookie."""
    session = await get_session(request)
    if await _add_to_stored(session, started) or await begun.add(request, started):
        return
    session = await _new_if_ended(request, session)
    transactions: Transactions = session.setdefault(TRANSACTIONS, {})
    started.add_to(transactions)
    session.row_seconds = SECONDS_TO_LOG_IN
    await session.save()


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


async def find_login(request: web.Request, begun: BegunLogins, session: Session, state: str | None) -> FoundLogin:
    """Close and return the login with *state*, in the session or the cookie."""
    in_cookie = begun.read(request)
    any_open = any(map(is_open, in_cookie.values()))
    any_stored_open, stored, transaction = await _take_stored(session, state)
    if transaction is None:
        transaction = begun.take(request, in_cookie, state)
    logins = {**stored, **in_cookie}
    pages = pages_of(logins)
    page = {**session.get(RETURN_PATHS, {}), **pages}.get(state)
    if transaction is None and session.get(USER_ID) is None:
        page = page or latest_page(logins)
    return FoundLogin(transaction, page, pages, any_open or any_stored_open)


async def _take_stored(session: Session, state: str | None) -> tuple[bool, Transactions, dict[str, Any] | None]:
    """Return whether any login in the session is open, all of its logins, and the open one with *state*, now closed."""
    created_ms = session.created * 1000

    def take(data: dict[str, Transactions], now_ms: int) -> tuple[bool, Transactions, dict[str, Any] | None]:
        logins = without_expired(data.get(TRANSACTIONS, {}), now_ms, created_ms)
        any_open = any(map(is_open, logins.values()))
        taken = take_transaction(logins, state) if state is not None else None
        if TRANSACTIONS in data:
            data[TRANSACTIONS] = logins
        return any_open, dict(logins), taken if is_open(taken) else None

    if session.stored is None:
        return False, {}, None
    try:
        return await session.atomically(take)
    except SessionGone:
        return False, {}, None


def pages_of(logins: Transactions) -> dict[str, str]:
    """Return the pages that *logins* lead to, by state. They are not enough to complete a login."""
    return {state: login[RETURN_TO] for state, login in logins.items() if login.get(RETURN_TO)}


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


async def _new_if_ended(request: web.Request, session: Session) -> Session:
    return session if session.stored is None else await new_session(request)
