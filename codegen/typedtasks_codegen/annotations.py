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
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, ForwardRef, Literal, NewType, TypeVar, Union, cast, get_args, get_origin
from uuid import UUID

import pydantic
import typing_extensions
from pydantic import BaseModel, JsonValue

from typedtasks import Secret
from typedtasks_codegen.contract import TypeParameter
from typedtasks_codegen.forms import Atom, Choice, Constrained, Container, Form, Named, Parameter, Values, value_of
from typedtasks_codegen.metadata import Facts, read_metadata
from typedtasks_codegen.refusal import Inexpressible
from typedtasks_codegen.values import encode

__all__ = ["IdOf", "constrained", "own_doc", "read_form", "read_parameters", "resolved", "tidy_doc"]

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
_NONE: Final = Atom("None")
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
        literal = _literal(annotation, id_of)
        others = tuple(value for value in literal.values if value != value_of(None))
        # The same type for pydantic and for who reads it, but in a union, where it is left as it is written.
        return Choice((Values(others), _NONE)) if others and others != literal.values else literal
    if origin in (Union, types.UnionType):
        return Choice(
            tuple(
                _literal(member, id_of) if get_origin(member) is Literal else read_form(member, id_of, facts)
                for member in get_args(annotation)
            )
        )
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


def _literal(annotation: object, id_of: IdOf) -> Values:
    return Values(tuple(value_of(encode(value, id_of)) for value in get_args(annotation)))


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
    if name is None and not (isinstance(origin, type) or _is_alias(origin)):
        raise Inexpressible(f"{annotation!r:.80} is no type that the generator knows")
    if name is None:
        return Named(id_of(origin), tuple(read_form(argument, id_of, facts) for argument in arguments))
    variadic = name == "tuple" and len(arguments) == 2 and arguments[1] is ...
    kept = arguments[:1] if variadic else arguments
    return Container(name, tuple(read_form(argument, id_of, facts) for argument in kept), variadic)


def _plain(annotation: object, id_of: IdOf, facts: Facts) -> Form:
    if isinstance(annotation, TypeVar):
        return Parameter(annotation.__name__)
    # JsonValue and None can be looked up; what cannot be hashed is no type.
    try:
        atom, refused = _ATOMS.get(annotation), _REFUSED.get(annotation)
    except TypeError:
        raise Inexpressible(f"{annotation!r:.80} is no type that the generator knows") from None
    if refused is not None:
        raise Inexpressible(refused)
    if atom is not None:
        return Atom(atom)
    if annotation is BaseModel or _is_of_pydantic(annotation):
        return Atom(f"pydantic.{cast('type', annotation).__name__}")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        generic = annotation.__pydantic_generic_metadata__
        if generic["origin"] is not None:
            arguments = tuple(read_form(argument, id_of, facts) for argument in generic["args"])
            return Named(id_of(generic["origin"]), arguments)
    if isinstance(annotation, type | NewType) or _is_alias(annotation):
        return Named(id_of(annotation), tuple(_stands_for(one, annotation, id_of, facts) for one in _parameters_of(annotation)))
    raise Inexpressible(f"{annotation!r:.80} is no type that the generator knows")


def _is_of_pydantic(annotation: object) -> bool:
    name = getattr(annotation, "__name__", "")
    return isinstance(annotation, type) and name in _PYDANTIC and getattr(pydantic, name) is annotation


def _is_alias(annotation: object) -> bool:
    """Return whether this is a `TypeAliasType`, or a `type X = ...` of Python 3.12."""
    if isinstance(annotation, typing_extensions.TypeAliasType):
        return True
    return sys.version_info >= (3, 12) and isinstance(annotation, typing.TypeAliasType)


def _parameters_of(annotation: object) -> tuple[object, ...]:
    """Return the type parameters of a class or alias of the service that is used without arguments."""
    of_model = cast("Mapping[str, object]", getattr(annotation, "__pydantic_generic_metadata__", {}))
    of_others: object = getattr(annotation, "__type_params__" if _is_alias(annotation) else "__parameters__", ())
    return cast("tuple[object, ...]", of_model.get("parameters", of_others))


