"""A scripted in-process identity provider for management calls, with injectable failures."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from bodhi.oidc import ProviderRefused
from bodhi.oidc.responses import RegisteredClient


class ScriptedProvider:
    """Stores *roles* by user id, and records every call with its arguments.

    ``failures["assign_role"]`` are raised by the next calls of that name before they take effect; those in
    ``late_failures`` afterwards, as if the response were lost. Calls that change something wait until ``gate``
    is set.
    """

    def __init__(self, **roles: str | None) -> None:
        self.roles = roles
        self.calls: list[tuple[Any, ...]] = []
        self.failures: dict[str, list[Exception]] = defaultdict(list)
        self.late_failures: dict[str, list[Exception]] = defaultdict(list)
        self.gate = asyncio.Event()
        self.gate.set()

    def calls_of(self, name: str) -> list[tuple[Any, ...]]:
        """Return the arguments of the calls of one name."""
        return [arguments for call, *arguments in self.calls if call == name]  # type: ignore[misc]

    async def register_client(self, *, name: str, description: str, redirect_uris: Sequence[str]) -> RegisteredClient:
        """Register client 1, 2, and so on."""
        await self._record("register_client", name, description, list(redirect_uris))
        number = len(self.calls_of("register_client"))
        return RegisteredClient(f"client-{number}", f"the secret of client {number}", f"scope_resource-{number}")

    async def assign_role(self, token: str, user_id: str, role: str) -> None:
        """Set the role of any user id."""
        await self._record("assign_role", token, user_id, role)
        self.roles[user_id] = role
        self._fail(self.late_failures, "assign_role")

    async def remove_user(self, token: str, user_id: str) -> None:
        """Remove a user; refuse unknown ones."""
        await self._record("remove_user", token, user_id)
        if user_id not in self.roles:
            raise ProviderRefused(404, "user_not_found")
        del self.roles[user_id]
        self._fail(self.late_failures, "remove_user")

    async def list_users(self, token: str, *, page: int, page_size: int) -> Mapping[str, Any]:
        """Return a page of users in insertion order."""
        await self._record("list_users", token, page, page_size)
        users = [
            {
                "user_id": user_id,
                "username": f"{user_id}@example.org",
                "first_name": None,
                "last_name": None,
                "role": role,
            }
            for user_id, role in self.roles.items()
        ]
        pages = -(-len(users) // page_size)
        return {
            "client_id": "client-1",
            "users": users[(page - 1) * page_size : page * page_size],
            "page": page,
            "page_size": page_size,
            "total_pages": pages,
            "total_users": len(users),
            "has_next": page < pages,
            "has_previous": page > 1,
        }

    async def _record(self, name: str, *arguments: object) -> None:
        self.calls.append((name, *arguments))
        if name != "list_users":
            await self.gate.wait()
        await asyncio.sleep(0)
        self._fail(self.failures, name)

    @staticmethod
    def _fail(failures: dict[str, list[Exception]], name: str) -> None:
        if failures[name]:
            raise failures[name].pop(0)
