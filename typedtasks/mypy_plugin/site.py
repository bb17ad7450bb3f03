"""A decoration site: one function that is made a task, and what is known about it there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from mypy.checker import TypeChecker
from mypy.nodes import Argument, CallExpr, Context, Decorator, Expression, FuncDef, MemberExpr, MypyFile, NameExpr
from mypy.plugin import MethodContext
from mypy.types import CallableType, Instance, Overloaded, ProperType, Type, get_proper_type

from typedtasks.mypy_plugin.report import checker_of

__all__ = ["Parameter", "Site", "option"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a task's function. `argument` is its place in the source, where that was read in this run."""

    place: int
    name: str
    type: Type
    argument: Argument | None


@dataclass(frozen=True)
class Site:
    """A function that is made a task: `@broker.task`, `@broker.task(...)`, or the same as a call."""

    checker: TypeChecker
    context: Context
    function: ProperType
    """The type of what is made a task."""
    result: ProperType
    """The type of the task, as mypy sees it without the plugin."""
    decorator: Expression | None
    """What is called with the function."""
    options: CallExpr | None
    """`broker.task(...)`, where that was called with options."""
    broker: str
    """The name of the broker, for comparison."""

    @classmethod
    def of(cls, ctx: MethodContext) -> Site | None:
        """Return the site of a call of `Broker.task`, or of what it returned. None where no function is given."""
        if len(ctx.args) == 0 or len(ctx.args[0]) != 1:
            return None
        decorator = expression = _decorator_of(ctx.context, ctx.args[0][0])
        if isinstance(expression, CallExpr) and isinstance(expression.callee, MemberExpr) and expression.callee.name == "with_deps":
            expression = expression.callee.expr
        options = expression if isinstance(expression, CallExpr) else None
        task = options.callee if options else expression
        broker = task.expr if isinstance(task, MemberExpr) and task.name == "task" else None
        return cls(
            checker=checker_of(ctx.api),
            context=ctx.context,
            function=get_proper_type(ctx.arg_types[0][0]),
            result=get_proper_type(ctx.default_return_type),
            decorator=decorator,
            options=options,
            broker=(broker.fullname or broker.name) if isinstance(broker, NameExpr | MemberExpr) else "",
        )

    @property
    def module(self) -> MypyFile:
        """The module that is checked."""
        return self.checker.tree

    @cached_property
    def definition(self) -> FuncDef | None:
        """The function as it was defined, where mypy knows."""
        if isinstance(self.context, Decorator):
            return self.context.func
        node = self.function.definition if isinstance(self.function, CallableType) else None
        if isinstance(node, Decorator):
            node = node.func
        return node if isinstance(node, FuncDef) else None

    @cached_property
    def own_definition(self) -> FuncDef | None:
        """The function as it was defined, where that is in this module: only there an error can be shown."""
        definition = self.definition
        if definition is None or isinstance(self.context, Decorator):
            return definition
        home = definition.fullname.rpartition(".")[0]
        while home and home not in self.checker.modules:  # a class, or one inside another
            home = home.rpartition(".")[0]
        return definition if home in ("", self.module.fullname) else None  # what is local has its bare name

    @property
    def place(self) -> Context:
        """Where errors about the whole task are shown."""
        return self.context.func if isinstance(self.context, Decorator) else self.context

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters that mypy sees: those of the function, after what other decorators made of it."""
        function = self.function
        if not isinstance(function, CallableType):
            return ()
        return tuple(self._parameters(function))

    def _parameters(self, function: CallableType) -> Iterator[Parameter]:
        # A function of another module has its arguments only where that module was not in the cache.
        arguments = list(self.own_definition.arguments) if self.own_definition else []
        by_name = {argument.variable.name: argument for argument in arguments}
        aligned = len(arguments) == len(function.arg_types)
        for place, (name, kind) in enumerate(zip(function.arg_names, function.arg_types, strict=True)):
            argument = arguments[place] if aligned else by_name.get(name or "")
            shown = name or (argument.variable.name if argument else "")
            yield Parameter(place, shown, kind, argument)

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
    if call is None:
        return None
    return next((value for value, key in zip(call.args, call.arg_names, strict=True) if key == name), None)


def _decorator_of(context: Context, argument: Expression) -> Expression | None:
    """Return the expression that is called with the function: a decorator, or what stands before `(function)`."""
    if isinstance(context, Decorator):
        # mypy passes the function as a node at the place of the decorator that it applies.
        here = [one for one in context.decorators if (one.line, one.column) == (argument.line, argument.column)]
        return here[0] if here else None
    return context.callee if isinstance(context, CallExpr) else None
