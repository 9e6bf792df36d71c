"""Settings read in a folder of the test's own: no source but those that the test writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

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
        """The path of ``.env`` in the working directory, which now says *text*."""
        return self._write(self.cwd / ".env", text)

    def write_yaml(self, text: str | bytes) -> Path:
        """The path of ``settings.yaml`` in ``$BODHI_HOME``, which now says *text*."""
        return self._write(self.home / "settings.yaml", text)

    def resolve(self, **environ: str) -> Resolution:
        """What the settings come to, with *environ* in the environment as well."""
        return resolve_settings(self.command_line, self._environ(environ), self.cwd)

    def load(self, **environ: str) -> Settings:
        """The settings that a server on this machine has."""
        return load_settings(self.command_line, self._environ(environ), self.cwd)

    def faults(self, **environ: str) -> list[str]:
        """The lines of the error that reading the settings ends with."""
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
    """A machine on which nothing is set but ``BODHI_HOME``."""
    (tmp_path / "cwd").mkdir()
    return Machine(cwd=tmp_path / "cwd", home=tmp_path / "bodhi")
