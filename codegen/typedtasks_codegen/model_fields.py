"""The fields of models, dataclasses, TypedDicts, NamedTuples and failures as data, and what of a class cannot travel."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Final, NotRequired, Required, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typing_extensions import ReadOnly, get_type_hints

from typedtasks import TaskError
from typedtasks.errors import fields_model
from typedtasks_codegen.annotations import IdOf, constrained, read_form
from typedtasks_codegen.contract import FieldDefinition
from typedtasks_codegen.defaults import Default, read_default, read_factory
from typedtasks_codegen.metadata import Facts, field_facts
from typedtasks_codegen.refusal import Inexpressible

__all__ = [
    "dataclass_fields",
    "failure_fields",
    "hinted_fields",
    "model_config",
    "model_fields",
    "untravelled_of_model",
]

T = TypeVar("T")

_KEPT: Final = frozenset(
    {
        *("extra", "populate_by_name", "validate_by_name", "validate_by_alias", "serialize_by_alias", "frozen", "strict"),
        *("str_strip_whitespace", "str_to_lower", "str_to_upper", "str_min_length", "str_max_length", "allow_inf_nan"),
        *("coerce_numbers_to_str", "regex_engine", "validate_default", "validate_assignment", "protected_namespaces", "title"),
        *("hide_input_in_errors", "loc_by_alias", "from_attributes"),
    }
)
_WITHOUT_EFFECT: Final = frozenset(
    {
        *("defer_build", "arbitrary_types_allowed", "ignored_types", "alias_generator", "use_attribute_docstrings"),
        *(
            "revalidate_instances",
            "ser_json_bytes",
            "val_json_bytes",
            "ser_json_inf_nan",
            "ser_json_timedelta",
            "ser_json_temporal",
        ),
        *("json_schema_extra", "plugin_settings", "cache_strings", "model_title_generator", "field_title_generator"),
        *("json_schema_serialization_defaults_required", "json_schema_mode_override", "validation_error_cause", "schema_generator"),
        *("val_temporal_unit", "url_preserve_empty_path"),
    }
)
"""Configuration that is resolved in the fields, or that typedtasks sets itself for what goes over the wire."""


def model_fields(cls: type[BaseModel], id_of: IdOf, facts: Facts) -> Iterator[FieldDefinition]:
    """Yield the fields of a model, those that it inherits included."""
    yield from _described(cls.model_fields, id_of, facts)
    if cls.model_config.get("extra") == "allow" and not issubclass(cls, RootModel):
        extras = get_type_hints(cls, include_extras=True).get("__pydantic_extra__")
        inner = getattr(extras, "__args__", (None, None))[1]
        yield _field("__pydantic_extra__", dict[str, inner], Facts(), None, id_of, facts)  # type: ignore[valid-type]  # made at run time


def failure_fields(cls: type[TaskError], id_of: IdOf) -> list[FieldDefinition]:
    """Return the fields of a declared failure."""
    return list(_described(fields_model(cls).model_fields, id_of, Facts()))


def dataclass_fields(cls: type, id_of: IdOf, facts: Facts) -> list[FieldDefinition]:
    """Return the fields of a dataclass, be it pydantic's or Python's."""
    # Any: a dataclass, which the type does not say.
    own = {field.name: field for field in dataclasses.fields(cast("Any", cls))}
    known = cast("Mapping[str, FieldInfo] | None", cls.__dict__.get("__pydantic_fields__"))
    if known is not None:
        described = {field.name: field for field in _described(known, id_of, facts)}
        return [dataclasses.replace(described[name], keyword_only=bool(own[name].kw_only)) for name in known]
    hints = _hints(cls)
    return [
        dataclasses.replace(
            _field(name, hints[name], Facts(), _default_of(field, hints[name], id_of, name), id_of, facts),
            keyword_only=bool(field.kw_only),
        )
        for name, field in own.items()
    ]


def hinted_fields(cls: type, id_of: IdOf, facts: Facts) -> list[FieldDefinition]:
    """Return the fields of a TypedDict or a NamedTuple."""
    hints = _hints(cls)
    defaults = cast("Mapping[str, object]", getattr(cls, "_field_defaults", {}))
    required = {name for name, hint in hints.items() if _is_required(cls, name, hint)}
    if getattr(cls, "__closed__", None) or getattr(cls, "__extra_items__", None) not in (None, _no_extra_items()):
        raise Inexpressible("a TypedDict that is closed or has extra_items cannot be written into a client yet")
    fields: list[FieldDefinition] = []
    for name, hint in hints.items():
        default = _named(name, partial(read_default, defaults[name], hint, id_of)) if name in defaults else None
        field = _field(name, hint, Facts(), default, id_of, facts)
        fields.append(dataclasses.replace(field, required=default is None and name in required))
    return fields


def model_config(given: Mapping[str, object]) -> dict[str, object]:
    """Return the configuration that a client's class needs. Raises `Inexpressible` for what the generator does not know."""
    given = {key: value for key, value in given.items() if key in _KEPT or value not in (None, False)}
    unknown = sorted(set(given) - _KEPT - _WITHOUT_EFFECT)
    if unknown:
        raise Inexpressible(f"its configuration has {unknown[0]}={given[unknown[0]]!r:.60}, which a client cannot have")
    return {key: value for key, value in sorted(given.items()) if key in _KEPT and value is not None}


