"""The documentation site: ``make docs`` builds it."""

import configparser
import re
from pathlib import Path

from docutils import nodes
from pygments.lexers.special import TextLexer
from pygments.lexers.sql import PostgresLexer
from sphinx.application import Sphinx
from sphinx.util import logging

_ROOT = Path(__file__).resolve().parents[1]
_METADATA = configparser.ConfigParser(interpolation=None)
_METADATA.read(_ROOT / "setup.cfg")
_ADDRESSES = dict(line.split(" = ") for line in _METADATA["metadata"]["project_urls"].strip().splitlines())

project = "bodhi"
author = _METADATA["metadata"]["author"]
copyright = author  # noqa: A001 - the name that Sphinx reads
release = version = _METADATA["metadata"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx", "sphinx_copybutton"]
exclude_patterns = ["README.md", "screenshots", "grafana"]
root_doc = "index"

html_theme = "furo"
html_title = f"bodhi {release}"
html_baseurl = _ADDRESSES["Documentation"]
html_copy_source = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
# Prompts and outputs stay out of what the button copies.
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"

# Where there is no network, the names that the docstrings use lead there all the same.
intersphinx_mapping = {
    name: (address, (None, f"inventories/{name}.inv"))
    for name, address in {
        "python": "https://docs.python.org/3",
        "aiohttp": "https://docs.aiohttp.org/en/stable",
        "aiohttp_session": "https://aiohttp-session.readthedocs.io/en/stable",
    }.items()
}
intersphinx_timeout = 5

_EXTERNAL = re.compile(r"https?://[\w-]+(\.[\w-]+)*(:\d{1,5})?(/[\w\-.~:/?#@!$&'()*+,;=%]*)?(?<![.,;:])|mailto:\S+@\S+")


def _link_to_source(app: Sphinx, page: str, text: list[str]) -> None:
    """Let links to files outside the documentation lead to the source."""
    up = "../" * (page.count("/") + 1)
    text[0] = re.sub(rf"\]\({re.escape(up)}(?!\.\./)", f"]({_ADDRESSES['Source']}/", text[0])


def _check_external_links(_: Sphinx, document: nodes.document, page: str) -> None:
    """Warn of links to other sites that are malformed; whether they answer is not checked."""
    for link in document.findall(nodes.reference):
        address = link.get("refuri", "")
        if ":" in address.partition("/")[0] and not _EXTERNAL.fullmatch(address):
            logging.getLogger(__name__).warning("malformed link %r", address, location=page)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_lexer("haproxy", TextLexer)  # Pygments has none
    app.add_lexer("sql", PostgresLexer)  # knows dollar quotes
    app.connect("source-read", _link_to_source)
    app.connect("doctree-resolved", _check_external_links)
