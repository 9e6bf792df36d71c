"""``bodhi openapi``: the description of the API."""

import click

from bodhi.cli.output import print_json


@click.command()
@click.option("--format", "form", type=click.Choice(["json", "markdown"]), default="json", help="Form of the output.")
def openapi(form: str) -> None:
    """Print the API as an OpenAPI 3.1 document, or as a page of the manual."""
    import bodhi
    from bodhi.server.app import OPERATIONS
    from bodhi.server.http.api_reference import page
    from bodhi.server.http.openapi import document

    if form == "json":
        print_json(document(OPERATIONS, version=bodhi.__version__))
    else:
        click.echo(page(OPERATIONS))
