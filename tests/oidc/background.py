"""Wait for background work of the provider client."""

import asyncio

from bodhi.oidc import IdentityProvider


async def settled(provider: IdentityProvider) -> None:
    """Wait until no background work remains."""
    for fetching in (provider._discovery._fetching, provider._keys._fetching):
        await asyncio.gather(*fetching._tasks, return_exceptions=True)
