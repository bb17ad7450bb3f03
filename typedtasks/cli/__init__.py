"""The command line: `typedtasks worker`, `queues`, `dead-letters` and `demo`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Final

from typedtasks.backend import is_queue_name
from typedtasks.cli.loading import UsageError
from typedtasks.errors import TypedTasksError

__all__ = ["main"]

_TARGET: Final = "where the broker is, as module:name, for example app.tasks:broker"
_EPILOG: Final = (
    "Exit codes: 0 success; 1 found what it looks for (failed tasks in a burst, dead letters); 2 bad usage or no backend."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. `arguments` are those of the process unless given."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except (UsageError, TypedTasksError) as error:
        print(f"typedtasks: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="typedtasks", description="Tasks as typed contracts.", epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"typedtasks {_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_worker(commands.add_parser("worker", help="run tasks", description="Run tasks until SIGTERM or SIGINT."))
    _add_queues(commands.add_parser("queues", help="show how many tasks wait, run, are parked or dead"))
    _add_dead_letters(commands.add_parser("dead-letters", help="list the tasks that could not be run, or replay them"))
    _add_demo(commands.add_parser("demo", help="see tasks go in and typed results come out, with a real worker"))
    return parser


def _add_worker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", help=_TARGET)
    parser.add_argument("--processes", type=_positive, default=1, metavar="N", help="worker processes (default: 1)")
    parser.add_argument(
        "--concurrency", type=_positive, default=100, metavar="N", help="tasks at a time in each process (default: 100)"
    )
    parser.add_argument("--queues", type=_names, metavar="A,B", help="queues to read (default: those that the broker's tasks name)")
    parser.add_argument("--burst", action="store_true", help="run what is ready, then exit; 1 if a task failed")
    parser.add_argument("--reload", action="store_true", help="start again when a Python file below the working directory changes")
    parser.add_argument(
        "--grace", type=float, default=30.0, metavar="S", help="seconds that tasks may go on after SIGTERM (default: 30)"
    )
    parser.add_argument(
        "--lease",
        type=float,
        default=15.0,
        metavar="S",
        help="seconds without a sign of life until others take over (default: 15)",
    )
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="one line of text or JSON for each event")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="the least that is logged"
    )
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--session", help=argparse.SUPPRESS)
    parser.add_argument("--replaces", help=argparse.SUPPRESS)
    parser.set_defaults(command=_worker)


def _add_queues(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", help=_TARGET)
    parser.add_argument("--queues", type=_names, metavar="A,B", help="queues to show (default: those that the broker's tasks name)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_queues)


def _add_dead_letters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", help=_TARGET)
    parser.add_argument(
        "--queue", type=_names, metavar="A,B", help="queues to look at (default: those that the broker's tasks name)"
    )
    parser.add_argument("--limit", type=_positive, default=20, metavar="N", help="show at most N of each queue (default: 20)")
    parser.add_argument(
        "--replay", nargs="*", metavar="ID", help="put these back into their queue; without ids, all; 1 if one is not there"
    )
    parser.set_defaults(command=_dead_letters)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="where to run it (default: TYPEDTASKS_URL, or an embedded SQLite file)")
    parser.add_argument("--tasks", type=_positive, default=200, metavar="N", help="how many tasks go in (default: 200)")
    parser.set_defaults(command=_demo)


# Each command is imported when it runs, so that --help is quick.


def _worker(options: argparse.Namespace) -> int:
    from typedtasks.cli.worker import run_worker

    return run_worker(options)


def _queues(options: argparse.Namespace) -> int:
    from typedtasks.cli.operator import show_queues

    return show_queues(options.target, options.queues, as_json=options.json)


def _dead_letters(options: argparse.Namespace) -> int:
    from typedtasks.cli.operator import show_dead_letters

    return show_dead_letters(options.target, options.queue, limit=options.limit, replay=options.replay)


def _demo(options: argparse.Namespace) -> int:
    from typedtasks.cli.demo import run_demo

    return run_demo(options.url, options.tasks)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("no queue is named; write for example default,slow")
    for name in names:
        if not is_queue_name(name):
            raise argparse.ArgumentTypeError(f"{name!r} is not a queue name: 1 to 64 letters, digits, '_' or '-'")
    return names


def _version() -> str:
    from importlib.metadata import version

    return version("typedtasks")
