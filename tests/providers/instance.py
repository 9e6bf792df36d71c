"""A real provider as a process on loopback, with bodhi as its client."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.async_api import Page

from providers.page import ROOT
from support.ports import free_port

NODE = ROOT / "tests" / "providers" / "node"
# What `make test.providers` installs from PyPI, one environment for each provider.
ENVIRONMENTS = ROOT / "build" / "providers"
START_SECONDS = 120
# Short, so that the tests need not wait long for a refresh; but userinfo has to be asked with a token while it lives.
SHORT_TOKEN_SECONDS = 3
LONG_TOKEN_SECONDS = 300


@dataclass(frozen=True)
class Registration:
    """bodhi as it is registered at the provider."""

    base_url: str
    client_id: str = "bodhi"
    client_secret: str = "a-secret-of-the-client-bodhi-with-many-characters"

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends people after a login."""
        return f"{self.base_url}/ui/auth/callback"

    @property
    def post_logout_redirect_uri(self) -> str:
        """Where the provider sends people after a logout."""
        return f"{self.base_url}/ui/login"

    @property
    def backchannel_logout_uri(self) -> str:
        """Where the provider posts logout tokens."""
        return f"{self.base_url}/bodhi/v1/auth/backchannel-logout"


@dataclass(frozen=True)
class Account:
    """A person at the provider."""

    username: str
    given_name: str
    family_name: str
    groups: tuple[str, ...]
    password: str = "correct-horse-battery-staple-9"

    @property
    def email(self) -> str:
        """The address, which the provider knows as verified."""
        return f"{self.username}@example.org"


ANN = Account("ann", "Ann", "Archer", ("staff",))
BOB = Account("bob", "Bob", "Baker", ("staff", "it"))
ACCOUNTS = (ANN, BOB)


class RealProvider(ABC):
    """A provider that was installed from a registry; a subclass configures it as its section of the page says.

    It listens on a port of its own and keeps what it stores in *folder*, across restarts.
    """

    section: ClassVar[str]  # heading in docs/how-to/providers.md
    path: ClassVar[str] = ""  # of the issuer
    has_logout: ClassVar[bool] = True  # RP-initiated
    has_backchannel_logout: ClassVar[bool] = False
    has_refresh: ClassVar[bool] = True  # else its refresh tokens live no longer than its access tokens
    has_claims: ClassVar[bool] = True  # else a subject and nothing else: the default role, and no names
    needs: ClassVar[Path]  # what is there once it is installed
    installation: ClassVar[str] = "make test.providers installs it"

    def __init__(self, folder: Path, client: Registration, *, token_seconds: int) -> None:
        self.folder = folder
        self.client = client
        self.token_seconds = token_seconds
        self.url = f"http://127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def issuer(self) -> str:
        """The issuer identifier."""
        return f"{self.url}{self.path}"

    @property
    def port(self) -> int:
        """The port that the provider listens on."""
        return int(self.url.rpartition(":")[2])

    @property
    def log(self) -> str:
        """Everything the provider printed."""
        return self._log.read_text(errors="replace")

    @property
    @abstractmethod
    def command(self) -> list[str]:
        """The command that serves the provider."""

    @abstractmethod
    def configure(self, key: str) -> Mapping[str, str]:
        """Write the configuration, with *key* as signing key (PEM); return the environment of the command."""

    def username(self, account: Account) -> str:
        """Return the name by which bodhi knows an account."""
        return account.username

    @abstractmethod
    async def sign_in(self, page: Page, account: Account) -> None:
        """Fill in the provider's own pages, from its login form to the way back."""

    async def sign_out(self, page: Page) -> None:  # noqa: B027 - most ask nothing
        """Answer what the provider asks during a logout that bodhi began."""

    async def end_session(self, page: Page) -> None:
        """Log out at the provider itself, in the browser of somebody who is logged in."""
        raise NotImplementedError(f"{self.section} has no back-channel logout")

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def restart_with_new_key(self) -> None:
        """Stop, and start again with the same data and another signing key."""
        self._stop()
        self._start()

    @property
    def _log(self) -> Path:
        return self.folder / "provider.log"

    def _start(self) -> None:
        if not self.needs.exists():
            pytest.fail(f"{self.section} is not installed, {self.needs} is missing: {self.installation}", pytrace=False)
        environ = {**os.environ, **self.configure(new_key())}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, cwd=self.folder, env=environ, stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if self._describes_itself():
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.section} did not start, status {self._process.poll()}:\n{self.log}")

    def _describes_itself(self) -> bool:
        url = f"{self.issuer.removesuffix('/')}/.well-known/openid-configuration"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                found = json.load(answer)["issuer"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{self.section} answers {error.code} for {url}:\n{self.log}") from error
        except OSError:
            return False
        if found != self.issuer:
            raise RuntimeError(f"{self.section} names the issuer {found} in place of {self.issuer}")
        return True

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process = None


def new_key() -> str:
    """Return a new RSA key as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def told_client(client: Registration) -> dict[str, str]:
    """Return the client for a program that registers it."""
    return {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "redirect_uri": client.redirect_uri,
        "post_logout_redirect_uri": client.post_logout_redirect_uri,
        "backchannel_logout_uri": client.backchannel_logout_uri,
    }


def told_accounts() -> list[dict[str, Any]]:
    """Return the accounts for a program that creates them."""
    return [{**asdict(account), "email": account.email} for account in ACCOUNTS]
