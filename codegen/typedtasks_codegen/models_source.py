"""The source of `models.py`: the service's types again, each from its definition in the contract."""

from __future__ import annotations

import builtins
import dataclasses
import enum
import json
import keyword
import textwrap
from collections.abc import Callable, Iterator, Mapping

from pydantic import BaseModel

from typedtasks_codegen.contract import Contract, FieldDefinition, Kind, TypeDefinition, TypeParameter
from typedtasks_codegen.expressions import Expressions, docstring, text
from typedtasks_codegen.forms import Constrained, Form, Value, has_parameters, named_in, value_of
from typedtasks_codegen.layout import WIDTH
from typedtasks_codegen.naming import type_variables
from typedtasks_codegen.refusal import GenerationError, Inexpressible

__all__ = ["ModelsSource"]

_INDENT = "    "
_LATER = {(int, "is_integer"): "3.12", (float, "from_number"): "3.14"}
"""Methods that types have in later versions of Python than 3.11: what is generated is the same in each."""
_HIDING = "  # type: ignore[assignment]  # ty: ignore[incompatible-attribute-override]"
"""After what pydantic allows, and type checkers do not: a field in the place of a method that every model has."""


class ModelsSource:
    """Writes the definitions of all types. `modules` and `parameters` are what the file has to begin with."""

    def __init__(self, contract: Contract, names: Mapping[str, str]) -> None:
        self._names = names
        self._tasks = contract.tasks
        self._types = {definition.id: definition for definition in contract.types}
        self._expressions = Expressions(names, contract.types)
        order, early = _in_order(self._types)
        self._variables = type_variables(contract.types, set(names.values()))
        self._declared: set[str] = set()
        self._defined: set[str] = set()
        self.definitions = [written for definition in order for written in self._with_variables(definition)]
        self.early = [names[id] for id in early]
        """Models that refer to others that are defined after them."""
        self.table = [(id, names[id]) for id in sorted(self._types)]

    @property
    def modules(self) -> list[str]:
        """Return the modules that the definitions need."""
        always = {"typing", *(["typedtasks"] if any(one.kind == "failure" for one in self._types.values()) else [])}
        return sorted(self._expressions.modules | always)

    def _with_variables(self, definition: TypeDefinition) -> Iterator[str]:
        """Yield the type parameters that are used for the first time, and the definition."""
        self._expressions.shadowed = frozenset()
        self._expressions.variables = {one.name: self._variables[one] for one in definition.parameters}
        for parameter in definition.parameters:
            name = self._variables[parameter]
            if name not in self._declared:
                self._declared.add(name)
                yield f"{name} = {self._variable(name, parameter)}\n"
        yield self._written(definition)
        self._defined.add(definition.id)

    def _variable(self, name: str, parameter: TypeParameter) -> str:
        arguments = [text(name), *(self._expressions.form(form) for form in parameter.constraints)]
        if parameter.bound is not None:
            arguments.append(f"bound={self._early(parameter.bound)}")
        if parameter.default is not None:
            arguments.append(f"default={self._early(parameter.default)}")
        module = "typing" if parameter.default is None else "typing_extensions"
        return f"{self._known(f'{module}.TypeVar')}({', '.join(arguments)})"

    def _early(self, form: Form) -> str:
        """Return a type that is evaluated where it stands: as text where it names what is defined further down."""
        shown = self._expressions.form(form)
        return text(shown) if any(id not in self._defined for id in named_in(form)) else shown

    def _written(self, definition: TypeDefinition) -> str:
        self._expressions.shadowed = frozenset(field.name for field in definition.fields)
        try:
            written = "".join(self._lines(definition))
        except Inexpressible as reason:
            raise GenerationError(f"{self._first_use(definition.id)}: {definition.id}: {reason}.") from None
        if definition.kind != "model" or not any(hasattr(BaseModel, field.name) for field in definition.fields):
            return written
        # pydantic warns of fields that hide its own methods; that is the service's matter, not that of its clients.
        quiet = f'with {self._known("warnings.catch_warnings")}(action="ignore", category=UserWarning):\n'
        return quiet + textwrap.indent(written, _INDENT)

    def _first_use(self, id: str) -> str:
        """Return the first task, and what of it, that uses a type."""
        for task in self._tasks:
            places = {f"the parameter {one.name!r}": list(named_in(one.form)) for one in task.parameters}
            for place, used in {**places, "the result": list(named_in(task.result)), "raises": list(task.raises)}.items():
                if id in used or any(id in self._reached(self._types[one]) for one in used):
                    return f"{task.name}: {place}"
        return "the contract"

    def _lines(self, definition: TypeDefinition) -> Iterator[str]:
        writers: Mapping[Kind, Callable[[TypeDefinition], Iterator[str]]] = {
            "model": self._model,
            "root": self._root,
            "failure": self._failure,
            "dataclass": self._dataclass,
            "pydantic-dataclass": self._dataclass,
            "typed-dict": self._typed_dict,
            "named-tuple": self._named_tuple,
            "enum": self._enum,
            "new-type": self._new_type,
            "alias": self._alias,
        }
        return writers[definition.kind](definition)

    def _head(self, definition: TypeDefinition, *bases: str) -> str:
        made_of = [*bases]
        if definition.parameters:
            variables = ", ".join(self._variables[parameter] for parameter in definition.parameters)
            made_of.append(f"{self._known('typing.Generic')}[{variables}]")
        return f"class {self._names[definition.id]}{'(' + ', '.join(made_of) + ')' if made_of else ''}:\n"

    def _known(self, name: str) -> str:
        return self._expressions.known(name)

    def _model(self, definition: TypeDefinition) -> Iterator[str]:
        yield self._head(definition, self._known("pydantic.BaseModel"))
        yield _class_doc(definition)
        yield f"{_INDENT}model_config = {self._config(definition)}\n"
        yield from self._fields(definition)

    def _root(self, definition: TypeDefinition) -> Iterator[str]:
        (root,) = definition.fields
        yield self._head(definition, f"{self._known('pydantic.RootModel')}[{self._early(root.form)}]")
        yield _class_doc(definition)
        yield f"{_INDENT}model_config = {self._config(definition)}\n"
        yield f"{_INDENT}{self._model_field(root)}\n"

    def _failure(self, definition: TypeDefinition) -> Iterator[str]:
        yield self._head(definition, self._known("typedtasks.TaskError"))
        yield _class_doc(definition)
        if not definition.fields and not definition.doc:
            yield f"{_INDENT}pass\n"
        yield from self._fields(definition)
        if self._names[definition.id] != definition.name:
            yield f"\n\n{self._names[definition.id]}.__name__ = {text(definition.name)}  # under this name it crosses the wire\n"

    def _dataclass(self, definition: TypeDefinition) -> Iterator[str]:
        all_by_keyword = bool(definition.fields) and all(field.keyword_only for field in definition.fields)
        config = dict(definition.config)
        options = ["frozen=True"] if config.pop("frozen", None) is not None else []
        options += ["kw_only=True"] if all_by_keyword else []
        if definition.kind == "pydantic-dataclass":
            options += [f"config={self._config_of(config)}"] if config else []
            yield f"@{self._known('pydantic.dataclasses.dataclass')}({', '.join(options)})\n"
        else:
            if config:
                yield f"@{self._known('pydantic.with_config')}({self._config_of(config)})\n"
            yield f"@{self._known('dataclasses.dataclass')}({', '.join(options)})\n"
        yield self._head(definition)
        yield _class_doc(definition)
        if not definition.fields:
            yield f"{_INDENT}pass\n"
        for field in definition.fields:
            own = dataclasses.replace(field, keyword_only=field.keyword_only and not all_by_keyword)
            yield f"{_INDENT}{self._dataclass_field(own)}\n"

    def _typed_dict(self, definition: TypeDefinition) -> Iterator[str]:
        base = self._known("typing_extensions.TypedDict")
        if definition.config:
            yield f"@{self._known('pydantic.with_config')}({self._config_of(dict(definition.config))})\n"
        if all(_is_name(field.name) for field in definition.fields):
            yield self._head(definition, base)
            yield _class_doc(definition)
            if not definition.fields and not definition.doc:
                yield f"{_INDENT}pass\n"
            for field in definition.fields:
                yield f"{_INDENT}{field.name}: {self._key(field)}\n"
            return
        if definition.doc or definition.config or definition.parameters:
            raise Inexpressible("a TypedDict with keys that are no Python names cannot have a docstring, options or parameters")
        name = self._names[definition.id]
        keys = ", ".join(f"{text(field.name)}: {text(self._key(field))}" for field in definition.fields)
        yield f"{name} = {base}({text(name)}, {{{keys}}})\n"

    def _named_tuple(self, definition: TypeDefinition) -> Iterator[str]:
        yield self._head(definition, self._known("typing.NamedTuple"))
        yield _class_doc(definition)
        for field in definition.fields:
            shown = "" if field.default is None else f" = {self._expressions.value(field.default, field.form)}"
            mark = "  # type: ignore[assignment]" if hasattr(tuple, field.name) else ""
            yield f"{_INDENT}{field.name}: {self._expressions.form(field.form)}{shown}{mark}\n"
        if not definition.fields and not definition.doc:
            yield f"{_INDENT}pass\n"

    def _enum(self, definition: TypeDefinition) -> Iterator[str]:
        wrong = [name for name, _ in definition.members if not _is_name(name)]
        if wrong:
            raise Inexpressible(f"the member {wrong[0]!r} is no Python name")
        boundary = dict(definition.config).get("boundary")
        options = [] if boundary is None else [f"boundary={self._known(f'enum.{json.loads(boundary)}')}"]
        yield self._head(definition, *(self._known(base) for base in definition.bases), *options)
        yield _class_doc(definition)
        first: dict[Value, str] = {}
        for name, value in definition.members:
            shown = first.get(value) or self._expressions.value(value)  # another name of the first
            yield f"{_INDENT}{name} = {shown}{_member_mark(definition, name, value)}\n"
            first.setdefault(value, name)
        if not definition.members and not definition.doc:
            yield f"{_INDENT}pass\n"

    def _new_type(self, definition: TypeDefinition) -> Iterator[str]:
        name = self._names[definition.id]
        yield f"{name} = {self._known('typing.NewType')}({text(name)}, {self._early(_form_of(definition))})\n"

    def _alias(self, definition: TypeDefinition) -> Iterator[str]:
        name, form = self._names[definition.id], _form_of(definition)
        variables = "".join(f"{self._variables[parameter]}, " for parameter in definition.parameters)
        shown = self._early(form)
        called = f"{shown}, type_params=({variables})" if variables else shown
        made = f"{name} = {self._known('typing_extensions.TypeAliasType')}({text(name)}, {called})\n"
        if variables or definition.id not in self._reached(definition):
            yield made
            return
        # pyright does not find the end of a TypeAliasType that refers to itself where another file is read first.
        line = f"{_INDENT}{name}: {self._known('typing.TypeAlias')} = "
        if len(line + shown) > WIDTH:
            shown = f"{self._known('typing.Annotated')}[{shown}, {text(name)}]"  # brackets, to be written on several lines
        yield f"if {self._known('typing.TYPE_CHECKING')}:\n{line}{shown}\nelse:\n{_INDENT}{made}"

    def _reached(self, definition: TypeDefinition) -> set[str]:
        """Return the ids of all types that a type uses."""
        seen: set[str] = set()
        waiting = list(_needed(definition))
        while waiting:
            id = waiting.pop()
            if id not in seen:
                seen.add(id)
                waiting += _needed(self._types[id])
        return seen

    def _fields(self, definition: TypeDefinition) -> Iterator[str]:
        for field in definition.fields:
            if not _is_name(field.name):
                raise Inexpressible(f"the field {field.name!r} is no Python name; give it another one, with this one as its alias")
            if field.name == "__pydantic_extra__":
                # Every model has it with values of any type, and pydantic alone looks at this one.
                hint = self._expressions.form(field.form)
                yield f"{_INDENT}if not {self._known('typing.TYPE_CHECKING')}:\n"
                yield f"{_INDENT}{_INDENT}{field.name}: {hint} = {self._known('pydantic.Field')}(init=False)\n\n"
            else:
                yield f"{_INDENT}{self._model_field(field, of_model=definition.kind == 'model')}\n"

    def _model_field(self, field: FieldDefinition, *, of_model: bool = False) -> str:
        form, alias = _without_alias(field.form)
        hint = self._expressions.form(form)
        arguments = [f"alias={self._expressions.value(alias)}"] if alias is not None else []
        mark = _HIDING if of_model and hasattr(BaseModel, field.name) else ""
        if field.default is not None:
            if self._expressions.is_plain(field.default, form):
                shown = self._expressions.value(field.default, form)
                if not arguments:
                    return f"{field.name}: {hint} = {shown}{mark}"
                arguments.insert(0, f"default={shown}")
            else:
                arguments.insert(0, f"default_factory={self._factory(field.default, form)}")
        if not arguments:
            return f"{field.name}: {hint}{mark}"
        opening = f"({mark}\n" if mark else "("
        return f"{field.name}: {hint} = {self._known('pydantic.Field')}{opening}{', '.join(arguments)})"

    def _dataclass_field(self, field: FieldDefinition) -> str:
        hint = self._expressions.form(field.form)
        arguments = ["kw_only=True"] if field.keyword_only else []
        if field.default is not None:
            if self._expressions.is_plain(field.default, field.form):
                shown = self._expressions.value(field.default, field.form)
                if not arguments:
                    return f"{field.name}: {hint} = {shown}"
                arguments.insert(0, f"default={shown}")
            else:
                arguments.insert(0, f"default_factory={self._factory(field.default, field.form)}")
        return f"{field.name}: {hint}" + (f" = {self._known('dataclasses.field')}({', '.join(arguments)})" if arguments else "")

    def _factory(self, default: Value, form: Form) -> str:
        for maker in ("uuid.uuid1", "uuid.uuid4"):
            if default == value_of({"$": "made", "by": maker}):
                return self._known(maker)
        empty = self._expressions.empty(default, form)
        if empty is not None:
            is_there = not has_parameters(form) and all(id in self._defined for id in named_in(form))
            return empty if is_there else f"lambda: {empty}()"
        return f"lambda: {self._expressions.value(default, form)}"

    def _key(self, field: FieldDefinition) -> str:
        hint = self._expressions.form(field.form)
        return hint if field.required else f"{self._known('typing_extensions.NotRequired')}[{hint}]"

    def _config(self, definition: TypeDefinition) -> str:
        return self._config_of({**dict(definition.config), "defer_build": value_of(True)})

    def _config_of(self, config: Mapping[str, Value]) -> str:
        return f"{self._known('pydantic.ConfigDict')}({self._expressions.keywords(sorted(config.items()))})"


