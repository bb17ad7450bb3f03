"""What has changed between two contracts, rule by rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from typedtasks_codegen.closures import uses
from typedtasks_codegen.compatibility.breaks import Category, Order, Rule
from typedtasks_codegen.compatibility.coverage import Coverage
from typedtasks_codegen.compatibility.gaps import Gap, Kind, Role
from typedtasks_codegen.compatibility.rules import RULES
from typedtasks_codegen.compatibility.sides import Side
from typedtasks_codegen.compatibility.types import Data, refusing
from typedtasks_codegen.room import with_room

__all__ = ["Change", "compare_contracts", "compare_tasks"]

_ARGUMENT: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.TYPE: ("argument-type-narrowed", "argument-type-widened"),
    Kind.CONSTRAINT: ("argument-constraint-tightened", "argument-constraint-loosened"),
    Kind.VALUE: ("argument-value-removed", "argument-value-added"),
    Kind.UNION: ("argument-union-narrowed", "argument-union-widened"),
    Kind.FIELD_MISSING: ("argument-field-required", "argument-field-optional"),
    Kind.FIELD_UNKNOWN: ("argument-field-removed", "argument-field-added"),
    Kind.VALIDATOR: ("argument-validator-added", "argument-validator-removed"),
    Kind.UNPROVED: ("argument-not-comparable", "argument-perhaps-widened"),
}
_RESULT: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.TYPE: ("result-type-widened", "result-type-narrowed"),
    Kind.CONSTRAINT: ("result-constraint-loosened", "result-constraint-tightened"),
    Kind.VALUE: ("result-value-added", "result-value-removed"),
    Kind.UNION: ("result-union-widened", "result-union-narrowed"),
    Kind.FIELD_MISSING: ("result-field-removed", "result-field-required"),
    Kind.FIELD_UNKNOWN: ("result-field-added", "result-field-dropped"),
    Kind.VALIDATOR: ("result-validator-removed", "result-validator-added"),
    Kind.UNPROVED: ("result-not-comparable", "result-perhaps-narrowed"),
}
"""By what a gap is about: the rule where the version that reads first meets it, and the rule where the other one does.

Arguments are read by new workers, and results by old clients: these break the callers that exist.
"""
_READERS: Final[Mapping[Role, tuple[str, str]]] = {
    Role.ARGUMENT: ("new workers", "old workers"),
    Role.RESULT: ("old clients", "new clients"),
}
_MET: Final = tuple(f"{reader}: " for readers in _READERS.values() for reader in readers)
_IN_CODE: Final[Mapping[tuple[Role, Kind], tuple[str, str]]] = {
    (Role.ARGUMENT, Kind.FIELD_UNKNOWN): ("argument-field-ignored", ""),
    (Role.RESULT, Kind.FIELD_GONE): ("result-field-unread", "result-field-new"),
}
_OPTIONS: Final = ("priority", "retry", "timeout", "soft_timeout", "result_ttl_ms", "max_result")
_BY_POSITION: Final = ("positional_only", "positional_or_keyword")
_OF_THE_RESULT: Final = " of the result"
_NOT_REQUIRED: Final = ("var_positional", "var_keyword")


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `path` is its place: a parameter, `result` or a failure, and the fields below."""

    rule: Rule
    task: str
    path: str
    text: str

    def __str__(self) -> str:
        """Return the place and what has changed there, as a sentence without its full stop."""
        met = self.text.startswith(_MET)
        return f"{self.path or 'the task'}{':' if met else ''} {self.text}"

    def breaks_in(self, order: Order) -> tuple[Category, ...]:
        """Return what it breaks when that is deployed first."""
        return self.rule.breaks_in(order)


class _Readers:
    """Who reads what: `first` are those who meet the versions that are there already, `second` the others."""

    def __init__(self, old: Data, new: Data) -> None:
        sides = Side(old["types"]), Side(new["types"])
        self.first = {Role.ARGUMENT: Coverage(sides[1], sides[0], Role.ARGUMENT), Role.RESULT: Coverage(*sides, Role.RESULT)}
        self.second = {Role.ARGUMENT: Coverage(*sides, Role.ARGUMENT), Role.RESULT: Coverage(sides[1], sides[0], Role.RESULT)}


