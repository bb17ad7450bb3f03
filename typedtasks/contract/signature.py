"""What a function's signature says: whether it can be a task, its parameters, and its types."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Awaitable, Callable, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Annotated, Final, Never, NoReturn, cast, get_args, get_origin, get_overloads, get_type_hints

import typing_extensions
from pydantic.fields import FieldInfo

from typedtasks.coroutine import is_coroutine_function
from typedtasks.errors import DefinitionError
from typedtasks.injection import Need, names_around, need_of, unwrapped

__all__ = ["check_function", "default_task_name", "injected_parameters", "resolve_types", "signature_text"]


_UNPACK: Final = (typing.Unpack, typing_extensions.Unpack)
"""Before Python 3.12 they are two."""


def default_task_name(function: Callable[..., object]) -> str:
    """Return `<module>.<function>`; a program that is run directly counts under the name by which a worker imports it.

    So it does in the processes that it spawns with multiprocessing, where it has another name again.
    """
    module = getattr(function, "__module__", "") or ""
    if module in ("__main__", "__mp_main__"):
        # A decorator's function, which has the name of the decorated one, has the globals of its own module.
        names: dict[str, object] = getattr(inspect.unwrap(function), "__globals__", {})
        if names.get("__name__") != module:
            names = vars(sys.modules[module])
        spec, file = cast("ModuleSpec | None", names.get("__spec__")), cast("str | None", names.get("__file__"))
        module = spec.name if spec is not None else Path(file).stem if file else module
    return f"{module}.{getattr(function, '__name__', type(function).__name__)}"


def signature_text(signature: inspect.Signature) -> str:
    """Return a signature as it is written, without quotes around its types, and without the metadata of `Annotated`."""
    shown = [parameter.replace(annotation=_shown(parameter.annotation)) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=shown, return_annotation=_shown(signature.return_annotation)))


class _Written:
    """A type that is shown as it is written."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _shown(annotation: object) -> object:
    """Return what stands for a type in a message: the metadata of `Annotated` shows no more than addresses."""
    if isinstance(annotation, str):
        return _Written(annotation)
    if "Annotated[" not in repr(annotation):
        return annotation
    holder = type("Holder", (), {"__annotations__": {"held": annotation}})
    try:
        return cast("object", get_type_hints(holder)["held"])
    except NameError:
        return annotation


def check_function(function: Callable[..., object], task: str) -> None:
    """Raise `DefinitionError` for what can never be a task, whatever its types are."""
    if isinstance(function, staticmethod):
        raise DefinitionError(f"{task}: write @staticmethod above the decorator that makes the task, not below it.")
    if not inspect.isfunction(function):
        raise DefinitionError(
            f"{task}: {function!r} is not a function: a task is made of a function written with def or async def. "
            "Write one that calls it."
        )
    if inspect.isasyncgenfunction(function):
        raise DefinitionError(
            f"{task}: streamed results are not available yet, so an async generator cannot be a task. Return a list."
        )
    if inspect.isgeneratorfunction(function):
        raise DefinitionError(f"{task}: a generator cannot be a task, because its result cannot be sent. Return a list.")
    if len(get_overloads(function)) > 0:
        raise DefinitionError(f"{task}: an overloaded function cannot be a task: it has no one signature. Make a task of each.")
    parameters = list(inspect.signature(function).parameters.values())
    if parameters and parameters[0].name in ("self", "cls") and parameters[0].annotation is inspect.Parameter.empty:
        raise DefinitionError(f"{task}: a method cannot be a task: its {parameters[0].name} cannot be sent. Use a function.")
    for parameter in parameters:
        if parameter.annotation is inspect.Parameter.empty:
            raise DefinitionError(f"{task}: the parameter {parameter.name!r} has no type. Annotate it: the type is the contract.")
        if isinstance(parameter.default, FieldInfo):
            raise DefinitionError(
                f"{task}: the parameter {parameter.name!r} has Field(...) as its default. "
                f"Write Annotated: {parameter.name}: Annotated[type, Field(...)] = default."
            )
    if inspect.signature(function).return_annotation is inspect.Signature.empty:
        raise DefinitionError(f"{task}: the result has no type. Annotate it with -> type, or with -> None.")


def resolve_types(function: Callable[..., object], task: str) -> dict[str, object]:
    """Return each parameter's type, and the result's under `return`. Raises `NameError` for names that are not there yet."""
    hints: dict[str, object] = get_type_hints(function, localns=names_around(function), include_extras=True)
    for name, hint in hints.items():
        if get_origin(hint) in _UNPACK or getattr(hint, "__unpacked__", False):
            raise DefinitionError(
                f"{task}: the parameter {name!r} unpacks a type, and arguments are sent by the names of parameters. "
                "Write each of them as a parameter of its own."
            )
        for mark in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
            if isinstance(mark, FieldInfo) and (mark.alias or mark.validation_alias or mark.serialization_alias or mark.exclude):
                raise DefinitionError(
                    f"{task}: {name} has a Field(...) with an alias or exclude=True: "
                    "an argument is sent under the parameter's name."
                )
    result = hints["return"]
    origin = get_origin(result) or result
    if not is_coroutine_function(function) and isinstance(origin, type) and issubclass(origin, Awaitable):
        raise DefinitionError(
            f"{task}: a synchronous function that returns an awaitable cannot be a task. Write it with async def."
        )
    if result is NoReturn or result is Never:
        raise DefinitionError(f"{task}: a task that never returns has no result. Annotate it with -> None.")
    hints["return"] = None if result is type(None) else result
    return hints


def _filled_by(deps: type, name: str, hint: object, task: str) -> Need:
    """Return what fills the first parameter of a task that `with_deps` makes: an object of that class."""
    wanted, _ = unwrapped(hint)
    taken, made = _class_of(wanted), _class_of(deps)
    if taken is not None and made is not None and taken is not made and not issubclass(made, taken):
        raise DefinitionError(
            f"{task}: with_deps({deps.__name__}) fills the first parameter, and {name!r} has the type {taken.__name__}. "
            f"Write {name}: {deps.__name__}."
        )
    return Need(name, deps, by_type=False)


def _class_of(hint: object) -> type | None:
    """Return the class that a type is made of; None for what only type checkers can compare, as `Any` and protocols."""
    kind: object = get_origin(hint) or hint
    if (
        not isinstance(kind, type)
        or kind.__module__ == "typing"
        or typing_extensions.is_protocol(kind)
        or typing_extensions.is_typeddict(kind)
    ):
        return None
    return kind


def injected_parameters(signature: inspect.Signature, hints: Mapping[str, object], task: str, deps: type | None) -> dict[str, Need]:
    """Return what the worker fills in, by parameter. `deps` is the class of the first one, for a task made by `with_deps`."""
    injected: dict[str, Need] = {}
    for place, (name, parameter) in enumerate(signature.parameters.items()):
        need = need_of(parameter, hints[name], task)
        if deps is not None and place == 0 and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            need = _filled_by(deps, name, hints[name], task)
        if need is not None:
            injected[name] = need
    if deps is not None and deps not in [need.key for need in injected.values()]:
        raise DefinitionError(f"{task}: with_deps({deps.__name__}) fills the first parameter, and {task} has none by position.")
    return injected
