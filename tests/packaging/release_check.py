"""Build wheel and sdist, and try each in an empty environment: the README's application, and ``bodhi serve``.

``make release-check`` runs it. It ends with status 1 and the reason at the first fault.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
PATIENCE_SECONDS = 120


def main() -> None:
    """Build and check; print a line for each step."""
    for stale in (DIST, ROOT / "build" / "lib"):  # modules that are gone would come back from there
        shutil.rmtree(stale, ignore_errors=True)
    _run(sys.executable, "-m", "build", "--outdir", DIST, ROOT)
    built = sorted(DIST.iterdir())
    print("built", *(path.name for path in built))
    _run(sys.executable, "-m", "twine", "check", "--strict", *built)
    print("twine: the description renders")
    for path in built:
        with tempfile.TemporaryDirectory() as folder:
            _try(path, Path(folder))


def _try(path: Path, folder: Path) -> None:
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", path)
    environ = {
        "PATH": f"{python.parent}:{os.defpath}",
        "HOME": str(folder),
        "BODHI_ENCRYPTION_KEY": _run(python, "-m", "bodhi", "config", "generate-key", cwd=folder).strip(),
    }
    port = free_port()
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None, "README.md has no Python block"
    program = folder / "application.py"
    program.write_text(block[1].replace('host="localhost"', f'host="127.0.0.1", port={port}'))
    with _running([python, program], environ, folder):
        assert "Visit 1" == _get(f"http://127.0.0.1:{port}/")
    print(f"{path.name}: the README's application counts")
    environ |= {"BODHI_PORT": str(port), "BODHI_HOME": str(folder / "home")}
    with _running([python, "-m", "bodhi", "serve"], environ, folder):
        assert "<title>" in _get(f"http://127.0.0.1:{port}/")
        _get(f"http://127.0.0.1:{port}/health")
    print(f"{path.name}: bodhi serve shows its page and is healthy")


@contextmanager
def _running(command: list[object], environ: dict[str, str], folder: Path) -> Iterator[None]:
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            list(map(str, command)), env=environ, cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield
    except BaseException:
        print(log.read_text(), file=sys.stderr)
        raise
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _get(url: str) -> str:
    """Return the answer's text; wait for the server to listen."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
                return str(answer.read().decode())
        except ConnectionError as error:
            refused: Exception = error
        except OSError as error:  # urllib wraps the refusal
            if not isinstance(getattr(error, "reason", None), ConnectionError):
                raise
            refused = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"{url} did not answer within {PATIENCE_SECONDS} s") from refused
        time.sleep(0.1)


def _run(*command: object, cwd: Path = ROOT) -> str:
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True, cwd=cwd)
    if done.returncode:
        sys.exit(f"release-check: {' '.join(map(str, command))} failed\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
