"""A PostgreSQL server of the benchmark's own, for the libraries that keep their tasks there."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.processes import Failed
from tests.redis_server import free_port

__all__ = ["postgres_server"]

_USER: Final = "postgres"
_DEBIAN: Final = Path("/usr/lib/postgresql")
"""Where Debian puts each version's programs, off the PATH."""


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yield the URL of a fresh server with its usual settings; it is gone afterwards. Raises `Failed` where none is installed."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    with tempfile.TemporaryDirectory(prefix="bench-postgres-", ignore_cleanup_errors=True) as folder:
        owner = _USER if os.geteuid() == 0 else None  # it refuses to run as root
        if owner is not None:
            os.chown(folder, pwd.getpwnam(owner).pw_uid, -1)
        data, port = f"{folder}/data", free_port()
        _run([initdb, "--pgdata", data, "--username", _USER, "--auth", "trust"], owner)
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        _run([pg_ctl, "start", "--wait", "--pgdata", data, "--log", f"{folder}/log", "--options", options], owner)
        try:
            yield f"postgresql://{_USER}@127.0.0.1:{port}/postgres"
        finally:
            _run([pg_ctl, "stop", "--mode", "immediate", "--pgdata", data], owner)


def _program(name: str) -> str:
    newest = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]), reverse=True)
    found = shutil.which(name) or (str(newest[0]) if newest else None)
    if found is None:
        raise Failed(f"{name} of PostgreSQL is not installed: apt-get install postgresql")
    return found


def _run(command: list[str], owner: str | None) -> None:
    # A file, and no pipe: the server that pg_ctl starts would keep the pipe open.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(command, user=owner, cwd="/", stdout=output, stderr=output)
        output.seek(0)
        if done.returncode:
            raise Failed(f"{Path(command[0]).name}: {output.read().strip()}")
