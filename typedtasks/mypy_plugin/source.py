"""What mypy drops when it reads a program, read again from the source: what `Annotated` says, and which calls are defaults.

Nothing of this is in mypy's cache. So a digest of where a module may say such things is part of its data in the cache: whoever uses
the module is checked again when that changes.
"""

from __future__ import annotations

import ast
import functools
import os
from collections.abc import Iterator, Mapping
from typing import Final

from mypy.checker import TypeChecker
from mypy.nodes import FuncDef, MypyFile, SymbolNode, TypeAlias, TypeInfo, Var
from mypy.types import Type, UnboundType

from typedtasks.mypy_plugin.digests import MARKS, digest_of_annotations, digest_of_marks
from typedtasks.mypy_plugin.scopes import Function, Scope, Scopes, dotted

__all__ = ["DEPENDS", "INJECTED", "NOTHING", "Annotation", "Sources"]

INJECTED: Final = "typedtasks.injection.marks.Injected"
DEPENDS: Final = frozenset(
    {
        "typedtasks.injection.marks.Depends",
        *(f"fastapi.{module}.{name}" for module in ("params", "param_functions") for name in MARKS),
    }
)
_ANNOTATED: Final = frozenset({"typing.Annotated", "typing_extensions.Annotated"})
_LITERAL: Final = frozenset({"typing.Literal", "typing_extensions.Literal"})
_SILENT: Final = (
    "annotated_types.",
    "pydantic.fields.Field",
    "pydantic.networks.UrlConstraints",
    *(f"pydantic.types.{name}" for name in ("AllowInfNan", "FailFast", "PathType", "Strict", "StringConstraints", "UuidVersion")),
)
"""Metadata that leaves the type as it is."""
_UNSENDABLE: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("typing.LiteralString", "typing_extensions.LiteralString"), "nobody can check LiteralString at run time; use str"
    ),
    "pydantic.types.Json": "a value inside a text is not the value that the caller has; name its type without Json[...]",
}
"""Types that mypy takes for others."""


class Annotation:
    """What stands in the annotation of a parameter or field, besides its type."""

    __slots__ = ("is_changed", "is_injected", "nests_injection", "obstacle", "unknown_mark")

    def __init__(self) -> None:
        self.is_injected = False
        """`Depends(...)` or `Injected` says that the whole parameter is injected."""
        self.nests_injection = False
        """They stand inside another type, such as `list[Injected[Db]]`."""
        self.unknown_mark = ""
        """A `Depends(...)` whose name cannot be found at the top of the module."""
        self.is_changed = False
        """Something (a validator, a serializer) may give the type another form on the wire."""
        self.obstacle = ""
        """Why values of what is written cannot cross a queue, where mypy sees another type there."""


NOTHING: Final = Annotation()
"""What most annotations say."""


class _Source:
    def __init__(self, stamp: tuple[int, int], text: bytes) -> None:
        self.stamp = stamp
        self.text = text

    @functools.cached_property
    def marks(self) -> str:
        """A digest of the statements with `Depends` and the like."""
        return digest_of_marks(self.text)

    @functools.cached_property
    def annotations(self) -> str:
        """A digest of the statements in which anything is annotated, or may be an alias of a type."""
        return digest_of_annotations(self.text)

    @functools.cached_property
    def rows(self) -> list[bytes]:
        return self.text.splitlines()

    @functools.cached_property
    def tree(self) -> ast.Module:
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError):
            return ast.Module([], [])

    @functools.cached_property
    def values(self) -> dict[str, ast.expr]:
        """What the names at the top of the file are assigned."""
        return dict(_assignments(self.tree))

    @functools.cached_property
    def scopes(self) -> Scopes:
        return Scopes(self.tree)


