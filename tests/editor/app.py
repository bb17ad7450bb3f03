"""The tasks that the editor is asked about."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from typedtasks import Broker, Retry, TaskError

broker = Broker("memory://")


class GithubUser(BaseModel):
    login: str
    followers: int = 0


class RateLimited(TaskError):
    retry_at: datetime


class UserNotFound(TaskError):
    login: str


@broker.task(name="github.parse_user", timeout=30, retry=Retry(max_attempts=5), raises=(RateLimited, UserNotFound))
async def parse_user(login: str, *, depth: Annotated[int, Field(ge=0, le=3)] = 0, lang: Literal["en", "de"] = "en") -> GithubUser:
    """Fetch one GitHub user and the users around them."""
    return GithubUser(login=login)
