"""The application that the worker processes of these tests run."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from typedtasks import Broker, Context, Depends, Encrypt, Retry, TaskError

broker = Broker()
encrypted = Broker(codecs=[Encrypt({"test": bytes(32)})])
not_a_broker = 7
HOLDING = """
import fcntl, sys, time
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_SH)
print("held", flush=True)
time.sleep(600)
"""


class NotSquare(TaskError):
    """A failure with fields."""

    number: int


def _log(line: str) -> None:
    """Append a line to the file that all processes of a test share."""
    with Path(os.environ["TEST_LOG"]).open("a") as file:
        file.write(line + "\n")


@broker.task(name="app.double")
async def double(x: int) -> int:
    """Return twice x."""
    return 2 * x


@broker.task(name="app.hold")
async def hold(n: int) -> int:
    """Say which process runs it; go on when the test says so."""
    _log(f"start {n} {os.getpid()}")
    while not Path(os.environ["TEST_LOG"] + ".go").exists():
        await asyncio.sleep(0.005)
    _log(f"end {n} {os.getpid()}")
    return n


@broker.task(name="app.hold_in_thread")
def hold_in_thread(n: int) -> int:
    """The same, in a thread that nothing can stop."""
    _log(f"start {n} {os.getpid()}")
    threading.Event().wait(60)
    return n


@broker.task(name="app.block")
async def block(seconds: float) -> str:
    """Block the event loop, which a task must not do."""
    _log(f"start block {os.getpid()}")
    time.sleep(seconds)  # blocking is the point
    return "done"


@broker.task(name="app.fail")
async def fail() -> None:
    """Fail."""
    raise ValueError("no")


@broker.task(name="app.process")
async def process() -> int:
    """Return the process that runs it."""
    return os.getpid()


@broker.task(name="app.die")
async def die() -> None:
    """End the process at once, as a crash in C would."""
    if not Path(os.environ["TEST_LOG"] + ".died").exists():
        Path(os.environ["TEST_LOG"] + ".died").touch()
        os._exit(9)


@broker.task(name="app.kill")
async def kill() -> None:
    """End the process whenever it is run, as a crash in C would, after a word on standard error."""
    print("these are my last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


@broker.task(name="app.block_with_timeout", timeout=0.05)
async def block_with_timeout() -> None:
    """Block the event loop for longer than the timeout."""
    time.sleep(60)  # blocking is the point


@broker.task(name="app.root", executor="process", raises=NotSquare)
def root(number: int) -> tuple[int, int]:
    """Return the square root, and the process that found it."""
    if number < 0:
        raise ValueError("a negative number")
    found = round(number**0.5)
    if found * found != number:
        raise NotSquare(number=number)
    return found, os.getpid()


@broker.task(name="app.hold_process", executor="process")
def hold_process(n: int) -> int:
    """Say which process runs it; go on when the test says so."""
    _log(f"start {n} {os.getpid()}")
    while not Path(os.environ["TEST_LOG"] + ".go").exists():
        time.sleep(0.005)
    return n


@broker.task(name="app.employ", executor="process")
def employ(lock: str) -> None:
    """Wait for a program of its own, which holds a lock and would go on for ever."""
    subprocess.run([sys.executable, "-c", HOLDING, lock], check=True)


@broker.task(name="app.desert", executor="process")
def desert(lock: str, away: bool = False) -> None:
    """Die while such a program goes on; `away`: in a session of its own, which nobody ends."""
    program = subprocess.Popen([sys.executable, "-c", HOLDING, lock], start_new_session=away, stdout=subprocess.PIPE)
    assert program.stdout is not None
    program.stdout.readline()
    _log(f"program {program.pid}")
    os.kill(os.getpid(), signal.SIGKILL)


@broker.task(name="app.spin", executor="process", timeout=0.3, retry=Retry(max_attempts=2, backoff=0.01))
def spin() -> None:
    """Compute for longer than the timeout, in one operation that holds the interpreter's lock."""
    _log(f"start spin {os.getpid()}")
    sum(range(10**12))


@broker.task(name="app.count_softly", executor="process", soft_timeout=0.05)
def count_softly(*, context: Context = Depends()) -> int:
    """Go on until the soft timeout is over, and return which process that was."""
    while not context.soft_timed_out:
        time.sleep(0.005)
    return os.getpid()


@broker.task(name="app.kill_process", executor="process", retry=Retry(max_attempts=5))
def kill_process() -> None:
    """End the process whenever it is run, as a crash in C would, after a word on standard error."""
    print("these are my last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


encrypted.task(name=kill_process.name, executor="process")(kill_process.function)
