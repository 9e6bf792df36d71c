"""``POST /bodhi/v1/setup``: register this server at its identity provider, once."""

import hmac
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from bodhi.oidc.management import Management
from bodhi.server.access.errors import (
    AlreadySetUp,
    DatabaseUnavailable,
    ProviderCallNotSupported,
    ProviderRefused,
    ProviderUnavailable,
)
from bodhi.server.access.instance import Instance, InstanceService, Status
from bodhi.server.access.provider_errors import provider_errors
from bodhi.server.http.hosts import AUTHORITY, PUBLIC_URL, WILDCARDS, callback_base
from bodhi.server.http.input import body_of
from bodhi.server.http.operations import PUBLIC, Operation
from bodhi.server.http.paths import CALLBACK_PATH
from bodhi.server.http.public_url import base_of
from bodhi.server.http.responses import json_response
from bodhi.server.setup.errors import ServerNameTooShort, WrongSetupSecret

SECRET_HEADER = "X-Setup-Secret"  # noqa: S105 - the header's name
MIN_NAME_BYTES = 10  # bytes
LOOPBACK = ("localhost", "127.0.0.1")

_PROBE_ADDRESS = ("192.0.2.1", 9)  # reserved: connecting selects our outgoing address. Source: RFC 5737


def own_address() -> str | None:
    """Return this machine's address in its network, or None. Sends no packet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_PROBE_ADDRESS)
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return None if ipaddress.ip_address(address).is_unspecified else address


@dataclass(frozen=True)
class SetupService:
    """The dependencies of the setup; *management* is None if no provider is configured."""

    instances: InstanceService
    management: Management | None
    secret: str | None = field(default=None, repr=False)
    own_address: Callable[[], str | None] = own_address


SETUP = web.AppKey("SETUP", SetupService)


class SetupBody(msgspec.Struct):
    """The name and description of this server at the provider."""

    name: str
    description: str = ""


class SetupDone(msgspec.Struct):
    """The status of the registration."""

    status: str


async def set_up(request: web.Request) -> web.Response:
    """Register this server. The first user to log in becomes the administrator."""
    service, body = request.app[SETUP], body_of(request, SetupBody)
    _check_secret(request, service.secret)

    async def register() -> Instance:
        if len(body.name.encode()) < MIN_NAME_BYTES:
            raise ServerNameTooShort
        if service.management is None:
            raise ProviderCallNotSupported
        with provider_errors(ProviderRefused):
            client = await service.management.register_client(
                name=body.name,
                description=body.description,
                redirect_uris=redirect_uris(request, service.own_address()),
            )
        return Instance(client.client_id, client.client_secret, client.scope, Status.RESOURCE_ADMIN)

    instance = await service.instances.set_up(register)
    return json_response(SetupDone(str(instance.status)))


def redirect_uris(request: web.Request, machine: str | None) -> list[str]:
    """Return the redirect URIs to register.

    With an explicit public host there is one. Otherwise: where the browser of *request* is, whose host has passed the
    host check, the loopback names, and *machine*, this machine's address; never 0.0.0.0, which no browser can reach.
    """
    public = request.config_dict[PUBLIC_URL]
    if public.is_explicit:
        return [f"{public}{CALLBACK_PATH}"]
    authority = request.get(AUTHORITY)
    hosts = [*LOOPBACK, authority.host if authority else None, machine]
    bases = [base_of(public.scheme, host, public.port) for host in hosts if host and host not in WILDCARDS]
    return [f"{base}{CALLBACK_PATH}" for base in dict.fromkeys([*bases, callback_base(request)])]


def _check_secret(request: web.Request, secret: str | None) -> None:
    if secret is None:
        return
    presented = request.headers.get(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
    if not hmac.compare_digest(presented, secret.encode()):
        raise WrongSetupSecret


OPERATIONS = (
    Operation(
        "POST",
        "/bodhi/v1/setup",
        set_up,
        PUBLIC,
        "Register this server at its identity provider",
        body=SetupBody,
        rate_limit="setup",
        responses={200: SetupDone},
        errors=(
            AlreadySetUp,
            ServerNameTooShort,
            WrongSetupSecret,
            ProviderRefused,
            ProviderCallNotSupported,
            ProviderUnavailable,
            DatabaseUnavailable,
        ),
    ),
)