def _stands_for(variable: object, owner: object, id_of: IdOf, facts: Facts) -> Form:
    """Return what pydantic takes for a type parameter that is given no argument."""
    if not isinstance(variable, TypeVar):
        raise Inexpressible(f"the type parameter {variable!r:.80} is no TypeVar; use one, or a tuple")
    name = str(getattr(owner, "__name__", "it"))
    if variable in facts.scope and isinstance(owner, type) and issubclass(owner, BaseModel):
        return Parameter(variable.__name__)  # pydantic makes no new class of Page[T] for the T of Page
    chosen = _default_of(variable)
    if chosen is typing_extensions.NoDefault:
        chosen = cast("object", variable.__bound__)
    if chosen is None:
        raise Inexpressible(f"{name} has the type parameter {variable.__name__}; say what it stands for, as in {name}[int]")
    return read_form(_found(chosen, variable), id_of, facts)


def read_parameters(variables: Iterable[object], id_of: IdOf, facts: Facts) -> tuple[TypeParameter, ...]:
    """Return the type parameters of a generic type as data. Raises `Inexpressible` for more than a `TypeVar`.

    A bound or a constraint that is a class of the service does not travel: a client's classes are not made of each other.
    """
    parameters: list[TypeParameter] = []
    for variable in variables:
        if not isinstance(variable, TypeVar):
            raise Inexpressible(f"the type parameter {variable!r:.80} is no TypeVar; use one, or a tuple")
        bound = None if variable.__bound__ is None else _form_of_all(variable.__bound__, variable, facts)
        constraints = [_form_of_all(one, variable, facts) for one in variable.__constraints__]
        default = _default_of(variable)
        parameters.append(
            TypeParameter(
                variable.__name__,
                bound=bound,
                constraints=tuple(form for form in constraints if form is not None) if None not in constraints else (),
                default=None if default is typing_extensions.NoDefault else read_form(_found(default, variable), id_of, facts),
            )
        )
        if bound is None and variable.__bound__ is not None:
            facts.untravelled.append(f"bound of the type parameter {variable.__name__}")
        if None in constraints:
            facts.untravelled.append(f"constraints of the type parameter {variable.__name__}")
    return tuple(parameters)


def _default_of(variable: TypeVar) -> object:
    return cast("object", getattr(variable, "__default__", typing_extensions.NoDefault))


class _OfService(Exception):
    """A type is one of the service."""


def _form_of_all(annotation: object, variable: TypeVar, facts: Facts) -> Form | None:
    """Return a type that everybody has as data; None for one of the service."""

    def refuse(kind: object) -> str:
        raise _OfService

    try:
        return read_form(_found(annotation, variable), refuse, facts)
    except _OfService:
        return None


def _found(annotation: object, variable: TypeVar) -> object:
    """Return a type that a `TypeVar` names as text."""
    if not isinstance(annotation, str | ForwardRef):
        return annotation
    text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
    return resolved(text, variable.__module__, {})


def resolved(annotation: object, module: str, names: Mapping[str, object]) -> object:
    """Return a type in which names as text stand for what the module has under them. Raises `Inexpressible`."""
    try:
        hints = typing_extensions.get_type_hints(_Holder(annotation), vars(sys.modules[module]), dict(names), include_extras=True)
    except NameError as error:
        raise Inexpressible(f"a type cannot be found ({error}); define it at the top of its module") from None
    return cast("object", hints["held"])


class _Holder:
    """Carries one annotation to `get_type_hints`, which resolves what is written as text."""

    def __init__(self, annotation: object) -> None:
        self.__annotations__ = {"held": annotation}


def own_doc(cls: type) -> str:
    """Return the docstring that a class itself has."""
    return tidy_doc(cast("object", cls.__dict__.get("__doc__")))


def tidy_doc(doc: object) -> str:
    """Return a docstring without its indentation and without blanks at the ends of lines, which no formatter would keep."""
    return "\n".join(line.rstrip() for line in inspect.cleandoc(doc).splitlines()).strip() if isinstance(doc, str) else ""
