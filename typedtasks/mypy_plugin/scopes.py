"""What a name means where it is used: inside functions and classes it may be another thing than at the top of the module."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from mypy.nodes import MypyFile, SymbolNode

__all__ = ["Function", "Scope", "Scopes", "dotted", "find"]

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_Holder: TypeAlias = Function | ast.ClassDef
_HOLDERS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BLOCKS: Final = (ast.stmt, ast.ExceptHandler, ast.match_case)
_CLOSED: Final = (*_HOLDERS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
"""What has names of its own."""


class Scope:
    """A place in a module."""

    __slots__ = ("inside", "module")

    def __init__(self, module: MypyFile, inside: Mapping[str, SymbolNode | None] = MappingProxyType({})) -> None:
        self.module = module
        self.inside = inside
        """The names of the module that mean something else at this place; None where it is not known what."""

    def node(self, expression: ast.expr) -> SymbolNode | None:
        """Return what a dotted name stands for."""
        name = dotted(expression)
        first, _, rest = name.partition(".")
        if first not in self.inside:
            return find(name, self.module) if name else None
        return _member(self.inside[first], rest)

    def fullname(self, expression: ast.expr) -> str:
        """Return the full name of what a dotted name stands for; nothing where that is not known."""
        node = self.node(expression)
        return node.fullname if node is not None else ""


class Scopes:
    """The functions of a source file, and what is around each."""

    def __init__(self, tree: ast.Module) -> None:
        self._functions: dict[str, list[Function]] = {}
        self._around: dict[Function, tuple[_Holder, ...]] = {}
        """What is around a function and has names that its annotations can use, the innermost last."""
        self._names: dict[_Holder, dict[str, str]] = {}
        self._add(tree, ())

    def _add(self, node: ast.AST, around: tuple[_Holder, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, _HOLDERS):
                if not isinstance(child, ast.ClassDef):
                    self._functions.setdefault(child.name, []).append(child)
                    self._around[child] = around
                functions = (one for one in around if not isinstance(one, ast.ClassDef))  # methods do not see names of the class
                self._add(child, (*functions, child))
            elif isinstance(child, _BLOCKS):
                self._add(child, around)

    def function(self, name: str, line: int) -> Function | None:
        """Return a function by the line that it begins at, or the first of the name where that is -1, which is not known."""
        return next((one for one in self._functions.get(name, ()) if line in (one.lineno, -1)), None)

    def inside(self, function: Function, module: MypyFile, modules: Mapping[str, MypyFile]) -> dict[str, SymbolNode | None]:
        """Return the names at the top of a module that mean something else in the annotations of a function."""
        found: dict[str, SymbolNode | None] = {}
        for holder in self._around[function]:
            if holder not in self._names:
                self._names[holder] = dict(_names(holder))
            names = self._names[holder]
            found.update((name, _imported(names[name], module, modules)) for name in names.keys() & module.names.keys())
        return found


def find(name: str, module: MypyFile) -> SymbolNode | None:
    """Return what a dotted name at the top of a module stands for."""
    first, _, rest = name.partition(".")
    symbol = module.names.get(first)
    return _member(symbol.node if symbol is not None else None, rest)


def dotted(expression: ast.expr) -> str:
    """Return a dotted name as it is written; nothing for all else."""
    if isinstance(expression, ast.Attribute):
        holder = dotted(expression.value)
        return f"{holder}.{expression.attr}" if holder else ""
    return expression.id if isinstance(expression, ast.Name) else ""


def _member(node: SymbolNode | None, rest: str) -> SymbolNode | None:
    if not rest:
        return node
    return find(rest, node) if isinstance(node, MypyFile) else None


def _names(holder: _Holder) -> Iterator[tuple[str, str]]:
    """Yield the names that a function or class has of its own, and what each is imported from, if it is."""
    todo: list[ast.AST] = [*ast.iter_child_nodes(holder)]
    shared: set[str] = set()
    for node in todo:  # which grows: expressions may be too deep for recursion
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            shared.update(node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (_first(alias.name), _first(alias.name))
        elif isinstance(node, ast.ImportFrom):
            home = "." * node.level + (node.module or "")
            yield from ((alias.asname or alias.name, f"{home} {alias.name}") for alias in node.names)
        elif isinstance(node, _HOLDERS):
            yield node.name, ""
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in shared:
            yield node.id, ""
        if not isinstance(node, _CLOSED):
            todo.extend(ast.iter_child_nodes(node))


def _first(name: str) -> str:
    return name.partition(".")[0]


def _imported(written: str, module: MypyFile, modules: Mapping[str, MypyFile]) -> SymbolNode | None:
    """Return what is imported by `import name`, or by `from home import name`, which is written `home name` here."""
    home, _, name = written.rpartition(" ")
    level = len(home) - len(home.lstrip("."))
    if level:
        parts = module.fullname.split(".")
        kept = parts[: len(parts) - level + (1 if module.is_package_init_file() else 0)]
        home = ".".join([*kept, home.lstrip(".")] if home.lstrip(".") else kept)
    if not home:
        return modules.get(name)
    holder = modules.get(home)
    symbol = holder.names.get(name) if holder is not None else None
    return symbol.node if symbol is not None else modules.get(f"{home}.{name}")
