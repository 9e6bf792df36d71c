"""``bodhi openapi``: the OpenAPI document and the API reference."""

import click

from bodhi.cli.output import print_json


@click.command()
@click.option("--format", "form", type=click.Choice(["json", "markdown"]), default="json", help="Output format.")
def openapi(form: str) -> None:
    """Print the OpenAPI 3.1 document or the API reference."""
    import bodhi
    from bodhi.server.app import OPERATIONS
    from bodhi.server.http.api_reference import page
    from bodhi.server.http.openapi import document

    if form == "json":
        print_json(document(OPERATIONS, version=bodhi.__version__))
    else:
        click.echo(page(OPERATIONS))
