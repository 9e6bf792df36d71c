"""For whoever writes a session store: the kit that checks it. It needs pytest and pytest-asyncio."""

import pytest

# Before the import below: only then does a failing check say what it compared.
pytest.register_assert_rewrite("bodhi.testing.conformance")

from bodhi.testing.clock import Clock  # noqa: E402 - as just said
from bodhi.testing.conformance import StoreConformance  # noqa: E402

__all__ = ["Clock", "StoreConformance"]
