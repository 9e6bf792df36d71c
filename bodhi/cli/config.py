"""``bodhi config``: show settings with their sources, export their names and defaults, generate keys."""

import os

import click

from bodhi.cli.command_line import CommandLine
from bodhi.cli.output import print_json
from bodhi.cli.tables import print_table
from bodhi.settings import BODHI_ENCRYPTION_KEY, SETTINGS
from bodhi.settings.export import FORMATS
from bodhi.settings.key_file import FILE_NAME, new_key
from bodhi.settings.reader import KEY_FILE
from bodhi.settings.setting import Setting
from bodhi.urls import MASK


@click.group()
def config() -> None:
    """Show and export settings, generate keys."""


@config.command("list", short_help="Show all settings with their sources.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_settings(command_line: CommandLine, as_json: bool) -> None:
    """Show all settings with value, source and default. Secrets are masked."""
    resolution = command_line.resolve()
    show = Setting.format if as_json else Setting.display
    key_file = resolution.settings.home / FILE_NAME
    entries: list[dict[str, str | None]] = [
        {
            "name": setting.name,
            "value": show(setting, getattr(resolution.settings, attribute)),
            "source": resolution.source_of(setting.name),
            "place": resolution.settings.sources[setting.name],
            "default": resolution.defaults[setting.name],
        }
        for attribute, setting in SETTINGS.items()
    ]
    # Path.exists raises an error if the folder is not accessible.
    if not resolution.settings.encryption_keys and os.path.exists(key_file):  # noqa: PTH110
        # Only the location of the keys is shown: the key file is neither read nor created.
        [keys] = [entry for entry in entries if entry["name"] == BODHI_ENCRYPTION_KEY]
        keys.update(value=MASK, source=KEY_FILE, place=f"{KEY_FILE} {key_file}")
    if as_json:
        print_json(entries)
    else:
        columns = ("name", "value", "place", "default")
        print_table(
            ("NAME", "VALUE", "SOURCE", "DEFAULT"), [[entry[column] for column in columns] for entry in entries]
        )


@config.command(short_help="Print the names and defaults of all settings.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), required=True, help="Output format.")
def export(form: str) -> None:
    """Print the names and defaults of all settings, for programs in other languages and the documentation."""
    click.echo(FORMATS[form]())


@config.command("generate-key")
def generate_key() -> None:
    """Generate and print a key for BODHI_ENCRYPTION_KEY."""
    click.echo(new_key())
