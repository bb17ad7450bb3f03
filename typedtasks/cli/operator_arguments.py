"""The arguments of the operator's commands: `queues`, `workers`, `dead`, `parked`, `purge` and `cancel`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Protocol

from typedtasks.cli.arguments import TARGET, add_json, add_queue, moment, positive

if TYPE_CHECKING:
    from typedtasks.cli.dead import Selection

__all__ = ["add_operator_commands"]


class Commands(Protocol):
    """Where `argparse` takes further commands."""

    def add_parser(self, name: str, *, help: str, description: str = ...) -> argparse.ArgumentParser:
        """Return the parser of one more command."""
        ...


def add_operator_commands(commands: Commands) -> None:
    """Add the commands that look after a broker's queues."""
    _add_queues(commands.add_parser("queues", help="show how many tasks wait, run, are parked or dead"))
    _add_workers(commands.add_parser("workers", help="show who reads each queue, and how many tasks each holds"))
    _add_dead(commands.add_parser("dead", help="list the tasks that could not be run, put them back or delete them"))
    _add_parked(commands.add_parser("parked", help="list the tasks that no worker knows yet"))
    _add_purge(commands.add_parser("purge", help="delete what waits in a queue, or its dead letters"))
    _add_cancel(commands.add_parser("cancel", help="ask for the cancellation of tasks"))


def _add_queues(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", help=TARGET)
    add_queue(parser)
    add_json(parser)
    parser.set_defaults(command=_queues)


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", help=TARGET)
    add_queue(parser)
    add_json(parser)
    parser.set_defaults(command=_workers)


def _add_dead(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="show them, the oldest first; 1 when there are any")
    _add_selection(listing, limit=20)
    _add_reason(listing)
    _add_reveal(listing)
    listing.set_defaults(command=_dead_list)
    showing = actions.add_parser("show", help="show everything of one; 1 when it is not there")
    showing.add_argument("target", help=TARGET)
    showing.add_argument("id", metavar="ID", help="the id of the dead letter")
    add_queue(showing)
    add_json(showing)
    _add_reveal(showing)
    showing.set_defaults(command=_dead_show)
    replaying = actions.add_parser("replay", help="put them back, but for those that would fail again; 1 when one would")
    _add_selection(replaying)
    _add_reason(replaying)
    replaying.add_argument("--force", action="store_true", help="put back also those that would fail")
    replaying.add_argument("--dry-run", action="store_true", help="change nothing, and say what would be done")
    replaying.set_defaults(command=_dead_replay)
    dropping = actions.add_parser("drop", help="delete them for good")
    _add_selection(dropping)
    _add_reason(dropping)
    dropping.add_argument("--all", action="store_true", help="delete all of the queues")
    dropping.add_argument("--dry-run", action="store_true", help="change nothing, and say what would be done")
    dropping.set_defaults(command=_dead_drop)


def _add_parked(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="show them and what they wait for; 1 when there are any")
    _add_selection(listing, limit=20)
    _add_reveal(listing)
    listing.set_defaults(command=_parked_list)


def _add_purge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", help=TARGET)
    add_queue(parser, required=True)
    parser.add_argument("--dead", action="store_true", help="delete the dead letters, in place of what waits")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="change nothing, and say what would be done")
    add_json(parser)
    parser.set_defaults(command=_purge)


def _add_cancel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", help=TARGET)
    parser.add_argument("ids", nargs="+", metavar="ID", help="the ids of the tasks")
    add_json(parser)
    parser.set_defaults(command=_cancel)


def _add_selection(parser: argparse.ArgumentParser, *, limit: int | None = None) -> None:
    parser.add_argument("target", help=TARGET)
    add_queue(parser)
    parser.add_argument("--id", nargs="+", action="extend", metavar="ID", help="only these")
    parser.add_argument("--task", metavar="NAME", help="only those of this task")
    parser.add_argument(
        "--since", type=moment, metavar="TIME", help="only from this time on: ISO 8601, or how long ago, such as 2h"
    )
    parser.add_argument("--until", type=moment, metavar="TIME", help="only before this time")
    default = "" if limit is None else f" (default: {limit})"
    parser.add_argument("--limit", type=positive, default=limit, metavar="N", help=f"at most N of each queue{default}")
    add_json(parser)


def _add_reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", metavar="TEXT", help="only those whose reason has this text in it")


def _add_reveal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reveal", action="store_true", help="show also payloads that hold a Secret or are encrypted")


def _selection(options: argparse.Namespace) -> Selection:
    from typedtasks.cli.dead import Selection

    reason: str | None = getattr(options, "reason", None)
    return Selection(options.queue, options.id, options.task, reason, options.since, options.until, options.limit)


# Each command is imported when it runs, so that --help is quick.


def _queues(options: argparse.Namespace) -> int:
    from typedtasks.cli.operator import show_queues

    return show_queues(options.target, options.queue, as_json=options.json)


def _workers(options: argparse.Namespace) -> int:
    from typedtasks.cli.operator import show_workers

    return show_workers(options.target, options.queue, as_json=options.json)


def _dead_list(options: argparse.Namespace) -> int:
    from typedtasks.cli.dead import list_dead

    return list_dead(options.target, _selection(options), reveal=options.reveal, as_json=options.json)


def _dead_show(options: argparse.Namespace) -> int:
    from typedtasks.cli.dead import show_dead

    return show_dead(options.target, options.id, options.queue, reveal=options.reveal, as_json=options.json)


def _dead_replay(options: argparse.Namespace) -> int:
    from typedtasks.cli.dead import replay_dead

    return replay_dead(options.target, _selection(options), force=options.force, dry_run=options.dry_run, as_json=options.json)


def _dead_drop(options: argparse.Namespace) -> int:
    from typedtasks.cli.dead import drop_dead

    return drop_dead(options.target, _selection(options), everything=options.all, dry_run=options.dry_run, as_json=options.json)


def _parked_list(options: argparse.Namespace) -> int:
    from typedtasks.cli.parked import list_parked

    return list_parked(options.target, _selection(options), reveal=options.reveal, as_json=options.json)


def _purge(options: argparse.Namespace) -> int:
    from typedtasks.cli.operator import purge_queues

    return purge_queues(
        options.target, options.queue, dead=options.dead, yes=options.yes, dry_run=options.dry_run, as_json=options.json
    )


def _cancel(options: argparse.Namespace) -> int:
    from typedtasks.cli.operator import cancel_tasks

    return cancel_tasks(options.target, options.ids, as_json=options.json)
