"""Replace nodes of the version before by nodes of this one while requests go on.

``python -m rolling_upgrade --old DIR``: *DIR* is a checkout of the version before, with an interpreter of its own in
``.venv``. Ends with status 1 where a session, a change or a promise is lost.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path

import aiohttp

from bodhi.testing import DevelopmentProvider
from rolling_upgrade.browsers import Site
from rolling_upgrade.checks import MOST_SESSIONS
from rolling_upgrade.cluster import Cluster, Fault
from rolling_upgrade.stored import Stored
from rolling_upgrade.story import upgrade
from support.databases import Databases, find_postgres

DATABASES = ("sqlite", "postgres")
_ACCESS_TOKEN_SECONDS = 4  # they expire all the time


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="rolling_upgrade", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--old", type=Path, required=True, help="a checkout of the version before, with its .venv")
    parser.add_argument("--database", choices=DATABASES, action="append", help="this one alone")
    parser.add_argument("--steps", type=int, default=6, help="of each visitor in each part")
    options = parser.parse_args()
    python = options.old.absolute() / ".venv" / "bin" / "python"
    if not python.exists():
        print(f"{python} is not there: `make test.upgrade` makes it", file=sys.stderr)
        return 2
    for dialect in options.database or DATABASES:
        with tempfile.TemporaryDirectory(prefix="bodhi-upgrade-") as folder, _database(dialect, Path(folder)) as url:
            if not asyncio.run(_upgraded(dialect, python, Path(folder), url, options.steps)):
                return 1
    return 0


@contextmanager
def _database(dialect: str, folder: Path) -> Iterator[str]:
    """The URL of a database that is empty."""
    if dialect == "sqlite":
        yield f"sqlite:{folder / 'sessions.sqlite'}"
        return
    with closing(find_postgres()) as server, closing(Databases(server.url)) as databases:
        url = databases.create()
        yield url
        databases.drop(url)


async def _upgraded(dialect: str, python: Path, folder: Path, url: str, steps: int) -> bool:
    """Whether nothing was lost; prints what was done."""
    begun = time.monotonic()
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(DevelopmentProvider(access_token_seconds=_ACCESS_TOKEN_SECONDS))
        http = await stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0))
        )
        cluster = Cluster(python, folder, _environ(provider, folder, url), http)
        stack.push_async_callback(cluster.close)
        try:
            await upgrade(Site(cluster, provider), Stored(url), steps)
        except Exception as error:
            if not isinstance(error, Fault):
                raise
            print(f"{dialect}: {error}", *cluster.warnings(), sep="\n", file=sys.stderr)
            return False
    print(f"{dialect}: nothing was lost in {time.monotonic() - begun:.1f}s")
    for name, times in (*sorted(cluster.answers.items()), *sorted(cluster.events.items())):
        print(f"  {times:6} {name}")
    print(f"  {provider.counts['refresh']:6} refreshes at the provider")
    print(f"  the slowest end of an open request took {cluster.slowest_revocation:.2f} s")
    return True


def _environ(provider: DevelopmentProvider, folder: Path, url: str) -> dict[str, str]:
    """The settings of every node, which are those of one cluster."""
    return {
        "BODHI_HOME": str(folder / "bodhi"),
        "BODHI_HOST": "127.0.0.1",
        "BODHI_PUBLIC_HOST": "localhost",
        "BODHI_SESSION_DB_URL": url,
        "BODHI_DATABASE_URL": url,
        "BODHI_ENCRYPTION_KEY": "a-key-for-tests-that-has-at-least-thirty-two-characters",
        "BODHI_AUTH_ISSUER": provider.issuer,
        "BODHI_AUTH_MANAGEMENT": "true",
        "BODHI_CLIENT_ID": provider.client_id,
        "BODHI_CLIENT_SECRET": provider.client_secret,
        "BODHI_SESSION_MAX_PER_USER": str(MOST_SESSIONS),
        "BODHI_SESSION_SWEEP_INTERVAL": "1",
        "BODHI_TOKEN_MEMORY": "0",
        "BODHI_RATE_LIMIT": "0",  # all requests come from one address
        # A machine that is busy with something else is no outage.
        "BODHI_AUTH_TIMEOUT": "30",
        "BODHI_DB_TIMEOUT": "30",
        "BODHI_SHUTDOWN_TIMEOUT": "60",
    }


if __name__ == "__main__":
    sys.exit(main())
