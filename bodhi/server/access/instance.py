"""The registration of this server as a client of its identity provider."""

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
    """Progress of the registration."""

    SETUP = "setup"
    RESOURCE_ADMIN = "resource-admin"  # registered, without an administrator yet
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Instance:
    """The registered client."""

    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    status: Status = Status.RESOURCE_ADMIN

    @property
    def credentials(self) -> ClientCredentials:
        """Client credentials at the provider."""
        return ClientCredentials(self.client_id, self.client_secret)


class InstanceService:
    """The single registration of this server.

    A missing row means ``setup``. A row that cannot be read, for whatever reason, is an error (503) and never
    ``setup``: an outage must not expose the setup page.
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
        """Create the service; *configured* is the client in the settings, of which only the status is stored."""
        self._database = database
        self._keyring = keyring
        self._configured = configured
        self._leases = leases or Leases(database, clock=clock)
        self._clock = clock
        self.ready = configured if configured is not None and configured.status is Status.READY else None
        """The registration once it is complete, which never changes; before that None."""

    async def current(self) -> Instance | None:
        """Return the registration, or None while the status is ``setup``."""
        if self.ready is not None:
            return self.ready
        try:
            instance = await self._read()
        except (DatabaseError, Unreadable, UnknownKey, ValueError) as error:
            raise DatabaseUnavailable from error
        if instance is not None and instance.status is Status.READY:
            self.ready = instance
        return instance

    async def status(self) -> Status:
        """Return the progress of the registration."""
        instance = await self.current()
        return Status.SETUP if instance is None else instance.status

    async def set_up(self, obtain: Callable[[], Awaitable[Instance]]) -> Instance:
        """Store and return the result of *obtain*, which registers this server at the provider.

        Raises :exc:`AlreadySetUp` if there is a registration. Concurrent calls are serialized, so that no second client
        is left at the provider.
        """
        await self._refuse_registered()
        async with self._leases.held("setup"):
            await self._refuse_registered()
            instance = await obtain()
            await self.register(instance)
        return instance

    async def register(self, instance: Instance) -> None:
        """Store *instance*; raise :exc:`AlreadySetUp` if there is a registration."""
        if self._configured is not None or not await self._create(instance):
            log.warning("client %r is not used: this server is already registered", instance.client_id)
            raise AlreadySetUp

    async def become_ready(self, user_id: str, appoint: Callable[[str], Awaitable[None]]) -> bool:
        """Make *user_id* the first administrator; return False if there is one.

        *appoint* makes a user the administrator at the provider, while a lease is held. If several users log in at the
        same time it is called for one of them; the calls for the others wait and return False. If it fails, the status
        does not change and the error is raised.
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
        # If the outcome is unknown (the provider timed out, or this process is killed), the row keeps the user id: the
        # next login retries for the same user rather than appointing a second one.
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
        self.ready = replace(instance, status=Status.READY)
        log.info("first administrator appointed: this server is ready")

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
            # So that the old key can be dropped after all nodes have started with a new one.
            with suppress(DatabaseError):
                resealed = self._keyring.seal(secret, client_id.encode())
                await self._database.count("reseal_instance", client_secret=sealed, resealed=resealed)
        return Instance(client_id, secret.decode(), row["scope"], Status(row["status"]))

    def _sealed(self, client_id: str, secret: str) -> bytes:
        return self._keyring.seal(secret.encode(), client_id.encode())


def _progress(configured: Instance, row: Row) -> Instance:
    """Return *configured* with its stored status."""
    if row["client_id"] != configured.client_id:
        raise ValueError(
            "the stored status is for another BODHI_CLIENT_ID: set BODHI_CLIENT_STATUS=ready, or delete the row"
        )
    return replace(configured, status=Status(row["status"]))


INSTANCES = web.AppKey("INSTANCES", InstanceService)
