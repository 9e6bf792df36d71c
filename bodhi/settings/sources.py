"""Read the text of each setting from all sources, with the place it came from."""

import difflib
import os.path
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bodhi.settings.description import BY_NAME
from bodhi.settings.names import BODHI_HOME
from bodhi.settings.setting import FILE_SUFFIX, Source

PREFIX = "BODHI_"
STRUCTURED = {name for name, setting in BY_NAME.items() if setting.kind.takes_json}
_IN_FILE = ", file "
_FILE_VARIANTS = {setting.file_variant: name for name, setting in BY_NAME.items() if setting.file_variant is not None}


@dataclass(frozen=True)
class Found:
    """The text of one setting, its source, and the place to name in a fault."""

    text: str
    source: Source
    place: str


@dataclass
class Findings:
    """Result of reading all sources: the text of each setting by name, faults and warnings."""

    directory: Path  # that relative paths of files with secrets start from
    found: dict[str, Found] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, name: str, found: Found) -> None:
        """Add *found* unless a source of higher precedence has set *name*; add sources in order of precedence."""
        setting = BY_NAME.get(name)
        if name in _FILE_VARIANTS:
            self._add_from_file(_FILE_VARIANTS[name], found)
        elif setting is None:
            self._unknown(name, found)
        elif found.source in setting.refused_in:
            self.faults.append(f"{name} ({found.place}): must not be set here: {setting.refused_in[found.source]}")
        else:
            self._set(name, found)

    def _add_from_file(self, name: str, found: Found) -> None:
        """Add the content of the file at the path that was found, such as a secret of Docker or Kubernetes."""
        path = self.directory / found.text.strip()
        try:
            self._set(name, Found(path.read_text("utf-8"), found.source, f"{found.place}{_IN_FILE}{path}"))
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8 text"
            self.faults.append(f"{name}{FILE_SUFFIX} ({found.place}): {path} cannot be read: {reason}")

    def _set(self, name: str, found: Found) -> None:
        known = self.found.setdefault(name, found)
        if known is not found and known.source is found.source:
            self.faults.append(f"{name} ({known.place}): set both {name} and {name}{FILE_SUFFIX}; allowed: one of them")

    def _unknown(self, name: str, found: Found) -> None:
        full_name = PREFIX + name.upper().removeprefix(PREFIX)
        nearest = difflib.get_close_matches(full_name, BY_NAME, n=1, cutoff=0.7)
        message = f"{name} ({found.place}): no such setting" + (f"; did you mean {nearest[0]}?" if nearest else "")
        # On the command line an unknown name is a mistake; elsewhere it may belong to another program.
        (self.faults if found.source is Source.COMMAND_LINE else self.warnings).append(message)


def files_in(place: str) -> Iterator[Path]:
    """Yield the files that *place*, as named in faults, leads to."""
    source, _, secret = place.partition(_IN_FILE)
    file, at_line, _ = source.rpartition(", line ")
    yield from (Path(path) for path in (file if at_line else "", secret) if path)


def source_at(place: str) -> Source | None:
    """Return the source of *place*, as named in faults, or None for the key file."""
    place = place.partition(_IN_FILE)[0]
    file = Path(place.rpartition(", line ")[0]).name
    return next((source for source in Source if source == (file or place)), None)


def gather(command_line: Mapping[str, str], environ: Mapping[str, str], directory: Path) -> Findings:
    """Read the four sources; ``BODHI_HOME`` is always present, made absolute where possible."""
    findings = Findings(directory)
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

        lines = files.read_dotenv(path) if source is Source.DOTENV else files.read_yaml(path, structured=STRUCTURED)
        findings.faults += [f"{path}, {problem}" for problem in lines.problems]
        for name, (line, text) in lines.values.items():
            if _is_ours(name) or source is Source.YAML:
                findings.add(name, Found(text, source, f"{path}, line {line}"))


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX) and not name.startswith("BODHI_TEST_")


def _absolute(path: str, environ: Mapping[str, str], directory: Path) -> str:
    """Expand ``~`` and resolve *path* against the working directory; unchanged if it is empty or there is no home."""
    if path == "~" or path.startswith("~/"):
        path = (environ.get("HOME") or os.path.expanduser("~")) + path[1:]  # noqa: PTH111 - Path's raises
    return os.path.normpath(directory / path) if path and not path.startswith("~") else path
