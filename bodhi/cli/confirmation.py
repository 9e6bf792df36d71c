"""Confirmation before irreversible operations."""

import sys

import click

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def confirm(question: str, *, is_confirmed: bool) -> None:
    """Return if the user confirms, or *is_confirmed* by ``--yes``.

    The command exits with status 1 if the user declines, and with 2 if stdin is not a terminal.
    """
    if is_confirmed:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("this cannot be undone, and nobody is there to be asked: give --yes")
    if not click.confirm(question, err=True):
        click.echo("nothing was done", err=True)
        raise click.exceptions.Exit(1)
