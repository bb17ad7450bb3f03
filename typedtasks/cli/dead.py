"""`typedtasks dead`: the tasks that could not be run are listed, shown, put back or deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from typedtasks.broker import Broker
from typedtasks.cli.loading import UsageError, load_broker
from typedtasks.cli.showing import Curtain, counted, print_lists, priority_name, shown_text, to_json
from typedtasks.errors import one_line
from typedtasks.ids import TaskId, is_task_id, queue_name, queue_of
from typedtasks.operating import DeadLetter, LetterFilter, Moment, Replay

__all__ = ["Selection", "drop_dead", "list_dead", "queues_of", "replay_dead", "show_dead"]

_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Selection:
    """What the command line says about which tasks are meant."""

    queues: Sequence[str] | None = None
    ids: Sequence[str] | None = None
    task: str | None = None
    reason: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    limit: int | None = None
    """How many of each queue at most."""

    @property
    def is_narrow(self) -> bool:
        """Whether more is said than the queues."""
        return any(part is not None for part in (self.ids, self.task, self.reason, self.since, self.until))


def list_dead(target: str, selection: Selection, *, reveal: bool, as_json: bool) -> int:
    """Print dead letters. Returns 1 when there are any, or one that is named is not there."""
    return asyncio.run(_list(load_broker(target), selection, reveal=reveal, as_json=as_json))


def show_dead(target: str, id: str, queues: Sequence[str] | None, *, reveal: bool, as_json: bool) -> int:
    """Print everything of one dead letter, and whether it would be run today. Returns 1 when it is not there."""
    return asyncio.run(_show(load_broker(target), id, queues, reveal=reveal, as_json=as_json))


def replay_dead(target: str, selection: Selection, *, force: bool, dry_run: bool, as_json: bool) -> int:
    """Put dead letters back into their queues, without `force` only those that fit today's tasks.

    Returns 1 when one would fail, or is not there.
    """
    return asyncio.run(_replay(load_broker(target), selection, force=force, dry_run=dry_run, as_json=as_json))


def drop_dead(target: str, selection: Selection, *, everything: bool, dry_run: bool, as_json: bool) -> int:
    """Delete dead letters for good. Returns 1 when one that is named is not there.

    Raises `UsageError` where neither `everything` nor anything narrower is said.
    """
    if not everything and not selection.is_narrow:
        raise UsageError("dead drop deletes for good: say which with --id, --task, --reason, --since or --until, or add --all.")
    return asyncio.run(_drop(load_broker(target), selection, dry_run=dry_run, as_json=as_json))


def queues_of(broker: Broker, queues: Sequence[str] | None, ids: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the queues that are named; else the broker's own, and those that ids say they belong to."""
    if queues:
        return tuple(dict.fromkeys(queues))
    return tuple(dict.fromkeys((*broker.queues, *(queue_name(queue_of(TaskId(id))) for id in ids if is_task_id(id)))))


async def _selected(broker: Broker, selection: Selection) -> tuple[dict[str, list[DeadLetter]], list[str]]:
    """Return the letters that are meant, by queue, and the ids that are not there."""
    limit, ids = selection.limit or _ALL, selection.ids
    found: dict[str, list[DeadLetter]] = {}
    if ids is None:
        for name in queues_of(broker, selection.queues):
            found[name] = await broker.dead_letters(
                name, limit, task=selection.task, reason=selection.reason, since=selection.since, until=selection.until
            )
        return found, []
    wanted = LetterFilter.of(broker.clock.now(), selection.task, selection.reason, selection.since, selection.until)
    there: set[str] = set()
    names = queues_of(broker, selection.queues, ids)
    for name in names:
        letters = await broker.find_dead_letters(ids, name)
        there |= {letter.id for letter in letters}
        if letters:
            found[name] = [letter for letter in letters if wanted.covers(letter)][:limit]
    return found or {names[0]: []}, [id for id in dict.fromkeys(ids) if id not in there]


async def _list(broker: Broker, selection: Selection, *, reveal: bool, as_json: bool) -> int:
    curtain = Curtain(broker, reveal)
    async with broker:
        found, missing = await _selected(broker, selection)
        totals = {name: (await broker.counts(name)).dead for name in found}
    if as_json:
        shown = [_as_object(letter, curtain) for letters in found.values() for letter in letters]
        print(to_json({"dead_letters": shown, "total": totals, "missing": missing}))
    else:
        print_lists(found, totals, "dead letter", lambda letter: _line(letter, curtain))
        _print_missing(missing, selection.queues)
    return 1 if missing or any(found.values()) else 0


