"""What people are called on lists of what is theirs."""

from collections.abc import Iterable, Mapping

from aiohttp import web

from bodhi.server.services import PROFILES


async def display_names(request: web.Request, user_ids: Iterable[str | None]) -> Mapping[str | None, str | None]:
    """The name of each; of who was never seen, or has none, the id itself; nobody's stays nobody's."""
    names: dict[str | None, str | None] = {None: None}
    for user_id in {one for one in user_ids if one is not None}:
        person = await request.app[PROFILES].find(user_id)
        names[user_id] = person.username if person and person.username else user_id
    return names
