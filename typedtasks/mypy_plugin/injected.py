"""Which parameters of a task are injected, and how its type is without them."""

from __future__ import annotations

from typing import Final

from mypy.nodes import ARG_STAR, ARG_STAR2, CallExpr, Expression, MypyFile, RefExpr, TypeAlias, TypeInfo
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    Parameters,
    ProperType,
    Type,
    TypeAliasType,
    TypeVarType,
    UnboundType,
    UnionType,
    get_proper_type,
)

from typedtasks.mypy_plugin import codes
from typedtasks.mypy_plugin.report import report
from typedtasks.mypy_plugin.scopes import find
from typedtasks.mypy_plugin.site import Parameter, Site
from typedtasks.mypy_plugin.source import DEPENDS, INJECTED, NOTHING, Annotation, Sources

__all__ = [
    "DEPS_CLASSES",
    "TASK_CLASSES",
    "injected_parameters",
    "is_injected_type",
    "may_say_more",
    "without_injected",
]

PROVIDED: Final = "typedtasks.injection.marks.Provided"
TASK_CLASSES: Final = {"typedtasks.task.AsyncTask": "AsyncDepsTask", "typedtasks.task.SyncTask": "SyncDepsTask"}
"""The classes of tasks without dependencies, and which one of the same module has the same task with some."""
DEPS_CLASSES: Final = frozenset(f"typedtasks.task.{name}" for name in TASK_CLASSES.values())


def injected_parameters(site: Site, sources: Sources) -> frozenset[int]:
    """Return the places of the parameters that the worker fills in. Reports those injected in a way that cannot be seen."""
    injected = {parameter.place for parameter in site.parameters if _is_injected(site, parameter, sources)}
    return frozenset(injected | {0}) if is_with_deps(site.result) else frozenset(injected)


def without_injected(site: Site, injected: frozenset[int]) -> Type:
    """Return the type of a task whose callers do not send what is injected, but may pass it in a direct call."""
    result = site.result
    if not injected or not isinstance(result, Instance) or not isinstance(site.function, CallableType):
        return result
    if is_with_deps(result):  # its first parameter is none of these any more
        sent = _reduced(result.args[1], {place - 1 for place in injected})
        return Instance(result.type, [result.args[0], sent, *result.args[2:]], result.line, result.column)
    wider = site.checker.modules["typedtasks.task"].names[TASK_CLASSES[result.type.fullname]].node
    sent = _reduced(result.args[0], injected)
    if not isinstance(wider, TypeInfo) or sent is result.args[0]:
        return result
    return Instance(wider, [result.args[0], sent, *result.args[1:]], result.line, result.column)


def is_with_deps(result: ProperType) -> bool:
    """Return whether a task is made by `with_deps`, so that its first parameter is filled in by its class."""
    return isinstance(result, Instance) and result.type.fullname in DEPS_CLASSES


def is_injected_type(type: Type | None) -> bool:
    """Return whether a type leads to `Injected`, through whatever aliases. mypy keeps aliases, and has them in its cache."""
    known = 0
    while isinstance(type, TypeAliasType) and type.alias is not None and known < 20:
        if type.alias.fullname == INJECTED:
            return True
        type, known = type.alias.target, known + 1
    return False


def _reduced(parameters: Type, places: frozenset[int] | set[int]) -> Type:
    kept = get_proper_type(parameters)
    if not isinstance(kept, Parameters):
        return parameters
    rest = [place for place in range(len(kept.arg_types)) if place not in places]
    # reportUnknownMemberType: mypy leaves the parameters of copy_modified without types.
    return kept.copy_modified(  # pyright: ignore[reportUnknownMemberType]
        arg_types=[kept.arg_types[place] for place in rest],
        arg_kinds=[kept.arg_kinds[place] for place in rest],
        arg_names=[kept.arg_names[place] for place in rest],
    )


