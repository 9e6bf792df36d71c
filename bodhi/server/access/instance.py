"""How this server is registered at its identity provider, and how far that has come."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum

from aiohttp import web

from bodhi.database import Database, DatabaseError, Row
from bodhi.keyring import Keyring, UnknownKey, Unreadable
from bodhi.oidc.errors import ProviderTimedOut
from bodhi.oidc.responses import ClientCredentials
from bodhi.server.access.errors import AlreadySetUp, DatabaseUnavailable
from bodhi.server.access.leases import Leases

log = logging.getLogger(__name__)


class Status(StrEnum):
    """How far the registration has come; equal to its name on the wire."""

    SETUP = "setup"
    RESOURCE_ADMIN = "resource-admin"  # registered, and nobody is administrator yet
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Instance:
    """The registration: a client of the provider."""

    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    status: Status = Status.RESOURCE_ADMIN

    @property
    def credentials(self) -> ClientCredentials:
        """What the provider knows this server by."""
        return ClientCredentials(self.client_id, self.client_secret)


class InstanceService:
    """The one registration of this server.

    A row that is missing means ``setup``. A row that cannot be read, for whatever reason, is a refusal (503) and never
    ``setup``: an outage must not open the setup to strangers.
    """

    def __init__(
        self,
        database: Database,
        *,
        keyring: Keyring,
        configured: Instance | None = None,
        leases: Leases | None = None,
        clock: Callable[[], int | None] = lambda: None,
    ) -> None:
        """*configured* is a client that settings name; in the database is then only how far it has come."""
        self._database = database
        self._keyring = keyring
        self._configured = configured
        self._leases = leases or Leases(database, clock=clock)
        self._clock = clock
        # A registration that is ready stays so: it is read once.
        self._ready = configured if configured is not None and configured.status is Status.READY else None

    async def current(self) -> Instance | None:
        """The registration, or None while the status is ``setup``."""
        if self._ready is not None:
            return self._ready
        try:
            instance = await self._read()
        except (DatabaseError, Unreadable, UnknownKey, ValueError) as error:
            raise DatabaseUnavailable from error
        if instance is not None and instance.status is Status.READY:
            self._ready = instance
        return instance

    async def status(self) -> Status:
        """How far the registration has come."""
        instance = await self.current()
        return Status.SETUP if instance is None else instance.status

    async def set_up(self, obtain: Callable[[], Awaitable[Instance]]) -> Instance:
        """Keep what *obtain* gives, which registers this server at the provider.

        ``app_service_error-already_setup`` when it is registered. Of two calls at once one obtains, so that no second
        client is left over at the provider.
        """
        await self._refuse_registered()
        async with self._leases.held("setup"):
            await self._refuse_registered()
            instance = await obtain()
            await self.register(instance)
        return instance

    async def register(self, instance: Instance) -> None:
        """Keep *instance*; ``app_service_error-already_setup`` when there is one."""
        if self._configured is not None or not await self._create(instance):
            log.warning("the client %r was registered for nothing: there is one already", instance.client_id)
            raise AlreadySetUp

    async def become_ready(self, user_id: str, appoint: Callable[[str], Awaitable[None]]) -> bool:
        """Whether *user_id* is the first administrator now.

        *appoint* makes a user the administrator at the provider, within the time of a lease. Of several who log in
        first at once it is called for one; the others wait, and are told that they are not. When it fails the status
        stays, and its error is raised.
        """
        async with self._leases.held("first administrator"):
            instance = await self.current()
            if instance is None or instance.status is Status.READY:
                return False
            if self._configured is not None:
                await self._create(instance)
            admin_id = await self._appointed(instance, user_id)
            if admin_id is None:
                return False
            await self._appoint(instance, admin_id, appoint)
            await self._make_ready(instance)
        return admin_id == user_id

    async def _appoint(self, instance: Instance, admin_id: str, appoint: Callable[[str], Awaitable[None]]) -> None:
        # Where it stays unknown whether the provider did it (no answer in time, or this process dies), the row keeps
        # the name, and the next login asks for the same user again rather than for a second one.
        try:
            await appoint(admin_id)
        except ProviderTimedOut:
            raise
        except Exception:
            with suppress(DatabaseError):
                await self._database.count("dismiss_administrator", client_id=instance.client_id, now=self._clock())
            raise

    async def _appointed(self, instance: Instance, user_id: str) -> str | None:
        row = await self._database.maybe(
            "appoint_administrator", client_id=instance.client_id, user_id=user_id, now=self._clock()
        )
        return None if row is None else str(row["admin_id"])

    async def _make_ready(self, instance: Instance) -> None:
        await self._database.count("make_instance_ready", client_id=instance.client_id, now=self._clock())
        self._ready = replace(instance, status=Status.READY)
        log.info("the first administrator is there: this server is ready")

    async def _refuse_registered(self) -> None:
        if await self.status() is not Status.SETUP:
            raise AlreadySetUp

    async def _create(self, instance: Instance) -> bool:
        created = await self._database.count(
            "create_instance",
            client_id=instance.client_id,
            client_secret=self._sealed(instance.client_id, instance.client_secret),
            scope=instance.scope,
            now=self._clock(),
        )
        return created == 1

    async def _read(self) -> Instance | None:
        row = await self._database.maybe("find_instance")
        if self._configured is not None:
            return self._configured if row is None else _progress(self._configured, row)
        return None if row is None else await self._opened(row)

    async def _opened(self, row: Row) -> Instance:
        client_id, sealed = row["client_id"], bytes(row["client_secret"])
        secret = self._keyring.open(sealed, client_id.encode())
        if not self._keyring.is_newest(sealed):
            # Once all nodes have started with a new key, the old one is not needed here any more.
            with suppress(DatabaseError):
                resealed = self._keyring.seal(secret, client_id.encode())
                await self._database.count("reseal_instance", client_secret=sealed, resealed=resealed)
        return Instance(client_id, secret.decode(), row["scope"], Status(row["status"]))

    def _sealed(self, client_id: str, secret: str) -> bytes:
        return self._keyring.seal(secret.encode(), client_id.encode())


def _progress(configured: Instance, row: Row) -> Instance:
    """*configured* as far as the database says it has come."""
    if row["client_id"] != configured.client_id:
        raise ValueError(
            "it is about another client than BODHI_CLIENT_ID: set BODHI_CLIENT_STATUS=ready, or delete the row"
        )
    return replace(configured, status=Status(row["status"]))


INSTANCES = web.AppKey("INSTANCES", InstanceService)
