"""The command line: `typedtasks worker`, `generate`, `schema`, `breaking`, `redis`, `demo`, and what operators use."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from typedtasks.cli.arguments import TARGET, names, positive
from typedtasks.cli.breaking_arguments import add_breaking
from typedtasks.cli.loading import UsageError
from typedtasks.cli.operator_arguments import add_operator_commands
from typedtasks.cli.streams import set_up_streams
from typedtasks.errors import TypedTasksError, system_error

__all__ = ["main"]

_EPILOG: Final = (
    "Exit codes: 0 success; 1 found what it looks for (failed tasks in a burst, dead letters, drift, a breaking change), "
    "or something is not there or would fail; 2 bad usage or no backend."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. `arguments` are those of the process unless given."""
    try:
        set_up_streams()
        options = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        code = command(options)
        sys.stdout.flush()
        return code
    except (UsageError, TypedTasksError) as error:
        print(f"typedtasks: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # who reads the output has seen enough, as in `typedtasks schema ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        print(f"typedtasks: {system_error(error)}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="typedtasks", description="Tasks as typed contracts.", epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"typedtasks {_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_worker(commands.add_parser("worker", help="run tasks", description="Run tasks until SIGTERM or SIGINT."))
    add_operator_commands(commands)
    _add_generate(commands.add_parser("generate", help="write a client package for services without the tasks' code"))
    _add_schema(commands.add_parser("schema", help="print the JSON Schemas of the tasks' arguments and results"))
    add_breaking(
        commands.add_parser("breaking", help="say what a change of the tasks breaks, and what of that which waits would fail")
    )
    _add_redis(commands.add_parser("redis", help="what an administrator of Redis needs"))
    _add_demo(commands.add_parser("demo", help="see tasks go in and typed results come out, with a real worker"))
    return parser


def _add_worker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", help=TARGET)
    parser.add_argument("--processes", type=positive, default=1, metavar="N", help="worker processes (default: 1)")
    parser.add_argument(
        "--concurrency", type=positive, default=100, metavar="N", help="tasks at a time in each process (default: 100)"
    )
    parser.add_argument(
        "--queues", type=names, metavar="A,B", help="queues to read (default: the broker's own, and those that its tasks name)"
    )
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
    parser.add_argument("--module", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--begun", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--session", help=argparse.SUPPRESS)
    parser.add_argument("--replaces", help=argparse.SUPPRESS)
    parser.set_defaults(command=_worker)


def _add_generate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", help=TARGET)
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder that the package is put into")
    parser.add_argument("--package", required=True, metavar="NAME", help="the name of the package, for example github_tasks")
    parser.add_argument("--check", action="store_true", help="write nothing; print what would change, and exit 1 if anything would")
    parser.add_argument(
        "--distribution",
        metavar="VERSION",
        help="put a project of this version around the package, so that it can be built, published and installed",
    )
    parser.set_defaults(command=_generate)


def _add_schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", help=TARGET)
    parser.add_argument("--asyncapi", action="store_true", help="print an AsyncAPI 3.0 document of queues, messages and replies")
    parser.set_defaults(command=_schema)


def _add_redis(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    acl = commands.add_parser("acl", help="print the ACL SETUSER command of a user that may do no more than typedtasks needs")
    acl.add_argument("--user", default="typedtasks", metavar="NAME", help="the user's name (default: typedtasks)")
    acl.set_defaults(command=_redis_acl)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="where to run it (default: TYPEDTASKS_URL, or an embedded SQLite file)")
    parser.add_argument("--tasks", type=positive, default=200, metavar="N", help="how many tasks go in (default: 200)")
    parser.set_defaults(command=_demo)


# Each command is imported when it runs, so that --help is quick.


def _worker(options: argparse.Namespace) -> int:
    from typedtasks.cli.worker import run_worker

    return run_worker(options)


def _generate(options: argparse.Namespace) -> int:
    from typedtasks.cli.generate import generate

    return generate(options.target, options.out, options.package, check=options.check, distribution=options.distribution)


def _schema(options: argparse.Namespace) -> int:
    from typedtasks.cli.generate import show_schemas

    return show_schemas(options.target, asyncapi=options.asyncapi)


def _redis_acl(options: argparse.Namespace) -> int:
    from typedtasks.cli.redis import print_acl

    return print_acl(options.user)


def _demo(options: argparse.Namespace) -> int:
    from typedtasks.cli.demo import run_demo

    return run_demo(options.url, options.tasks)


def _version() -> str:
    from importlib.metadata import version

    return version("typedtasks")