class Sources:
    """The source files of a program. Each is read again only when it was changed."""

    def __init__(self, shadows: Mapping[str, str]) -> None:
        """Take what is read in place of some files (`mypy --shadow-file`)."""
        self._module: MypyFile | None = None
        self._modules: Mapping[str, MypyFile] = {}
        self._used_by_module: set[str] = set()
        """The modules that the present one depends on: those that it imports, and those that an answer came from."""
        self._shadows = shadows
        self._files: dict[str, _Source] = {}
        self._said: dict[ast.expr, Annotation] = {}
        """What the annotations of the module that is checked say: most of them stand there more than once."""
        self._used: dict[tuple[str, bool], str] = {}
        """The files of other modules that an answer came from, as a whole or an alias of them, and their digest then."""
        self._fields: dict[tuple[str, str, str], bool] = {}
        """The fields of classes of other modules, and what `is_field_changed` answered."""
        self._followed: dict[tuple[str, str], ast.expr] = {}
        """The aliases of other modules that were read, by module and name, and what each was then: it may name another one."""

    def begin(self, checker: TypeChecker) -> None:
        """Begin a pass over a module: take the program's modules, and forget what annotations said."""
        self._module = checker.tree
        self._modules = checker.modules
        self._used_by_module = checker.module_refs
        self._said.clear()

    def changed_files(self) -> Iterator[str]:
        """Yield the files that say something else by now than when they were read."""
        yield from (path for (path, whole), digest in self._used.items() if self.digest(path, whole=whole) != digest)
        for (module, of_class, name), said in self._fields.items():
            home = self._modules.get(module)
            if home is not None and self._field_says(home, of_class, name) != said:
                yield home.path
        for (module, name), before in self._followed.items():
            home = self._modules.get(module)
            value = self._value(home, name)
            if home is not None and (value is None or ast.dump(value) != ast.dump(before)):
                yield home.path

    def digest(self, path: str, *, whole: bool) -> str:
        """Return a digest of what a file says about injection, or as a whole in annotations; nothing where it says nothing."""
        source = None if path.endswith(".pyi") else self._read(path)
        if source is None:
            return ""
        return source.annotations if whole else source.marks

    def mentions(self, path: str, word: bytes) -> bool:
        """Return whether a source file contains some text."""
        source = None if path.endswith(".pyi") else self._read(path)
        return source is not None and word in source.text

    def parameter(self, definition: FuncDef, name: str, written: Type | None = None) -> Annotation:
        """Return what a function's source says about one of its parameters; nothing where it cannot be read.

        `written` is the parameter's annotation as mypy read it. With its place the rest of the module need not be parsed.
        """
        module = self._home(definition)
        if module is None:
            return NOTHING
        expression = self._written(written, module)
        scope = self._scope(definition, module)
        if expression is not None and not scope.inside:
            if expression not in self._said:
                self._said[expression] = self.annotation(expression, scope)
            return self._said[expression]
        found = Annotation()
        function = self._function(definition, module)
        for argument, default in _arguments(function.args) if function is not None else ():
            if argument.arg == name:
                if argument.annotation is not None:
                    self._read_annotation(argument.annotation, scope, found, set())
                made_by = default.func if isinstance(default, ast.Call) else default
                found.is_injected |= made_by is not None and scope.fullname(made_by) in DEPENDS
        return found

    def result(self, definition: FuncDef) -> Annotation:
        """Return what a function's source says about its result."""
        module = self._home(definition)
        function = self._function(definition, module) if module is not None else None
        found = Annotation()
        if module is not None and function is not None and function.returns is not None:
            self._read_annotation(function.returns, self._scope(definition, module), found, set())
        return found

    def _home(self, definition: FuncDef) -> MypyFile | None:
        """Return the module that a function, or a method, is defined in."""
        holder = definition.fullname.rpartition(".")[0]
        if not holder:  # one inside another function has its bare name
            return self._module
        return self._module_of(definition.fullname, whole=True) or self._module_of(holder, whole=True)

    def _scope(self, definition: FuncDef, module: MypyFile) -> Scope:
        """Return where the annotations of a function stand."""
        source = self._read(module.path) if definition.fullname != f"{module.fullname}.{definition.name}" else None
        function = source.scopes.function(definition.name, definition.line) if source is not None else None
        if source is None or function is None:
            return Scope(module)
        return Scope(module, source.scopes.inside(function, module, self._modules))

    def _written(self, written: Type | None, module: MypyFile) -> ast.expr | None:
        """Return an annotation as it is written, where mypy says at which place of the source it stands."""
        if not isinstance(written, UnboundType):
            return None
        if not written.args:
            return _parsed(written.name)
        source = self._read(module.path)
        if source is None or written.end_line is None or written.end_column is None or written.end_line < written.line:
            return None
        lines = source.rows[written.line - 1 : written.end_line]
        if not lines:
            return None
        lines[-1] = lines[-1][: written.end_column]
        lines[0] = lines[0][written.column :]
        expression = _parsed(b" ".join(lines).decode(errors="replace"))
        is_it = isinstance(expression, ast.Subscript) and dotted(expression.value) == written.name
        return expression if is_it else None  # one in quotes has the place of its quotes

    def _function(self, definition: FuncDef, module: MypyFile) -> Function | None:
        """Return a function as it is written. What comes from mypy's cache has no line."""
        source = self._read(module.path)
        return source.scopes.function(definition.name, definition.line) if source is not None else None

    def annotation(self, expression: ast.expr, scope: Scope) -> Annotation:
        """Return what an annotation says besides the type."""
        found = Annotation()
        self._read_annotation(expression, scope, found, set())
        return found

    def is_field_changed(self, of_class: TypeInfo, name: str) -> bool:
        """Return whether the annotation of a class's field may give the type another form on the wire, or cannot be read."""
        module = self._module_of(f"{of_class.module_name}.")
        if module is None:
            return True
        said = self._field_says(module, of_class.name, name)
        if module is not self._module:
            self._fields[module.fullname, of_class.name, name] = said
        return said

    def _field_says(self, module: MypyFile, class_name: str, name: str) -> bool:
        source = self._read(module.path)
        nodes = ast.walk(source.tree) if source is not None else ()
        classes = (node for node in nodes if isinstance(node, ast.ClassDef) and node.name == class_name)
        for statement in (one for node in classes for one in node.body):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.target.id == name:
                return self.annotation(statement.annotation, Scope(module)).is_changed
        return True

    def is_mark(self, node: SymbolNode | None) -> bool:
        """Return whether a variable holds what `Depends(...)` returned."""
        if not isinstance(node, Var):
            return False
        module = self._module_of(node.fullname)
        value = self._value(module, node.name) if module is not None else None
        return module is not None and isinstance(value, ast.Call) and Scope(module).fullname(value.func) in DEPENDS

    def _read_annotation(self, expression: ast.expr, scope: Scope, found: Annotation, seen: set[str]) -> None:
        """Add to `found` what the annotation says. `seen` are the aliases not to look into (again)."""
        if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
            written = _parsed(expression.value)
            if written is not None:
                self._read_annotation(written, scope, found, seen)
        elif isinstance(expression, ast.Subscript) and scope.fullname(expression.value) in _ANNOTATED:
            items = expression.slice.elts if isinstance(expression.slice, ast.Tuple) else [expression.slice]
            self._read_annotation(items[0], scope, found, seen)
            for item in items[1:]:
                self._read_metadata(item, scope, found)
        elif isinstance(expression, (ast.Name, ast.Attribute)):
            self._read_name(expression, scope, found, seen)
        elif isinstance(expression, ast.Subscript):
            if scope.fullname(expression.value) in _LITERAL:
                return
            self._read_name(expression.value, scope, found, seen)
            self._read_inside(expression.slice, scope, found, seen)
        elif not isinstance(expression, ast.Constant):
            self._read_inside(expression, scope, found, seen)

    def _read_inside(self, expression: ast.expr, scope: Scope, found: Annotation, seen: set[str]) -> None:
        is_one = isinstance(expression, (ast.Name, ast.Attribute, ast.Subscript, ast.Constant))
        for part in [expression] if is_one else _parts(expression):
            inner = Annotation()
            self._read_annotation(part, scope, inner, seen)
            found.nests_injection |= inner.is_injected or inner.nests_injection
            found.unknown_mark = found.unknown_mark or inner.unknown_mark
            found.is_changed |= inner.is_changed
            found.obstacle = found.obstacle or inner.obstacle

    def _read_metadata(self, item: ast.expr, scope: Scope, found: Annotation) -> None:
        function = item.func if isinstance(item, ast.Call) else item
        name = scope.fullname(function)
        if name in DEPENDS or self.is_mark(scope.node(item)):
            found.is_injected = True
        elif not name and isinstance(item, ast.Call) and _last_name(function) in MARKS:
            found.unknown_mark = ast.unparse(item)
        elif name in _UNSENDABLE:
            found.obstacle = _UNSENDABLE[name]
        elif not isinstance(item, ast.Constant) and not name.startswith(_SILENT):
            found.is_changed = True

    def _read_name(self, expression: ast.expr, scope: Scope, found: Annotation, seen: set[str]) -> None:
        node = scope.node(expression)
        if node is not None and node.fullname in _UNSENDABLE:
            found.obstacle = _UNSENDABLE[node.fullname]
            return
        if not isinstance(node, TypeAlias) or node.fullname in seen:
            return
        if node.fullname == INJECTED:
            found.is_injected = True
            return
        seen.add(node.fullname)
        home, name = self._module_of(node.fullname), node.fullname.rpartition(".")[2]
        value = self._value(home, name) if home is not None else None
        if home is not None and value is not None:
            if home is not self._module:
                self._followed.setdefault((home.fullname, name), value)
            self._read_annotation(value, Scope(home), found, seen)

    def _module_of(self, fullname: str, *, whole: bool = False) -> MypyFile | None:
        """Return the module that something is defined at the top of, and remember that another one's source was asked."""
        module = self._modules.get(fullname.rpartition(".")[0])
        if module is not None and module is not self._module and module.path:
            self._used_by_module.add(module.fullname)
            if (module.path, whole) not in self._used:
                self._used[module.path, whole] = self.digest(module.path, whole=whole)
        return module

    def _value(self, module: MypyFile | None, name: str) -> ast.expr | None:
        """Return what a name at the top of a module is assigned."""
        source = self._read(module.path) if module is not None else None
        return source.values.get(name) if source is not None else None

    def _read(self, path: str) -> _Source | None:
        """Return a file, read again where it was changed."""
        path = self._shadows.get(path, path)
        source = self._files.get(path)
        try:
            if source is not None and source.stamp == _stamp(os.stat(path)):
                return source
            with open(path, "rb", buffering=0) as file:
                source = self._files[path] = _Source(_stamp(os.fstat(file.fileno())), file.read())
        except OSError:
            return None
        return source


