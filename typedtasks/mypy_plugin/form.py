"""What the function itself has to be, to be a task: a function with one typed signature, whose failures are declared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mypy.nodes import (
    ARG_STAR2,
    CallExpr,
    Context,
    Decorator,
    Expression,
    FuncDef,
    OverloadedFuncDef,
    RaiseStmt,
    RefExpr,
    Statement,
    TryStmt,
    TupleExpr,
    TypeInfo,
    Var,
)
from mypy.types import AnyType, CallableType, Instance, ProperType, Type, UnionType, UnpackType, get_proper_type, has_type_vars

from typedtasks.mypy_plugin import codes
from typedtasks.mypy_plugin.classes import is_failure
from typedtasks.mypy_plugin.dependencies import Dependencies
from typedtasks.mypy_plugin.injected import may_say_more
from typedtasks.mypy_plugin.portable import Portability
from typedtasks.mypy_plugin.report import is_enabled, report
from typedtasks.mypy_plugin.site import Parameter, Site
from typedtasks.mypy_plugin.source import NOTHING, Annotation, Sources
from typedtasks.mypy_plugin.statements import blocks_in

__all__ = ["check_failures", "check_function", "check_types"]

_TASK = "typedtasks.task.Task"


def check_function(site: Site) -> bool:
    """Report what can never be a task, whatever its types are. Return whether the types are worth a look."""
    function, definition = site.function, site.definition
    if isinstance(function, Instance) and function.type.has_base(_TASK):
        report(
            site.checker, "This is a task already, and its options are given twice; keep one decorator", site.place, codes.OPTION
        )
        return False
    if site.is_overloaded or _implements_overloads(site):
        text = "An overloaded function cannot be a task: it has no one signature; make a task of each"
        report(site.checker, text, site.place, codes.OVERLOAD)
        return False
    if (isinstance(function, CallableType) and function.is_type_obj()) or _is_other_object(function):
        report(
            site.checker,
            "This is no function; a task is made of a function written with def or async def",
            site.place,
            codes.METHOD,
        )
        return False
    if definition is not None and definition.info and not definition.is_static:
        takes = next(iter(definition.arg_names), None) or "self"  # what comes from mypy's cache has no arguments
        text = f'A method cannot be a task: its "{takes}" cannot be sent; use a function'
        report(site.checker, text, site.place, codes.METHOD)
        return False
    if _is_above_staticmethod(site):
        report(site.checker, "Write @staticmethod above the decorator that makes the task, not below it", site.place, codes.METHOD)
        return False
    if not isinstance(function, CallableType):
        return False
    if definition is not None and not definition.is_coroutine and _is_bare(site) and _is_awaitable(function.ret_type):
        text = "A synchronous function that returns an awaitable cannot be a task; write it with async def"
        report(site.checker, text, site.place, codes.AWAITABLE)
        return False
    return True


def _is_above_staticmethod(site: Site) -> bool:
    if not isinstance(site.context, Decorator) or site.decorator is None:
        return False
    written = site.context.original_decorators
    lines = [one.line for one in written if isinstance(one, RefExpr) and one.fullname == "builtins.staticmethod"]
    return any(line > site.decorator.line for line in lines)


def _is_other_object(function: ProperType) -> bool:
    """Return whether something that can be called is no function: an object with a `__call__`, a `functools.partial`."""
    return isinstance(function, Instance) and not function.type.is_protocol


def check_types(site: Site, injected: frozenset[int], portability: Portability, sources: Sources) -> None:
    """Report parameters and results that cannot travel, and those of which nothing is known."""
    function = site.function
    if not isinstance(function, CallableType) or _is_any_function(site):
        return
    for parameter in site.parameters:
        proper = get_proper_type(parameter.type)
        if isinstance(proper, UnpackType) or (function.unpack_kwargs and function.arg_kinds[parameter.place] is ARG_STAR2):
            text = f'The parameter "{parameter.name}" unpacks a type; write each of its parts as a parameter of its own'
            report(site.checker, text, parameter.argument or site.place, codes.PORTABLE)
        elif parameter.place not in injected:
            _check_type(site, parameter.type, parameter, portability, sources)
    _check_type(site, site.returns, None, portability, sources)
    for failure in _declared(site):
        reason = portability.obstacle_in(failure)
        if reason is not None:
            text = f'The failure "{failure.type.name}" cannot make the round trip through JSON: {reason}'
            report(site.checker, text, site.place, codes.PORTABLE)


def _is_any_function(site: Site) -> bool:
    """Return whether whoever calls a function that makes tasks says which function, and so which types they are of."""
    return site.definition is None and has_type_vars(site.function)


def _check_type(site: Site, type: Type, parameter: Parameter | None, portability: Portability, sources: Sources) -> None:
    if isinstance(get_proper_type(type), AnyType):
        code, problem = codes.ANY, "has no type, or is Any; name it: the type is the contract"
        is_wrong = is_enabled(site.checker, codes.ANY)
    else:
        reason = portability.obstacle(type)
        said = _said(site, parameter, sources, has_reason=reason is not None)
        reason = reason or said.obstacle
        code, problem = codes.PORTABLE, f"cannot make the round trip through JSON: {reason}"
        is_wrong = bool(reason) and not said.is_changed
    if is_wrong:
        what = "The result" if parameter is None else f'The parameter "{parameter.name}"'
        place = site.place if parameter is None else parameter.argument or site.place
        report(site.checker, f"{what} {problem}", place, code)


def _said(site: Site, parameter: Parameter | None, sources: Sources, *, has_reason: bool) -> Annotation:
    """Return what the source says of a parameter, or the result, besides its type. It is read only where it may matter."""
    definition = site.definition
    if definition is None:
        return NOTHING
    if parameter is not None:
        return sources.parameter(definition, parameter.name) if has_reason else site.said.get(parameter.place, NOTHING)
    written = definition.unanalyzed_type
    returned = written.ret_type if isinstance(written, CallableType) else None
    return sources.result(definition) if has_reason or (returned and may_say_more(returned, site.module)) else NOTHING


def check_failures(site: Site, dependencies: Dependencies) -> None:
    """Report each failure that the function's own body raises, and `raises=` does not declare."""
    definition = site.own_definition
    if definition is None or not is_enabled(site.checker, codes.RAISES):
        return
    known = {failure.type for failure in _declared(site)}
    for place, kind in _raised_in(definition.body.body):
        dependencies.add(site.checker, kind)
        if not any(declared_one in kind.mro for declared_one in known):
            text = f'"{kind.name}" is raised and not declared; write raises={kind.name}, or callers get Crashed'
            report(site.checker, text, place, codes.RAISES)


