"""For tests: a conformance kit for session stores (requires pytest), a clock, and an identity provider.

They are imported on first use, because a development server runs without pytest.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bodhi.testing.clock import Clock
    from bodhi.testing.conformance import StoreConformance
    from bodhi.testing.identity_provider import DevelopmentProvider

__all__ = ["Clock", "DevelopmentProvider", "StoreConformance"]


def __getattr__(name: str) -> Any:
    if name == "Clock":
        from bodhi.testing.clock import Clock

        return Clock
    if name == "DevelopmentProvider":
        from bodhi.testing.identity_provider import DevelopmentProvider

        return DevelopmentProvider
    if name == "StoreConformance":
        import pytest

        # Before the import below: pytest rewrites assertions, for detailed failure messages, at import time.
        pytest.register_assert_rewrite("bodhi.testing.conformance")

        from bodhi.testing.conformance import StoreConformance

        return StoreConformance
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
