"""List the commands."""

import click

from bodhi.cli import cli


def all_commands(command: click.Command = cli, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Return all commands, without groups, by path, such as ``("db", "status")``."""
    if not isinstance(command, click.Group):
        return {path: command}
    context = click.Context(command)
    found: dict[tuple[str, ...], click.Command] = {}
    for name in command.list_commands(context):
        member = command.get_command(context, name)
        assert member is not None
        found |= all_commands(member, (*path, name))
    return found