def _stamp(state: os.stat_result) -> tuple[int, int]:
    return state.st_mtime_ns, state.st_size


def _arguments(arguments: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    by_place = [*arguments.posonlyargs, *arguments.args]
    required = len(by_place) - len(arguments.defaults)
    yield from zip(by_place, [*[None] * required, *arguments.defaults], strict=True)
    yield from zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    yield from ((argument, None) for argument in (arguments.vararg, arguments.kwarg) if argument is not None)


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
            yield statement.targets[0].id, _aliased(statement.value)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value is not None:
            yield statement.target.id, _aliased(statement.value)
        elif type(statement).__name__ == "TypeAlias":  # `type X = ...` of Python 3.12
            name, value = getattr(statement, "name", None), getattr(statement, "value", None)
            if isinstance(name, ast.Name) and isinstance(value, ast.expr):
                yield name.id, value


def _aliased(value: ast.expr) -> ast.expr:
    """Return the type inside `TypeAliasType("X", type)`, and everything else as it is."""
    if isinstance(value, ast.Call) and _last_name(value.func) == "TypeAliasType" and len(value.args) > 1:
        return value.args[1]
    return value


@functools.lru_cache(maxsize=1000)  # most annotations stand in a program more than once
def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None


def _parts(expression: ast.expr) -> list[ast.expr]:
    return [node for node in ast.iter_child_nodes(expression) if isinstance(node, ast.expr)]


def _last_name(expression: ast.expr) -> str:
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""
