"""The tasks: what the application enqueues and the worker runs."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated

import httpx
from pydantic import BaseModel, Field

from typedtasks import Broker, Retry, TaskError

broker = Broker()

Login = Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})$")]
"""A GitHub login: letters, digits and hyphens, at most 39."""


class GithubUser(BaseModel):
    """What we keep of https://docs.github.com/en/rest/users/users#get-a-user."""

    login: str
    id: int
    name: str | None
    public_repos: int
    followers: int
    created_at: datetime


class UserNotFound(TaskError):
    """GitHub has no user of this login."""

    login: str


class RateLimited(TaskError):
    """GitHub wants no more requests before `retry_at`."""

    retry_at: datetime


def retry_time(error: Exception) -> datetime | None:
    """Return when GitHub wants to be asked again; None where it did not say."""
    return error.retry_at if isinstance(error, RateLimited) else None


@broker.task(
    name="github.fetch_user",
    timeout=30,
    retry=Retry(on=(RateLimited, httpx.TransportError), max_attempts=5, when=retry_time),
    raises=(UserNotFound, RateLimited),
)
async def fetch_user(login: Login) -> GithubUser:
    """Fetch one user. A rate limit is waited for by the queue, not by a worker."""
    url = os.environ.get("GITHUB_API_URL", "https://api.github.com")
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "typedtasks-example"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=10) as client:
        response = await client.get(f"/users/{login}")
    if response.status_code == 404:
        raise UserNotFound(login=login)
    if response.status_code in (403, 429):
        raise RateLimited(retry_at=_retry_at(response))
    response.raise_for_status()
    return GithubUser.model_validate_json(response.content)


def _retry_at(response: httpx.Response) -> datetime:
    """Return when to come back: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api."""
    now = datetime.now(UTC)
    after, reset = response.headers.get("retry-after", ""), response.headers.get("x-ratelimit-reset", "")
    if after.isdigit():
        return now + timedelta(seconds=int(after))
    if reset.isdigit() and response.headers.get("x-ratelimit-remaining") == "0":
        return max(now, datetime.fromtimestamp(int(reset), UTC)) + timedelta(seconds=1)
    return now + timedelta(minutes=1)  # what GitHub asks for when it says nothing else
