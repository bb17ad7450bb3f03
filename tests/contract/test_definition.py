"""What cannot be a task is refused when it is defined, by the parameter's name, with what to use instead."""

import dataclasses
import functools
import re
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import InitVar, dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NoReturn, Protocol, TypedDict, TypeVar, Unpack
from uuid import UUID

import pytest
import typing_extensions
from pydantic import (
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    ImportString,
    Json,
    JsonValue,
    OnErrorOmit,
    RootModel,
    SecretStr,
    computed_field,
)
from typing_extensions import TypeAliasType

from typedtasks import Broker, DefinitionError, Injected, TaskError
from typedtasks.contract import Boundary, default_task_name

T = TypeVar("T")


class Plain:
    """A class without a JSON form."""


class TwoAliases(BaseModel):
    x: int = Field(validation_alias="read", serialization_alias="write")


class Hidden(BaseModel):
    x: int = Field(default=1, exclude=True)


class Computed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    x: int

    @computed_field  # type: ignore[prop-decorator]  # pydantic's documented form
    @property
    def double(self) -> int:
        return 2 * self.x


class One(BaseModel):
    x: int


class Other(BaseModel):
    x: int


@dataclasses.dataclass
class NotInit:
    x: int
    y: int = dataclasses.field(init=False, default=1)


class Small(BaseModel):
    x: int


class Large(Small):
    y: int = 0


class Level(Enum):
    LOW = 1


class Point(Enum):
    ORIGIN = (0, 0)


class Perhaps(Enum):
    NOT = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Sometimes(BaseModel):
    x: int = Field(0, exclude_if=lambda x: x == 0)


class Words(RootModel[str]): ...


class Whatever(RootModel[JsonValue]): ...


class Numbers(RootModel[list[int]]): ...


class Maybe(RootModel[int | None]): ...


class Empty(RootModel[None]): ...


class Entries(RootModel[dict[str, int]]): ...


class Metres(RootModel[int]): ...


class Doubled(BaseModel):
    x: int
    twice: int = 0

    @computed_field(alias="twice")  # type: ignore[prop-decorator]  # pydantic's documented form
    @property
    def double(self) -> int:
        return 2 * self.x


class ByValue(BaseModel):
    model_config = ConfigDict(use_enum_values=True)
    level: Level


