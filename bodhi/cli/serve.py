"""``bodhi serve``: the server."""

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

from bodhi import logs
from bodhi.cli.command_line import CommandLine, setting_flag, setting_option
from bodhi.settings import (
    BODHI_DEV,
    BODHI_HOST,
    BODHI_LOG_FORMAT,
    BODHI_LOG_LEVEL,
    BODHI_PORT,
    BODHI_WORKERS,
    resolve_settings,
    with_encryption_keys,
)

log = logging.getLogger(__name__)


@click.command()
@setting_option("--host", BODHI_HOST)
@setting_option("--port", BODHI_PORT)
@setting_option("--workers", BODHI_WORKERS)
@setting_option("--log-level", BODHI_LOG_LEVEL)
@setting_option("--log-format", BODHI_LOG_FORMAT)
@setting_flag("--dev", BODHI_DEV)
@click.pass_obj
def serve(command_line: CommandLine) -> int:
    """Run the server.

    Prints a line on stdout when it is ready, and with --dev a second one about the development provider; the log goes
    to stderr. On SIGTERM or SIGINT it finishes open requests, for at most BODHI_SHUTDOWN_TIMEOUT, and exits; a second
    signal exits immediately.
    """
    with _gc_paused():
        resolution = resolve_settings(command_line.given)
        logs.configure(resolution.settings.log_level, resolution.settings.log_format)
        for warning in resolution.warnings:
            log.warning("%s", warning)
        settings = with_encryption_keys(resolution.settings)  # after logs.configure: creating a key file is logged

        from bodhi import run as server

    return server.serve(settings, click.echo)


@contextmanager
def _gc_paused() -> Iterator[None]:
    """Pause garbage collection during imports, and exclude the imported objects from later collections."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    gc.freeze()
