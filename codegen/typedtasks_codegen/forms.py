"""Types as data: what a contract says instead of Python's annotations. Plain, frozen, and the same on every machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NewType, TypeAlias

from pydantic import JsonValue

__all__ = [
    "Atom",
    "Choice",
    "Constrained",
    "Container",
    "Form",
    "Named",
    "Parameter",
    "Value",
    "Values",
    "as_json",
    "has_parameters",
    "named_in",
    "substituted",
    "value_of",
]

Value = NewType("Value", str)
"""A Python value as canonical JSON text. What JSON has no form for is an object with a `$` that says what it is."""


@dataclass(frozen=True, slots=True)
class Atom:
    """A type that everybody has: of Python's library or of pydantic, by its qualified name."""

    name: str


@dataclass(frozen=True, slots=True)
class Container:
    """A generic type that everybody has, with its arguments. A tuple of any length is `tuple` with `variadic`."""

    name: str
    arguments: tuple[Form, ...]
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A union, in the order in which it is written."""

    members: tuple[Form, ...]


@dataclass(frozen=True, slots=True)
class Values:
    """A `Literal`."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Constrained:
    """A type with what `Field(...)` says about it, sorted by keyword."""

    form: Form
    constraints: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A type that the service defines, by its id in the contract, with its type arguments."""

    id: str
    arguments: tuple[Form, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A type parameter of a generic definition."""

    name: str


Form: TypeAlias = Atom | Container | Choice | Values | Constrained | Named | Parameter


def value_of(data: JsonValue) -> Value:
    """Return data as canonical JSON text."""
    return Value(json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False))


def as_json(form: Form) -> JsonValue:
    """Return a type as it stands in `contract.json`."""
    match form:
        case Atom(name):
            return name
        case Container(name, arguments, variadic):
            written: dict[str, JsonValue] = {"generic": name, "arguments": [as_json(argument) for argument in arguments]}
            return {**written, "variadic": True} if variadic else written
        case Choice(members):
            return {"union": [as_json(member) for member in members]}
        case Values(values):
            return {"literal": [json.loads(value) for value in values]}
        case Constrained(inner, constraints):
            return {"type": as_json(inner), "constraints": {key: json.loads(value) for key, value in constraints}}
        case Named(id, arguments):
            return {"ref": id, "arguments": [as_json(argument) for argument in arguments]} if arguments else {"ref": id}
        case Parameter(name):
            return {"parameter": name}


def has_parameters(form: Form) -> bool:
    """Return whether a type depends on type parameters."""
    match form:
        case Container(_, inner, _) | Choice(inner) | Named(_, inner):
            return any(map(has_parameters, inner))
        case Constrained(inner, _):
            return has_parameters(inner)
        case _:
            return isinstance(form, Parameter)


def substituted(form: Form, arguments: Mapping[str, Form]) -> Form:
    """Return a type with other types in the places of its type parameters."""
    match form:
        case Parameter(name):
            return arguments.get(name, form)
        case Container(name, inner, variadic):
            return Container(name, tuple(substituted(one, arguments) for one in inner), variadic)
        case Choice(members):
            return Choice(tuple(substituted(one, arguments) for one in members))
        case Named(id, inner):
            return Named(id, tuple(substituted(one, arguments) for one in inner))
        case Constrained(inner, constraints):
            return Constrained(substituted(inner, arguments), constraints)
        case _:
            return form


def named_in(form: Form) -> Iterator[str]:
    """Yield the ids of the service's own types that a type mentions."""
    match form:
        case Container(_, inner, _) | Choice(inner):
            for one in inner:
                yield from named_in(one)
        case Constrained(inner, constraints):
            yield from named_in(inner)
            for _, value in constraints:
                yield from _named_in_data(json.loads(value))
        case Values(values):
            for value in values:
                yield from _named_in_data(json.loads(value))
        case Named(id, inner):
            yield id
            for one in inner:
                yield from named_in(one)
        case _:
            return


def _named_in_data(data: JsonValue) -> Iterator[str]:
    if isinstance(data, list):
        for item in data:
            yield from _named_in_data(item)
    elif isinstance(data, Mapping):
        if "$" in data and isinstance(data.get("type"), str):
            yield str(data["type"])
        for item in data.values():
            yield from _named_in_data(item)
