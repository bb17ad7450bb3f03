"""Declared failures: their fields make the round trip, or the class is refused when it is defined."""

from __future__ import annotations

import copy
import math
import pickle
import re
from datetime import datetime
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel

from typedtasks import Broker, DefinitionError, Failure, PayloadInvalid, PayloadTooLarge, TaskError, Worker
from typedtasks.contract import Misfit, as_declared, read_fields, write_fields


class Part(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="null", ser_json_temporal="seconds", ser_json_bytes="utf8")
    raw: bytes
    number: float | None
    at: datetime


class Broken(TaskError):
    part: Part
    names: set[str]


class BrokenSimply(TaskError):
    count: int
    names: set[str]


class Words(RootModel[str]): ...


class BrokenMore(Broken):
    count: int = 0


class Said(TaskError):
    message: str


class Tagged(TaskError):
    message: Literal["a", "b"]
    model_name: str = ""


class MorePart(Part):
    extra: int = 1


class Loose(BaseModel):
    x: int


class Nested(TaskError):
    loose: Loose


PART = Part(raw=b"\xff", number=math.inf, at=datetime(2026, 1, 2, 3, 4, 5, 6))


def test_models_inside_a_failure_arrive_as_they_were() -> None:
    """Bytes, infinities and times, whatever the model's own configuration says."""
    error = read_fields(Broken, write_fields(Broken(part=PART, names={"b", "a"})))
    assert (error.part, error.names) == (PART, {"a", "b"})
    number = Part(raw=b"", number=math.nan, at=PART.at)
    again = read_fields(Broken, write_fields(Broken(part=number, names=set())))
    assert again.part.number is not None
    assert math.isnan(again.part.number)


def test_what_would_be_lost_on_the_way_is_a_misfit() -> None:
    with pytest.raises(Misfit, match="MorePart, whose field extra is not part of Part"):
        write_fields(Broken(part=MorePart(raw=b"", number=1.0, at=PART.at), names=set()))
    failure = Nested(loose=Loose(x=1))
    failure.loose = {"x": 1, "y": 2}  # type: ignore[assignment]  # the wrong value is the point
    with pytest.raises(Misfit, match="'y', which is not part of Loose"):
        write_fields(failure)


def test_a_subclass_arrives_as_the_class_that_is_declared() -> None:
    declared = as_declared(BrokenMore(part=PART, names=set(), count=3), Broken)
    assert type(declared) is Broken
    assert declared.part == PART


def test_fields_that_cannot_be_read_are_a_misfit() -> None:
    for fields in (b"", b"[]", b"{", b'{"message":1}', b'{"message":"a","more":1}'):
        with pytest.raises(Misfit):
            read_fields(Said, fields)


@pytest.mark.parametrize(
    "name", ["type", "args", "traceback", "attempts", "code", "with_traceback", "copy", "schema", "model_dump"]
)
def test_a_field_with_a_name_that_is_taken_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match=f"Bad declares the field '{name}'.*give it another name"):
        type("Bad", (TaskError,), {"__annotations__": {name: int}})


def test_other_names_are_free() -> None:
    """`message` becomes the error's message."""
    assert Tagged(message="a", model_name="m").message == "a"
    assert str(Said(message="hello")) == "hello [task-error]"
    assert type("Free", (TaskError,), {"__annotations__": {"to_json": int, "as_base": int}})(to_json=1, as_base=2)


def _fails() -> None: ...


class Counted(TaskError):
    message: int  # type: ignore[assignment]  # what mypy refuses too


class Aliased(TaskError):
    x: Annotated[int, Field(alias="X")]


class Mixed(TaskError):
    value: Words | str


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (Counted, "Counted declares the field 'message' as something else than str"),
        (Aliased, "Aliased has an alias for the field 'x'"),
        (Mixed, "the fields of Mixed cannot be sent: JSON cannot tell Words from str"),
    ],
)
def test_a_failure_that_could_not_arrive_is_refused_when_the_task_is_defined(failure: type[TaskError], text: str) -> None:
    with pytest.raises(DefinitionError, match=text):
        Broker("memory://").task(name="t", raises=failure)(_fails)


class OtherInit(TaskError):
    def __init__(self, login: str = "") -> None:
        super().__init__()
        self.login = login


class NarrowInit(TaskError):
    login: str

    def __init__(self) -> None:
        super().__init__(login="somebody")


class Positional(TaskError):
    login: str

    def __init__(self, code_: int, /, login: str) -> None:
        super().__init__(login=login)


@pytest.mark.parametrize(
    ("failure", "wrong"),
    [
        (OtherInit, "takes 'login', which is not a field"),
        (NarrowInit, "does not take the field 'login'"),
        (Positional, "takes 'code_', which is not a field"),
    ],
)
def test_a_failure_that_could_not_be_made_again_is_refused_when_the_task_is_defined(failure: type[TaskError], wrong: str) -> None:
    """What it takes besides its fields would be lost on the way."""
    text = f"{failure.__name__} has an __init__ that {wrong}, so it cannot be made again where it arrives. Leave the __init__ out"
    with pytest.raises(DefinitionError, match=re.escape(text)):
        Broker("memory://").task(name="t", raises=failure)(_fails)


class Shouted(TaskError):
    login: str

    def __init__(self, login: str) -> None:
        super().__init__(login=login.upper())


class Pair(TaskError, ValueError):
    login: str


@pytest.mark.parametrize("failure", [Shouted, Pair])
def test_a_constructor_that_takes_the_fields_is_free(failure: type[Shouted | Pair]) -> None:
    """And so is another base that comes second."""
    Broker("memory://").task(name="t", raises=failure)(_fails)
    error = read_fields(failure, write_fields(failure(login="ADA")))
    assert (type(error), error.login) == (failure, "ADA")


async def test_a_failure_whose_types_cannot_be_found_keeps_its_worker_from_starting() -> None:
    """When the task is defined, they may still be to come."""
    broker = Broker("memory://")
    lost = type("Lost", (TaskError,), {"__annotations__": {"where": "Nowhere"}})
    broker.task(name="t", raises=lost)(_fails)
    async with broker:
        with pytest.raises(DefinitionError, match="t: the fields of Lost cannot be sent: name 'Nowhere' is not defined"):
            await Worker(broker).run(burst=True)


def test_a_failure_shows_as_it_is_made() -> None:
    """In logs, and in the outcome of whoever prints it."""
    assert repr(Said(message="hello")) == "Said(message='hello')"
    assert repr(Failure(BrokenSimply(count=2, names={"a"}))) == "Failure(error=BrokenSimply(count=2, names={'a'}))"


@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])  # noqa: S301 - its own
def test_errors_can_be_pickled_and_copied(again: object) -> None:
    """Process pools and test runners do."""
    assert callable(again)
    failure = Said(message="hello")
    failure.attempts = 3
    for error in (failure, PayloadTooLarge("x", size=3, limit=2), PayloadInvalid("y", [])):
        assert type(again(error)) is type(error)
        assert vars(again(error)) == vars(error)
        assert str(again(error)) == str(error)
