"""The virtual environments of the benchmark: one for each library, from its pinned requirements, under `.benchmarks/`."""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.processes import ROOT

__all__ = ["CannotInstall", "Environment", "made", "version_of"]

_FOLDER: Final = ROOT / ".benchmarks" / "environments"


class CannotInstall(Exception):
    """What a library needs could not be installed; the text is the end of what pip said."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    @property
    def python(self) -> str:
        """The interpreter."""
        return str(self.folder / "bin" / "python")

    def versions(self) -> dict[str, str]:
        """Return the version of each package in it."""
        command = [self.python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
        listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return {package["name"].lower(): package["version"] for package in listed}


def made(name: str, requirements: Path | None, python: str = sys.executable) -> Environment:
    """Return the environment of a library, made first where it is not there, or its requirements or the interpreter have changed.

    Without requirements it is that of typedtasks itself, an editable installation with its extra `fast`. Raises `CannotInstall`.
    """
    environment = Environment(_FOLDER / name)
    if requirements is None:
        arguments = ["--constraint", "constraints.txt", "--editable", ".[fast]"]
        sources = [ROOT / "pyproject.toml", ROOT / "constraints.txt"]
    else:
        arguments, sources = ["--requirement", str(requirements)], [requirements]
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in sources) + version_of(python).encode()).hexdigest()
    stamp = environment.folder / "installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return environment
    _run([python, "-m", "venv", "--clear", str(environment.folder)])
    _run([environment.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments])
    stamp.write_text(wanted)
    return environment


@functools.cache
def version_of(python: str) -> str:
    """Return the version of an interpreter, such as 3.13.0. Raises `CannotInstall` where there is none."""
    try:
        program = "import platform; print(platform.python_version())"
        return subprocess.run([python, "-c", program], check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotInstall(f"{python} is no Python: {error}") from None


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise CannotInstall((done.stderr or done.stdout)[-1000:].strip())
