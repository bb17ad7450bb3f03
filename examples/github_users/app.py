"""The application: it takes requests, enqueues tasks, and serves their status and results."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from fastapi import FastAPI, HTTPException, Query, Request
from pydantic import BaseModel, Field

from examples.github_users.tasks import GithubUser, Login, RateLimited, UserNotFound, broker, fetch_user
from typedtasks import DefinitionError, Failure, ResultExpired, ResultLost, ResultTimeout, Success


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """Keep the broker open as long as the application runs."""
    async with broker:
        yield


app = FastAPI(title="GitHub users", lifespan=lifespan)


class FetchRequest(BaseModel):
    """Which users to fetch."""

    logins: Annotated[list[Login], Field(min_length=1, max_length=100)]


class Accepted(BaseModel):
    """One task that was enqueued."""

    login: str
    task_id: str
    status_url: str


class TaskStatus(BaseModel):
    """How a task stands. `user` is there when it has succeeded, `error` when it has failed."""

    task_id: str
    status: Literal["pending", "succeeded", "failed"]
    user: GithubUser | None = None
    error: str | None = None


@app.post("/users/fetch", status_code=202)
async def fetch(body: FetchRequest, request: Request) -> list[Accepted]:
    """Enqueue one task for each login, and answer at once."""
    handles = await broker.enqueue_many([fetch_user.call(login) for login in body.logins])
    return [
        Accepted(login=login, task_id=handle.id, status_url=str(request.url_for("status", task_id=handle.id)))
        for login, handle in zip(body.logins, handles, strict=True)
    ]


@app.get("/tasks/{task_id}")
async def status(task_id: str, wait: Annotated[float, Query(ge=0, le=30)] = 0) -> TaskStatus:
    """Return how a task stands; `wait` is how many seconds its end may be waited for."""
    try:
        handle = broker.handle(fetch_user, task_id)
        outcome = await (handle.outcome(timeout=wait) if wait else handle.peek())
    except ResultTimeout:
        outcome = None
    except (DefinitionError, ResultExpired, ResultLost) as error:
        raise HTTPException(404, str(error)) from None
    match outcome:
        case None:
            return TaskStatus(task_id=task_id, status="pending")
        case Success(user):
            return TaskStatus(task_id=task_id, status="succeeded", user=user)
        case Failure(UserNotFound() as failure):
            return TaskStatus(task_id=task_id, status="failed", error=f"GitHub has no user {failure.login!r}")
        case Failure(RateLimited() as failure):
            return TaskStatus(task_id=task_id, status="failed", error=f"rate limited until {failure.retry_at.isoformat()}")
        case other:
            return TaskStatus(task_id=task_id, status="failed", error=repr(other))
