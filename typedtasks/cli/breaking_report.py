"""How `typedtasks breaking` says what it found: to people, to programs, and on a pull request at GitHub."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from typedtasks.cli.pending import STATES, Pending, Reason, TaskPending
from typedtasks.cli.showing import counted, to_json
from typedtasks.errors import one_line
from typedtasks.inventory import State
from typedtasks.task import AnyTask
from typedtasks_codegen.compatibility import Category, Change, Ignore, Order, Sifted

__all__ = ["Comparison", "print_github", "print_json", "print_text"]

_ORDERS: Final = {Order.WORKERS_FIRST: "workers first", Order.CLIENTS_FIRST: "clients first"}
_PAGE: Final = "docs/breaking.md"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The changes since a contract, and what is asked of them."""

    target: str
    against: str
    sifted: Sifted
    order: Literal["either", "both"] | Order
    categories: frozenset[Category]

    def breaking(self, order: Order) -> list[Change]:
        """Return the changes that break something when that is deployed first."""
        return [change for change in self.sifted.changes if self.categories.intersection(change.breaks_in(order))]

    @property
    def orders(self) -> tuple[Order, ...]:
        """The orders of deployment that are asked for."""
        return (self.order,) if isinstance(self.order, Order) else tuple(Order)

    @property
    def is_compatible(self) -> bool:
        """Whether nothing breaks in the order that is asked for: in one of the two, or in both."""
        return (any if self.order == "either" else all)(not self.breaking(order) for order in self.orders)

    @property
    def decisive(self) -> list[Change]:
        """The changes that make it incompatible."""
        if self.is_compatible:
            return []
        return [change for change in self.sifted.changes if any(change in self.breaking(order) for order in self.orders)]


def print_text(tasks: Mapping[str, AnyTask], comparison: Comparison | None, pending: Pending | None) -> None:
    """Print a report for people."""
    if comparison is not None:
        for line in _compared(comparison):
            print(one_line(line))
    if pending is not None:
        if comparison is not None:
            print()
        for line in _looked_at(pending):
            print(one_line(line))


def print_json(tasks: Mapping[str, AnyTask], comparison: Comparison | None, pending: Pending | None) -> None:
    """Print one JSON document."""
    document: dict[str, object] = {}
    if comparison is not None:
        document |= _comparison_as_object(comparison)
    if pending is not None:
        document["pending"] = _pending_as_object(pending)
    print(to_json(document))


def print_github(tasks: Mapping[str, AnyTask], comparison: Comparison | None, pending: Pending | None) -> None:
    """Print one workflow command for each finding, at the task's function where there still is one, and the verdicts."""
    if comparison is not None:
        decisive = comparison.decisive
        for change in comparison.sifted.changes:
            if change.rule.breaks:
                level = "error" if change in decisive else "notice"
                found = f"{change.task}: {change} ({_breaks(change)})."
                text = f"{found} {change.rule.reason} Instead: {change.rule.instead}"
                print(_command(level, change.rule.id, text, tasks.get(change.task)))
        for text in _about_ignores(comparison.sifted):
            print(_command("warning", "ignore", text))
        for line in _verdicts(comparison):
            print(one_line(line))
    if pending is not None:
        for name, task in _failing(pending):
            for reason in task.reasons.values():
                text = f"{name}: {_failures(task)}: {_reason(reason)}"
                print(_command("error", "pending", text, tasks.get(name)))
        print(one_line(next(_looked_at(pending))))


def _compared(comparison: Comparison) -> Iterator[str]:
    sifted = comparison.sifted
    by_task: dict[str, list[Change]] = {}
    for change in sifted.changes:
        by_task.setdefault(change.task, []).append(change)
    for task, changes in by_task.items():
        yield task
        for change in sorted(changes, key=lambda change: not change.rule.breaks):
            yield from _change(change)
        yield ""
    for change, ignore in sifted.ignored:
        yield f"Ignored until {ignore.until}: {change.rule.id}, {change.task} {change}. ({ignore.reason})"
    yield from _about_ignores(sifted)
    if sifted.ignored or sifted.expired or sifted.idle:
        yield ""
    yield from _verdicts(comparison)


def _change(change: Change) -> Iterator[str]:
    yield f"  {change.rule.id}: {change}"
    if change.rule.breaks:
        yield f"    breaks {_breaks(change)} · {change.rule.direction.value}"
        yield f"    {change.rule.reason}"
        yield f"    Instead: {change.rule.instead}"
    else:
        yield f"    breaks nothing. {change.rule.reason}"


def _breaks(change: Change) -> str:
    shown: list[str] = []
    for one in change.rule.breaks:
        orders = "" if len(one.orders) == len(Order) else f" ({', '.join(_ORDERS[order] for order in one.orders)})"
        shown.append(one.category.value + orders)
    return ", ".join(shown)


def _about_ignores(sifted: Sifted) -> Iterator[str]:
    for ignore in sifted.expired:
        yield f"The ignore of {ignore} expired on {ignore.until}: what it stands for is a finding again. ({ignore.reason})"
    for ignore in sifted.idle:
        yield f"The ignore of {ignore} matches nothing that has changed: remove it. ({ignore.reason})"