@pytest.mark.parametrize(
    ("hint", "instead"),
    [
        (Any, "Write JsonValue"),
        (object, "Write JsonValue"),
        (list, "Write list[JsonValue]"),
        (dict, "Write dict[str, JsonValue]"),
        (set, "Write set[str]"),
        (Callable[[], int], "a function cannot be sent"),
        (Iterator[int], "Write list[int]"),
        (type[int], "a class cannot be sent"),
        (Plain, "Use a pydantic model"),
        (dict[tuple[int, int], int], "Write list[tuple[tuple[int, int], int]]"),
        (dict[Literal[1], int], "use str keys"),
        (str | bytes, "JSON cannot tell str from bytes"),
        (str | datetime, "JSON cannot tell str from datetime"),
        (str | UUID, "JSON cannot tell"),
        (date | datetime, "JSON cannot tell"),
        (Decimal | str, "JSON cannot tell"),
        (str | Path, "JSON cannot tell"),
        (list[int] | set[int], "JSON cannot tell list from set"),
        (list[int] | tuple[int, ...], "JSON cannot tell list from tuple"),
        (One | Other, "discriminator"),
        (One | dict[str, int], "JSON cannot tell"),
        (SecretStr, "a secret of pydantic is sent as stars. Write Secret[str]"),
        (TwoAliases, "use one alias for both"),
        (Hidden, "exclude=True"),
        (Computed, "computed fields"),
        (NotInit, "init=False"),
        (list[dict[str, Any]], "Write list[dict[str, JsonValue]]"),
        (list[datetime] | list[str], "JSON cannot tell list from list"),
        (tuple[int, datetime] | tuple[int, str], "JSON cannot tell tuple from tuple"),
        (Small | Large, "JSON cannot tell Small from Large"),
        (list[Small | Large], "JSON cannot tell Small from Large"),
        (int | Level, "JSON cannot tell int from Level"),
        (Literal[Level.LOW], "Write Literal[1]"),
        (Literal[b"x"], "use a str or an int as its value"),
        (Point, "the member of Point"),
        (Perhaps | None, "whose value is None"),
        (dict[str | None, int], "use str keys"),
        (Counter[tuple[int, int]], "use str keys"),
        (OrderedDict[Level, int], "use str keys"),
        (dict[complex, int], "use str keys"),
        (Mapping[Fraction, int], "use str keys"),
        (OrderedDict[tuple[int, int], int], "use str keys"),
        (re.Pattern[str], "loses its flags. Write str"),
        (ImportString, "send its name as a str"),
        (Base64Bytes, "use bytes"),
        (Json[int], "without Json"),
        (Open, "extra='ignore'"),
        (Sometimes, "exclude_if"),
        (ByValue, "use_enum_values"),
        (Words | str, "JSON cannot tell Words from str"),
        (Numbers | list[int], "JSON cannot tell Numbers from list"),
        (Whatever | None, "JSON cannot tell None from Whatever around None"),
        (Maybe | None, "JSON cannot tell None from Maybe"),
        (Empty | None, "JSON cannot tell None from Empty"),
        (Empty | Maybe, "JSON cannot tell"),
        (Entries | One, "JSON cannot tell Entries from One"),
        (Metres | int, "JSON cannot tell Metres from int"),
        (Metres | Literal[1], "JSON cannot tell"),
        (list[Metres] | list[int], "JSON cannot tell list from list"),
        (Literal[1] | float, "JSON cannot tell literal from float"),
        (Literal[1] | bool, "JSON cannot tell literal from bool"),
        (Literal[True] | int, "JSON cannot tell literal from int"),
        (Literal[0] | Literal["a"] | float, "JSON cannot tell"),
        (Annotated[float | int, Field(union_mode="left_to_right")], "JSON cannot tell float from int"),
        (Doubled, "computed field with the name of a field"),
    ],
    ids=str,
)
def test_a_type_that_cannot_make_the_round_trip_is_refused_by_name(hint: object, instead: str) -> None:
    """As a parameter and as a result."""

    def takes(value: object) -> None: ...

    def gives() -> object: ...

    takes.__annotations__ = {"value": hint, "return": None}
    gives.__annotations__ = {"return": hint}
    with pytest.raises(DefinitionError, match=f"(?s)'value'.*{re.escape(instead)}"):
        Boundary(takes, task="t")
    with pytest.raises(DefinitionError, match=f"(?s)the result.*{re.escape(instead)}"):
        Boundary(gives, task="t")


class Options(TypedDict, total=False):
    depth: int


def unpacks_a_dictionary(**options: Unpack[Options]) -> None: ...


def unpacks_by_the_other_name(**options: typing_extensions.Unpack[Options]) -> None: ...


def unpacks_a_tuple(*values: *tuple[int, str]) -> None: ...


def never_returns() -> NoReturn:
    raise RuntimeError


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (unpacks_a_dictionary, "the parameter 'options' unpacks a type.*Write each of them as a parameter of its own"),
        (unpacks_by_the_other_name, "the parameter 'options' unpacks a type"),
        (unpacks_a_tuple, "the parameter 'values' unpacks a type"),
        (never_returns, "a task that never returns has no result. Annotate it with -> None"),
    ],
)
def test_what_type_checkers_know_and_no_message_can_say_is_refused(function: Callable[..., object], text: str) -> None:
    """They keep the signature of such a function, so the definition has to say what to write instead."""
    with pytest.raises(DefinitionError, match=text):
        Broker("memory://").task(name="t")(function)


def no_type(x):  # type: ignore[no-untyped-def]  # the missing type is the point
    ...


@dataclass
class InitOnly:
    a: int
    b: InitVar[int]


def with_init_only(x: InitOnly) -> None: ...


