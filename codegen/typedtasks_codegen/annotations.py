"""From an annotation to a type as data. What a client cannot have is refused here, never approximated."""

from __future__ import annotations

import collections
import collections.abc
import inspect
import ipaddress
import pathlib
import sys
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, ForwardRef, Literal, NewType, TypeVar, Union, cast, get_args, get_origin
from uuid import UUID

import pydantic
import typing_extensions
from pydantic import BaseModel, JsonValue

from typedtasks import Secret
from typedtasks_codegen.forms import Atom, Choice, Constrained, Container, Form, Named, Parameter, Values, value_of
from typedtasks_codegen.metadata import Facts, read_metadata
from typedtasks_codegen.refusal import Inexpressible
from typedtasks_codegen.values import encode

__all__ = ["IdOf", "constrained", "own_doc", "parameter_name", "read_form"]

IdOf = Callable[[object], str]
"""Returns the id of a class, NewType or alias of the service, and sees to it that it is defined in the contract."""

_ATOMS: Final[Mapping[object, str]] = {
    **{kind: kind.__name__ for kind in (bool, int, float, str, bytes)},
    **{kind: f"datetime.{kind.__name__}" for kind in (date, datetime, time, timedelta)},
    **{kind: f"pathlib.{kind.__name__}" for kind in (pathlib.Path, pathlib.PurePath, pathlib.PosixPath, pathlib.PurePosixPath)},
    **{
        getattr(ipaddress, name): f"ipaddress.{name}"
        for name in ("IPv4Address", "IPv4Interface", "IPv4Network", "IPv6Address", "IPv6Interface", "IPv6Network")
    },
    Decimal: "decimal.Decimal",
    UUID: "uuid.UUID",
    JsonValue: "pydantic.JsonValue",
    None: "None",
    type(None): "None",
}
_PYDANTIC: Final = frozenset(
    {
        *("AwareDatetime", "NaiveDatetime", "PastDatetime", "FutureDatetime", "PastDate", "FutureDate", "ByteSize", "EmailStr"),
        *("AnyUrl", "AnyHttpUrl", "HttpUrl", "FileUrl", "FtpUrl", "WebsocketUrl", "AnyWebsocketUrl", "PostgresDsn", "CockroachDsn"),
        *("AmqpDsn", "RedisDsn", "MongoDsn", "KafkaDsn", "NatsDsn", "MySQLDsn", "MariaDBDsn", "ClickHouseDsn", "SnowflakeDsn"),
        *("IPvAnyAddress", "IPvAnyInterface", "IPvAnyNetwork", "NameEmail"),
    }
)
_CONTAINERS: Final[Mapping[object, str]] = {
    list: "list",
    set: "set",
    frozenset: "frozenset",
    dict: "dict",
    tuple: "tuple",
    collections.deque: "collections.deque",
    collections.OrderedDict: "collections.OrderedDict",
    collections.Counter: "collections.Counter",
    collections.abc.Sequence: "collections.abc.Sequence",
    collections.abc.Mapping: "collections.abc.Mapping",
    collections.abc.MutableMapping: "collections.abc.MutableMapping",
    collections.abc.Set: "collections.abc.Set",
    collections.abc.MutableSet: "collections.abc.MutableSet",
    Secret: "typedtasks.Secret",
}
_QUALIFIERS: Final[tuple[object, ...]] = (typing_extensions.Required, typing_extensions.NotRequired, typing_extensions.ReadOnly)
_REFUSED: Final[Mapping[object, str]] = {
    Any: "Any says nothing that a client could hold; name the type, or use pydantic.JsonValue",
    object: "object says nothing that a client could hold; name the type, or use pydantic.JsonValue",
}


def read_form(annotation: object, id_of: IdOf, facts: Facts) -> Form:
    """Return an annotation as data; what cannot travel is added to `facts.untravelled`. Raises `Inexpressible`."""
    if isinstance(annotation, str | ForwardRef):
        raise Inexpressible(f"the type {annotation!r} cannot be found; define it at the top of its module")
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        return _annotated(inner, metadata, id_of, facts)
    if origin is Literal or origin is typing_extensions.Literal:
        return Values(tuple(value_of(encode(value, id_of)) for value in get_args(annotation)))
    if origin in (Union, types.UnionType):
        return Choice(tuple(read_form(member, id_of, facts) for member in get_args(annotation)))
    if origin is not None:
        return _generic(annotation, cast("object", origin), id_of, facts)
    return _plain(annotation, id_of, facts)


