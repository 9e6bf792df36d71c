"""The question before what cannot be undone."""

import sys

import click

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def ask(question: str, *, is_answered: bool) -> None:
    """Go on if the answer is yes, or *is_answered* by ``--yes``.

    The command ends with status 1 if the answer is no, and with 2 if nobody is there to be asked.
    """
    if is_answered:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("this cannot be undone, and nobody is there to be asked: give --yes")
    if not click.confirm(question, err=True):
        click.echo("nothing was done", err=True)
        raise click.exceptions.Exit(1)
