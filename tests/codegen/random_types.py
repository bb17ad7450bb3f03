"""Random types as plain data, small changes of them, the Python types that they stand for, and samples of their JSON."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from enum import Enum
from random import Random
from typing import Annotated, Any, Final, Literal, NamedTuple, NotRequired, Optional, TypeAlias, Union, cast

from pydantic import Field, JsonValue, RootModel, create_model
from typing_extensions import TypedDict

__all__ = [
    "Parameter",
    "Signature",
    "Spec",
    "changed",
    "changed_signature",
    "python_type",
    "random_signature",
    "random_type",
    "sample",
]

# Any: a type as nested tuples, each of which begins with what it is.
Spec: TypeAlias = tuple[Any, ...]


class Parameter(NamedTuple):
    """A parameter of a task; an optional one has None as its default."""

    name: str
    kind: str
    optional: bool
    type: Spec


class Signature(NamedTuple):
    """The parameters and the result of a task."""

    parameters: tuple[Parameter, ...]
    result: Spec


_WORDS: Final = ("red", "green", "blue", "x")
_NAMES: Final = ("a", "b", "c", "d")
_KINDS: Final = ("model", "typed-dict", "dataclass")
_EXTRAS: Final = ("forbid", "ignore", "allow", None)
_PARAMETERS: Final = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD", "VAR_POSITIONAL", "KEYWORD_ONLY", "VAR_KEYWORD")
_numbers = itertools.count()


def random_signature(chance: Random) -> Signature:
    """Return the signature of a task with one to three parameters."""
    return Signature(
        _ordered(_parameter(chance, name) for name in chance.sample(_NAMES, chance.randint(1, 3))), random_type(chance)
    )


def changed_signature(signature: Signature, chance: Random) -> Signature:
    """Return a signature that differs a little, in a parameter or in the result."""
    parameters = list(signature.parameters)
    what = chance.random()
    if what < 0.4:
        return Signature(signature.parameters, changed(signature.result, chance))
    place = chance.randrange(len(parameters))
    if what < 0.5:
        parameters.pop(place)
    elif what < 0.58:
        missing = [name for name in _NAMES if name not in {one.name for one in parameters}]
        parameters.append(_parameter(chance, missing[0]))
    elif what < 0.66:
        parameters[place] = parameters[place]._replace(optional=not parameters[place].optional)
    elif what < 0.75:
        parameters[place] = parameters[place]._replace(kind=chance.choice(_PARAMETERS))
    else:
        parameters[place] = parameters[place]._replace(type=changed(parameters[place].type, chance))
    return Signature(_ordered(parameters), signature.result)


def _parameter(chance: Random, name: str) -> Parameter:
    return Parameter(name, chance.choice(_PARAMETERS), chance.random() < 0.4, random_type(chance, 2))


def _ordered(parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """Return parameters as Python takes them: by kind, one at most that collects others, defaults behind what has none."""
    found: list[Parameter] = []
    for one in parameters:
        taken = one.kind.startswith("VAR_") and any(other.kind == one.kind for other in found)
        found.append(one._replace(kind="KEYWORD_ONLY") if taken else one)
    found.sort(key=lambda one: _PARAMETERS.index(one.kind))
    for place, one in enumerate(found):
        behind = any(other.optional for other in found[:place]) and one.kind.startswith("POSITIONAL")
        found[place] = one._replace(optional=not one.kind.startswith("VAR_") and (one.optional or behind))
    return tuple(found)


def random_type(chance: Random, depth: int = 3) -> Spec:
    """Return a type; the deeper it may be, the more it is made of others."""
    leaves: list[Callable[[], Spec]] = [
        lambda: ("int", chance.choice((None, -5, 0)), chance.choice((None, 10, 20))),
        lambda: ("float", chance.choice((None, -5, 0)), chance.choice((None, 10, 20))),
        lambda: ("str", chance.choice((None, 0, 1)), chance.choice((None, 3, 5))),
        lambda: ("bool",),
        lambda: ("none",),
        lambda: ("date",),
        lambda: ("literal", tuple(chance.sample((*_WORDS, 1, 2), chance.randint(1, 4)))),
        lambda: ("enum", tuple(chance.sample(_WORDS, chance.randint(1, 4)))),
    ]
    if depth == 0:
        return chance.choice(leaves)()

    def inner() -> Spec:
        return random_type(chance, depth - 1)

    nodes: list[Callable[[], Spec]] = [
        lambda: ("list", inner(), chance.choice((None, 0, 1)), chance.choice((None, 3))),
        lambda: ("dict", chance.choice((("str", None, None), ("int", None, None))), inner()),
        lambda: ("tuple", tuple(inner() for _ in range(chance.randint(1, 3)))),
        lambda: ("many", inner()),
        lambda: ("union", tuple(dict.fromkeys(inner() for _ in range(chance.randint(2, 3))))),
        lambda: _record(chance, depth),
        lambda: _record(chance, depth),
        lambda: ("set", ("int", None, 20)),
        lambda: ("root", inner()),
        lambda: ("named-tuple", tuple(inner() for _ in range(chance.randint(1, 3)))),
        lambda: ("tagged", tuple((word, inner()) for word in chance.sample(_WORDS, chance.randint(2, 3)))),
        lambda: ("tree", inner()),
    ]
    return chance.choice([*leaves, *nodes, *nodes])()


def _record(chance: Random, depth: int) -> Spec:
    names = chance.sample(_NAMES, chance.randint(1, 3))
    return ("record", chance.choice(_KINDS), chance.choice(_EXTRAS), tuple(_a_field(chance, name, depth) for name in names))


def _a_field(chance: Random, name: str, depth: int) -> Spec:
    return (name, random_type(chance, depth - 1), chance.random() < 0.6)


def changed(spec: Spec, chance: Random) -> Spec:
    """Return a type that differs a little, somewhere."""
    kind = spec[0]
    if kind in ("int", "float", "str", "list") and chance.random() < 0.5:
        first = 2 if kind == "list" else 1
        bounds = list(spec)
        place = chance.choice((first, first + 1))
        bounds[place] = chance.choice((None, 0, 1) if place == first else (None, 3, 7, 10))
        return tuple(bounds)
    if kind == "int" and chance.random() < 0.5:
        return ("float", *spec[1:])
    if kind in ("literal", "enum"):
        values = list(spec[1])
        if len(values) > 1 and chance.random() < 0.4:
            values.pop(chance.randrange(len(values)))
        else:
            values += [word for word in _WORDS if word not in values][:1]
        return (kind, tuple(values))
    if kind == "root" and chance.random() < 0.3:
        return cast("Spec", spec[1])
    if kind in ("list", "many", "set", "root", "tree"):
        return (kind, changed(spec[1], chance) if kind != "set" else ("int", None, chance.choice((None, 7, 20))), *spec[2:])
    if kind == "dict":
        return (kind, spec[1], changed(spec[2], chance))
    if kind == "tagged":
        return (kind, _changed_tags(spec[1], chance))
    if kind in ("tuple", "union", "named-tuple"):
        return (kind, _changed_members(kind, spec[1], chance))
    if kind == "record":
        return _changed_record(spec, chance)
    return ("union", (spec, ("none",))) if spec != ("none",) else ("union", (spec, ("bool",)))


def _changed_members(kind: str, members: tuple[Spec, ...], chance: Random) -> tuple[Spec, ...]:
    place = chance.randrange(len(members))
    what = chance.random()
    if what < 0.3 and len(members) > (2 if kind == "union" else 1):
        return members[:place] + members[place + 1 :]
    if what < 0.6:
        return tuple(dict.fromkeys((*members, random_type(chance, 1)))) if kind == "union" else (*members, random_type(chance, 1))
    shuffled = (*members[:place], changed(members[place], chance), *members[place + 1 :])
    return tuple(dict.fromkeys(shuffled)) if kind == "union" and len(set(shuffled)) > 1 else shuffled


def _changed_tags(members: tuple[tuple[str, Spec], ...], chance: Random) -> tuple[tuple[str, Spec], ...]:
    missing = [word for word in _WORDS if word not in dict(members)]
    what = chance.random()
    if what < 0.3 and len(members) > 2:
        return members[1:]
    if what < 0.6:
        return (*members, (missing[0], random_type(chance, 1)))
    (word, inner), *others = members
    return ((word, changed(inner, chance)), *others)


def _changed_record(spec: Spec, chance: Random) -> Spec:
    _, kind, extra, fields = spec
    what = chance.random()
    if what < 0.1:
        return ("record", chance.choice(_KINDS), extra, fields)
    if what < 0.25:
        return ("record", kind, chance.choice(_EXTRAS), fields)
    place = chance.randrange(len(fields))
    name, inner, required = fields[place]
    if what < 0.45:
        missing = [name for name in _NAMES if name not in {field[0] for field in fields}]
        return ("record", kind, extra, (*fields, _a_field(chance, missing[0], 1))) if missing else spec
    if what < 0.55 and len(fields) > 1:
        return ("record", kind, extra, fields[:place] + fields[place + 1 :])
    field = (name, inner, not required) if what < 0.7 else (name, changed(inner, chance), required)
    return ("record", kind, extra, (*fields[:place], field, *fields[place + 1 :]))


def python_type(spec: Spec) -> Any:
    """Return the type. Any: it is made at run time, every class anew and with a name of its own."""
    kind = spec[0]
    if kind in ("int", "float"):
        return (
            Annotated[int if kind == "int" else float, Field(ge=spec[1], le=spec[2])]
            if spec[1:] != (None, None)
            else {"int": int, "float": float}[kind]
        )
    if kind == "str":
        return Annotated[str, Field(min_length=spec[1], max_length=spec[2])] if spec[1:] != (None, None) else str
    if kind in ("bool", "none", "date"):
        return {"bool": bool, "none": None, "date": date}[kind]
    if kind == "literal":
        return Literal[spec[1]]
    if kind == "enum":
        # Any: the functional form of Enum wants literals.
        return cast("Any", Enum)(_name("Choice"), [(word.upper(), word) for word in spec[1]], module=__name__)
    if kind == "list":
        return Annotated[list[python_type(spec[1])], Field(min_length=spec[2], max_length=spec[3])]  # type: ignore[misc]  # made at run time
    if kind == "dict":
        return dict[python_type(spec[1]), python_type(spec[2])]  # type: ignore[misc]  # made at run time
    if kind == "tuple":
        return tuple.__class_getitem__(tuple(python_type(one) for one in spec[1]))
    if kind == "many":
        return tuple[python_type(spec[1]), ...]  # type: ignore[misc]  # made at run time
    if kind == "union":
        return Union[tuple(python_type(one) for one in spec[1])]  # noqa: UP007 - of types that are made at run time
    if kind == "set":
        return set[python_type(spec[1])]  # type: ignore[misc]  # made at run time
    return _class(spec) if kind == "record" else _named(spec)


def _named(spec: Spec) -> Any:
    """Return a type that is a class, but for those with fields of many kinds."""
    kind, inner = spec
    name, model = _name("Kind"), cast("Any", create_model)  # Any: of fields that are made at run time
    if kind == "root":
        return type(name, (cast("Any", RootModel)[python_type(inner)],), {"__module__": __name__})
    if kind == "named-tuple":
        made = cast("Any", NamedTuple)(name, [(letter, python_type(one)) for letter, one in zip("pqrs", inner, strict=False)])
        made.__module__ = __name__
        return made
    if kind == "tagged":
        members = [
            model(_name("Tagged"), __module__=__name__, kind=(Literal[word], ...), value=(python_type(one), ...))
            for word, one in inner
        ]
        return Annotated[Union[tuple(members)], Field(discriminator="kind")]  # noqa: UP007 - as above
    tree = model(name, __module__=__name__, value=(python_type(inner), ...), next=(Optional[name], None))  # noqa: UP045 - as above
    tree.model_rebuild(_types_namespace={name: tree})
    return tree


def _class(spec: Spec) -> Any:
    _, kind, extra, fields = spec
    name = _name("Record")
    typed = [(name, python_type(inner), required) for name, inner, required in fields]
    # Any: configuration and fields that are made at run time.
    config = cast("Any", {} if extra is None else {"extra": extra})
    if kind == "model":
        described = {name: (hint, ...) if required else (Optional[hint], None) for name, hint, required in typed}  # noqa: UP045
        return cast("Any", create_model)(name, __config__=config, __module__=__name__, **described)
    if kind == "typed-dict":
        made = cast("Any", TypedDict)(name, {name: hint if required else NotRequired[hint] for name, hint, required in typed})
    else:
        ordered = sorted(typed, key=lambda one: not one[2])
        attributes = [(name, hint) if required else (name, Optional[hint], None) for name, hint, required in ordered]  # noqa: UP045
        made = dataclasses.make_dataclass(name, cast("Any", attributes))
    made.__module__ = __name__
    if extra is not None:
        made.__pydantic_config__ = config
    return made


def sample(spec: Spec, chance: Random) -> JsonValue:
    """Return JSON that is of a type."""
    kind = spec[0]
    if kind in ("int", "float"):
        low, high = spec[1] if spec[1] is not None else -30, spec[2] if spec[2] is not None else 30
        edge = chance.choice((low, high, chance.randint(low, max(low, high))))
        return edge if kind == "int" or chance.random() < 0.5 else float(edge)
    if kind == "str":
        low, high = spec[1] or 0, spec[2] if spec[2] is not None else 8
        return "".join(chance.choice("abü\n") for _ in range(chance.choice((low, high, chance.randint(low, high)))))
    if kind == "bool":
        return chance.random() < 0.5
    if kind == "none":
        return None
    if kind == "date":
        return (date(2000, 1, 1) + timedelta(days=chance.randint(0, 9999))).isoformat()
    if kind in ("literal", "enum"):
        return cast("JsonValue", chance.choice(spec[1]))
    if kind in ("list", "many"):
        low, high = (spec[2] or 0, 4 if spec[3] is None else spec[3]) if kind == "list" else (0, 3)
        return [sample(spec[1], chance) for _ in range(chance.choice((low, high)))]
    if kind == "dict":
        return {str(sample(spec[1], chance)): sample(spec[2], chance) for _ in range(chance.randint(0, 3))}
    if kind == "tuple":
        return [sample(one, chance) for one in spec[1]]
    if kind == "union":
        return sample(chance.choice(spec[1]), chance)
    return _sample_record(spec, chance) if kind == "record" else _sample_named(spec, chance)


def _sample_named(spec: Spec, chance: Random) -> JsonValue:
    kind, inner = spec
    if kind == "set":
        return [*{cast("int", sample(inner, chance)) for _ in range(3)}]
    if kind == "root":
        return sample(inner, chance)
    if kind == "named-tuple":
        return [sample(one, chance) for one in inner]
    if kind == "tagged":
        word, one = chance.choice(inner)
        return {"kind": word, "value": sample(one, chance)}
    following = sample(spec, chance) if chance.random() < 0.4 else None
    return (
        {"value": sample(inner, chance), "next": following}
        if following or chance.random() < 0.5
        else {"value": sample(inner, chance)}
    )


def _sample_record(spec: Spec, chance: Random) -> JsonValue:
    _, kind, extra, fields = spec
    written: dict[str, JsonValue] = {}
    for name, inner, required in fields:
        if required or chance.random() < 0.5:
            written[name] = sample(inner, chance)
        elif kind != "typed-dict" and chance.random() < 0.3:
            written[name] = None
    if extra == "allow" and chance.random() < 0.7:
        unknown = next((name for name in _NAMES if name not in {field[0] for field in fields}), "more")
        written[unknown] = chance.choice((1, "red", None))
    return written


def _name(stem: str) -> str:
    return f"{stem}{next(_numbers)}"
