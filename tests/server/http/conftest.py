"""The application in this process, with additional routes."""

import pytest

from bodhi.server.app import create_app
from bodhi.settings import load_settings
from support.patience import PATIENT_ENVIRON


@pytest.fixture
def make_app(sqlite_url, tmp_path):
    """Creates the application with the settings *environ* and additional *routes*."""

    def make(*routes, **environ):
        base = {"BODHI_HOME": str(tmp_path / "bodhi"), "BODHI_SESSION_DB_URL": sqlite_url, **PATIENT_ENVIRON}
        app = create_app(load_settings(environ={**base, **environ}, cwd=tmp_path))
        app.add_routes(routes)
        return app

    return make
