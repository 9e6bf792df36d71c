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
    """Serve until a signal says to end.

    Prints one line on stdout when it is ready, and a second one about the provider that --dev brings; the log goes to
    stderr. SIGTERM or SIGINT lets requests finish, for BODHI_SHUTDOWN_TIMEOUT at most; a second one ends at once.
    """
    with _nothing_collected():
        resolution = resolve_settings(command_line.given)
        logs.configure(resolution.settings.log_level, resolution.settings.log_format)
        for warning in resolution.warnings:
            log.warning("%s", warning)
        settings = with_encryption_keys(resolution.settings)  # after the log, which tells when it makes a key file

        from bodhi import run as server

    return server.serve(settings, click.echo)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """No search for garbage among what is imported inside: there is none, neither now nor at later collections."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    gc.freeze()
