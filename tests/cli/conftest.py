"""Run commands, in this process and as processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import bodhi
from support.command_line import run_command
from support.patience import PATIENT_ENVIRON

KEY = "a-key-for-tests-of-at-least-thirty-two-characters"


@pytest.fixture
def process_environ(tmp_path):
    """The environment of a command: an empty home and an encryption key."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
    return {
        **inherited,
        "BODHI_HOME": str(tmp_path / "bodhi"),
        "BODHI_ENCRYPTION_KEY": KEY,
        **PATIENT_ENVIRON,
        "PYTHONPATH": str(Path(bodhi.__file__).parents[1]),
    }


@pytest.fixture
def bodhi_process(process_environ, tmp_path):
    """Runs ``python -m bodhi`` without a terminal; returns exit status, stdout and stderr."""

    def run(*arguments, **environ):
        command = [sys.executable, "-m", "bodhi", *arguments]
        options = {"env": {**process_environ, **environ}, "cwd": tmp_path, "stdin": subprocess.DEVNULL, "timeout": 300}
        ended = subprocess.run(command, capture_output=True, text=True, check=False, **options)
        return ended.returncode, ended.stdout, ended.stderr

    return run


@pytest.fixture
def bodhi_command(process_environ, tmp_path):
    """The same in this process, without what Python and all imports cost to start."""

    def run(*arguments, **environ):
        return run_command(*arguments, environ={**process_environ, **environ}, cwd=tmp_path)

    return run
