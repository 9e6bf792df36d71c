"""Run the realm and bodhi as processes."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

_ROOT = Path(__file__).resolve().parents[2]
_REALM_READY = re.compile(r"realm is ready: (?P<url>http://\S+)\n")
_BODHI_READY = re.compile(r"bodhi is ready on (?P<url>http://\S+) \(.*\)\n")
_DEADLINE_SECONDS = 30


class Program:
    """A process that prints a ready line with its URL."""

    def __init__(self, command: list[str], log: Path, ready: re.Pattern[str], environ: Mapping[str, str]) -> None:
        self._log = log
        self._name = log.stem
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
        with log.open("w") as stderr:
            self._process = subprocess.Popen(
                command,
                cwd=log.parent,
                env={**inherited, **environ},
                stdin=subprocess.PIPE,  # the realm ends when this does, whatever ends the tests
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        try:
            self.url = self._wait_until(ready)
        except BaseException:
            self.stop()
            raise

    @property
    def log(self) -> str:
        """The log of the process."""
        return self._log.read_text()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Suspend the process inside the block."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop the process."""
        self._process.terminate()
        try:
            self._process.wait(_DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until(self, ready: re.Pattern[str]) -> str:
        assert self._process.stdout is not None
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while select.select([self._process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
            line = self._process.stdout.readline()
            if match := ready.fullmatch(line):
                return match["url"]
            if not line:
                break
        raise RuntimeError(f"{self._name} is not ready, status {self._process.poll()}: {self.log}")


class Realm(Program):
    """The Keycloak-like realm, without sessions and registered clients."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", access_token_seconds: int = 300) -> None:
        environ = {"REALM_HOST": host, "REALM_ACCESS_TOKEN_SECONDS": str(access_token_seconds)}
        command = ["node", "--no-warnings", str(_ROOT / "tests" / "e2e" / "realm" / "server.js")]
        super().__init__(command, folder / "realm.log", _REALM_READY, environ)

    @property
    def issuer(self) -> str:
        """The issuer identifier, a prefix of all URLs."""
        return self.url

    @property
    def auth_url(self) -> str:
        """The value of BODHI_AUTH_URL."""
        return self.url.removesuffix("/realms/bodhi")

    def new_resource(self, redirect_uris: list[str], *, name: str = "bodhi") -> dict[str, str]:
        """Register a resource server with the default roles; return ``client_id`` and ``client_secret``."""
        client: dict[str, str] = self._control("POST", "resources", {"name": name, "redirect_uris": redirect_uris})
        return client

    def new_app(self, redirect_uris: list[str], *, name: str, description: str = "") -> dict[str, str]:
        """Register an application; return ``client_id`` and ``client_secret``."""
        body = {"name": name, "description": description, "redirect_uris": redirect_uris}
        client: dict[str, str] = self._control("POST", "apps", body)
        return client

    def set_access_token_seconds(self, seconds: int) -> None:
        """Set the lifetime of access tokens issued from now on."""
        self._control("PUT", "lifetimes", {"accessTokenSeconds": seconds})

    def end_sessions(self, username: str) -> list[dict[str, Any]]:
        """End a user's sessions at the realm; return the notified clients with their ``error`` or None."""
        answers: list[dict[str, Any]] = self._control("POST", "end-sessions", {"username": username})
        return answers

    def roles(self, client_id: str) -> dict[str, str | None]:
        """Return the users' roles at a resource server."""
        roles: dict[str, str | None] = self._control("GET", f"resources/{client_id}/roles")
        return roles

    @property
    def now(self) -> float:
        """Return the realm's time, in seconds since 1970."""
        return float(self._control()["now"])

    def granted(self, grant_type: str) -> int:
        """Return how often the grant succeeded."""
        return int(self._control()["granted"].get(grant_type, 0))

    def refused(self, grant_type: str) -> int:
        """Return how often the grant was refused."""
        return int(self._control()["refused"].get(grant_type, 0))

    @property
    def told(self) -> list[dict[str, Any]]:
        """Return the clients notified of a browser logout, with their ``error`` or None."""
        told: list[dict[str, Any]] = self._control()["backchannel"]
        return told

    def sessions_of(self, username: str) -> int:
        """Return the number of a user's sessions at the realm."""
        return int(self._person(username)["sessions"])

    def id_of(self, username: str) -> str:
        """Return the ``sub`` of a user's tokens."""
        return str(self._person(username)["id"])

    def _person(self, username: str) -> dict[str, Any]:
        found: dict[str, Any] = next(one for one in self._control()["people"] if one["username"] == username)
        return found

    def _control(self, method: str = "GET", path: str = "", body: object = None) -> Any:
        request = urllib.request.Request(
            f"{self.auth_url}/control/{path}".rstrip("/"), json.dumps(body).encode() if body else None, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


class Bodhi(Program):
    """``python -m bodhi serve``, as a client of a realm."""

    def __init__(self, folder: Path, **settings: str) -> None:
        environ = {
            "HOME": str(folder),
            "BODHI_HOME": str(folder / "bodhi"),
            "BODHI_LOG_LEVEL": "DEBUG",
            "PYTHONPATH": str(_ROOT),
            "PYTHONWARNINGS": "error",
            **settings,
        }
        super().__init__([sys.executable, "-m", "bodhi", "serve"], folder / "bodhi.log", _BODHI_READY, environ)
