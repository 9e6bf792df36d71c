"""Declaring capabilities: a store has all of one, or nothing of it."""

from bodhi.session import CAPABILITIES, SessionStore
from bodhi.testing.conformance.kit import Kit


class Declaring(Kit):
    """A store declares its capabilities by its methods."""

    async def test_a_capability_is_complete_or_absent(self, store: SessionStore) -> None:
        """A store with only some methods of a capability would count as one without it."""
        for capability in CAPABILITIES:
            methods = {name for name in vars(capability) if not name.startswith("_")} - set(vars(SessionStore))
            missing = {name for name in methods if not callable(getattr(store, name, None))}
            assert missing in (set(), methods), f"{capability.__name__} is incomplete"
