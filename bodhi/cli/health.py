"""``bodhi health``: ask the server on this machine whether it can serve requests."""

from http.client import HTTPConnection, HTTPException

import click

from bodhi.cli.command_line import CommandLine, setting_option
from bodhi.errors import BodhiError, ConfigurationError, root_cause
from bodhi.settings import BODHI_HOST, BODHI_PORT

SECONDS = 2  # container engines wait 3 for the whole command


class Unhealthy(BodhiError):
    """The server cannot serve requests."""


@click.command()
@setting_option("--host", BODHI_HOST)
@setting_option("--port", BODHI_PORT)
@click.pass_obj
def health(command_line: CommandLine) -> None:
    """Ask the server on this machine whether it can serve requests.

    Asks /health at the address and port of the same settings, and waits 2 seconds for the answer. The exit status is 0
    if it is 200, else 1. For health checks of containers.
    """
    settings = command_line.resolve().settings
    if settings.port == 0:
        raise ConfigurationError(f"{BODHI_PORT}: 0 is any free port, which only the server knows")
    # Not by a URL library: it would ask a proxy that the environment names.
    connection = HTTPConnection(_address_of(settings.host), settings.port, timeout=SECONDS)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        raise Unhealthy(f"{settings.host}:{settings.port} does not answer: {root_cause(error)}") from error
    finally:
        connection.close()
    if status != 200:
        raise Unhealthy(f"{settings.host}:{settings.port}/health answers {status}")
    click.echo("the server can serve requests")


def _address_of(host: str) -> str:
    """Return an address to reach a server that listens on *host*: loopback for every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with, not listened on
