"""The least that a Redis user needs to be a client or a worker of typedtasks."""

from __future__ import annotations

from typing import Final

__all__ = ["acl_line", "is_user_name"]

_CONNECTING: Final = ("info", "ping", "select", "subscribe", "role", "cluster|slots", "asking", "client|id", "client|unblock")
"""`role` is for primaries behind Sentinels; from `cluster|slots` on, for clusters."""
_SCRIPTS: Final = ("eval", "evalsha", "time", "publish")
_KEYS: Final = ("del", "exists", "pexpire", "set", "mget", "sadd", "smembers", "srem", "type")
_HASHES: Final = ("hdel", "hexists", "hget", "hkeys", "hlen", "hmget", "hscan", "hset", "hsetnx")
_SORTED_SETS: Final = ("zadd", "zcard", "zmscore", "zrange", "zrangebyscore", "zrem", "zremrangebyscore", "zscore")
_STREAMS: Final = (
    "xack",
    "xadd",
    "xclaim",
    "xdel",
    "xgroup|create",
    "xgroup|delconsumer",
    "xinfo|consumers",
    "xinfo|groups",
    "xlen",
    "xpending",
    "xrange",
    "xreadgroup",
)
_COMMANDS: Final = (*_CONNECTING, *_SCRIPTS, *_KEYS, *_HASHES, *_SORTED_SETS, *_STREAMS)


def is_user_name(text: str) -> bool:
    """Return whether Redis can have a user of this name: not empty, printable, without spaces."""
    return bool(text) and text.isprintable() and " " not in text


def acl_line(user: str) -> str:
    """Return the command that makes a Redis user with these rights, and without a password: so nobody can log in as yet."""
    rights = " ".join(f"+{command}" for command in _COMMANDS)
    return f"ACL SETUSER {user} reset on ~tt:* &tt:* {rights}"
