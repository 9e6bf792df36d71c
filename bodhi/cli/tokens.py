"""``bodhi tokens``: list and disable API tokens."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bodhi import logs
from bodhi.cli.application import in_application
from bodhi.cli.command_line import BY, CommandLine, confirm, yes_option
from bodhi.cli.output import json_time, plain, print_json_line, time_of
from bodhi.cli.tables import print_table

if TYPE_CHECKING:
    from bodhi.server.tokens.service import TokenRecord

LONGEST_LIST = 10_000

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def tokens() -> None:
    """List and deactivate API tokens.

    The tokens themselves are not stored, only their hashes.
    """


@tokens.command("list", short_help="List API tokens, oldest first.")
@click.option("--user", metavar="USER_ID", help="List only this user's tokens.")
@click.option("--limit", type=click.IntRange(1, LONGEST_LIST), default=100, show_default=True, help="Maximum number.")
@click.option("--after", metavar="ID", default="", help="Continue after the token with this id.")
@json_option
@click.pass_obj
def list_tokens(command_line: CommandLine, user: str | None, limit: int, after: str, as_json: bool) -> None:
    """List API tokens, oldest first. With --json each is a line."""
    from bodhi.server.tokens.service import ApiTokens

    records = in_application(
        command_line.resolve().settings,
        lambda database: ApiTokens(database).list_of_all(user_id=user, after=after, size=limit + 1),
    )
    page = records[:limit]
    if as_json:
        for token in page:
            print_json_line(_entry(token))
    else:
        head = ("ID", "USER", "NAME", "BEGINS WITH", "SCOPE", "STATUS", "CREATED (UTC)", "EXPIRES (UTC)")
        print_table(head, [_row(token) for token in page])
    if len(records) > limit:
        click.echo(f"more entries: continue with --after {page[-1].id}", err=True)


@tokens.command(short_help="Deactivate an API token.")
@click.argument("token_id", metavar="ID")
@yes_option
@json_option
@click.pass_obj
def revoke(command_line: CommandLine, token_id: str, yes: bool, as_json: bool) -> int:
    """Deactivate an API token. The exit status is 1 if there is no active token with this id.

    Servers cache successful checks of the token for BODHI_TOKEN_MEMORY.
    """
    from bodhi.server.tokens.service import ApiTokens

    settings = command_line.resolve().settings
    confirm(f"Deactivate the API token {plain(token_id)}?", is_confirmed=yes)
    logs.configure(settings.log_level, settings.log_format)
    token = in_application(settings, lambda database: ApiTokens(database).disable(token_id, by=BY))
    revoked = token is not None
    if as_json:
        print_json_line({"revoked": int(revoked)})
    else:
        click.echo("token deactivated" if revoked else "no token deactivated")
    if revoked:
        return 0
    click.echo(f"no active token with the id '{plain(token_id)}'; `tokens list` shows the ids", err=True)
    return 1


def _row(token: "TokenRecord") -> Sequence[str | None]:
    texts = (token.id, token.user_id, token.name, token.token_prefix, token.scopes, token.status)
    return [*texts, time_of(token.created_at), time_of(token.expires_at)]


def _entry(token: "TokenRecord") -> dict[str, object]:
    return {
        "id": token.id,
        "user_id": token.user_id,
        "name": token.name,
        "token_prefix": token.token_prefix,
        "scopes": token.scopes,
        "status": token.status,
        "created_at": json_time(token.created_at),
        "updated_at": json_time(token.updated_at),
        "expires_at": json_time(token.expires_at),
    }
