"""What a server's refusal means: which error it becomes for whoever called, and what mends it.

Every reply is one of three. Some pass by themselves, so workers and clients ask again. Some are for whoever runs the server:
rights, passwords, memory, connections, commands that were taken away, keys of something else; the error says what to do. The
rest, such as an `ERR` of a script, is nobody's mistake but ours: the error says what to report. None of them ends a worker.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from typedtasks.backends.redis.protocol import Reply, ReplyError
from typedtasks.backends.redis.script import Script, prefix_of
from typedtasks.errors import BackendFull, BackendUnavailable, BackendUnsupported, TypedTasksError

__all__ = ["ForeignKeys", "GroupMissing", "Refused", "Unexpected", "foreign_keys", "refusal"]


class Refused(BackendUnavailable):
    """The server has understood, and will not: to send the same again is of no use until somebody has done something."""


class ForeignKeys(Refused):
    """Something else has written to our keys."""


class Unexpected(Refused):
    """A mistake of ours, or a server that is none of those which we know."""


class GroupMissing(BackendUnavailable):
    """A stream or its group is gone: the store was emptied."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """What replies are meant, and the error that they become. In `says`, `text` is the reply and `shown` the server."""

    replies: re.Pattern[str]
    error: type[BackendUnavailable] | type[BackendUnsupported]
    says: str


def _rule(replies: str, error: type[BackendUnavailable] | type[BackendUnsupported], says: str) -> _Rule:
    return _Rule(re.compile(replies), error, says)


_RULES: Final = (
    _rule(
        r"^(ERR|NOPERM) ?[Uu]nknown ((Redis )?command|subcommand)|^ERR unknown subcommand|Unknown Redis command",
        BackendUnsupported,
        "Redis at {shown} lacks a command that typedtasks needs ({text}). It was renamed or disabled (rename-command), or a proxy "
        "leaves it out: give it back, or use another server.",
    ),
    _rule(
        r"^NOPERM|user executing the script can't|ACL failure in script",
        Refused,
        "the Redis user of {shown} may not do this: {text}. `typedtasks redis acl` says what it needs.",
    ),
    _rule(
        r"^NOAUTH|^WRONGPASS|^ERR .*\bAUTH\b|^ERR invalid password|^ERR operation not permitted",
        Refused,
        "Redis at {shown} refused the user or password: {text}. Correct them in the broker's URL (TYPEDTASKS_URL).",
    ),
    _rule(
        r"\bOOM\b",
        BackendFull,
        "Redis at {shown} has reached its maxmemory ({text}). Nothing was sent. Let workers catch up, or give it more memory.",
    ),
    _rule(
        r"^ERR max number of clients",
        BackendUnavailable,
        "Redis at {shown} takes no more connections ({text}). Raise its maxclients, or close connections that are not needed.",
    ),
    _rule(
        r"^DENIED",
        Refused,
        "Redis at {shown} is in protected mode, in which it serves its own machine only. Give it a password and name that in the "
        "broker's URL (TYPEDTASKS_URL), or set protected-mode no in a network that you trust.",
    ),
    _rule(
        r"^READONLY",
        BackendUnavailable,
        "Redis at {shown} is read-only ({text}): it is a replica. Name its primary, or its Sentinels.",
    ),
    _rule(
        r"^WRONGTYPE|exhausted the last possible ID",
        ForeignKeys,
        "something else has written to the keys of typedtasks in Redis at {shown} ({text}). "
        "Delete what is foreign, or give typedtasks a database of its own.",
    ),
    _rule(
        r"^NOPROTO|HELLO",
        BackendUnsupported,
        "Redis at {shown} does not speak the protocol that typedtasks speaks, RESP2 ({text}). Use Redis 7.0 or later.",
    ),
    _rule(
        r"^CROSSSLOT|non local key",
        BackendUnsupported,
        "Redis at {shown} is a cluster ({text}): write redis+cluster:// in the place of redis://, without a database.",
    ),
    _rule(
        r"^ERR (DB index is out of range|invalid DB index|SELECT is not allowed)",
        BackendUnsupported,
        "Redis at {shown} has no such database ({text}). Correct the number at the end of the broker's URL (TYPEDTASKS_URL).",
    ),
    _rule(
        r"^MISCONF",
        BackendUnavailable,
        "Redis at {shown} cannot do this now: {text}. It cannot write to its disk: see its log, and make room.",
    ),
    _rule(
        r"^NOREPLICAS",
        BackendUnavailable,
        "Redis at {shown} cannot do this now: {text}. It has fewer replicas than its min-replicas-to-write asks for.",
    ),
    _rule(r"^NOGROUP", GroupMissing, "Redis at {shown} was emptied: {text}."),
    _rule(
        r"^(?!ERR |NOSCRIPT|EXECABORT|BUSYGROUP)[A-Z][A-Z0-9_]+( |$)|Script killed by user",
        BackendUnavailable,
        "Redis at {shown} cannot do this now: {text}.",
    ),
    _rule(
        r"",
        Unexpected,
        "Redis at {shown} refused what it should take: {text}. This is a mistake in typedtasks, or a server that is no "
        "Redis 7.0 or later: please report this text.",
    ),
)
"""In this order. Codes that nobody has thought of are states that may pass; an ERR that nobody has thought of is our mistake."""

_PLACE: Final = re.compile(r"\s*script: [0-9a-f]*, on @user_script:(\d+)\.?")
_TYPES: Final = {
    "s0": "stream",
    "s1": "stream",
    "s2": "stream",
    "s3": "stream",
    "s4": "stream",
    "s5": "stream",
    "delay": "zset",
    "db": "hash",
    "parked": "hash",
    "await": "hash",
    "dead": "zset",
    "deadb": "hash",
    "w": "zset",
    "x": "zset",
    "shards": "zset",
    "watched": "string",
}
"""The keys that every queue may have, and what they are."""
_MOST_AWAITED: Final = 100
"""Texts for which parked tasks wait, whose keys are looked at."""


def refusal(shown: str, what: str, error: ReplyError, script: Script | None = None) -> TypedTasksError:
    """Return our error for a server's. `what` says what was tried, and `shown` names the server, without a password."""
    text = str(error)
    place = _PLACE.search(text)
    if place is not None:
        text = f"{_PLACE.sub('', text).rstrip('.')}, {_place(script, int(place[1]))}"
    elif script is not None:
        text = f"{text.rstrip('.')}, in {script.name}.lua"
    rule = next(rule for rule in _RULES if rule.replies.search(text))
    return rule.error(f"{what}: {rule.says.format(shown=shown, text=text.rstrip('.'))}")