def with_any_model(x: list[BaseModel]) -> None: ...


def no_result(x: int):  # type: ignore[no-untyped-def]  # the missing type is the point
    ...


def with_field(x: int = Field(1)) -> None: ...


def with_alias(x: Annotated[int, Field(alias="y")]) -> None: ...


def with_exclude(x: Annotated[int, Field(exclude=True)]) -> None: ...


def text_for_number(x: int = "a") -> None: ...  # type: ignore[assignment]  # the wrong default is the point


def none_for_number(x: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013 - the wrong default is the point


def too_small(x: Annotated[int, Field(ge=1)] = 0) -> None: ...


def tuple_for_list(x: list[int] = ()) -> None: ...  # type: ignore[assignment]  # the wrong default is the point


def checked_elsewhere(x: FilePath = Path("/not/here")) -> None: ...


def whole_for_real(x: float = 1, y: Small | None = None, z: str | None = None) -> None: ...


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


def returns_awaitable() -> Awaitable[int]:
    raise AssertionError


class Owner:
    def method(self, x: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (no_type, "the parameter 'x' has no type"),
        (no_result, "the result has no type"),
        (with_field, "Write Annotated: x: Annotated"),
        (with_alias, "an argument is sent under the parameter's name"),
        (with_exclude, "an argument is sent under the parameter's name"),
        (generator, "a generator cannot be a task"),
        (async_generator, "streamed results are not available yet"),
        (returns_awaitable, "Write it with async def"),
        (Owner.method, "a method cannot be a task"),
        (functools.partial(no_result, 1), "is not a function"),
        (int, "is not a function"),
        (staticmethod(no_result), "write @staticmethod above the decorator"),
        (with_init_only, "a dataclass field with InitVar is not sent"),
        (with_any_model, "BaseModel itself has no fields; name the model"),
        (text_for_number, "the parameter 'x' has the default 'a', which does not fit int"),
        (too_small, "the parameter 'x' has the default 0, which does not fit"),
        (none_for_number, "the parameter 'x' has the default None, which does not fit int"),
        (tuple_for_list, r"the parameter 'x' has the default \(\), which does not fit list"),
    ],
)
def test_what_cannot_be_a_task_is_refused_with_the_way_out(function: Callable[..., object], text: str) -> None:
    """The error names the task and says what to write."""
    with pytest.raises(DefinitionError, match=f"t: .*({text})"):
        Boundary(function, task="t")


@pytest.mark.parametrize("function", [checked_elsewhere, whole_for_real])
def test_a_default_that_fits_is_accepted_and_validators_do_not_judge_it_where_it_is_defined(
    function: Callable[..., object],
) -> None:
    """A file may exist only where the worker runs."""
    Boundary(function, task="t").check()


def test_the_default_name_is_module_and_function() -> None:
    """It goes over the wire, so it has to be the same in client and worker."""
    assert default_task_name(no_type) == f"{__name__}.no_type"


def fine(x: int) -> None: ...


class Loose(TaskError):
    anything: Any


@pytest.mark.parametrize("name", ["x" * 257, "a\nb", "\ud800"], ids=ascii)
def test_a_name_that_cannot_be_sent_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match="cannot be the name of a task"):
        Broker("memory://").task(name=name)(fine)


def test_a_declared_failure_whose_fields_cannot_be_sent_is_refused() -> None:
    with pytest.raises(DefinitionError, match="the fields of Loose cannot be sent: a value of any type"):
        Broker("memory://").task(name="loose", raises=Loose)(fine)


class Spelled(BaseModel):
    model_config = ConfigDict(alias_generator=str.upper, populate_by_name=True)
    size: int


def test_a_model_with_aliases_is_sent_and_comes_back() -> None:
    def echo(value: Spelled) -> Spelled:
        return value

    boundary: Boundary[Spelled] = Boundary(echo, task="echo")
    payload = boundary.encode_arguments((Spelled(size=1),), {})
    assert payload == b'{"value":{"SIZE":1}}'
    assert boundary.decode_arguments(payload) == ((), {"value": Spelled(size=1)})
    assert boundary.decode_result(boundary.encode_result(Spelled(size=2))) == Spelled(size=2)