def compare_contracts(old: Data, new: Data) -> list[Change]:
    """Return every change from one contract to another, both as the data of a `contract.json`, sorted by task."""
    return with_room(lambda: _compare_contracts(old, new))


def _compare_contracts(old: Data, new: Data) -> list[Change]:
    before: Data = old["tasks"]
    after: Data = new["tasks"]
    readers = _Readers(old, new)
    changes: list[Change] = []
    for name in sorted({*before, *after}):
        if name not in after:
            reserved = ", its name is reserved" if name in new.get("reserved", ()) else ""
            changes.append(_change("task-removed", name, "", f"is gone{reserved}{_moved_task(name, before, after)}"))
        elif name in before:
            changes += _compare_task(name, before[name], after[name], readers)
        elif name in old.get("reserved", ()):
            changes.append(_change("reserved-name-used", name, "", "has the name of a retired task"))
        else:
            changes.append(_change("task-added", name, "", "is new"))
    for name in sorted(set(old.get("reserved", ())) - set(new.get("reserved", ()))):
        if name not in after:
            changes.append(_change("reservation-removed", name, "", "is no longer reserved"))
    return sorted([*changes, *_renamed_in_clients(old, new)], key=lambda change: change.task)


def _renamed_in_clients(old: Data, new: Data) -> Iterator[Change]:
    """Yield where generated clients have another name for what has kept its own; of a type at the first task that uses it."""
    for name, task in new["tasks"].items():
        known = old["tasks"].get(name, {}).get("client_name")
        if None not in (known, task.get("client_name")) and known != task["client_name"]:
            yield _change("client-name-changed", name, "", f"is client.{task['client_name']} instead of client.{known}")
    for id, definition in new["types"].items():
        known = old["types"].get(id, {}).get("client_name")
        if None not in (known, definition.get("client_name")) and known != definition["client_name"]:
            user = next((name for name, task in sorted(new["tasks"].items()) if uses(task, id, new["types"])), "")
            yield _change("client-name-changed", user, id, f"is {definition['client_name']} in clients instead of {known}")


def compare_tasks(old: Data, new: Data, name: str) -> list[Change]:
    """Return every change of one task that both contracts have."""
    return _compare_task(name, old["tasks"][name], new["tasks"][name], _Readers(old, new))


def _compare_task(name: str, before: Data, after: Data, readers: _Readers) -> list[Change]:
    found = [
        *_options(name, before, after),
        *_validators(name, before, after),
        *_parameters(name, before, after, readers),
        *_result(name, before, after, readers),
        *_failures(name, before, after, readers),
    ]
    return list(dict.fromkeys(found))


def _options(task: str, before: Data, after: Data) -> Iterator[Change]:
    if before["queue"] != after["queue"]:
        yield _change("task-queue-changed", task, "", f"is sent to the queue {after['queue']} instead of {before['queue']}")
    if before["max_payload"] != after["max_payload"]:
        lower = after["max_payload"] < before["max_payload"]
        text = f"max_payload is {after['max_payload']} instead of {before['max_payload']} bytes"
        yield _change("task-limit-lowered" if lower else "task-limit-raised", task, "", text)
    if after.get("deprecated") and not before.get("deprecated"):
        yield _change("task-deprecated", task, "", f"is deprecated: {after['deprecated']}")
    for option in _OPTIONS:
        if before.get(option) != after.get(option):
            shown = [_option(one.get(option), other.get(option)) for one, other in ((after, before), (before, after))]
            yield _change("task-option-changed", task, "", f"{option} is {shown[0]} instead of {shown[1]}")


def _validators(task: str, before: Data, after: Data) -> Iterator[Change]:
    """Compare the code that looks at arguments and results themselves, outside the types that the service defines."""
    for place, (one, other) in enumerate(((after, before), (before, after))):
        known = {parameter["name"] for parameter in other["parameters"]}
        for name in refusing(one):
            if name in refusing(other):
                continue
            if name.endswith(_OF_THE_RESULT):
                # Results are read by old clients, arguments by new workers: what the new version has is met the other way round.
                yield _validator(task, Role.RESULT, "result", name, 1 - place)
            elif name.rpartition(" of ")[2] in known:
                yield _validator(task, Role.ARGUMENT, name.rpartition(" of ")[2], name, place)


