"""What types are in code: whether a type checker lets a value of one type be passed where another one is asked for.

Only what is certain to be an error counts: of what is not known here, nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from typedtasks_codegen.compatibility.types import Data, among, is_data, is_union, members, split
from typedtasks_codegen.compatibility.wire import ANYTHING, is_fixed_tuple

__all__ = ["is_assignable"]

_CLASSES: Final[Mapping[str, str]] = {
    **{f"pydantic.{sort}Datetime": "datetime.datetime" for sort in ("Aware", "Naive", "Past", "Future")},
    **{f"pydantic.{sort}Date": "datetime.date" for sort in ("Past", "Future")},
    **{f"pydantic.UUID{version}": "uuid.UUID" for version in (1, 3, 4, 5, 6, 7, 8)},
    "pydantic.EmailStr": "str",
}
"""Types of pydantic that are others to a checker."""
_BASES: Final[Mapping[str, Sequence[str]]] = {
    "bool": ("int", "float"),
    "int": ("float",),
    "datetime.datetime": ("datetime.date",),
    "pathlib.Path": ("pathlib.PurePath",),
    "pathlib.PosixPath": ("pathlib.Path", "pathlib.PurePath", "pathlib.PurePosixPath"),
    "pathlib.PurePosixPath": ("pathlib.PurePath",),
    "pydantic.HttpUrl": ("pydantic.AnyUrl",),
    "pydantic.AnyHttpUrl": ("pydantic.AnyUrl",),
    "list": ("collections.abc.Sequence", "collections.abc.MutableSequence"),
    "tuple": ("collections.abc.Sequence",),
    "collections.deque": ("collections.abc.Sequence", "collections.abc.MutableSequence"),
    "collections.abc.MutableSequence": ("collections.abc.Sequence",),
    "set": ("collections.abc.Set", "collections.abc.MutableSet"),
    "frozenset": ("collections.abc.Set",),
    "collections.abc.MutableSet": ("collections.abc.Set",),
    "dict": ("collections.abc.Mapping", "collections.abc.MutableMapping"),
    "collections.OrderedDict": ("dict", "collections.abc.Mapping", "collections.abc.MutableMapping"),
    "collections.Counter": ("dict", "collections.abc.Mapping", "collections.abc.MutableMapping"),
    "collections.abc.MutableMapping": ("collections.abc.Mapping",),
}
_OF_JSON: Final = frozenset({"str", "int", "float", "bool", "None", ANYTHING})
_READ_ONLY: Final = frozenset({"tuple", "frozenset", "collections.abc.Sequence", "collections.abc.Set"})
"""Containers of items that may be of a narrower type: nothing can be put into them."""
_KEYED: Final = frozenset({"collections.abc.Mapping"})
"""Those whose values may be, and whose keys may not."""


def is_assignable(target: object, source: object) -> bool:
    """Return whether no checker objects to a value of the source where the target is asked for, or it is not known."""
    target, source = split(target)[0], split(source)[0]
    if target == source:
        return True
    if is_union(source):
        return all(is_assignable(target, member) for member in members(source))
    if is_union(target):
        return any(is_assignable(member, source) for member in members(target))
    if is_data(source) and "literal" in source:
        return _takes_literals(target, source["literal"])
    if is_data(target) and "literal" in target:
        return source == "None" or (source == "bool" and {True, False} == set(target["literal"]))
    if target == ANYTHING:
        return _is_json(source)
    one, other = _class_of(target), _class_of(source)
    if one is None or other is None:
        return True
    if one != other and one not in _BASES.get(other, ()):
        return False
    return not (is_data(target) and is_data(source)) or _are_items_assignable(one, target, source)


def _is_json(source: object) -> bool:
    if not is_data(source):
        return source in _OF_JSON
    return source.get("generic") in ("list", "dict") and source["arguments"][-1] == ANYTHING


def _takes_literals(target: object, values: Sequence[object]) -> bool:
    if is_data(target):
        return "literal" in target and all(among(value, target["literal"]) for value in values)
    return all(
        target == type(value).__name__ or target in _BASES.get(type(value).__name__, ()) for value in values if value is not None
    )


def _are_items_assignable(name: str, target: Data, source: Data) -> bool:
    new, old = target.get("arguments", []), source.get("arguments", [])
    if is_fixed_tuple({"generic": "", **source}) and not is_fixed_tuple({"generic": "", **target}):
        new = list(new) * len(old)
    if len(new) != len(old):
        return "Counter" in str(source.get("generic")) or "Counter" in name
    for place, (one, other) in enumerate(zip(new, old, strict=True)):
        may_be_narrower = name in _READ_ONLY or (name in _KEYED and place == 1)
        if not is_assignable(one, other) or not (may_be_narrower or is_assignable(other, one)):
            return False
    return True


def _class_of(form: object) -> str | None:
    """Return the class of a type, of the service's own their ids; None where it is not known."""
    if not is_data(form):
        return _CLASSES.get(str(form), None if form == ANYTHING else str(form))
    return cast("str | None", form.get("generic", form.get("ref")))
