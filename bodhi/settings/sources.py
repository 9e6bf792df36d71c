"""Where settings are written down: reads the text of each, and remembers the place it came from."""

import difflib
import os.path
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bodhi.settings.description import BY_NAME
from bodhi.settings.names import BODHI_HOME
from bodhi.settings.setting import Source

PREFIX = "BODHI_"


@dataclass(frozen=True)
class Found:
    """The text of one setting, its source, and the place as a fault names it."""

    text: str
    source: Source
    place: str


@dataclass
class Findings:
    """What all sources say: the strongest text of each setting by name, and what is wrong with the sources."""

    found: dict[str, Found] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, name: str, found: Found) -> None:
        """Keep *found* unless a stronger source has set *name* already; sources are added strongest first."""
        setting = BY_NAME.get(name)
        if setting is None:
            self._unknown(name, found)
        elif found.source in setting.refused_in:
            self.faults.append(f"{name} ({found.place}): may not be set here, for {setting.refused_in[found.source]}")
        else:
            self.found.setdefault(name, found)

    def _unknown(self, name: str, found: Found) -> None:
        full_name = PREFIX + name.upper().removeprefix(PREFIX)
        nearest = difflib.get_close_matches(full_name, BY_NAME, n=1, cutoff=0.7)
        message = f"{name} ({found.place}): no such setting" + (f"; did you mean {nearest[0]}?" if nearest else "")
        # On the command line it can only have been meant for us; elsewhere other programs may have names like ours.
        (self.faults if found.source is Source.COMMAND_LINE else self.warnings).append(message)


def source_at(place: str) -> Source | None:
    """The source that *place*, as faults name it, is in; None for what the program found by itself, in the key file."""
    file = Path(place.rpartition(", line ")[0]).name
    return next((source for source in Source if source == (file or place)), None)


def gather(command_line: Mapping[str, str], environ: Mapping[str, str], directory: Path) -> Findings:
    """What the four sources say; ``BODHI_HOME`` is always found, as an absolute path wherever that can be told."""
    findings = Findings()
    for name, text in command_line.items():
        findings.add(name, Found(text, Source.COMMAND_LINE, Source.COMMAND_LINE))
    for name in filter(_is_ours, environ):
        findings.add(name, Found(environ[name], Source.ENVIRONMENT, Source.ENVIRONMENT))
    _read(findings, directory / ".env", Source.DOTENV)

    home = findings.found.get(BODHI_HOME) or Found(str(BY_NAME[BODHI_HOME].default), Source.DEFAULT, Source.DEFAULT)
    path = _absolute(home.text.strip(), environ, directory)
    findings.found[BODHI_HOME] = Found(path, home.source, home.place)
    if path.isprintable() and Path(path).is_absolute():
        _read(findings, Path(path) / "settings.yaml", Source.YAML)
    return findings


def _read(findings: Findings, path: Path, source: Source) -> None:
    if os.path.isfile(path):  # noqa: PTH113 - Path's raises where the folder may not be entered
        from bodhi.settings import files

        lines = files.read_dotenv(path) if source is Source.DOTENV else files.read_yaml(path)
        findings.faults += [f"{path}, {problem}" for problem in lines.problems]
        for name, (line, text) in lines.values.items():
            if _is_ours(name) or source is Source.YAML:
                findings.add(name, Found(text, source, f"{path}, line {line}"))


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX) and not name.startswith("BODHI_TEST_")


def _absolute(path: str, environ: Mapping[str, str], directory: Path) -> str:
    """*path* with ``~`` and the working directory put in; as it is, when it is empty or there is no home folder."""
    if path == "~" or path.startswith("~/"):
        path = (environ.get("HOME") or os.path.expanduser("~")) + path[1:]  # noqa: PTH111 - Path's raises
    return os.path.normpath(directory / path) if path and not path.startswith("~") else path
