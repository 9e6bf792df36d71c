"""Compatibility with stores of version 0.1.0: ``update`` and ``rotate`` with callables instead of ``locked``."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast
from warnings import warn

from bodhi.options import refusal
from bodhi.session.errors import SessionGone, VersionConflict
from bodhi.session.records import NewSession, Save, SessionListing, SessionRecord, UserCap
from bodhi.session.store import BEGINNING, CAPABILITIES, AllSessions, SessionStore, UserSessions

PAGE = 1000

Answer = TypeVar("Answer")


def adapt_store(store: Any) -> SessionStore:
    """Return *store*, wrapped as a :class:`SessionStore` if it was written for version 0.1.0."""
    if hasattr(store, "locked"):
        return cast("SessionStore", store)
    if not hasattr(store, "update"):
        raise refusal("store", store, "a session store; DefaultSessionService.from_url takes a URL")
    warn(
        f"{type(store).__name__} has update() and rotate(), as bodhi 0.1.0 asked for: give it locked(), "
        "see docs/how-to/write-a-store.md",
        DeprecationWarning,
        stacklevel=3,
    )
    adapted: Any = _AdaptedStore(store)  # its methods are delegated, invisible to type checkers
    return cast("SessionStore", adapted)


class _AdaptedStore:
    """Delegates to *store*, and adds ``locked``."""

    def __init__(self, store: Any) -> None:
        self._store = store
        for protocol in (SessionStore, *CAPABILITIES):
            for name in vars(protocol):
                if not name.startswith("_") and hasattr(store, name):
                    setattr(self, name, getattr(store, name))

    @asynccontextmanager
    async def locked(self, digest: bytes, *, cap: UserCap | None = None) -> "AsyncIterator[_AdaptedRow | None]":
        record = await self._store.load(digest)
        yield None if record is None else _AdaptedRow(self._store, record, cap)


class _AdaptedRow:
    """A loaded session, changed only if its version is still the same."""

    def __init__(self, store: Any, record: SessionRecord, cap: UserCap | None) -> None:
        self.record = record
        self._store = store
        self._cap = cap

    async def save(self, save: Save) -> None:
        if not await self._store.save(save):
            raise VersionConflict

    async def rotate(self, new: NewSession, *, renewed: bool) -> SessionRecord:
        moved: SessionRecord | None = await self._store.rotate(
            self.record.digest, self._unless_changed(new), renewed=renewed, cap=self._cap
        )
        if moved is None:
            raise SessionGone
        return moved

    async def delete(self) -> None:
        if not await self._store.update(self.record.digest, self._unless_changed(None)):
            raise SessionGone

    def _unless_changed(self, answer: Answer) -> Callable[[SessionRecord], Answer]:
        def change(current: SessionRecord) -> Answer:
            if current.version != self.record.version:
                raise VersionConflict
            return answer

        return change


class DeprecatedMethods:
    """The methods that bodhi's stores had in version 0.1.0."""

    async def update(self: UserSessions, digest: bytes, change: Callable[[SessionRecord], Save | None]) -> bool:
        """Save the result of *change*, or end the session for None; deprecated: use ``locked``."""
        _warn("update", "locked")
        async with self.locked(digest) as row:
            if row is None:
                return False
            save = change(row.record)
            await (row.delete() if save is None else row.save(save))
            return True

    async def rotate(
        self: UserSessions,
        digest: bytes,
        change: Callable[[SessionRecord], NewSession],
        *,
        renewed: bool,
        cap: UserCap | None = None,
    ) -> SessionRecord | None:
        """Rotate the session to the result of *change*; deprecated: use ``locked``."""
        _warn("rotate", "locked")
        async with self.locked(digest, cap=cap) as row:
            return None if row is None else await row.rotate(change(row.record), renewed=renewed)

    async def list_user(self: UserSessions, user_id: str) -> AsyncIterator[SessionListing]:
        """Iterate over the user's live sessions, oldest first; deprecated: use ``list_user_page``."""
        _warn("list_user", "list_user_page")
        after = BEGINNING
        while page := await self.list_user_page(user_id, after=after, limit=PAGE):
            for listing in page:
                yield listing
            after = (page[-1].created_at, page[-1].digest)

    async def list_all(self: AllSessions) -> AsyncIterator[SessionListing]:
        """Iterate over every live session, by digest; deprecated: use ``list_page``."""
        _warn("list_all", "list_page")
        after = b""
        while page := await self.list_page(after=after, limit=PAGE):
            for listing in page:
                yield listing
            after = page[-1].digest


def _warn(old: str, new: str) -> None:
    warn(f"{old}() of a session store is deprecated: use {new}()", DeprecationWarning, stacklevel=3)