def untravelled_of_model(cls: type[BaseModel]) -> list[str]:
    """Return what a model does besides having fields. Raises `Inexpressible` where that decides what goes over the wire."""
    decorators = cls.__pydantic_decorators__
    serializers = [*decorators.field_serializers, *decorators.model_serializers]
    if serializers:
        raise Inexpressible(f"its serializer {serializers[0]} decides what goes over the wire; use types that write themselves")
    for hook in ("__get_pydantic_core_schema__", "__get_pydantic_json_schema__"):
        defined = next(owner for owner in cls.__mro__ if hook in owner.__dict__)
        if defined not in (BaseModel, RootModel):
            raise Inexpressible(f"it has a {hook} of its own, which a client cannot have")
    fields = {name: one.info.fields for name, one in decorators.validators.items()}
    fields |= {name: one.info.fields for name, one in decorators.field_validators.items()}
    found = [f"validator {name} of {', '.join(sorted(of))}" for name, of in fields.items()]
    found += [f"model validator {name}" for name in (*decorators.root_validators, *decorators.model_validators)]
    found += [f"computed field {name}" for name in decorators.computed_fields]
    if cls.__pydantic_custom_init__:
        found.append("__init__")
    hooks = (owner.__dict__.get("model_post_init") for owner in cls.__mro__ if owner is not BaseModel)
    if any(getattr(hook, "__name__", "") == "model_post_init" for hook in hooks):
        found.append("model_post_init")
    return found


def _described(fields: Mapping[str, FieldInfo], id_of: IdOf, facts: Facts) -> Iterator[FieldDefinition]:
    for name, field in fields.items():
        begin = len(facts.untravelled)
        own = _named(name, partial(field_facts, field, Facts(untravelled=facts.untravelled)))
        facts.say_where(begin, name)
        default = _named(name, partial(_field_default, field, id_of))
        yield _field(name, field.annotation, own, default, id_of, facts)


def _field(name: str, annotation: object, own: Facts, default: Default | None, id_of: IdOf, facts: Facts) -> FieldDefinition:
    begin = len(facts.untravelled)
    form = _named(name, lambda: constrained(read_form(annotation, id_of, facts), own, id_of))
    facts.say_where(begin, name)
    if default is None:
        return FieldDefinition(name, form)
    return FieldDefinition(name, form, *default, required=False)


def _field_default(field: FieldInfo, id_of: IdOf) -> Default | None:
    if field.default_factory is not None:
        if field.default_factory_takes_validated_data:
            raise Inexpressible("its default is made of other fields, which a client cannot do; use a validator, or None")
        return read_factory(field.default_factory, field.annotation, id_of)
    return None if field.default is PydanticUndefined else read_default(field.default, field.annotation, id_of)


# Any: a field of a dataclass of any type.
def _default_of(field: dataclasses.Field[Any], hint: object, id_of: IdOf, name: str) -> Default | None:
    if isinstance(field.default, FieldInfo):
        raise Inexpressible(f"the field {name!r} has Field(...) as its default in a plain dataclass; use pydantic.dataclasses")
    if field.default_factory is not dataclasses.MISSING:
        return _named(name, partial(read_factory, field.default_factory, hint, id_of))
    if field.default is not dataclasses.MISSING:
        return _named(name, partial(read_default, field.default, hint, id_of))
    return None


def _hints(cls: type) -> dict[str, object]:
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise Inexpressible(f"a type cannot be found ({error}); define it at the top of its module") from None
    # Any: dataclasses say only in private what is an InitVar once the types are text.
    declared = cast("Mapping[str, Any]", getattr(cls, "__dataclass_fields__", {}))
    if any(str(field._field_type) == "_FIELD_INITVAR" for field in declared.values()):
        raise Inexpressible("an InitVar is no field, so it cannot be sent; use a field")
    return dict(hints)


def _is_required(cls: type, name: str, hint: object) -> bool:
    """Return whether a key of a TypedDict has to be there; where its types are written as text, only the hint knows."""
    origin = get_origin(hint)
    while origin is ReadOnly or origin is Annotated:
        hint = get_args(hint)[0]
        origin = get_origin(hint)
    if origin in (Required, NotRequired):
        return origin is Required
    return name in cast("Iterable[str]", getattr(cls, "__required_keys__", (name,)))


def _no_extra_items() -> object:
    import typing_extensions

    return getattr(typing_extensions, "NoExtraItems", None)


def _named(name: str, read: Callable[[], T]) -> T:
    """Return what is read, with the field's name added to a refusal."""
    try:
        return read()
    except Inexpressible as reason:
        raise Inexpressible(f"the field {name!r}: {reason}") from None
