"""A decoration site: one function that is made a task, and what is known about it there."""

from __future__ import annotations

from typing import NamedTuple

from mypy.nodes import Argument, CallExpr, Context, Decorator, Expression, FuncDef, MemberExpr, NameExpr
from mypy.plugin import MethodContext
from mypy.types import CallableType, Instance, Overloaded, ProperType, Type, get_proper_type

from typedtasks.mypy_plugin.report import checker_of
from typedtasks.mypy_plugin.source import Annotation

__all__ = ["Parameter", "Site", "option"]


class Parameter(NamedTuple):
    """One parameter of a task's function."""

    place: int
    name: str
    type: Type
    argument: Argument | None
    """Its place in the source, where that was read in this run."""
    written: Type | None
    """Its annotation as mypy read it, before it looked for what the names mean; None where there is none, or no place."""


class Site:
    """A function that is made a task: `@broker.task`, `@broker.task(...)`, or the same as a call."""

    def __init__(self, ctx: MethodContext) -> None:
        """Read a call that is given one argument, the function."""
        context = ctx.context
        self.checker = checker_of(ctx.api)
        self.context = context
        self.module = self.checker.tree
        """The module that is checked."""
        self.function = get_proper_type(ctx.arg_types[0][0])
        """The type of what is made a task."""
        self.result = get_proper_type(ctx.default_return_type)
        """The type of the task, as mypy sees it without the plugin."""
        self.decorator = _decorator_of(context, ctx.args[0][0])
        """What is called with the function."""
        self.options, self.broker = _options_and_broker(self.decorator)
        """`broker.task(...)`, where that was called with options, and the name of the broker, for comparison."""
        self.definition = _definition_of(context, self.function)
        """The function as it was defined, where mypy knows."""
        self.own_definition = self.definition if isinstance(context, Decorator) or self._is_in_module() else None
        """The function as it was defined, where that is in this module: only there an error can be shown."""
        self.place = context.func if isinstance(context, Decorator) else context
        """Where errors about the whole task are shown."""
        self.said: dict[int, Annotation] = {}
        """What the source says of the parameters besides their types, by their places, once it was read."""
        self.parameters = self._parameters()
        """The parameters that mypy sees: those of the function, after what other decorators made of it."""

    @classmethod
    def of(cls, ctx: MethodContext) -> Site | None:
        """Return the site of a call of `Broker.task`, or of what it returned. None where no function is given."""
        return cls(ctx) if len(ctx.args) > 0 and len(ctx.args[0]) == 1 else None

    def _is_in_module(self) -> bool:
        home = self.definition.fullname.rpartition(".")[0] if self.definition is not None else ""
        while home and home not in self.checker.modules:  # a class, or one inside another
            home = home.rpartition(".")[0]
        return home in ("", self.module.fullname)  # what is local has its bare name

    def _parameters(self) -> list[Parameter]:
        function, definition = self.function, self.own_definition
        if not isinstance(function, CallableType):
            return []
        # A function of another module has its arguments only where that module was not in the cache.
        arguments = definition.arguments if definition is not None else []
        unanalyzed = definition.unanalyzed_type if definition is not None else None
        annotations = unanalyzed.arg_types if isinstance(unanalyzed, CallableType) else [None] * len(arguments)
        sources: list[tuple[Argument | None, Type | None]] = [*zip(arguments, annotations, strict=False)]
        if len(sources) != len(function.arg_types):
            by_name = {argument.variable.name: source for argument, source in zip(arguments, sources, strict=False)}
            sources = [by_name.get(name or "", (None, None)) for name in function.arg_names]
        parameters: list[Parameter] = []
        for name, type, (argument, written) in zip(function.arg_names, function.arg_types, sources, strict=True):
            shown = name or (argument.variable.name if argument is not None else "")
            parameters.append(Parameter(len(parameters), shown, type, argument, written))
        return parameters

    @property
    def returns(self) -> Type:
        """What the task returns."""
        returned = self.function.ret_type if isinstance(self.function, CallableType) else self.function
        proper = get_proper_type(returned)
        is_coroutine = isinstance(proper, Instance) and proper.type.fullname in ("typing.Coroutine", "types.CoroutineType")
        return proper.args[2] if is_coroutine and isinstance(proper, Instance) else returned

    @property
    def is_overloaded(self) -> bool:
        """Whether the function has several signatures."""
        return isinstance(self.function, Overloaded)


def option(call: CallExpr | None, name: str) -> Expression | None:
    """Return what a call passes under a keyword."""
    if call is None or name not in call.arg_names:
        return None
    return call.args[call.arg_names.index(name)]


def _decorator_of(context: Context, argument: Expression) -> Expression | None:
    """Return the expression that is called with the function: a decorator, or what stands before `(function)`."""
    if isinstance(context, Decorator):
        # mypy passes the function as a node at the place of the decorator that it applies.
        for decorator in context.decorators:
            if decorator.line == argument.line and decorator.column == argument.column:
                return decorator
        return None
    return context.callee if isinstance(context, CallExpr) else None


def _options_and_broker(decorator: Expression | None) -> tuple[CallExpr | None, str]:
    if isinstance(decorator, CallExpr) and isinstance(decorator.callee, MemberExpr) and decorator.callee.name == "with_deps":
        decorator = decorator.callee.expr
    options = decorator if isinstance(decorator, CallExpr) else None
    task = options.callee if options is not None else decorator
    broker = task.expr if isinstance(task, MemberExpr) and task.name == "task" else None
    return options, (broker.fullname or broker.name) if isinstance(broker, (NameExpr, MemberExpr)) else ""


def _definition_of(context: Context, function: ProperType) -> FuncDef | None:
    if isinstance(context, Decorator):
        return context.func
    node = function.definition if isinstance(function, CallableType) else None
    if isinstance(node, Decorator):
        node = node.func
    return node if isinstance(node, FuncDef) else None