def _in_order(types: Mapping[str, TypeDefinition]) -> tuple[list[TypeDefinition], list[str]]:
    """Return the definitions so that each comes after what it needs, and the models for which a cycle makes that impossible."""
    order: dict[str, None] = {}
    early: set[str] = set()

    def needed_by(id: str) -> Iterator[str]:
        return iter(sorted(set(_needed(types[id])) - {id}))

    for first in sorted(types, key=lambda id: (types[id].kind != "enum", id)):
        under_way = {} if first in order else {first: needed_by(first)}
        while under_way:
            id, others = next(reversed(under_way.items()))
            other = next((one for one in others if one not in order), None)
            if other is None:
                order[id] = None
                del under_way[id]
            elif other in under_way:
                early.add(id)  # a circle: it is defined before what it refers to
            else:
                under_way[other] = needed_by(other)
    return [types[id] for id in order], [id for id in order if id in early and types[id].kind in ("model", "root")]


def _needed(definition: TypeDefinition) -> Iterator[str]:
    if definition.form is not None:
        yield from named_in(definition.form)
    for parameter in definition.parameters:
        for form in (*parameter.constraints, *(one for one in (parameter.bound, parameter.default) if one is not None)):
            yield from named_in(form)
    for field in definition.fields:
        yield from named_in(field.form)