def _validator(task: str, role: Role, path: str, name: str, place: int) -> Change:
    gap = Gap(Kind.VALIDATOR, path, f"the {name} may refuse what it has not seen")
    return _change(_rule(role, gap, place), task, path, _said(role, gap, place))


def _parameters(task: str, before: Data, after: Data, readers: _Readers) -> Iterator[Change]:
    olds: dict[str, Data] = {one["name"]: one for one in before["parameters"]}
    news: dict[str, Data] = {one["name"]: one for one in after["parameters"]}
    for name, parameter in olds.items():
        if name in news:
            yield from _parameter(task, name, parameter, news[name], readers)
        else:
            kind = "optional" if _is_optional(parameter) else "required"
            yield _change(f"parameter-removed-{kind}", task, name, f"is gone{_renamed(parameter, before, after)}")
    for name, parameter in news.items():
        if name not in olds:
            kind = "optional" if _is_optional(parameter) else "required"
            yield _change(f"parameter-added-{kind}", task, name, f"is new and {kind}")
    yield from _moved(task, before, after)
    yield from _further(task, before, after)


def _further(task: str, before: Data, after: Data) -> Iterator[Change]:
    """Notice the parameters of one version that the other one's callers may give among its `**kwargs`."""
    for place, (reader, writer) in enumerate(((after, before), (before, after))):
        for name in sorted(_by_name(reader) - _by_name(writer)):
            if _collector(writer) is None or _collector(reader) != _collector(writer):
                continue
            gap = Gap(Kind.UNPROVED, name, f"may have been sent among **{_collector(writer)}")
            yield _change(_rule(Role.ARGUMENT, gap, place), task, name, _said(Role.ARGUMENT, gap, place))


def _by_name(task: Data) -> set[str]:
    return {one["name"] for one in task["parameters"] if one["kind"] in ("positional_or_keyword", "keyword_only")}


def _collector(task: Data) -> str | None:
    return next((one["name"] for one in task["parameters"] if one["kind"] == "var_keyword"), None)


def _parameter(task: str, name: str, before: Data, after: Data, readers: _Readers) -> Iterator[Change]:
    kinds = (before["kind"], after["kind"])
    freed = kinds[0] in ("positional_only", "keyword_only") and kinds[1] == "positional_or_keyword"
    if kinds[0] != kinds[1] and not freed:
        yield _change("parameter-kind-changed", task, name, f"is {_words(kinds[1])} instead of {_words(kinds[0])}")
    if _is_optional(before) and not _is_optional(after):
        yield _change("parameter-default-removed", task, name, "has no default any more")
    elif _is_optional(after) and not _is_optional(before):
        yield _change("parameter-default-added", task, name, "has a default now")
    elif "default" in before and "default" in after and before["default"] != after["default"]:
        yield _change("parameter-default-changed", task, name, f"is {after['default']!r} by default, not {before['default']!r}")
    forms = (_collected(before), _collected(after))
    narrowed = readers.first[Role.ARGUMENT].gaps(forms[1], forms[0], name)
    widened = readers.second[Role.ARGUMENT].gaps(forms[0], forms[1], name)
    yield from _typed(task, Role.ARGUMENT, narrowed, widened)


def _result(task: str, before: Data, after: Data, readers: _Readers) -> Iterator[Change]:
    widened = readers.first[Role.RESULT].gaps(before["result"], after["result"], "result")
    narrowed = readers.second[Role.RESULT].gaps(after["result"], before["result"], "result")
    yield from _typed(task, Role.RESULT, widened, narrowed)


def _failures(task: str, before: Data, after: Data, readers: _Readers) -> Iterator[Change]:
    names = {id.rpartition(".")[2]: id for id in before["raises"]}
    for id in after["raises"]:
        name = id.rpartition(".")[2]
        known = id if id in before["raises"] else names.get(name)
        if known is None:
            yield _change("failure-added", task, name, "is a new failure")
            continue
        widened = readers.first[Role.RESULT].field_gaps(known, id, name)
        narrowed = readers.second[Role.RESULT].field_gaps(id, known, name)
        yield from _typed(task, Role.RESULT, widened, narrowed)
    kept = {id.rpartition(".")[2] for id in after["raises"]}
    for name in names:
        if name not in kept:
            yield _change("failure-removed", task, name, "is no failure of the task any more")


