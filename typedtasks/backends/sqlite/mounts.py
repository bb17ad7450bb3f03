"""Where a file lies: on a network file system SQLite's locks do not hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from typedtasks.errors import BackendUnsupported

__all__ = ["refuse_network"]

_OCTAL: Final = re.compile(rb"\\([0-3][0-7]{2})")
_NETWORK_FILE_SYSTEMS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph"})


def refuse_network(folder: Path) -> None:
    """Raise `BackendUnsupported` on a network file system: SQLite's locks do not hold there."""
    best = ("", "")
    for point, kind in _mounts():
        if folder.is_relative_to(point) and len(point) > len(best[0]):
            best = (point, kind)
    if best[1] in _NETWORK_FILE_SYSTEMS:
        raise BackendUnsupported(
            f"{folder} is on a network file system ({best[1]}), where SQLite's locks do not hold. Use a local disk, or Redis."
        )


def _mounts() -> Iterator[tuple[str, str]]:
    """Yield where something is mounted, and of what kind it is. Paths are bytes there; spaces and line ends in them are octal."""
    try:
        lines = Path("/proc/mounts").read_bytes().split(b"\n")
    except OSError:
        return  # not Linux: the documentation says it
    for line in lines:
        _, _, rest = line.partition(b" ")
        point, _, rest = rest.partition(b" ")
        yield os.fsdecode(_OCTAL.sub(lambda octal: bytes([int(octal[1], 8)]), point)), os.fsdecode(rest.partition(b" ")[0])
