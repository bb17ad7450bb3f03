"""`typedtasks redis acl`: what an administrator of Redis is asked for."""

from __future__ import annotations

import sys

from typedtasks.backends.redis.access import acl_line, is_user_name
from typedtasks.cli.loading import UsageError

__all__ = ["print_acl"]


def print_acl(user: str) -> int:
    """Print the command that makes the Redis user; how to give it a password goes to standard error."""
    if not is_user_name(user):
        raise UsageError(f"{user!r} is not the name of a Redis user: it has to be printable, without spaces.")
    print(acl_line(user))
    print(
        f"Run it with redis-cli on every server, then give the user a password: ACL SETUSER {user} '>the password'. "
        "ACL SAVE or CONFIG REWRITE keeps both. The broker's URL is then redis://user:password@host:6379/0.",
        file=sys.stderr,
    )
    return 0
