# @generated: do not edit. Written by
# typedtasks generate examples.github_users.tasks:broker --package github_tasks
# isort: skip_file
"""The types of the tasks of examples.github_users.tasks:broker, as its contract describes them."""

from __future__ import annotations

import datetime as _datetime
import typing as _typing

import pydantic as _pydantic
import typedtasks as _typedtasks


class GithubUser(_pydantic.BaseModel):
    """What we keep of https://docs.github.com/en/rest/users/users#get-a-user."""

    model_config = _pydantic.ConfigDict(defer_build=True)
    login: str
    id: int
    name: str | None
    public_repos: int
    followers: int
    created_at: _datetime.datetime


class RateLimited(_typedtasks.TaskError):
    """GitHub wants no more requests before `retry_at`."""

    retry_at: _datetime.datetime


class UserNotFound(_typedtasks.TaskError):
    """GitHub has no user of this login."""

    login: str


CONTRACT_TYPES: _typing.Final[dict[str, object]] = {
    "examples.github_users.tasks.GithubUser": GithubUser,
    "examples.github_users.tasks.RateLimited": RateLimited,
    "examples.github_users.tasks.UserNotFound": UserNotFound,
}
"""Each type under its id in the contract."""
