"""Profiles of users who logged in, with their last known role, which also limits their API tokens."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from bodhi.database import Database, Row
from bodhi.server.access.profile_lists import ProfileLists, ProfileSummary, role_in, search_key, summary_of
from bodhi.server.access.scopes import Role

SEEN_TO_MS = 3_600_000  # resolution of the time a user was last seen
ROLE_MAX_AGE_SECONDS = 2_592_000


@dataclass(frozen=True, slots=True)
class Profile:
    """Profile of a user who was seen here.

    ``role`` is None if the user has none, was removed, or if the provider has not confirmed the role for too long.
    """

    username: str
    role: Role | None
    is_removed: bool = False


class Profiles(ProfileLists):
    """Stored profiles. Roles are managed by the provider; this is a copy of their last known state.

    Changes of authority (a role granted or revoked, a removal) are numbered across all users. A response of the
    provider is compared with the number read before the request, so that an outdated response changes nothing.
    """

    def __init__(
        self,
        database: Database,
        *,
        role_max_age_seconds: int = ROLE_MAX_AGE_SECONDS,
        clock: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Create the service; a role expires *role_max_age_seconds* after the provider last confirmed it."""
        self._database = database
        self._role_max_age_ms = role_max_age_seconds * 1000
        self._clock = clock
        # Called with a user id when the role is lowered: cached verifications of the user's tokens are outdated.
        self.forget_user: list[Callable[[str], object]] = []

    async def find(self, user_id: str) -> Profile | None:
        """Return the user's profile, or None."""
        row = await self._row(user_id)
        if row is None:
            return None
        return Profile(row["username"], confirmed_role(row, self._role_max_age_ms), bool(row["removed"]))

    async def look_up(self, user_id: str) -> ProfileSummary | None:
        """Return the user's profile with the time of the last visit, or None."""
        row = await self._row(user_id)
        return None if row is None else summary_of(row, user_id)

    async def _row(self, user_id: str) -> Row | None:
        return await self._database.maybe("find_person", user_id=user_id, now=self._clock())

    async def role_of(self, user_id: str) -> Role | None:
        """Return the user's confirmed role; None if there is none, or the user was removed or is unknown.

        It decides what the user may do. Use :meth:`last_role_of` to decide who may manage the user.
        """
        profile = await self.find(user_id)
        return None if profile is None else profile.role

    async def last_role_of(self, user_id: str) -> Role | None:
        """Return the user's last known role, however long ago it was confirmed."""
        row = await self._row(user_id)
        return None if row is None else role_in(row)

    async def last_change(self) -> int:
        """Return the number of the last authority change of any user; read it before a request to the provider."""
        row = await self._database.maybe("last_authority_change")
        return 0 if row is None else int(row["number"])

    async def note(
        self,
        user_id: str,
        username: str,
        role: Role | None,
        *,
        full_name: str = "",
        since: int | None = None,
        is_login: bool = True,
    ) -> bool:
        """Store the profile after a login or a token refresh; return False if the data is outdated.

        It is outdated if the user's authority changed after the change *since* (:meth:`last_change`; None: no check),
        and for a refresh (*is_login* False) if the user was removed. Writes only if something changed, or once an hour.
        """
        row = await self._row(user_id)
        if row is not None and since is not None and row["authority_seq"] > since:
            return False
        if row is not None and row["removed"] and not is_login:
            return False
        if row is not None and not is_login:
            full_name = full_name or row["full_name"]  # the ID token of a refresh may lack it (OIDC Core, 12.2)
        name = None if role is None else str(role)
        values = username, full_name, name
        is_same = row is not None and not row["removed"] and (row["username"], row["full_name"], row["role"]) == values
        if row is not None and is_same:
            if row["now"] - min(row["seen_at"] or 0, row["confirmed_at"] or 0) >= SEEN_TO_MS:
                sought = search_key(username, user_id, full_name)
                await self._database.count("see_person", user_id=user_id, sought=sought, now=self._clock())
            return True
        is_loss = row is not None and _is_lower(role, role_in(row))
        noted = await self._database.count(
            "note_person",
            user_id=user_id,
            username=username,
            role=name,
            sought=search_key(username, user_id, full_name),
            since=since,
            is_loss=int(is_loss),
            is_login=int(is_login),
            full_name=full_name,
            now=self._clock(),
        )
        if is_loss:
            self.forget(user_id)
        return noted == 1

    async def set_role(self, user_id: str, role: Role) -> None:
        """Store the role that was just granted; for an unknown user, only that it changed.

        Call :meth:`finish_role_change` after the sessions with the old role have ended.
        """
        sought = search_key("", user_id)
        await self._change("change_person_role", user_id, role=str(role), sought=sought)

    async def finish_role_change(self, user_id: str) -> None:
        """Note that no session has the old role any more."""
        await self._database.count("finish_role_change", user_id=user_id)

    async def is_settled(self, user_id: str, role: Role) -> bool:
        """Return whether the user has *role* and no session with another; true of users who never logged in."""
        row = await self._row(user_id)
        if row is None:
            return True
        return not row["change_open"] and (role_in(row) is role or row["seen_at"] is None)

    async def granted_role(self, user_id: str) -> str | None:
        """Return the role that a manager gave here, "" if it was taken away, or None if nobody decided."""
        row = await self._row(user_id)
        return None if row is None else row["granted_role"]

    async def lower_role(self, user_id: str, role: Role | None, *, since: int) -> bool:
        """Store a lower role from the provider's list; return False if it is outdated."""
        name = None if role is None else str(role)
        return await self._change("lower_person_role", user_id, role=name, since=since) == 1

    async def remove(self, user_id: str) -> None:
        """Mark the user as removed: without a role until the next login."""
        await self._change("remove_person", user_id, sought=search_key("", user_id))

    async def _change(self, statement: str, user_id: str, **values: object) -> int:
        try:
            return await self._database.count(statement, user_id=user_id, **values, now=self._clock())
        finally:
            self.forget(user_id)

    def forget(self, user_id: str) -> None:
        """Drop cached verifications of the user's tokens in this process."""
        for forget in self.forget_user:
            forget(user_id)


def confirmed_role(row: Row, max_age_ms: int) -> Role | None:
    """Return the role in *row* (``role``, ``removed``, ``confirmed_at``, ``now``), or None if it is unconfirmed."""
    if row["removed"] or row["confirmed_at"] is None or row["now"] - row["confirmed_at"] >= max_age_ms:
        return None
    return role_in(row)


def _is_lower(role: Role | None, before: Role | None) -> bool:
    return before is not None and (role is None or role.rank < before.rank)


PROFILES = web.AppKey("PROFILES", Profiles)