def _verdicts(comparison: Comparison) -> Iterator[str]:
    number = len(comparison.sifted.changes)
    yield f"{comparison.target} against {comparison.against}: {counted(number, 'change') if number else 'no change'}."
    for order, name in _ORDERS.items():
        breaking = comparison.breaking(order)
        found = [
            f"{sum(category in change.breaks_in(order) for change in breaking)} {category.value}"
            for category in Category
            if category in comparison.categories and any(category in change.breaks_in(order) for change in breaking)
        ]
        yield f"{name.capitalize()}: {'breaks ' + ', '.join(found) if found else 'compatible'}."
    asked = "in either order" if comparison.order == "either" else "in both orders"
    if isinstance(comparison.order, Order):
        asked = f"with {_ORDERS[comparison.order]}"
    if not comparison.is_compatible:
        yield f"Not compatible {asked}. {_PAGE} says more of each rule, and how one is ignored."


def _failing(pending: Pending) -> Sequence[tuple[str, TaskPending]]:
    return [(name, task) for name, task in sorted(pending.tasks.items()) if task.failing]


def _looked_at(pending: Pending) -> Iterator[str]:
    total = pending.states.total()
    states = _states(pending.states)
    yield (
        f"{pending.url}: {total:,} {'task' if total == 1 else 'tasks'} looked at in {', '.join(pending.queues)}"
        f"{f' ({states})' if states else ''}; {pending.failing:,} would fail. Nothing was changed."
    )
    for name, task in sorted(pending.tasks.items()):
        if not task.failing:
            yield f"  {name}: all {task.looked_at:,} fit"
            continue
        yield f"  {name}: {_failures(task)}"
        for reason in sorted(task.reasons.values(), key=lambda reason: -reason.count):
            yield f"    {_reason(reason)}"
        if task.further:
            yield f"    further reasons: {task.further:,}"


def _failures(task: TaskPending) -> str:
    return f"{task.failing.total():,} of {task.looked_at:,} would fail ({_states(task.failing)})"


def _states(numbers: Counter[State]) -> str:
    return ", ".join(f"{numbers[state]:,} {state}" for state in STATES if numbers[state])


def _reason(reason: Reason) -> str:
    return f"{reason.text} ({reason.count:,}, such as {reason.example})"


def _comparison_as_object(comparison: Comparison) -> dict[str, object]:
    sifted = comparison.sifted
    return {
        "target": comparison.target,
        "against": comparison.against,
        "compatible": comparison.is_compatible,
        "orders": {order.value: not comparison.breaking(order) for order in Order},
        "changes": [_as_object(change) for change in sifted.changes],
        "ignored": [{**_as_object(change), "ignore": _ignore_as_object(ignore)} for change, ignore in sifted.ignored],
        "expired_ignores": [_ignore_as_object(ignore) for ignore in sifted.expired],
        "idle_ignores": [_ignore_as_object(ignore) for ignore in sifted.idle],
    }


def _as_object(change: Change) -> dict[str, object]:
    return {
        "rule": change.rule.id,
        "task": change.task,
        "path": change.path,
        "text": change.text,
        "direction": change.rule.direction.value,
        "categories": [category.value for category in change.rule.categories],
        "breaks": {order.value: [category.value for category in change.breaks_in(order)] for order in Order},
        "reason": change.rule.reason,
        "instead": change.rule.instead,
    }


def _ignore_as_object(ignore: Ignore) -> dict[str, object]:
    return {
        "rule": ignore.rule,
        "task": ignore.task,
        "path": ignore.path,
        "reason": ignore.reason,
        "until": ignore.until.isoformat(),
    }


def _pending_as_object(pending: Pending) -> dict[str, object]:
    return {
        "url": pending.url,
        "queues": pending.queues,
        "looked_at": pending.states.total(),
        "states": pending.states,
        "would_fail": pending.failing,
        "tasks": {
            name: {
                "looked_at": task.looked_at,
                "would_fail": task.failing.total(),
                "states": task.failing,
                "reasons": [
                    {"text": reason.text, "count": reason.count, "example": reason.example} for reason in task.reasons.values()
                ],
                "further_reasons": task.further,
            }
            for name, task in sorted(pending.tasks.items())
        },
    }


def _command(level: str, title: str, text: str, task: AnyTask | None = None) -> str:
    properties = {**_source(task), "title": title}
    shown = ",".join(f"{key}={_escaped(value, ',:')}" for key, value in properties.items())
    return f"::{level} {shown}::{_escaped(text)}"


def _source(task: AnyTask | None) -> dict[str, str]:
    """Return where a task's function is, seen from the working directory."""
    code = None if task is None else getattr(inspect.unwrap(task.function), "__code__", None)
    if code is None:
        return {}
    path, here = Path(code.co_filename), Path.cwd()
    return {"file": str(path.relative_to(here)), "line": str(code.co_firstlineno)} if path.is_relative_to(here) else {}


def _escaped(text: str, further: str = "") -> str:
    """Return text as a workflow command may have it: what ends a line, a command or a property is a percent code."""
    return "".join(f"%{ord(one):02X}" if one in "%\r\n" + further else one for one in text)
