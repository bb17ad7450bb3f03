"""The arguments of `typedtasks breaking`."""

from __future__ import annotations

import argparse
from typing import Final

from typedtasks.cli.arguments import TARGET, names

__all__ = ["add_breaking"]

_DESCRIPTION: Final = (
    "Compare the tasks with a contract: each change with its rule, what it breaks (SOURCE: callers' code, WIRE: deployed clients "
    "or workers, WIRE_IN_FLIGHT: what waits already) in which order of deployment, and what to do instead. Or read what waits at "
    "a URL with today's tasks, and say what would fail. Nothing is changed."
)
_EPILOG: Final = (
    "Exit codes: 0 compatible, and nothing would fail; 1 something breaks, or would fail; 2 what is named cannot be read."
)
_CATEGORIES: Final = ("SOURCE", "WIRE", "WIRE_IN_FLIGHT")
_STATES: Final = ("ready", "running", "delayed", "parked", "dead")


def add_breaking(parser: argparse.ArgumentParser) -> None:
    """Add the arguments, and what runs the command."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument("target", help=TARGET)
    parser.add_argument(
        "--against",
        metavar="CONTRACT",
        help="a contract.json, or git:REF:path for one in a commit, such as git:main:clients/contract.json",
    )
    parser.add_argument("--pending", metavar="URL", help="read every payload that waits there, is running, parked or dead")
    parser.add_argument(
        "--order",
        choices=("either", "workers-first", "clients-first", "both"),
        default="either",
        help="what is deployed first: it has to work in this order, in both, or (the default) in either of them",
    )
    parser.add_argument(
        "--category",
        choices=_CATEGORIES,
        action="append",
        help="only what breaks this is a finding (default: all three); may be repeated",
    )
    parser.add_argument(
        "--ignores",
        metavar="FILE",
        help="TOML with a table [[ignore]] for each: rule, reason, until, and task and path where it is for one "
        "(default: [[tool.typedtasks.breaking.ignore]] in pyproject.toml)",
    )
    parser.add_argument(
        "--queue",
        type=names,
        action="extend",
        metavar="A,B",
        help="with --pending, queues to look at besides those that the tasks, or those of the contract, name; may be repeated",
    )
    parser.add_argument(
        "--state",
        choices=_STATES,
        action="append",
        help="with --pending, only tasks in this state (default: all); may be repeated",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--format", choices=("text", "json", "github"), default="text", help="how to say it (default: text)")
    form.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    parser.set_defaults(command=_breaking)


# The command is imported when it runs, so that --help is quick.


def _breaking(options: argparse.Namespace) -> int:
    from typedtasks.cli.breaking import Request, find_breaking
    from typedtasks_codegen.compatibility import Category, Order

    return find_breaking(
        Request(
            target=options.target,
            against=options.against,
            pending=options.pending,
            queues=options.queue or (),
            states=options.state or _STATES,
            order=options.order if options.order in ("either", "both") else Order(options.order),
            categories=[Category(name) for name in options.category or _CATEGORIES],
            ignores=options.ignores,
            format=options.format,
        )
    )
