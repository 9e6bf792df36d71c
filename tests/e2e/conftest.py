"""The realm, alone and beside bodhi."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.running import Realm


@pytest.fixture
def realm(tmp_path: Path) -> Iterator[Realm]:
    """The realm, with nobody logged in and no client registered."""
    with Realm(tmp_path) as realm:
        yield realm
