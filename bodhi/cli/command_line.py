"""What the command line says about settings, as a source for all commands."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from bodhi.settings import Resolution, Settings

BY = "the command line"  # who ends sessions and tokens, as the log tells

Command = TypeVar("Command", bound=Callable[..., object])


@dataclass
class CommandLine:
    """Settings by name as options gave them; the object of every click context (``@click.pass_obj``)."""

    given: dict[str, str] = field(default_factory=dict)

    def resolve(self) -> "Resolution":
        """All settings with their sources; warnings go to stderr. Raises :exc:`ConfigurationError`."""
        from bodhi.settings import resolve_settings

        resolution = resolve_settings(self.given)
        warn(resolution.warnings)
        return resolution

    def settings(self) -> "Settings":
        """All settings with encryption keys: the key file is made when it is needed and missing."""
        from bodhi.settings import with_encryption_keys

        return with_encryption_keys(self.resolve().settings)


def warn(warnings: Iterable[str]) -> None:
    """Print what is odd about settings, but no fault."""
    for warning in warnings:
        click.echo(f"bodhi: warning: {warning}", err=True)


def setting_option(flag: str, name: str) -> Callable[[Command], Command]:
    """A click option that sets the setting *name*; the command itself takes no parameter for it.

    The text is checked with all other sources, so that its faults are reported together with theirs.
    """
    from bodhi.settings import BY_NAME

    def remember(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.ensure_object(CommandLine).given[name] = value

    return click.option(flag, metavar=name, expose_value=False, callback=remember, help=BY_NAME[name].help)


def setting_flag(flag: str, name: str) -> Callable[[Command], Command]:
    """The same for a setting that is on or off: the flag takes no value and switches it on."""
    from bodhi.settings import BY_NAME

    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            ctx.ensure_object(CommandLine).given[name] = "true"

    return click.option(flag, is_flag=True, expose_value=False, callback=remember, help=BY_NAME[name].help)
