# @generated: do not edit. Written by
# typedtasks generate examples.github_users.tasks:broker --package github_tasks
# isort: skip_file
"""A client of the tasks of examples.github_users.tasks:broker.

Use it as `async with Client(url) as client`, or as `with BlockingClient(url) as client`.
"""

from __future__ import annotations

import typing

import pydantic
import typedtasks.client

from . import models
from .models import (
    GithubUser,
    RateLimited,
    UserNotFound,
)

__all__ = [
    "BlockingClient",
    "Client",
    "GithubUser",
    "RateLimited",
    "UserNotFound",
    "models",
]


async def _call_github_fetch_user(
    login: typing.Annotated[
        str,
        pydantic.Field(pattern="^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})$"),
    ],
) -> GithubUser:
    """Fetch one user. A rate limit is waited for by the queue, not by a worker."""
    raise typedtasks.client.not_here("github.fetch_user")


class _Tasks:
    github_fetch_user = typedtasks.client.RemoteTask(
        _call_github_fetch_user,
        name="github.fetch_user",
        queue="default",
        priority="normal",
        result_ttl_ms=86400000,
        raises=(
            UserNotFound,
            RateLimited,
        ),
    )


class Client(_Tasks, typedtasks.client.AsyncClient):
    """Sends tasks from an event loop: `await client.<task>.enqueue(...)`."""

    max_payload = 262144
    max_result = 16777216


class BlockingClient(_Tasks, typedtasks.client.ThreadClient):
    """Sends tasks from code without an event loop: `client.<task>.enqueue(...)` waits."""

    max_payload = 262144
    max_result = 16777216