def _is_injected(site: Site, parameter: Parameter, sources: Sources) -> bool:
    default = parameter.argument.initializer if parameter.argument is not None else None
    marked = is_injected_type(parameter.type) or _is_mark(default)
    untyped = marked and _says_nothing(get_proper_type(parameter.type))
    said = _annotation(site, parameter, sources) if untyped or not marked else NOTHING  # to read the source takes longest
    site.said[parameter.place] = said
    marked = marked or said.is_injected
    injected = marked or _is_provided(parameter.type)
    problem = ""
    if injected and _collects(site.function, parameter):
        problem = "collects arguments and cannot be injected; give what is injected a parameter of its own"
    elif untyped and not said.is_injected and not _has_maker(default):
        problem = "is injected by its type, and has none that says what; write Depends(function)"
    elif not marked:
        problem = _hidden_mark(parameter.type, said)
        if not problem and not injected and isinstance(default, RefExpr) and sources.is_mark(default.node):
            problem = "has a default that was made by Depends(...) elsewhere; write = Depends(...) at the parameter itself"
    if problem:
        place = parameter.argument if parameter.argument is not None else site.place
        report(site.checker, f'The parameter "{parameter.name}" {problem}', place, codes.INJECTED)
    return injected


def _collects(function: ProperType, parameter: Parameter) -> bool:
    return isinstance(function, CallableType) and function.arg_kinds[parameter.place] in (ARG_STAR, ARG_STAR2)


def _hidden_mark(type: Type, said: Annotation) -> str:
    """Return why nobody can see the injection that a type or an annotation speaks of; nothing where it speaks of none."""
    if said.nests_injection or _nests(type):
        return "has an injected type inside another type; only a whole parameter can be injected, so give it one of its own"
    if said.unknown_mark:
        return (
            f'is injected by "{said.unknown_mark}", whose name cannot be found at the top of the module; '
            "import it there, or write = Depends(...) as the default"
        )
    return ""


def _annotation(site: Site, parameter: Parameter, sources: Sources) -> Annotation:
    """Return what the source says besides the type. It is read only where it may say something."""
    if site.definition is None:
        return NOTHING
    if site.own_definition is not None and (parameter.written is None or not may_say_more(parameter.written, site.module)):
        return NOTHING
    return sources.parameter(site.definition, parameter.name, parameter.written)


def may_say_more(written: Type, module: MypyFile) -> bool:
    """Return whether there is `Annotated` in a type as it is written, or an alias: mypy keeps some of these only."""
    if isinstance(written, UnboundType):
        if written.name.endswith(("Annotated", "LiteralString")) or isinstance(find(written.name, module), TypeAlias):
            return True
        return any(may_say_more(argument, module) for argument in written.args) if written.args else False
    return isinstance(written, UnionType) and any(may_say_more(item, module) for item in written.items)


def _nests(type: Type) -> bool:
    """Return whether something injected is inside another type."""
    if isinstance(type, TypeAliasType) and type.is_recursive:
        return False
    proper = get_proper_type(type)
    inner = proper.args if isinstance(proper, Instance) else proper.items if isinstance(proper, UnionType) else None
    if not inner:
        return False
    return any(is_injected_type(one) or (_is_provided(one) and not _is_provided(type)) or _nests(one) for one in inner)


def _is_provided(type: Type) -> bool:
    """Return whether a type is a class whose instances every execution has, such as `Context`, or that or None."""
    proper = get_proper_type(type)
    if isinstance(proper, UnionType):
        others = [item for item in map(get_proper_type, proper.items) if not _is_none(item)]
        return len(others) == 1 and _is_provided(others[0])
    return isinstance(proper, Instance) and proper.type.has_base(PROVIDED)


def _is_none(type: ProperType) -> bool:
    return type.__class__.__name__ == "NoneType"


def _is_mark(default: Expression | None) -> bool:
    """Return whether a default is `Depends(...)`; forgotten parentheses are forgiven, as at run time."""
    if isinstance(default, CallExpr):
        default = default.callee
    return isinstance(default, RefExpr) and default.fullname in DEPENDS


def _has_maker(default: Expression | None) -> bool:
    return isinstance(default, CallExpr) and _is_mark(default) and any(name in (None, "dependency") for name in default.arg_names)


def _says_nothing(type: ProperType) -> bool:
    return isinstance(type, (AnyType, TypeVarType)) or (isinstance(type, Instance) and type.type.fullname == "builtins.object")
