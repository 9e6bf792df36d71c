"""Read settings only from sources written by the test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from bodhi.errors import ConfigurationError
from bodhi.settings import Resolution, Settings, load_settings, resolve_settings


@dataclass
class Machine:
    """A machine with a working directory, a home folder and an environment."""

    cwd: Path
    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    command_line: dict[str, str] = field(default_factory=dict)

    def write_dotenv(self, text: str | bytes) -> Path:
        """Write ``.env`` in the working directory; return its path."""
        return self._write(self.cwd / ".env", text)

    def write_yaml(self, text: str | bytes) -> Path:
        """Write ``settings.yaml`` in ``$BODHI_HOME``; return its path."""
        return self._write(self.home / "settings.yaml", text)

    def resolve(self, **environ: str) -> Resolution:
        """Resolve the settings, with *environ* added to the environment."""
        return resolve_settings(self.command_line, self._environ(environ), self.cwd)

    def load(self, **environ: str) -> Settings:
        """Load the settings of a server on this machine."""
        return load_settings(self.command_line, self._environ(environ), self.cwd)

    def faults(self, **environ: str) -> list[str]:
        """Return the lines of the error raised by reading the settings."""
        with pytest.raises(ConfigurationError) as caught:
            self.load(**environ)
        return str(caught.value).splitlines()

    def _environ(self, more: Mapping[str, str]) -> dict[str, str]:
        return {"BODHI_HOME": str(self.home), **self.environ, **more}

    @staticmethod
    def _write(path: Path, text: str | bytes) -> Path:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path


@pytest.fixture
def machine(tmp_path):
    """A machine with only ``BODHI_HOME`` set."""
    (tmp_path / "cwd").mkdir()
    return Machine(cwd=tmp_path / "cwd", home=tmp_path / "bodhi")


@pytest.fixture(scope="session")
def private_key_pem() -> str:
    """A private key as PEM."""
    return ECKey.generate_key("P-256").as_pem(private=True).decode()
