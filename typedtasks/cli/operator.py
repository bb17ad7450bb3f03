"""`typedtasks queues`, `workers`, `purge` and `cancel`: what is there, who works on it, and how it is stopped."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from typedtasks.backend import Counts, SessionState, Waiting
from typedtasks.broker import Broker
from typedtasks.cli.loading import UsageError, load_broker
from typedtasks.cli.showing import counted, needed, to_json
from typedtasks.errors import one_line

__all__ = ["cancel_tasks", "purge_queues", "show_queues", "show_workers"]

_STATES = ("ready", "running", "delayed", "parked", "dead")


def show_queues(target: str, queues: Sequence[str] | None, *, as_json: bool) -> int:
    """Print how many tasks of each queue are in each state, and which are parked for want of a worker that knows them."""
    return asyncio.run(_show_queues(load_broker(target), queues, as_json=as_json))


def show_workers(target: str, queues: Sequence[str] | None, *, as_json: bool) -> int:
    """Print which sessions read each queue, how long their lease still runs, and how many deliveries they hold.

    Returns 1 when no worker reads one of the queues.
    """
    return asyncio.run(_show_workers(load_broker(target), queues, as_json=as_json))


def purge_queues(target: str, queues: Sequence[str], *, dead: bool, yes: bool, dry_run: bool, as_json: bool) -> int:
    """Delete what waits in queues, or their dead letters. Returns 1 when whoever is asked says no.

    Raises `UsageError` without `yes` where nobody can be asked.
    """
    if not yes and not dry_run and (as_json or not sys.stdin.isatty()):
        raise UsageError("purge deletes for good: add --yes, or see with --dry-run what would be deleted.")
    return asyncio.run(
        _purge(load_broker(target), tuple(dict.fromkeys(queues)), dead=dead, yes=yes, dry_run=dry_run, as_json=as_json)
    )


def cancel_tasks(target: str, ids: Sequence[str], *, as_json: bool) -> int:
    """Ask for the cancellation of tasks. Returns 1 when one has ended or is not there."""
    return asyncio.run(_cancel(load_broker(target), ids, as_json=as_json))


async def _show_queues(broker: Broker, queues: Sequence[str] | None, *, as_json: bool) -> int:
    async with broker:
        names = tuple(queues) if queues else broker.queues
        counts = {name: await broker.counts(name) for name in names}
        parked = [task for name in counts if counts[name].parked for task in await broker.parked(name)]
    if as_json:
        print(to_json({name: asdict(count) for name, count in counts.items()}))
    else:
        _print_counts(counts, parked)
    return 0


def _print_counts(counts: Mapping[str, Counts], parked: Sequence[Waiting]) -> None:
    width = max(len("queue"), *map(len, counts))
    print("queue".ljust(width), *(state.rjust(9) for state in _STATES))
    for name, count in counts.items():
        print(name.ljust(width), *(str(asdict(count)[state]).rjust(9) for state in _STATES))
    for task in parked:
        print(f"parked: {one_line(task.id)} waits for a worker that {needed(task)}")


async def _show_workers(broker: Broker, queues: Sequence[str] | None, *, as_json: bool) -> int:
    async with broker:
        states = {name: await broker.workers(name) for name in (queues or broker.queues)}
    idle = [name for name, sessions in states.items() if not any(session.lease_ms for session in sessions)]
    if as_json:
        print(to_json({name: [_as_object(session) for session in sessions] for name, sessions in states.items()}))
    else:
        _print_workers([session for sessions in states.values() for session in sessions])
        for name in idle:
            print(f"No worker reads {name}.")
    return 1 if idle else 0


def _as_object(session: SessionState) -> dict[str, object]:
    return {"session": session.id, "lease_seconds": session.lease_ms / 1000, "held": session.held}


def _print_workers(sessions: Sequence[SessionState]) -> None:
    if not sessions:
        return
    width = max(len("queue"), *(len(session.queue) for session in sessions))
    longest = max(len("session"), *(len(session.id) for session in sessions))
    print("queue".ljust(width), "session".ljust(longest), "lease".rjust(8), "holds".rjust(6))
    for session in sessions:
        lease = f"{session.lease_ms / 1000:.1f} s" if session.lease_ms else "ended"
        print(session.queue.ljust(width), one_line(session.id).ljust(longest), lease.rjust(8), str(session.held).rjust(6))


async def _purge(broker: Broker, queues: Sequence[str], *, dead: bool, yes: bool, dry_run: bool, as_json: bool) -> int:
    deleted: dict[str, int] = {}
    what = "dead letter" if dead else "task"
    async with broker:
        for name in queues:
            if not dry_run and (yes or await _is_wanted(broker, name, dead, what)):
                deleted[name] = await broker.purge(name, dead=dead)
            elif dry_run:
                deleted[name] = _purgeable(await broker.counts(name), dead)
    if as_json:
        print(to_json({"deleted": deleted, "dry_run": dry_run}))
        return 0
    for name in queues:
        number = deleted.get(name)
        if number is None:
            print(f"Nothing was deleted from {name}.")
        else:
            print(f"{counted(number, what)} {'would be deleted' if dry_run else 'deleted'} from {name}.")
    return 0 if len(deleted) == len(queues) else 1


async def _is_wanted(broker: Broker, queue: str, dead: bool, what: str) -> bool:
    number = counted(_purgeable(await broker.counts(queue), dead), what)
    return _says_yes(f"Delete {number} of {queue} for good? [y/N] ")


def _says_yes(question: str) -> bool:
    # The event loop stands still meanwhile: nothing else happens in this process.
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _purgeable(counts: Counts, dead: bool) -> int:
    return counts.dead if dead else counts.ready + counts.delayed + counts.parked


async def _cancel(broker: Broker, ids: Sequence[str], *, as_json: bool) -> int:
    async with broker:
        answer = await broker.cancel(ids)
    if as_json:
        print(to_json({"asked": answer.asked, "ended": answer.ended, "missing": answer.missing}))
    else:
        print(f"Cancellation asked for {len(answer.asked)} of {counted(len(set(ids)), 'task')}.")
        for id in answer.ended:
            print(f"{id} has ended already.")
        for id in answer.missing:
            print(f"There is no task {id!r}.")
    return 1 if answer.ended or answer.missing else 0
