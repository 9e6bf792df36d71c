"""Names documented in 0.1.0 still work, with a deprecation warning."""

import importlib
import subprocess
import sys

import pytest

import bodhi.run
import bodhi.server
from bodhi.server import app
from bodhi.session import UserCap


@pytest.mark.parametrize("name", ["application", "serve"])
def test_bodhi_server_has_the_names_of_bodhi_run(name):
    """Gunicorn may be given ``bodhi.server:application`` in service files that nobody has touched."""
    with pytest.warns(DeprecationWarning, match=f"use bodhi.run.{name}"):
        assert getattr(bodhi.run, name) is getattr(bodhi.server, name)


def test_bodhi_server_has_no_other_names():
    """A name that is misspelt is an AttributeError as anywhere."""
    with pytest.raises(AttributeError, match="no attribute 'aplication'"):
        _ = bodhi.server.aplication


def test_bodhi_app_has_the_names_of_bodhi_server_app():
    """Programs that import from it get the same functions."""
    with pytest.warns(DeprecationWarning, match=r"import from bodhi\.server\.app"):
        old = importlib.import_module("bodhi.app")

    assert [getattr(app, name) for name in old.__all__] == [getattr(old, name) for name in old.__all__]
    assert {"create_app", "session_service"} <= set(old.__all__)


def test_a_user_cap_has_its_old_name_for_stores():
    """A store of 0.1.0 reports the sessions that a cap ended with ``told``."""
    ended = []
    with pytest.warns(DeprecationWarning, match="use on_ended"):
        report = UserCap("ann", 1, ended.append).told
    assert report is not None
    report(2)
    assert [2] == ended


def test_old_imports_need_no_change():
    """As in a program that was written for version 0.1.0."""
    program = "from bodhi.app import create_app, session_service; from bodhi.server import application"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)

    assert (0, 2) == (result.returncode, result.stderr.count("DeprecationWarning")), result.stderr
