"""Changes that somebody has looked at and takes: each names a rule, says why, and ends on a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, cast

from typedtasks_codegen.compatibility.changes import Change
from typedtasks_codegen.compatibility.rules import RULES

__all__ = ["Ignore", "IgnoreInvalid", "Sifted", "read_ignores", "sift"]

_NEEDED: Final = ("rule", "reason", "until")
_KEYS: Final = (*_NEEDED, "task", "path")


class IgnoreInvalid(ValueError):
    """An entry says something that means nothing. The message says which, and what is expected."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """One entry: the changes of a rule, of one task or of all, at a place and below it or anywhere."""

    rule: str
    reason: str
    until: date
    """The last day on which it holds."""
    task: str = ""
    path: str = ""

    def covers(self, change: Change) -> bool:
        """Return whether it means this change, whatever day it is."""
        return (
            change.rule.id == self.rule
            and self.task in ("", change.task)
            and (not self.path or change.path == self.path or change.path.startswith((f"{self.path}.", f"{self.path}[")))
        )

    def __str__(self) -> str:
        place = "".join(f" {part}" for part in (self.task, self.path) if part)
        return f"{self.rule}{f' of{place}' if place else ''}"


@dataclass(frozen=True, slots=True)
class Sifted:
    """Changes, with what the entries say of them."""

    changes: tuple[Change, ...]
    """Those that no entry takes."""
    ignored: tuple[tuple[Change, Ignore], ...]
    expired: tuple[Ignore, ...]
    """Entries that meant one of `changes` until their day was over."""
    idle: tuple[Ignore, ...] = field(default=())
    """Entries that mean nothing that has changed: they can go."""


def read_ignores(entries: object) -> list[Ignore]:
    """Return the entries of a TOML array. Raises `IgnoreInvalid`, which names the entry."""
    if not isinstance(entries, list):
        raise IgnoreInvalid("`ignore` is not a list of tables: write [[ignore]] above each entry")
    return [_read(number, entry) for number, entry in enumerate(cast("list[object]", entries), 1)]


def sift(changes: Iterable[Change], ignores: Sequence[Ignore], today: date) -> Sifted:
    """Return which changes are left on a day. Those that break nothing are never ignored: nobody has to."""
    left: list[Change] = []
    ignored: list[tuple[Change, Ignore]] = []
    used: set[Ignore] = set()
    expired: dict[Ignore, None] = {}
    for change in changes:
        meant = [ignore for ignore in ignores if change.rule.breaks and ignore.covers(change)]
        used.update(meant)
        valid = next((ignore for ignore in meant if ignore.until >= today), None)
        if valid is not None:
            ignored.append((change, valid))
        else:
            left.append(change)
            expired.update(dict.fromkeys(meant))
    return Sifted(tuple(left), tuple(ignored), tuple(expired), tuple(one for one in ignores if one not in used))


def _read(number: int, entry: object) -> Ignore:
    if not isinstance(entry, dict):
        raise IgnoreInvalid(f"entry {number} is no table")
    given = cast("Mapping[str, object]", entry)
    for key in given:
        if key not in _KEYS:
            raise IgnoreInvalid(f"entry {number} has {key!r}; known are {', '.join(_KEYS)}")
    for key in _NEEDED:
        if key not in given:
            raise IgnoreInvalid(f"entry {number} has no {key!r}: each names a rule, a reason and the last day on which it holds")
    texts = {key: _text(number, key, given.get(key, "")) for key in ("rule", "reason", "task", "path")}
    if texts["rule"] not in RULES:
        raise IgnoreInvalid(f"entry {number}: there is no rule {texts['rule']!r}; `typedtasks breaking` and its page name them")
    if not texts["reason"].strip():
        raise IgnoreInvalid(f"entry {number} has an empty reason")
    return Ignore(texts["rule"], texts["reason"].strip(), _day(number, given["until"]), texts["task"], texts["path"])


def _text(number: int, key: str, value: object) -> str:
    if not isinstance(value, str):
        raise IgnoreInvalid(f"entry {number}: {key} = {value!r} is no text")
    return value


def _day(number: int, value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise IgnoreInvalid(f"entry {number}: until = {value!s} is no day such as 2026-12-31") from None
