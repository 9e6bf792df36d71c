"""Re-encryption of stored sessions after a change of key or data format."""

import logging
from collections import Counter
from collections.abc import AsyncIterator
from typing import Literal

from bodhi.keyring import NEWEST_FORMAT, UnknownKey, Unreadable
from bodhi.session.changes import Changes
from bodhi.session.handles import handle_of
from bodhi.session.records import StoredData
from bodhi.session.sealing import format_of, open_data, resealed
from bodhi.session.sql_store import SqlSessionStore
from bodhi.session.store import Reencryption, SessionStore, require

OpenedBy = Literal["newest", "older_format", "older", "unknown", "damaged"]

log = logging.getLogger(__name__)


class SessionReencryption:
    """The methods of a service for keys and data formats."""

    _store: SessionStore
    _changes: Changes

    async def data_format(self) -> int:
        """Return the newest data format that every node reads and writes."""
        return await require(self._store, Reencryption).data_format()

    async def write_newest_format(self) -> bool:
        """Use the newest format for new sessions on every node from now on; False if already in use.

        No node of version 0.1.0 may run: it would set such sessions aside. :meth:`rekey` converts existing ones.
        """
        store = self._store
        return isinstance(store, SqlSessionStore) and await store.write_newest_format()

    async def rekey(self) -> AsyncIterator[tuple[int, int, int]]:
        """Re-encrypt sessions of older keys or formats with the newest key, while requests are served.

        Yields after each page how many sessions were re-encrypted, how many seen, and how many unchanged because no
        key decrypts them. Sessions saved by requests meanwhile use the newest key anyway.
        """
        rekeyed = seen = kept = 0
        store = require(self._store, Reencryption)
        data_format = await store.data_format()
        async for page in store.list_data():
            older = [stored for stored in page if not self._changes.keyring.is_newest(stored.data, data_format)]
            new = [stored for old in older if (stored := self._rekeyed(old, data_format)) is not None]
            rekeyed += await store.rekey(new)
            seen += len(page)
            kept += len(older) - len(new)
            yield rekeyed, seen, kept

    def _rekeyed(self, stored: StoredData, data_format: int) -> StoredData | None:
        try:
            return resealed(self._changes.keyring, self._changes.keyring, stored, data_format)
        except (Unreadable, UnknownKey) as error:
            log.warning("session not re-encrypted session=%s: %s", handle_of(stored.digest), error)
            return None

    async def sample_keys(self, most: int) -> Counter[OpenedBy]:
        """Count at most *most* live sessions, in one query, by the key that decrypts them.

        The key is the newest, an older or an unknown one; damaged sessions count as unknown. Sessions of the
        newest key in an older format are counted separately.
        """
        some_data = await require(self._store, Reencryption).some_data(most)
        return Counter([self._opened_by(stored) for stored in some_data])

    def _opened_by(self, stored: StoredData) -> OpenedBy:
        try:
            open_data(self._changes.keyring, stored)
        except UnknownKey:
            return "unknown"
        except Unreadable:
            return "damaged"
        if not self._changes.keyring.is_newest(stored.data):
            return "older"
        return "newest" if format_of(stored.data) == NEWEST_FORMAT else "older_format"