async def _show(broker: Broker, id: str, queues: Sequence[str] | None, *, reveal: bool, as_json: bool) -> int:
    curtain = Curtain(broker, reveal)
    async with broker:
        found, missing = await _selected(broker, Selection(queues, ids=(id,)))
    if missing:
        if as_json:
            print(to_json(None))
        else:
            _print_missing(missing, queues)
        return 1
    letter = next(letter for letters in found.values() for letter in letters)
    obstacle = broker.replay_obstacle(letter)
    print(to_json({**_as_object(letter, curtain), "would_fail": obstacle}) if as_json else _page(letter, obstacle, curtain))
    return 0


async def _replay(broker: Broker, selection: Selection, *, force: bool, dry_run: bool, as_json: bool) -> int:
    async with broker:
        found, missing = await _selected(broker, selection)
        replays: dict[str, Replay] = {}
        for name, letters in found.items():
            ids = [letter.id for letter in letters]
            replays[name] = await broker.replay(ids, name, check=not force, dry_run=dry_run)
    missing += [id for replay in replays.values() for id in replay.missing]
    would_fail = {id: reason for replay in replays.values() for id, reason in replay.would_fail.items()}
    if as_json:
        put_back = [id for replay in replays.values() for id in replay.put_back]
        print(to_json({"put_back": put_back, "would_fail": would_fail, "missing": missing, "dry_run": dry_run}))
    else:
        for name, replay in replays.items():
            done = "would be put back" if dry_run else "put back"
            print(f"{counted(len(replay.put_back), 'dead letter')} {done} into {name}.")
        for id, reason in would_fail.items():
            print(f"{one_line(id)} would fail again and stays: {shown_text(reason)}")
        _print_missing(missing, selection.queues)
    return 1 if would_fail or missing else 0


async def _drop(broker: Broker, selection: Selection, *, dry_run: bool, as_json: bool) -> int:
    async with broker:
        found, missing = await _selected(broker, selection)
        dropped: dict[str, Sequence[str]] = {}
        for name, letters in found.items():
            ids = [letter.id for letter in letters]
            dropped[name] = ids if dry_run else await broker.drop(ids, name)
    if as_json:
        print(to_json({"dropped": [id for some in dropped.values() for id in some], "missing": missing, "dry_run": dry_run}))
    else:
        for name, some in dropped.items():
            done = "would be deleted" if dry_run else "deleted"
            print(f"{counted(len(some), 'dead letter')} {done} from {name}.")
        _print_missing(missing, selection.queues)
    return 1 if missing else 0


def _print_missing(missing: Sequence[str], queues: Sequence[str] | None) -> None:
    for id in missing:
        print(f"There is no dead letter {id!r}{' in ' + ', '.join(queues) if queues else ''}; see `typedtasks dead list`.")


def _as_object(letter: DeadLetter, curtain: Curtain) -> dict[str, object]:
    header = letter.header
    return {
        "id": letter.id,
        "queue": letter.queue,
        "task": letter.task or None,
        "died": letter.died.isoformat(timespec="milliseconds"),
        "deliveries": letter.deliveries,
        "attempt": None if header is None else header.attempt,
        "priority": priority_name(letter.priority),
        "labels": dict(header.labels) if header is not None else {},
        "reason": letter.reason,
        **curtain.field(letter),
    }


def _line(letter: DeadLetter, curtain: Curtain) -> str:
    died = letter.died.isoformat(timespec="seconds")
    task = one_line(letter.task) or "(its envelope cannot be read)"
    more = f"{shown_text(letter.reason)}\n{curtain.shown(letter)}".replace("\n", "\n  ")
    return f"{one_line(letter.id)}  {died}  {task}\n  {more}\n"


def _page(letter: DeadLetter, obstacle: str | None, curtain: Curtain) -> str:
    labels = dict(letter.header.labels) if letter.header is not None else {}
    rows = {
        "id": letter.id,
        "task": letter.task or "(its envelope cannot be read)",
        "queue": letter.queue,
        "priority": priority_name(letter.priority),
        "died": letter.died.isoformat(timespec="seconds"),
        "deliveries": str(letter.deliveries),
        **{f"label {name}": value for name, value in labels.items()},
        "reason": letter.reason,
        "payload": curtain.shown(letter, whole=True),
        "replay": "it would be run" if obstacle is None else f"it would fail again: {obstacle}",
    }
    width = max(map(len, rows)) + 2
    indent = "\n" + " " * width
    return "\n".join(f"{one_line(name).ljust(width)}{shown_text(text).replace(chr(10), indent)}" for name, text in rows.items())
