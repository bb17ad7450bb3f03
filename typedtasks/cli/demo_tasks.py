"""The tasks of `typedtasks demo`: an application in one file."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import BaseModel, Field

from typedtasks import Broker, Retry, TaskError

broker = Broker(default_queue="typedtasks-demo", result_ttl=600)


class Word(BaseModel):
    """A word and what was found out about it."""

    text: str
    letters: int
    palindrome: bool


class UnknownWord(TaskError):
    """The dictionary does not have the word."""

    word: str
    suggestion: str


@broker.task(name="demo.study")
async def study(word: str, *, repeat: Annotated[int, Field(ge=1, le=3)] = 1) -> Word:
    """Study one word; each takes a moment, as a request to another service would."""
    await asyncio.sleep(0.02)
    text = word * repeat
    return Word(text=text, letters=len(text), palindrome=text == text[::-1])


@broker.task(name="demo.look_up", raises=UnknownWord, retry=Retry(max_attempts=3))
def look_up(word: str) -> int:
    """Return the page of a word: a synchronous function, which runs in a thread."""
    pages = {"queue": 412, "task": 517}
    if word not in pages:
        raise UnknownWord(word=word, suggestion="queue")
    return pages[word]
