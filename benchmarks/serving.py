"""Runs the program of one library: `python -m benchmarks.serving benchmarks.rivals.arq.app`, in the environment of the library.

It reads one request a line from its standard input and writes one answer a line, both JSON: `{"do": "bulk", "count": 1000}` is
answered by `{"answer": 0.25}` or `{"error": "..."}`. Nothing but the standard library may be imported here (uvloop is used where
it is installed).
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks.conversation import Client


def main() -> None:
    """Answer requests until the standard input ends."""
    # What a library prints must not get between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    client: Client[Any] = importlib.import_module(sys.argv[1]).Measured()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_converse(client, answers.write))
        answers.flush()
        os._exit(0)  # a library's threads and pools would be waited for


async def _converse(client: Client[Any], write: Callable[[str], object]) -> None:
    loop = asyncio.get_running_loop()
    try:
        await client.open()
    except Exception:  # noqa: BLE001 - whatever a library raises is the harness's to report
        write(json.dumps({"error": traceback.format_exc()}) + "\n")
        return
    write(json.dumps({"answer": "ready"}) + "\n")
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        request = json.loads(line)
        method: Callable[..., Coroutine[Any, Any, object]] = getattr(client, f"do_{request.pop('do')}")
        try:
            answer = {"answer": await method(**request)}
        except Exception:  # noqa: BLE001 - see above
            answer = {"error": traceback.format_exc()}
        write(json.dumps(answer) + "\n")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
