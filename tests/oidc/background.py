"""Waiting for what the client of the provider does behind the calls."""

import asyncio

from bodhi.oidc import IdentityProvider


async def settled(provider: IdentityProvider) -> None:
    """Nothing is under way in the background any more."""
    for fetching in (provider._discovery._fetching, provider._keys._fetching):
        await asyncio.gather(*fetching._tasks, return_exceptions=True)