class Waiting(BaseModel):
    later: "Later | None" = None


class Later(BaseModel):
    x: int = 0


Text = TypeAliasType("Text", "dict[str, Text[T]] | T", type_params=(T,))


def test_a_model_may_refer_to_one_that_is_defined_later_or_never() -> None:
    """The first is found on first use; the second is named, without a word about pydantic's internals."""
    broker = Broker("memory://")

    class Lost(BaseModel):
        never: "Never | None" = None  # type: ignore[name-defined]  # noqa: F821 - the missing name is the point

    @broker.task(name="found")
    def found(waiting: Waiting, text: Text[int]) -> None: ...

    @broker.task(name="lost")
    def lost(value: Lost) -> None: ...

    assert found.call(Waiting(later=Later(x=1)), {"a": 1}).payload == b'{"waiting":{"later":{"x":1}},"text":{"a":1}}'
    with pytest.raises(DefinitionError, match=r"lost: a type cannot be found \(name 'Never' is not defined\)\. Define or"):
        lost.boundary.check()


def test_what_pydantic_cannot_build_is_refused_by_name() -> None:
    """Its own errors never reach who defines a task."""

    def takes(value: OnErrorOmit[int]) -> None: ...

    with pytest.raises(DefinitionError, match="t .* has no JSON form"):
        Boundary(takes, task="t")


def test_pydantics_advice_to_its_own_users_is_left_out() -> None:
    """`arbitrary_types_allowed` would not make it a value that can be sent."""

    class Bare: ...

    class Lost(TaskError):
        bare: Bare

    def takes(value: list[Bare]) -> None: ...

    def fails() -> None: ...

    for function, raises in ((takes, ()), (fails, Lost)):
        with pytest.raises(DefinitionError, match="Bare") as refused:
            Broker("memory://").task(name="t", raises=raises)(function)
        assert "arbitrary" not in str(refused.value)
        assert "handler" not in str(refused.value)


def test_options_by_place_and_what_is_no_function_are_refused_with_the_way_out() -> None:
    """A name by place is what users of other libraries write first."""
    broker = Broker("memory://")
    with pytest.raises(DefinitionError, match=r"'send'\): this is no function.*@broker\.task\(name=\.\.\.\)"):
        broker.task("send")  # type: ignore[call-overload]  # the wrong argument is the point
    with pytest.raises(DefinitionError, match=r"^functools\.partial: .*is not a function"):
        broker.task(functools.partial(unpacks_a_tuple))


@dataclasses.dataclass
class Deps(Generic[T]):
    broker: Injected[Broker]


class MoreDeps(Deps[int]): ...


class NeedsDeps(Protocol):
    broker: Broker


def takes_the_class(deps: Deps[int]) -> None: ...
def takes_a_protocol(deps: NeedsDeps) -> None: ...
def takes_perhaps(deps: Deps[int] | None) -> None: ...
def takes_any(deps: Any) -> None: ...
def takes_another(deps: Broker, x: int) -> None: ...


def test_the_first_parameter_takes_what_with_deps_makes() -> None:
    """Type checkers say the same."""
    broker = Broker("memory://")
    for number, function in enumerate((takes_the_class, takes_a_protocol, takes_perhaps, takes_any)):
        broker.task(name=f"more {number}").with_deps(MoreDeps)(function)
    with pytest.raises(DefinitionError, match="t: with_deps.MoreDeps. .* 'deps' has the type Broker. Write deps: MoreDeps"):
        broker.task(name="t").with_deps(MoreDeps)(takes_another)  # type: ignore[arg-type]  # the wrong class is the point


def test_only_what_makes_something_can_be_overridden() -> None:
    with pytest.raises(DefinitionError, match=r"override\(7, .*pass what Depends names"), Broker("memory://").override(7, Deps):
        raise AssertionError
