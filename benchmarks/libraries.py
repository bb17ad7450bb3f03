"""What is measured: typedtasks, its rivals, and the bare loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.processes import ROOT

__all__ = ["ARDIQ", "BARE", "LIBRARIES", "OURS", "PGQUEUER", "RIVALS", "Library"]


@dataclass(frozen=True, eq=False)
class Library:
    """One line of the tables."""

    name: str
    program: str
    """The module with its tasks and its `Measured`."""
    packages: tuple[str, ...]
    """Those whose versions are told."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    lacks: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why it has no part in some measures, by their names."""
    polls: bool = False
    """Whether a shorter poll interval shortens the time to a result."""
    is_async: bool = True
    least_python: tuple[int, int] = (3, 11)
    """The oldest Python that it can be installed for."""
    uses_postgres: bool = False
    """Whether it keeps its tasks in PostgreSQL, and not in Redis."""

    @property
    def folder(self) -> str:
        """The name of its environment."""
        return self.program.split(".")[-2]

    @property
    def requirements(self) -> Path | None:
        """Its pinned requirements; None for typedtasks, which is installed from its own folder."""
        return None if self is OURS else ROOT.joinpath(*self.program.split(".")).with_name("requirements.txt")

    @property
    def is_batched(self) -> bool:
        """Whether it works in batches, so that a sample needs more tasks to last as long."""
        return self in (OURS, BARE)


_BLOCKING: Final = "its client blocks, so it has no concurrent callers on an event loop"
_NO_REDIS: Final = "it keeps its tasks in PostgreSQL"
_NO_THREADS: Final = "it runs no plain functions in threads"

OURS: Final = Library("typedtasks", "benchmarks.ours.app", ("pydantic", "redis", "hiredis", "uvloop"))
BARE: Final = Library("bare redis-py", "benchmarks.bare.app", ("redis", "hiredis", "pydantic", "uvloop"))
RIVALS: Final = (
    Library("Taskiq stream", "benchmarks.rivals.taskiq.app", ("taskiq", "taskiq-redis", "redis", "hiredis", "uvloop"), polls=True),
    Library(
        "Taskiq list",
        "benchmarks.rivals.taskiq.app",
        ("taskiq", "taskiq-redis", "redis", "hiredis", "uvloop"),
        {"BENCH_BROKER": "list"},
        polls=True,
    ),
    Library("arq", "benchmarks.rivals.arq.app", ("arq", "redis", "hiredis", "uvloop"), lacks={"sync": _NO_THREADS}, polls=True),
    Library("saq", "benchmarks.rivals.saq.app", ("saq", "redis", "hiredis", "uvloop")),
    Library("streaq", "benchmarks.rivals.streaq.app", ("streaq", "coredis", "hiredis", "uvloop")),
    Library(
        "docket",
        "benchmarks.rivals.docket.app",
        ("pydocket", "redis", "hiredis", "uvloop"),
        lacks={"sync": _NO_THREADS},
        polls=True,
    ),
    Library(
        "celery",
        "benchmarks.rivals.celery.app",
        ("celery", "kombu", "redis", "hiredis"),
        lacks={"callers": _BLOCKING},
        is_async=False,
    ),
    Library(
        "dramatiq", "benchmarks.rivals.dramatiq.app", ("dramatiq", "redis", "hiredis"), lacks={"callers": _BLOCKING}, is_async=False
    ),
    Library(
        "huey",
        "benchmarks.rivals.huey.app",
        ("huey", "redis", "hiredis"),
        lacks={"callers": _BLOCKING},
        polls=True,
        is_async=False,
    ),
    Library(
        "rq",
        "benchmarks.rivals.rq.app",
        ("rq", "redis", "hiredis"),
        lacks={
            "callers": _BLOCKING,
            "nap": "its worker process runs one task at a time",
            "memory": "its worker process runs one task at a time",
            "sync": _NO_THREADS,
        },
        is_async=False,
    ),
    Library("ardiq", "benchmarks.rivals.ardiq.app", ("ardiq", "msgpack", "uvloop"), least_python=(3, 12)),
    Library(
        "pgqueuer",
        "benchmarks.rivals.pgqueuer.app",
        ("pgqueuer", "asyncpg", "uvloop"),
        lacks={"calls": _NO_REDIS, "stored": _NO_REDIS, "idle": _NO_REDIS, "sync": _NO_THREADS},
        uses_postgres=True,
    ),
)
ARDIQ: Final = RIVALS[-2]
"""Its core is written in Rust: it has goals of its own."""
PGQUEUER: Final = RIVALS[-1]
LIBRARIES: Final = (OURS, *RIVALS, BARE)
