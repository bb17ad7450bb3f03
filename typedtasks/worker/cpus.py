"""How many CPUs a process may use: not those of the machine, where an affinity or a control group allows fewer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["usable_cpus"]

_ROOT: Final = Path("/")


def usable_cpus(root: Path = _ROOT) -> int:
    """Return how many CPUs this process may use at a time, 1 or more; a share of one counts as one. `root` is for tests."""
    allowed = [_allowed(), *(-(-quota // period) for quota, period in _quotas(root) if quota > 0 and period > 0)]
    return max(1, min(allowed))


def _allowed() -> int:
    if sys.version_info >= (3, 13):  # it heeds PYTHON_CPU_COUNT, too
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[tuple[int, int]]:
    """Yield the quota and the period, in microseconds, of each control group that this process is in, and of those above."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            mount, files = root / "sys/fs/cgroup", ["cpu.max"]
        elif "cpu" in controllers.split(","):
            mount, files = root / "sys/fs/cgroup/cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        group = mount / path.strip("/")
        # In a container the path may be one that only its host sees: then the mount itself is what is left.
        for folder in (group, *(parent for parent in group.parents if parent.is_relative_to(mount))):
            numbers = " ".join(_read(folder / file) for file in files).split()
            if len(numbers) == 2 and numbers[1].isdecimal() and numbers[0].isdecimal():  # `max` and -1: no limit
                yield int(numbers[0]), int(numbers[1])


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""  # not Linux, or not shown to this process
