"""Settings given on the command line, shared by all commands."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from bodhi.settings import Resolution, Settings

BY = "the command line"  # actor in the audit log of sessions and tokens

Command = TypeVar("Command", bound=Callable[..., object])


@dataclass
class CommandLine:
    """Settings from options, by name; the object of every click context (``@click.pass_obj``)."""

    given: dict[str, str] = field(default_factory=dict)

    def resolve(self) -> "Resolution":
        """Resolve all settings with their sources; print warnings to stderr. Raises :exc:`ConfigurationError`."""
        from bodhi.settings import resolve_settings

        resolution = resolve_settings(self.given)
        warn(resolution.warnings)
        return resolution

    def settings(self) -> "Settings":
        """Return all settings with encryption keys; the key file is created if needed and missing."""
        from bodhi.settings import with_encryption_keys

        return with_encryption_keys(self.resolve().settings)


def warn(warnings: Iterable[str]) -> None:
    """Print warnings about settings to stderr."""
    for warning in warnings:
        click.echo(f"bodhi: warning: {warning}", err=True)


def setting_option(flag: str, name: str) -> Callable[[Command], Command]:
    """Return a click option that sets *name*; the command itself gets no parameter for it.

    The text is validated together with all other sources, so that all faults are reported at once.
    """
    from bodhi.settings import BY_NAME

    def store(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.ensure_object(CommandLine).given[name] = value

    return click.option(flag, metavar=name, expose_value=False, callback=store, help=BY_NAME[name].help)


def setting_flag(flag: str, name: str) -> Callable[[Command], Command]:
    """Return a click flag that enables the setting *name*."""
    from bodhi.settings import BY_NAME

    def store(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            ctx.ensure_object(CommandLine).given[name] = "true"

    return click.option(flag, is_flag=True, expose_value=False, callback=store, help=BY_NAME[name].help)


yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def confirm(question: str, *, is_confirmed: bool) -> None:
    """Return if the user confirms, or *is_confirmed* by ``--yes``.

    The command exits with status 1 if the user declines, and with 2 if stdin is not a terminal.
    """
    if is_confirmed:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("this cannot be undone and stdin is not a terminal: confirm with --yes")
    if not click.confirm(question, err=True):
        click.echo("nothing was done", err=True)
        raise click.exceptions.Exit(1)