def _declared(site: Site) -> Iterator[Instance]:
    """Yield the failures that `raises=` declares."""
    if isinstance(site.result, Instance) and site.result.args:
        yield from _instances(get_proper_type(site.result.args[-1]))


def _raised_in(statements: Sequence[Statement], caught: Sequence[TypeInfo | None] = ()) -> Iterator[tuple[Context, TypeInfo]]:
    """Yield the failures that leave a body: raised there, and not caught. None among `caught` stands for all classes."""
    for statement in statements:
        if isinstance(statement, RaiseStmt):
            for kind in _failures_of(statement.expr):
                if not any(one is None or one in kind.mro for one in caught):
                    yield statement, kind
        for block in blocks_in(statement):
            is_tried = isinstance(statement, TryStmt) and block is statement.body
            handled = [kind for type in statement.types for kind in _handled(type)] if isinstance(statement, TryStmt) else []
            yield from _raised_in(block.body, [*caught, *handled] if is_tried else caught)


def _failures_of(raised: Expression | None) -> Iterator[TypeInfo]:
    """Yield the subclasses of `TaskError` that `raise X` or `raise X(...)` raises."""
    named = raised.callee if isinstance(raised, CallExpr) else raised
    node = named.node if isinstance(named, RefExpr) else None
    kinds = [node] if isinstance(node, TypeInfo) else []
    if isinstance(node, Var) and node.type is not None and not isinstance(raised, CallExpr):
        kinds = [item.type for item in _instances(get_proper_type(node.type))]
    yield from (kind for kind in kinds if is_failure(kind))


def _handled(type: Expression | None) -> Iterator[TypeInfo | None]:
    """Yield the classes that a handler catches; None stands for all."""
    if type is None:
        yield None
    elif isinstance(type, TupleExpr):
        for item in type.items:
            yield from _handled(item)
    elif isinstance(type, RefExpr) and isinstance(type.node, TypeInfo):
        yield type.node


def _instances(type: ProperType) -> Iterator[Instance]:
    if isinstance(type, UnionType):
        yield from (item for item in map(get_proper_type, type.items) if isinstance(item, Instance))
    elif isinstance(type, Instance):
        yield type


def _implements_overloads(site: Site) -> bool:
    definition = site.own_definition
    if definition is None:
        return False
    holder = definition.info.names if definition.info else site.module.names
    symbol = holder.get(definition.name)
    node = symbol.node if symbol is not None else None
    return isinstance(node, OverloadedFuncDef) and node.impl is site.context


def _is_bare(site: Site) -> bool:
    """Return whether no other decorator stands below: what that makes of the function, only it knows."""
    if isinstance(site.context, Decorator):
        return site.context.decorators[-1] is site.decorator
    return isinstance(site.function, CallableType) and isinstance(site.function.definition, FuncDef)


def _is_awaitable(type: Type) -> bool:
    proper = get_proper_type(type)
    return isinstance(proper, Instance) and proper.type.has_base("typing.Awaitable")
