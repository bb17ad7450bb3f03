"""Hypothesis strategies for the values of a client's types, made from the contract alone."""

from __future__ import annotations

import collections
import importlib
import ipaddress
import json
import string
from collections.abc import Callable, Mapping
from datetime import UTC
from decimal import Decimal
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from hypothesis import strategies as st
from pydantic import AnyUrl, HttpUrl

from typedtasks import Secret
from typedtasks_codegen.contract import Contract, FieldDefinition, TypeDefinition
from typedtasks_codegen.expressions import Expressions
from typedtasks_codegen.forms import Atom, Choice, Constrained, Container, Form, Named, Parameter, Value, Values, substituted

# Any: values of every type there is.
Strategy = st.SearchStrategy[Any]

_NAMES = st.text(string.ascii_letters, min_size=1, max_size=8)
_ATOMS: Mapping[str, Strategy] = {
    "None": st.none(),
    "bool": st.booleans(),
    "int": st.integers(-(2**60), 2**60),
    "float": st.floats(allow_nan=False),
    "str": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    "bytes": st.binary(max_size=20),
    "datetime.date": st.dates(),
    "datetime.time": st.times().map(lambda one: one.replace(fold=0)),
    "datetime.datetime": st.datetimes(timezones=st.one_of(st.none(), st.just(UTC))).map(lambda one: one.replace(fold=0)),
    "datetime.timedelta": st.timedeltas(),
    "pydantic.AwareDatetime": st.datetimes(timezones=st.just(UTC)),
    "decimal.Decimal": st.decimals(allow_nan=False, allow_infinity=False, places=3),
    "uuid.UUID": st.uuids(),
    "pydantic.UUID4": st.uuids(version=4),
    "pathlib.Path": _NAMES.map(lambda name: Path("/tmp") / name),
    "pathlib.PurePosixPath": _NAMES.map(PurePosixPath),
    "ipaddress.IPv4Address": st.ip_addresses(v=4).map(lambda one: ipaddress.IPv4Address(one)),
    "pydantic.HttpUrl": _NAMES.map(lambda name: HttpUrl(f"https://example.org/{name}?a=1")),
    "pydantic.AnyUrl": _NAMES.map(lambda name: AnyUrl(f"redis://example.org/{name}")),
    "pydantic.JsonValue": st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | _NAMES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
        max_leaves=5,
    ),
}
_CONTAINERS: Mapping[str, Callable[[Any], Any]] = {
    "list": list,
    "set": set,
    "frozenset": frozenset,
    "collections.deque": collections.deque,
    "collections.abc.Sequence": list,
    "dict": dict,
    "collections.OrderedDict": collections.OrderedDict,
    "collections.abc.Mapping": dict,
}


