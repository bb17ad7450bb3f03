"""Dependencies that tests of injection share, and the list in which they write down what happens to them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Annotated

from typedtasks import Depends, TaskError

__all__ = ["Connection", "Refused", "Repository", "Settings", "connection", "cursor", "events", "number", "settings"]

events: list[str] = []


class Connection:
    def __init__(self, name: str = "real") -> None:
        self.name = name
        self.thread = threading.get_ident()


@dataclass
class Settings:
    url: str = "db://"


def settings() -> Settings:
    events.append("settings")
    return Settings()


async def connection(settings: Annotated[Settings, Depends(settings)]) -> AsyncIterator[Connection]:
    events.append("open connection")
    try:
        yield Connection(settings.url)
    except BaseException as error:
        events.append(f"connection saw {type(error).__name__}")
        raise
    finally:
        await asyncio.sleep(0)
        events.append("close connection")


def cursor(connection: Connection = Depends(connection), settings: Settings = Depends(settings)) -> Iterator[str]:
    events.append("open cursor")
    try:
        yield f"{connection.name} {settings.url}"
    finally:
        events.append("close cursor")


async def number() -> int:
    return 7


@dataclass
class Repository:
    connection: Connection = Depends(connection)
    number: int = Depends(number)
    made: list[int] = field(default_factory=list)


class Refused(TaskError):
    reason: str
