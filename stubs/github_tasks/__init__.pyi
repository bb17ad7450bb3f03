# @generated: do not edit. Written by
# typedtasks generate examples.github_users.tasks:broker --package github_tasks
# isort: skip_file
"""A client of the tasks of examples.github_users.tasks:broker.

Use it as `async with Client(url) as client`, or as `with BlockingClient(url) as client`.
"""

import typing as _typing

import pydantic as _pydantic
import typedtasks.client as _typedtasks_client

from . import models as _models
from . import models as models
from .models import (
    GithubUser as GithubUser,
    RateLimited as RateLimited,
    UserNotFound as UserNotFound,
)

class _Tasks:
    @_typedtasks_client.RemoteMethod[_models.UserNotFound | _models.RateLimited]()
    async def github_fetch_user(
        self,
        /,
        login: _typing.Annotated[
            str,
            _pydantic.Field(pattern="^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})$"),
        ],
    ) -> _models.GithubUser:
        """Fetch one user. A rate limit is waited for by the queue, not by a worker."""

class Client(_Tasks, _typedtasks_client.AsyncClient):
    """Sends tasks from an event loop: `await client.<task>.enqueue(...)`."""

class BlockingClient(_Tasks, _typedtasks_client.ThreadClient):
    """Sends tasks from code without an event loop: `client.<task>.enqueue(...)` waits."""
