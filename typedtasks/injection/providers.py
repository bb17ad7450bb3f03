"""What an application's tasks can be given: what its lifespans yield, its dependencies, and what replaces them in a test."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import cast, get_args, get_origin, get_type_hints

from typedtasks.errors import DefinitionError
from typedtasks.injection.hints import names_around
from typedtasks.injection.marks import Need, Provided
from typedtasks.injection.recipes import Recipe, recipe_of, shown

__all__ = ["Lifespan", "Providers"]


class Lifespan:
    """A function that yields an object once for a worker's whole life. `name` is what it was defined as."""

    def __init__(self, name: Callable[..., object], function: Callable[..., object]) -> None:
        self.name = name
        self.function = function

    @cached_property
    def yields(self) -> object:
        """The type of what it yields, from its annotation. Raises `DefinitionError` where it is missing or cannot be found."""
        try:
            hint = get_type_hints(self.function, localns=names_around(self.function)).get("return")
        except NameError as error:
            raise _not_found(shown(self.function), error) from None
        args = get_args(hint)
        if not args or not hasattr(get_origin(hint), "__anext__"):
            raise DefinitionError(
                f"{shown(self.function)}: a lifespan says what it yields, because tasks get that by its type. "
                "Annotate its result: -> AsyncIterator[State]."
            )
        return args[0]


class Providers:
    """Knows where injected values come from. `given` are the types that every worker has a value for."""

    def __init__(self, given: Iterable[type]) -> None:
        self._given: frozenset[object] = frozenset(given)
        self._lifespans: list[Lifespan] = []
        self._overrides: dict[object, Callable[..., object]] = {}
        self._recipes: dict[object, Recipe] = {}

    @property
    def lifespans(self) -> Sequence[Lifespan]:
        """All lifespans, in the order of their definition."""
        return tuple(self._lifespans)

    def add_lifespan(self, function: Callable[..., object]) -> None:
        """Add a lifespan. Raises `DefinitionError` for what is neither an async generator nor an async context manager."""
        self._lifespans.append(Lifespan(function, _body(function)))

    def lifespan_recipe(self, lifespan: Lifespan) -> Recipe:
        """Return how a lifespan is entered, or what replaces it."""
        replacement = self._overrides.get(lifespan.name)
        return self.recipe(lifespan.function if replacement is None else _body(replacement))

    @contextmanager
    def override(self, dependency: object, replacement: Callable[..., object]) -> Generator[None]:
        """Let `replacement` make what `dependency` made, within the block."""
        where = f"override({shown(dependency)}, {shown(replacement)})"
        if not callable(dependency):
            raise DefinitionError(f"{where}: pass what Depends names, an injected type, or a lifespan.")
        before = self._overrides.get(dependency)
        self._overrides[dependency] = replacement
        try:
            need = Need("", replacement, by_type=False)
            self.check(where, [need], at_definition=False)
            yield
        finally:
            if before is None:
                self._overrides.pop(dependency, None)
            else:
                self._overrides[dependency] = before

    def replacement(self, need: Need) -> Callable[..., object] | None:
        """Return what at present replaces a dependency, or a type: the wanted one, or the one that a lifespan yields for it."""
        make = self._overrides.get(need.key)
        if make is None and need.by_type and self._overrides:
            return self._overrides.get(self.provided_as(need.key))
        return make

    def recipe(self, make: Callable[..., object]) -> Recipe:
        """Return how a dependency is made. Raises what `recipe_of` raises."""
        recipe = self._recipes.get(make)
        if recipe is None:
            recipe = self._recipes[make] = recipe_of(make)
        return recipe

    def provided_as(self, wanted: object) -> object:
        """Return the type under which there is a value of the wanted type: itself, or that of a lifespan which is a subclass."""
        types = [lifespan.yields for lifespan in self._lifespans]
        if wanted in types:
            return wanted
        return next((type for type in types if wanted in getattr(type, "__mro__", ())), wanted)

    def maker(self, need: Need, where: str) -> Callable[..., object]:
        """Return what makes a value that nobody holds. Raises `DefinitionError` where a type says too little for that."""
        wanted = need.key
        if not need.by_type:
            return cast("Callable[..., object]", wanted)
        if isinstance(wanted, type) and _can_be_made(wanted) and wanted not in self._given:
            return wanted
        raise DefinitionError(
            f"{where}: the parameter {need.parameter!r} is to be injected by its type, and nothing gives {shown(wanted)}. "
            "Let @broker.lifespan yield one, or write Depends(function)."
        )

    def check(self, where: str, needs: Iterable[Need], *, at_definition: bool) -> None:
        """Raise `DefinitionError` for what can never be filled.

        `at_definition` leaves out what may be defined further down: lifespans, and types that cannot be found yet.
        """
        self._check(where, needs, at_definition, ())

    def _check(self, where: str, needs: Iterable[Need], at_definition: bool, path: tuple[object, ...]) -> None:
        for need in needs:
            make = self._overrides.get(need.key) if at_definition else self.replacement(need)
            if make is None:
                if need.by_type and (at_definition or self._is_held(need.key)):
                    continue
                make = self.maker(need, where)
            if make in path:
                circle = " needs ".join(map(shown, [*path[path.index(make) :], make]))
                raise DefinitionError(f"{where}: its dependencies go round in a circle: {circle}.")
            try:
                recipe = self.recipe(make)
            except NameError as error:
                if at_definition:
                    continue
                raise _not_found(f"{where}: {shown(make)}", error) from None
            self._check(where, recipe.needs, at_definition, (*path, make))

    def _is_held(self, wanted: object) -> bool:
        """Return whether an execution has a value of the type without making one."""
        types = [*self._given, *(lifespan.yields for lifespan in self._lifespans)]
        return self.provided_as(wanted) in types or (isinstance(wanted, type) and issubclass(wanted, Provided))


def _can_be_made(wanted: type) -> bool:
    """Return whether calling a class gives something to inject: an empty string, a Protocol or a foreign context would not."""
    is_abstract = inspect.isabstract(wanted) or getattr(wanted, "_is_protocol", False)
    return not is_abstract and wanted.__module__ != "builtins" and not issubclass(wanted, Provided)


def _body(function: Callable[..., object]) -> Callable[..., object]:
    """Return the async generator function of a lifespan; @asynccontextmanager wraps one."""
    body: Callable[..., object] = inspect.unwrap(function)
    if not inspect.isasyncgenfunction(body):
        raise DefinitionError(
            f"{shown(function)} cannot be a lifespan: write an async generator function that yields once "
            "(async def, with a yield), or the same under @asynccontextmanager."
        )
    return body


def _not_found(where: str, error: NameError) -> DefinitionError:
    return DefinitionError(
        f"{where}: a type cannot be found ({error}). Define or import it at the top of the module, "
        "not only under TYPE_CHECKING or inside a function."
    )