def _typed(task: str, role: Role, first: Sequence[Gap], second: Sequence[Gap]) -> Iterator[Change]:
    """Yield the changes of a type: `first` are the gaps that break who is there already, `second` those the other way."""
    both = {gap.path for gap in first if gap.kind is Kind.TYPE and gap.on_wire}
    both &= {gap.path for gap in second if gap.kind is Kind.TYPE and gap.on_wire}
    for gap in first:
        if gap.path in both and gap.kind is Kind.TYPE:
            yield _change(f"{role.value}-type-changed", task, gap.path, _said(role, gap, 0))
        elif rule := _rule(role, gap, 0):
            yield _change(rule, task, gap.path, _said(role, gap, 0))
    for gap in second:
        rule = _rule(role, gap, 1)
        if rule and not (gap.path in both and gap.kind is Kind.TYPE):
            yield _change(rule, task, gap.path, _said(role, gap, 1))


def _said(role: Role, gap: Gap, place: int) -> str:
    """Return what a gap is about, with those who meet it."""
    if gap.kind is Kind.FIELD_GONE:
        return f"{gap.text} by {('new workers', 'old workers')[place]}"
    return f"{_READERS[role][place]}: {gap.text}" if gap.on_wire else gap.text


def _rule(role: Role, gap: Gap, place: int) -> str:
    table = _ARGUMENT if role is Role.ARGUMENT else _RESULT
    if gap.on_wire:
        return table[gap.kind][place]
    if (role, gap.kind) in _IN_CODE:
        return _IN_CODE[role, gap.kind][place]
    return f"{role.value}-changed-in-code" if place == 0 else ""


def _moved(task: str, before: Data, after: Data) -> Iterator[Change]:
    olds, news = _positional(before), _positional(after)
    common = [name for name in olds if name in news]
    for n, name in enumerate(olds):
        if name in common and (n >= len(news) or news[n] != name):
            yield _change("parameter-moved", task, name, f"is parameter {news.index(name) + 1} instead of {n + 1}")


def _positional(task: Data) -> list[str]:
    return [one["name"] for one in task["parameters"] if one["kind"] in _BY_POSITION]


def _moved_task(name: str, before: Data, after: Data) -> str:
    alike = [
        other
        for other, task in after.items()
        if other not in before and all(task[key] == before[name][key] for key in ("parameters", "result", "raises"))
    ]
    return f"; if it is {alike[0]} now, messages have it under its old name" if len(alike) == 1 else ""


def _renamed(parameter: Data, before: Data, after: Data) -> str:
    known = {one["name"] for one in before["parameters"]}
    alike = [one["name"] for one in after["parameters"] if one["name"] not in known and one["type"] == parameter["type"]]
    return f"; if it is {alike[0]} now, a message has it under its old name" if len(alike) == 1 else ""


def _is_optional(parameter: Data) -> bool:
    return "default" in parameter or parameter["kind"] in _NOT_REQUIRED


def _collected(parameter: Data) -> object:
    """Return the type under which a parameter travels."""
    if parameter["kind"] == "var_positional":
        return {"generic": "list", "arguments": [parameter["type"]]}
    if parameter["kind"] == "var_keyword":
        return {"generic": "dict", "arguments": ["str", parameter["type"]]}
    return parameter["type"]


# Any: a retry policy, or the value of any other option.
def _option(value: Any, other: Any) -> str:
    """Return an option for people: of a retry policy what the other one has not."""
    if not isinstance(value, dict):
        return "none" if value is None else str(value)
    known = cast("Data", other if isinstance(other, dict) else {})
    return " ".join(f"{key}={one}" for key, one in cast("Data", value).items() if key not in known or known[key] != one)


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _change(rule: str, task: str, path: str, text: str) -> Change:
    return Change(RULES[rule], task, path, text)


def worst(changes: Iterable[Change], order: Order) -> list[Change]:
    """Return the changes that break something when that is deployed first."""
    return [change for change in changes if change.breaks_in(order)]
