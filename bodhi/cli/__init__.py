"""Entry point of the command line: command lookup, and errors as lines on stderr and an exit status."""

import importlib
import io
import os
import sys
from collections.abc import Sequence

import click

import bodhi
from bodhi.cli.command_line import CommandLine, warn
from bodhi.errors import BodhiError, ConfigurationError

# By task, in the order of the help. Name: location of the command and its line in the help; a command is imported when
# it is run.
TASKS = {
    "Run the server": {
        "serve": ("bodhi.cli.serve:serve", "Run the server."),
        "health": ("bodhi.cli.health:health", "Ask the server on this machine whether it can serve requests."),
        "doctor": ("bodhi.cli.doctor:doctor", "Check the installation and suggest fixes."),
        "config": ("bodhi.cli.config:config", "Show and export settings, generate keys."),
    },
    "Manage data": {
        "sessions": ("bodhi.cli.sessions:sessions", "List, end, sweep, re-encrypt and copy sessions."),
        "users": ("bodhi.cli.users:users", "List users who have signed in, and give them roles."),
        "tokens": ("bodhi.cli.tokens:tokens", "List and deactivate API tokens."),
        "db": ("bodhi.cli.db:db", "Show and migrate the schemas of both databases, and divide the session table."),
    },
    "Develop": {
        "openapi": ("bodhi.cli.openapi:openapi", "Print the OpenAPI 3.1 document or the API reference."),
    },
}
COMMANDS = {name: command for commands in TASKS.values() for name, command in commands.items()}
INTERRUPTED = 130  # what a shell reports for SIGINT


class LazyGroup(click.Group):
    """Commands imported on demand: the help of one does not import the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve the command; the error for an unknown one suggests similar names."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by task, without importing them."""
        width = max(map(len, COMMANDS))
        for task, commands in TASKS.items():
            with formatter.section(task):
                formatter.write_dl([(name.ljust(width), line) for name, (_, line) in commands.items()])


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"bodhi {bodhi.__version__}")
        ctx.exit()


def _store_settings(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> None:
    command_line = ctx.ensure_object(CommandLine)
    for text in values:
        name, equals, value = text.partition("=")
        if not equals:
            # Do not repeat the text: it may be a secret value given without its name.
            raise click.BadParameter("must be NAME=VALUE", ctx, param)
        command_line.given[name] = value


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--set",
    metavar="NAME=VALUE",
    multiple=True,
    expose_value=False,
    is_eager=True,
    callback=_store_settings,
    help="Override a setting; may be repeated.",
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show the version."
)
def cli() -> None:
    """Server-side sessions for aiohttp, in SQLite or PostgreSQL."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in *arguments* (default: ``sys.argv``) and return its exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that the terminal cannot encode must not be an error
    try:
        status = cli.main(arguments, prog_name="bodhi", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _print_error(_message_of(error), error.exit_code)
    except ConfigurationError as error:
        warn(error.warnings)
        return _print_error(str(error), error.exit_status)
    except BodhiError as error:
        return _print_error(str(error), error.exit_status)
    except click.Abort:
        return INTERRUPTED
    except OSError as error:
        return _output_failed(error)
    return status if isinstance(status, int) else 0


def _message_of(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption) and error.option_name == "--set":
        return "--set stands before the command: bodhi --set NAME=VALUE serve"
    return " ".join(error.format_message().split())


def _output_failed(error: OSError) -> int:
    # The pipe is closed or the disk is full. Without this, the interpreter reports the error again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1 if isinstance(error, BrokenPipeError) else _print_error(error.strerror or str(error), 1)


def _print_error(message: str, exit_status: int) -> int:
    for line in message.splitlines():
        click.echo(f"bodhi: error: {line}", err=True)
    return exit_status
