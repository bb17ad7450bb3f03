"""Types and values as Python source, with the modules that they need."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Final, cast

from pydantic import JsonValue

from typedtasks_codegen.contract import TypeDefinition
from typedtasks_codegen.forms import Atom, Choice, Constrained, Container, Form, Named, Parameter, Value, Values, substituted
from typedtasks_codegen.refusal import Inexpressible

__all__ = ["Expressions", "docstring", "text"]

_STRING_ONLY: Final = frozenset({"strip_whitespace", "to_lower", "to_upper", "ascii_only"})
_BUILTINS: Final = frozenset({"bool", "int", "float", "str", "bytes", "list", "set", "frozenset", "dict", "tuple"})


class Expressions:
    """Writes types and values. `modules` collects what has to be imported, each under a private name.

    `prefix` stands before the client's own types: `_models.` in the stub, where tasks may have the same names. With `public`
    modules have their own names, as in the loader, whose signatures stand in messages.
    """

    def __init__(
        self, names: Mapping[str, str], definitions: Iterable[TypeDefinition], prefix: str = "", *, public: bool = False
    ) -> None:
        self.modules: set[str] = set()
        self.names_own = False
        """Whether a type of the service was named."""
        self.shadowed: frozenset[str] = frozenset()
        """Names that mean something else where the expression stands."""
        self.variables: Mapping[str, str] = {}
        """The names of type parameters in the client, by those that they have in the definition that is written."""
        self._names = names
        self._definitions = {definition.id: definition for definition in definitions}
        self._prefix = prefix
        self._public = public

    def own(self, id: str) -> str:
        """Return the expression for a type of the service."""
        if not self._prefix and self._names[id] in self.shadowed:
            raise Inexpressible(f"a field has the name of the type {self._names[id]} that it needs; rename one of them")
        self.names_own = True
        return self._prefix + self._names[id]

    def _variable(self, name: str) -> str:
        if self.variables[name] in self.shadowed:
            raise Inexpressible(f"a field has the name of the type parameter {name}; rename one of them")
        return self.variables[name]

    def known(self, name: str) -> str:
        """Return the expression for what everybody has, such as `datetime.date` or `int`."""
        module, dot, rest = name.rpartition(".")
        if not dot:
            if name not in self.shadowed:
                return name
            module = "builtins"
            rest = name
        if rest == "fromisoformat":
            module, _, kind = module.rpartition(".")
            rest = f"{kind}.{rest}"
        self.modules.add(module)
        return f"{module}.{rest}" if self._public else f"_{module.replace('.', '_')}.{rest}"

    def form(self, form: Form) -> str:
        """Return a type as source."""
        match form:
            case Atom("None"):
                return "None"
            case Atom(name):
                return self.known(name)
            case Container("tuple", (), False):
                return f"{self.known('tuple')}[()]"
            case Container(name, arguments, variadic):
                shown = [self.form(argument) for argument in arguments] + (["..."] if variadic else [])
                return f"{self.known(name)}[{', '.join(shown)}]"
            case Choice(members):
                return " | ".join(self.form(member) for member in members)
            case Values(values):
                return f"{self.known('typing.Literal')}[{', '.join(self.value(value) for value in values)}]"
            case Constrained(inner, constraints):
                return f"{self.known('typing.Annotated')}[{', '.join([self.form(inner), *self._marks(constraints)])}]"
            case Named(id, arguments):
                given = ", ".join(self.form(argument) for argument in arguments)
                return f"{self.own(id)}[{given}]" if arguments else self.own(id)
            case Parameter(name):
                return self._variable(name)

    def keywords(self, constraints: Iterable[tuple[str, Value]]) -> str:
        """Return constraints as keyword arguments."""
        return ", ".join(f"{key}={self.value(value)}" for key, value in constraints)

    def value(self, value: Value, form: Form | None = None) -> str:
        """Return a value as source; its type says which NewTypes it passes through."""
        return self._data(cast("JsonValue", json.loads(value)), form)

    def empty(self, value: Value, form: Form) -> str | None:
        """Return what makes an empty list or dictionary of a type, where a default is one."""
        name = {"[]": "list", '{"$":"dict","items":[]}': "dict"}.get(value)
        found = None if name is None else self._container(name, form)
        if name is None or found is None:
            return None
        return f"{self.known(name)}[{', '.join(self.form(argument) for argument in found.arguments)}]"

    def _container(self, name: str, form: Form) -> Container | None:
        """Return the list or dictionary that a type stands for, or that is a member of it."""
        match form:
            case Container(_, arguments, _):
                return form if len(arguments) == (1 if name == "list" else 2) else None
            case Constrained(inner, _):
                return self._container(name, inner)
            case Choice(members):
                return next((one for one in (self._container(name, member) for member in members) if one is not None), None)
            case Named(id, ()) if self._definitions[id].kind == "alias":
                inner_form = self._definitions[id].form
                return None if inner_form is None else self._container(name, inner_form)
            case _:
                return None

    def is_plain(self, value: Value, form: Form) -> bool:
        """Return whether a value may stand as a default where it is written: a constant, or the member of an enum."""
        data = cast("JsonValue", json.loads(value))
        plain = data is None or isinstance(data, bool | int | float | str) or (isinstance(data, dict) and data["$"] == "member")
        return bool(plain) and self._new_type(data, form) is None

    def _marks(self, constraints: tuple[tuple[str, Value], ...]) -> list[str]:
        of_field = [pair for pair in constraints if pair[0] not in _STRING_ONLY]
        of_strings = [pair for pair in constraints if pair[0] in _STRING_ONLY]
        marks = [f"{self.known('pydantic.Field')}({self.keywords(of_field)})"] if of_field else []
        return marks + ([f"{self.known('pydantic.StringConstraints')}({self.keywords(of_strings)})"] if of_strings else [])

    def _data(self, data: JsonValue, form: Form | None) -> str:
        form = _stripped(form, data)
        new_type = self._new_type(data, form)
        if new_type is not None:
            return f"{self.own(new_type.id)}({self._data(data, new_type.form)})"
        if isinstance(data, list):
            inner = form.arguments[0] if isinstance(form, Container) and form.arguments else None
            return f"[{', '.join(self._data(item, inner) for item in data)}]"
        if isinstance(data, dict):
            return self._tagged(data, form)
        return text(data) if isinstance(data, str) else repr(data)

    def _tagged(self, data: dict[str, JsonValue], form: Form | None) -> str:
        items, tag = cast("list[JsonValue]", data.get("items", [])), data["$"]
        arguments = form.arguments if isinstance(form, Container) else ()
        if tag == "float":
            return f"{self.known('float')}({text(str(data['value']))})"
        if tag == "bytes":
            return repr(base64.b64decode(str(data["value"])))
        if tag == "member":
            kind, name = self.own(str(data["type"])), str(data["name"])
            # Type checkers take these two for the attributes that every member has.
            return f"{kind}[{text(name)}]" if name in ("name", "value") else f"{kind}.{name}"
        if tag == "flags":
            return f"{self.own(str(data['type']))}({data['value']})"
        if tag == "call":
            shown = ", ".join(self._data(item, None) for item in cast("list[JsonValue]", data["arguments"]))
            return f"{self.known(str(data['name']))}({shown})"
        if tag == "dict":
            kinds = arguments if len(arguments) == 2 else (None, None)
            pairs = cast("list[list[JsonValue]]", items)
            return "{" + ", ".join(f"{self._data(k, kinds[0])}: {self._data(v, kinds[1])}" for k, v in pairs) + "}"
        if tag == "tuple":
            each = arguments if len(arguments) == len(items) else [arguments[0] if arguments else None] * len(items)
            shown = ", ".join(self._data(item, kind) for item, kind in zip(items, each, strict=True))
            return f"({shown},)" if len(items) == 1 else f"({shown})"
        if tag in ("set", "frozenset"):
            shown = ", ".join(self._data(item, arguments[0] if arguments else None) for item in items)
            if not items:
                return f"{self.known(str(tag))}()"
            return f"{{{shown}}}" if tag == "set" else f"{self.known(str(tag))}({{{shown}}})"
        return self._instance(str(data["type"]), cast("dict[str, JsonValue]", data["fields"]), form)

    def _instance(self, id: str, fields: Mapping[str, JsonValue], form: Form | None) -> str:
        forms = {field.name: field.form for field in self._definitions[id].fields}
        kind = self.own(id)
        if self._definitions[id].parameters:
            if not isinstance(form, Named) or form.id != id:
                raise Inexpressible(f"a value of the generic type {id} does not say what its parameters are; use None")
            kind = self.form(form)
            given = dict(zip((one.name for one in self._definitions[id].parameters), form.arguments, strict=True))
            forms = {name: substituted(one, given) for name, one in forms.items()}
        if not all(name.isidentifier() for name in fields):
            raise Inexpressible(f"a value of {id} has a field whose alias is no Python name; leave that default out")
        shown = ", ".join(f"{name}={self._data(item, forms.get(name))}" for name, item in fields.items())
        return f"{kind}({shown})"

    def _new_type(self, data: JsonValue, form: Form | None) -> TypeDefinition | None:
        form = _stripped(form, data)
        if isinstance(form, Named) and self._definitions[form.id].kind == "new-type":
            return self._definitions[form.id]
        return None


def _stripped(form: Form | None, data: JsonValue) -> Form | None:
    """Return the type without constraints, and of a union the member that a value is of, where that is plain."""
    while True:
        if isinstance(form, Constrained):
            form = form.form
        elif isinstance(form, Choice):
            others = [member for member in form.members if member != Atom("None")]
            if data is None or len(others) != 1:
                return None
            form = others[0]
        else:
            return form


def text(value: str) -> str:
    """Return a string as source, in double quotes where that needs no escapes."""
    shown = repr(value)
    return '"' + shown[1:-1].replace("\\'", "'") + '"' if shown[0] == "'" and '"' not in shown else shown


def docstring(doc: str, indent: str) -> str:
    """Return a docstring as source, or nothing for none."""
    if not doc:
        return ""
    safe = "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in doc.replace("\\", "\\\\")
    )
    safe = safe.replace('"""', '\\"\\"\\"')
    safe = safe[:-1] + '\\"' if safe.endswith('"') else safe
    lines = safe.split("\n")
    body = "\n".join([lines[0], *(f"{indent}{line}" if line else "" for line in lines[1:])])
    return f'{indent}"""{body}{chr(10) + indent if len(lines) > 1 else ""}"""\n'