def _without_alias(form: Form) -> tuple[Form, Value | None]:
    """Take the alias out of a field's type: type checkers see it in `= Field(alias=...)` only."""
    if not isinstance(form, Constrained):
        return form, None
    alias = dict(form.constraints).get("alias")
    rest = tuple(pair for pair in form.constraints if pair[0] != "alias")
    return (Constrained(form.form, rest) if rest else form.form), alias


def _member_mark(definition: TypeDefinition, name: str, value: Value) -> str:
    """Return what stands after a member that a type checker takes for something else."""
    bases = [getattr(builtins if "." not in base else enum, base.rpartition(".")[2]) for base in definition.bases]
    if any(name == later and issubclass(base, kind) for kind, later in _LATER for base in bases):
        return "  # type: ignore[assignment, unused-ignore]"
    if any(hasattr(base, name) for base in bases if base not in (enum.Enum, enum.Flag)):
        return "  # type: ignore[assignment]"
    if name in ("name", "value"):
        mark = "  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]"
        return mark + ("  # pyrefly: ignore[bad-override]" if name == "name" and definition.bases == ("enum.Enum",) else "")
    return "  # pyrefly: ignore[implicit-any-attribute]" if value == value_of(None) else ""


def _class_doc(definition: TypeDefinition) -> str:
    doc = docstring(definition.doc, _INDENT)
    return f"{doc}\n" if doc and (definition.fields or definition.members or definition.kind in ("model", "root")) else doc


def _form_of(definition: TypeDefinition) -> Form:
    assert definition.form is not None
    return definition.form


def _is_name(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)
