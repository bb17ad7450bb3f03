"""What the mypy plugin costs: cold runs over a project of 400 tasks, with and without it by turns, in seconds of user time.

`python -m benchmarks.mypy_plugin [--pairs 7] [--tasks 400]` prints each pair and the median of their ratios.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

_PER_MODULE = 20
_HEAD = '''"""Tasks {first} to {last}."""

from datetime import datetime
from ipaddress import IPv4Address
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from project.shared import Report, Session, SessionDep, TooLate, broker, get_session
from typedtasks import Context, Depends, Injected, Retry


class Order{module}(BaseModel):
    id: int
    key: UUID
    lines: list[str]
    note: str | None = None
    sent_at: datetime | None = None

'''
_TASKS = (
    '''
@broker.task(name="plain.{number}", timeout=30, soft_timeout=25)
async def plain_{number}(id: int, key: UUID, *, depth: Annotated[int, Field(ge=0, le=3)] = 0) -> Order{module}:
    """Return an order."""
    return Order{module}(id=id + depth, key=key, lines=[])
''',
    '''
@broker.task(name="injected.{number}", retry=Retry(max_attempts=5, backoff=2), raises=TooLate)
async def injected_{number}(
    order: Order{module}, *, session: Session = Depends(get_session), context: Context = Depends()
) -> Report:
    """Report on an order."""
    if session.closed:
        raise TooLate(after=context.attempt)
    return Report(total=order.id, lines=order.lines)
''',
    '''
@broker.task
def by_type_{number}(hosts: list[IPv4Address], session: Injected[Session], also: SessionDep) -> dict[str, int]:
    """Count."""
    return {{str(host): len(hosts) for host in hosts if session is also}}
''',
    '''
@broker.task(name="caller.{number}", result_ttl=3600)
async def caller_{number}(order: Order{module}) -> int:
    """Enqueue what stands above."""
    handle = await plain_{before}.options(delay=5, priority="high", queue="slow").enqueue(order.id, order.key, depth=2)
    return (await handle.result(timeout=10)).id
''',
)
_SHARED = '''"""What all tasks share."""

from typing import Annotated

from pydantic import BaseModel

from typedtasks import Broker, Depends, TaskError

broker = Broker("memory://")


class Session:
    closed = False


class Report(BaseModel):
    total: int
    lines: list[str]


class TooLate(TaskError):
    after: int


def get_session() -> Session:
    return Session()


SessionDep = Annotated[Session, Depends(get_session)]
'''


def write_project(folder: Path, tasks: int) -> None:
    """Write a package of tasks of the usual kinds, and two configurations of mypy."""
    package = folder / "project"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "shared.py").write_text(_SHARED)
    for module, first in enumerate(range(0, tasks, _PER_MODULE)):
        numbers = range(first, min(first + _PER_MODULE, tasks))
        text = _HEAD.format(module=module, first=first, last=numbers[-1])
        for number in numbers:
            text += "\n" + _TASKS[number % 4].format(number=number, module=module, before=number - 3)
        (package / f"tasks_{module}.py").write_text(text)
    (folder / "without.ini").write_text("[mypy]\nstrict = True\n")
    (folder / "with.ini").write_text("[mypy]\nstrict = True\nplugins = typedtasks.mypy_plugin\n")


def user_seconds(folder: Path, configuration: str) -> float:
    """Return the user time of one run of mypy without a cache."""
    shutil.rmtree(folder / "cache", ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [sys.executable, "-m", "mypy", "--config-file", configuration, "--cache-dir", "cache", "project"]
    # The plugin as it is installed: compiled. Otherwise each run would compile it again, as no installed one does.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise SystemExit(f"mypy with {configuration} failed:\n{run.stdout}{run.stderr}")
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--tasks", type=int, default=400)
    options = parser.parse_args()
    ratios: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder, options.tasks)
        user_seconds(folder, "with.ini")  # compiles what is not compiled yet
        for pair in range(options.pairs):
            order = ("without.ini", "with.ini") if pair % 2 else ("with.ini", "without.ini")
            seconds = {configuration: user_seconds(folder, configuration) for configuration in order}
            ratios.append(seconds["with.ini"] / seconds["without.ini"])
            print(f"without {seconds['without.ini']:.2f} s, with {seconds['with.ini']:.2f} s: {ratios[-1] - 1:+.1%}", flush=True)
    print(f"median of {len(ratios)} pairs: {statistics.median(ratios) - 1:+.1%}")


if __name__ == "__main__":
    main()