class ClientValues:
    """Makes values of a client's own classes."""

    def __init__(self, contract: Contract, client: ModuleType) -> None:
        self._definitions = {definition.id: definition for definition in contract.types}
        self._classes: Mapping[str, Any] = client.models.CONTRACT_TYPES
        self._names: dict[str, Any] = {f"client_{place}": self._classes[id] for place, id in enumerate(self._definitions)}
        self._expressions = Expressions({id: f"client_{place}" for place, id in enumerate(self._definitions)}, contract.types)

    def of(self, form: Form, arguments: Mapping[str, Form], depth: int = 0) -> Strategy:
        """Return a strategy for a type; `arguments` stand for type parameters."""
        match form:
            case Atom(name):
                return _ATOMS[name]
            case Values(values):
                return st.sampled_from([self._evaluated(self._expressions.value(value)) for value in values])
            case Choice(members):
                plain = [member for member in members if isinstance(member, Atom)]
                return st.one_of([self.of(member, arguments, depth) for member in (plain if depth > 2 and plain else members)])
            case Constrained(inner, constraints):
                given = {key: self._evaluated(self._expressions.value(value)) for key, value in constraints}
                return self._constrained(self.of(inner, arguments, depth), self._plain(inner, arguments), given)
            case Container(name, inner, variadic):
                return self._container(name, inner, variadic, arguments, depth)
            case Parameter(name):
                return self.of(arguments[name], arguments, depth)
            case Named(id, inner):
                definition = self._definitions[id]
                own = {one.name: substituted(form, arguments) for one, form in zip(definition.parameters, inner, strict=True)}
                return st.deferred(lambda: self._named(definition, own, depth + 1))

    def _named(self, definition: TypeDefinition, arguments: Mapping[str, Form], depth: int) -> Strategy:
        cls = self._classes[definition.id]
        if definition.form is not None:
            return self.of(definition.form, arguments, depth)
        if definition.kind == "enum":
            return st.sampled_from(list(cls)) if "Flag" not in definition.bases[0] else st.sampled_from([*cls, cls(0), cls(3)])
        fields = [field for field in definition.fields if field.name != "__pydantic_extra__"]
        strategies = {_key(definition, field): self.of(field.form, arguments, depth) for field in fields}
        required = {key: one for (key, one), field in zip(strategies.items(), fields, strict=True) if field.required}
        optional = {} if depth > 3 else {key: one for key, one in strategies.items() if key not in required}
        if definition.parameters and definition.kind in ("model", "root"):
            cls = self._hint(Named(definition.id, tuple(arguments[one.name] for one in definition.parameters)))
        made = st.fixed_dictionaries(required, optional=optional)
        if definition.kind == "typed-dict":
            return made
        return made.map(lambda given: cls(**given))

    def _container(self, name: str, inner: tuple[Form, ...], variadic: bool, arguments: Mapping[str, Form], depth: int) -> Strategy:
        items = [self.of(one, arguments, depth) for one in inner]
        most = 0 if depth > 3 else 3
        if name == "typedtasks.Secret":
            return items[0].map(Secret)
        if name == "collections.Counter":
            return st.dictionaries(items[0], st.integers(1, 9), max_size=most).map(collections.Counter)
        if name == "tuple":
            return st.lists(items[0], max_size=most).map(tuple) if variadic else st.tuples(*items)
        make = _CONTAINERS[name]
        if len(items) == 2:
            return st.dictionaries(items[0], items[1], max_size=most).map(make)
        return st.lists(items[0], max_size=most).map(make)

    def _plain(self, form: Form, arguments: Mapping[str, Form]) -> Form:
        """Return what a constraint is about: the type under a NewType, an alias or a parameter."""
        while True:
            if isinstance(form, Parameter):
                form = arguments[form.name]
            elif isinstance(form, Named) and (inner := self._definitions[form.id].form) is not None:
                form = inner
            else:
                return form

    def _constrained(self, base: Strategy, form: Form, given: Mapping[str, Any]) -> Strategy:
        if "pattern" in given:
            regex = st.from_regex(given["pattern"], fullmatch=True, alphabet=st.characters(codec="ascii"))
            return regex.filter(lambda one: len(one) <= given.get("max_length", 99) and "\n" not in one)
        low, high = given.get("ge", given.get("gt", None)), given.get("le", given.get("lt", None))
        least, most = given.get("min_length", 0), given.get("max_length", 20)
        match form:
            case Atom("int"):
                return st.integers(
                    None if low is None else low + ("gt" in given), None if high is None else high - ("lt" in given)
                ).filter(lambda one: -(2**60) <= one <= 2**60)
            case Atom("float"):
                whole = st.integers(int(low or 0), 99 if high is None or high > 99 else int(high))
                return whole.map(float)
            case Atom("decimal.Decimal"):
                return st.decimals(low, 99, places=given.get("decimal_places", 2)).map(Decimal)
            case Atom("datetime.timedelta"):
                return st.timedeltas(low * 2)
            case Atom("datetime.date"):
                return st.dates(low)
            case Atom("str"):
                return st.text(string.ascii_letters, min_size=least, max_size=min(most, 20))
            case Container():
                return base.filter(lambda one: least <= len(one) <= most)
            case _:
                return base

    # Any: the types of a client, which are made at run time.
    def _hint(self, form: Form) -> Any:
        return self._evaluated(self._expressions.form(form))

    def _evaluated(self, expression: str) -> Any:
        modules = {f"_{name.replace('.', '_')}": importlib.import_module(name) for name in self._expressions.modules}
        return eval(expression, {**modules, **self._names})


def _key(definition: TypeDefinition, field: FieldDefinition) -> str:
    constraints: dict[str, Value] = dict(field.form.constraints) if isinstance(field.form, Constrained) else {}
    return json.loads(constraints["alias"]) if "alias" in constraints else field.name
