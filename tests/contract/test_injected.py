"""Injected parameters at the boundary: no part of the payload, and refused at definition where nothing could fill them."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import pytest
from fastapi import Header, Request
from pydantic import BaseModel
from typing_extensions import TypeAliasType

from typedtasks import Broker, Context, DefinitionError, Depends, Injected, PayloadInvalid
from typedtasks.contract import Boundary, Misfit
from typedtasks.injection import Providers, recipe_of


class Db: ...


def get_db() -> Iterator[Db]:
    yield Db()


def get_number() -> int:
    return 1


DbDep = Annotated[Db, Depends(get_db)]
Alias = TypeAliasType("Alias", Injected[Db])


def by_default(x: int, db: Db = Depends(get_db)) -> None: ...
def by_annotation(db: Annotated[Db, Depends(get_db)], x: int) -> None: ...
def by_plain_alias(db: DbDep, x: int) -> None: ...
def by_alias(x: int, *, db: Alias) -> None: ...
def by_string(db: "Injected[Db]", x: "int") -> None: ...
def by_type(x: int, db: Db = Depends()) -> None: ...
def without_parentheses(db: Annotated[Db, Depends], x: int) -> None: ...
def by_context(db: Context, x: int) -> None: ...
def by_optional_context(x: int, db: Context | None = None) -> None: ...
def by_injected_context(db: Injected[Context], x: int) -> None: ...
def by_annotated_context(db: Annotated[Context, Depends()], x: int) -> None: ...
def by_default_context(x: int, db: Context = Depends()) -> None: ...
def by_both(x: int, db: DbDep = Depends()) -> None: ...
def by_both_types(x: int, db: Injected[Db] = Depends()) -> None: ...
def with_more(db: DbDep, x: int, **more: int) -> None: ...
def positional(db: DbDep, x: int, /, *more: int) -> None: ...


SHAPES = [
    by_default,
    by_annotation,
    by_plain_alias,
    by_alias,
    by_string,
    by_type,
    without_parentheses,
    by_context,
    by_optional_context,
    by_injected_context,
    by_annotated_context,
    by_default_context,
    by_both,
    by_both_types,
    with_more,
    positional,
]


@pytest.mark.parametrize("function", SHAPES)
def test_an_injected_parameter_is_no_part_of_the_payload(function: Callable[..., object]) -> None:
    """It is not counted among the positions, not shown in the signature, and refused when it arrives in a message."""
    boundary: Boundary[None] = Boundary(function, task="t")
    assert list(boundary.injected) == ["db"]
    assert boundary.encode_arguments((1,), {}) == b'{"x":1}'
    assert "db" not in boundary.signature_text
    for payload in (b'{"x":1,"db":1}', b'{"x":1,"db":null}'):
        if function is not with_more:
            with pytest.raises(Misfit):
                boundary.decode_arguments(payload)
    args, kwargs = boundary.with_injected(*boundary.decode_arguments(b'{"x":1}'), {"db": "a db"})
    expected = (("a db", 1), {}) if function is positional else ((), {"x": 1, "db": "a db"})
    assert (args, kwargs) == expected


@pytest.mark.parametrize("function", [by_default, with_more, by_context])
def test_passing_an_injected_argument_is_an_error_that_says_so(function: Callable[..., object]) -> None:
    """Also where the function collects keywords."""
    boundary: Boundary[None] = Boundary(function, task="t")
    with pytest.raises(PayloadInvalid, match="This parameter is injected by the worker and cannot be passed") as caught:
        boundary.encode_arguments((1,), {"db": 1})
    assert [(error["type"], error["loc"]) for error in caught.value.errors] == [("injected_argument", ("db",))]
    with pytest.raises(PayloadInvalid, match="because the worker injects it: db"):
        boundary.encode_arguments((1, 2), {})


def test_a_task_says_it_at_enqueue() -> None:
    """Before anything is sent."""
    broker = Broker("memory://")
    task = broker.task(by_default)
    with pytest.raises(PayloadInvalid, match=r"by_default: the arguments do not fit \(x: int\) -> None"):
        task.call(1, db=Db())
    assert repr(task) == "<Task tests.contract.test_injected.by_default(x: int) -> None>"


def two_ways(x: DbDep = Depends(Db)) -> None: ...
def inside(x: list[Injected[Db]]) -> None: ...
def in_union(x: int | Context) -> None: ...
def in_dict(x: dict[str, DbDep]) -> None: ...
def collected(*x: Context) -> None: ...
def bare(x: Injected) -> None: ...  # type: ignore[type-arg]  # that is the point
def untyped(x: Any = Depends()) -> None: ...
def not_callable(x: Annotated[int, Depends(7)]) -> None: ...


def needs_request(request: Request) -> int:
    return 1


def needs_header(token: str = Header("none")) -> int:
    return 1


def needs_argument(x: int) -> int:
    return 1


@dataclass
class WithoutHash:
    def __call__(self) -> int:
        return 1


def only_positional(x: DbDep, /) -> int:
    return 1


def round_a(b: Annotated[int, Depends(lambda: 1)]) -> int:
    return b


def round_b(a: Annotated[int, Depends(round_a)]) -> int:
    return a


def with_request(x: Annotated[int, Depends(needs_request)]) -> None: ...
def with_header(x: Annotated[int, Depends(needs_header)]) -> None: ...
def with_argument(x: Annotated[int, Depends(needs_argument)]) -> None: ...
def with_unhashable(x: Annotated[int, Depends(WithoutHash())]) -> None: ...
def with_positional(x: Annotated[int, Depends(only_positional)]) -> None: ...


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (two_ways, "the parameter 'x' is injected in two ways"),
        (inside, "the parameter 'x' has an injected type inside another type"),
        (in_union, "the parameter 'x' has an injected type inside another type"),
        (in_dict, "the parameter 'x' has an injected type inside another type"),
        (collected, "the parameter 'x' collects arguments and cannot be injected"),
        (bare, "the parameter 'x' is to be injected by its type, and has none"),
        (untyped, "the parameter 'x' is to be injected by its type, and has none"),
        (not_callable, "it cannot be called"),
        (with_request, "needs request: Request, and nothing says where that comes from"),
        (with_header, r"the default of 'token' is Header\(...\), which is read from a web request"),
        (with_unhashable, "which has no hash"),
        (with_argument, "needs x: int, and nothing says where that comes from"),
        (with_positional, "cannot be positional-only"),
    ],
)
def test_what_cannot_be_injected_is_refused_at_the_definition(function: Callable[..., object], text: str) -> None:
    """With what to write instead."""
    with pytest.raises(DefinitionError, match=text):
        Broker("memory://").task(name="t")(function)


def test_a_circle_of_dependencies_is_refused() -> None:
    """An override can make one."""
    broker = Broker("memory://")
    block = broker.override(round_a, round_b)
    with pytest.raises(DefinitionError, match=r"go round in a circle: .*round_b needs .*round_b"):
        block.__enter__()
    broker.task(name="t")(with_db)  # nothing of it is left


def with_db(x: Annotated[int, Depends(round_b)]) -> None: ...


def test_an_override_that_cannot_be_made_is_refused() -> None:
    """When its block begins."""
    with pytest.raises(DefinitionError, match="needs x: int"), Broker("memory://").override(get_number, needs_argument):
        pass


@dataclass
class Data:
    db: DbDep
    number: int = 3


class Model(BaseModel):
    number: Annotated[int, Depends(get_number)]


class Pair(NamedTuple):
    number: Annotated[int, Depends(get_number)]
    other: int = 2


class Callee:
    def __call__(self, db: DbDep) -> int:
        return 1

    def method(self, db: DbDep) -> int:
        return 1


@pytest.mark.parametrize(
    ("make", "needs"),
    [
        (Data, ["db"]),
        (Pair, ["number"]),
        (Callee(), ["db"]),
        (Callee().method, ["db"]),
        (functools.partial(by_annotation, x=1), ["db"]),
        (dict, []),
        (Db, []),
    ],
)
def test_any_callable_can_be_a_dependency(make: Callable[..., object], needs: list[str]) -> None:
    """Its parameters are injected, or have defaults."""
    assert [need.parameter for need in recipe_of(make).needs] == needs


@pytest.mark.parametrize("key", [int, list[int], Context, Callee | Db])
def test_a_type_that_nothing_gives_is_not_made_up(key: object) -> None:
    """There is no empty number to be injected."""
    providers = Providers([])
    boundary: Boundary[None] = Boundary(by_type, task="t")
    (need,) = boundary.injected.values()
    assert providers.maker(need, "t") is Db
    with pytest.raises(DefinitionError, match="nothing gives"):
        providers.maker(type(need)("x", key, by_type=True), "t")


def test_a_type_that_is_defined_further_down_is_found_on_first_use() -> None:
    """Whether a parameter is injected is known then."""

    class Holder:
        later: Boundary[None]

    def task(x: int, later: "Later") -> None: ...  # type: ignore[name-defined]  # noqa: F821 - defined further down

    Holder.later = Boundary(task, task="t")
    assert dict(Holder.later.injected) == {}
    globals()["Later"] = Annotated[Db, Depends(get_db)]
    try:
        assert Holder.later.encode_arguments((1,), {}) == b'{"x":1}'
        assert list(Holder.later.injected) == ["later"]
    finally:
        del globals()["Later"]