async def foreign_keys(
    ask: Callable[[Sequence[object]], Awaitable[Reply]], queue: str, script: Script | None, arguments: Sequence[object]
) -> str:
    """Return which keys of a queue are something else than they should be, as far as `ask` may find that out."""
    keys = {prefix_of(queue) + name: kind for name, kind in _TYPES.items()}
    if script is not None and script.name == "publish":
        keys[f"{prefix_of(queue)}bt:{arguments[0]}"] = "hash"
    found: list[str] = []
    try:
        awaited = await ask(("HKEYS", f"{prefix_of(queue)}await"))
        keys |= {f"{prefix_of(queue)}a:{text.decode('utf-8', 'replace')}": "zset" for text in awaited[:_MOST_AWAITED]}
    except (ReplyError, OSError):
        pass  # it is foreign itself, which will be seen
    for key, kind in keys.items():
        try:
            reply = await ask(("TYPE", key))
        except (ReplyError, OSError):
            return ""
        if isinstance(reply, bytes) and reply.decode("utf-8", "replace") not in (kind, "none"):
            found.append(f"{key} is a {reply.decode('utf-8', 'replace')} and should be a {kind}")
    return "; ".join(found)


def _place(script: Script | None, line: int) -> str:
    """Return what a line of a script is about."""
    if script is None:
        return f"line {line} of a script"
    return f"in {script.name}.lua, line {line}: {script.line(line)}"