def constrained(form: Form, facts: Facts, id_of: IdOf) -> Form:
    """Return the form with what the facts say about it."""
    if facts.uuid_version is not None:
        if form != Atom("uuid.UUID"):
            raise Inexpressible("a version of UUIDs is asked of what is no UUID")
        form = Atom(f"pydantic.UUID{facts.uuid_version}")
    if not facts.constraints:
        return form
    pairs = tuple((key, value_of(encode(value, id_of))) for key, value in sorted(facts.constraints.items()))
    return Constrained(form, pairs)


def _annotated(inner: object, metadata: list[object], id_of: IdOf, outer: Facts) -> Form:
    facts = Facts(untravelled=outer.untravelled)
    return constrained(read_form(inner, id_of, outer), read_metadata(metadata, facts), id_of)


def _generic(annotation: object, origin: object, id_of: IdOf, facts: Facts) -> Form:
    arguments = get_args(annotation)
    if origin is type:
        raise Inexpressible("a class cannot be sent; send a Literal or an Enum that stands for it")
    if any(origin is one for one in _QUALIFIERS):
        return read_form(arguments[0], id_of, facts)
    name = _CONTAINERS.get(origin)
    if name is None and not isinstance(origin, type):
        raise Inexpressible(f"{annotation!r:.80} is no type that the generator knows")
    if name is None:
        return Named(id_of(origin), tuple(read_form(argument, id_of, facts) for argument in arguments))
    variadic = name == "tuple" and len(arguments) == 2 and arguments[1] is ...
    kept = arguments[:1] if variadic else arguments
    return Container(name, tuple(read_form(argument, id_of, facts) for argument in kept), variadic)


def _plain(annotation: object, id_of: IdOf, facts: Facts) -> Form:
    if isinstance(annotation, TypeVar):
        return Parameter(parameter_name(annotation))
    # JsonValue and None can be looked up; what cannot be hashed is no type.
    try:
        atom, refused = _ATOMS.get(annotation), _REFUSED.get(annotation)
    except TypeError:
        raise Inexpressible(f"{annotation!r:.80} is no type that the generator knows") from None
    if refused is not None:
        raise Inexpressible(refused)
    if atom is not None:
        return Atom(atom)
    if _is_of_pydantic(annotation):
        return Atom(f"pydantic.{cast('type', annotation).__name__}")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        generic = annotation.__pydantic_generic_metadata__
        if generic["origin"] is not None:
            arguments = tuple(read_form(argument, id_of, facts) for argument in generic["args"])
            return Named(id_of(generic["origin"]), arguments)
    if isinstance(annotation, type | NewType | typing_extensions.TypeAliasType) or _is_new_alias(annotation):
        return Named(id_of(annotation))
    raise Inexpressible(f"{annotation!r:.80} is no type that the generator knows")


def _is_of_pydantic(annotation: object) -> bool:
    name = getattr(annotation, "__name__", "")
    return isinstance(annotation, type) and name in _PYDANTIC and getattr(pydantic, name) is annotation


def _is_new_alias(annotation: object) -> bool:
    """Return whether this is a `type X = ...` of Python 3.12."""
    return sys.version_info >= (3, 12) and isinstance(annotation, typing.TypeAliasType)


def parameter_name(variable: TypeVar) -> str:
    """Return the name of a type parameter. Raises `Inexpressible` for one with a bound, constraints or a default."""
    has_default = getattr(variable, "has_default", bool)()
    if variable.__bound__ is not None or variable.__constraints__ or has_default:
        raise Inexpressible(f"the type parameter {variable.__name__} has a bound or a default; use a plain one")
    return variable.__name__


def own_doc(cls: type) -> str:
    """Return the docstring that a class itself has."""
    doc = cls.__dict__.get("__doc__")
    return inspect.cleandoc(doc) if isinstance(doc, str) else ""
