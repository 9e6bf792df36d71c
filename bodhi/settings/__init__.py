"""Settings, each described in one place, read from the command line, the environment and files."""

from bodhi.settings.description import BY_NAME as BY_NAME
from bodhi.settings.description import GROUPS as GROUPS
from bodhi.settings.description import SETTINGS as SETTINGS
from bodhi.settings.description import Settings as Settings
from bodhi.settings.names import *  # noqa: F403 - the name of every setting, and nothing else is in there
from bodhi.settings.reader import Resolution as Resolution
from bodhi.settings.reader import load_settings as load_settings
from bodhi.settings.reader import resolve_settings as resolve_settings
from bodhi.settings.reader import with_encryption_keys as with_encryption_keys
from bodhi.urls import mask_url as mask_url
