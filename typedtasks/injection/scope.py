"""The scope of one execution: what was made for it, once each, and how it is taken down again."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from functools import partial
from typing import Final, Protocol, TypeVar, cast

from typedtasks.coroutine import Coro
from typedtasks.injection.marks import Need
from typedtasks.injection.providers import Providers
from typedtasks.injection.recipes import Recipe, shown
from typedtasks.logs import Log

__all__ = ["Place", "Scope"]

T = TypeVar("T")

_TEARDOWN_LIMIT: Final = 10.0
"""Seconds that the part of a dependency after its `yield` may take."""
_NOTHING: Final = object()

_log = Log("typedtasks.injection")


class Place(Protocol):
    """Where synchronous dependencies run when that is not the event loop: a thread."""

    @property
    def is_busy(self) -> bool:
        """Whether something runs there that is not waited for any more."""
        ...

    async def run(self, work: Callable[[], T], /) -> T:
        """Return what `work` returns there, or raise what it raises."""
        ...


class Scope:
    """Makes what one execution needs, each value once, and takes it down in the reverse order.

    `owner` says in the log whose it is. `values` are there already, by type. Synchronous dependencies run at `place`, or on the
    event loop; asynchronous ones always on the loop, all in the task that calls, whose `context` it is.
    """

    def __init__(
        self,
        owner: str,
        providers: Providers,
        values: Mapping[object, object],
        place: Place | None = None,
        context: contextvars.Context | None = None,
    ) -> None:
        self._context = context
        self._owner = owner
        self._providers = providers
        self._values = values
        self._place = place
        self._made: dict[object, object] = {}
        self._open: list[Generator[object, None, None] | AsyncGenerator[object, None]] = []

    async def get(self, need: Need) -> object:
        """Return what fills a parameter. Raises `DefinitionError` where nothing does, and whatever a dependency raises."""
        make = self._providers.replacement(need)
        if make is None:
            key = self._providers.provided_as(need.key) if need.by_type else None
            if key is not None and key in self._values:
                return self._values[key]
            make = self._providers.maker(need, self._owner)
        if need.use_cache and make in self._made:
            return self._made[make]
        recipe = self._providers.recipe(make)
        value = await self.make(recipe)
        if need.use_cache:
            self._made[make] = value
        return value

    async def make(self, recipe: Recipe) -> object:
        """Return a new value, made of what it needs itself."""
        arguments = {need.parameter: await self.get(need) for need in recipe.needs}
        if recipe.is_coroutine:
            return await cast("Coroutine[object, object, object]", recipe.make(**arguments))
        if recipe.is_async_generator or recipe.is_generator:
            value = await self._begin(recipe.make(**arguments))
            if value is _NOTHING:
                raise RuntimeError(f"{shown(recipe.make)} came to its end without a yield, so there is nothing to inject.")
            return value
        value = await self._here(partial(recipe.make, **arguments))
        if inspect.iscoroutine(value):  # of a lambda or a wrapper around a coroutine function
            return await cast("Coroutine[object, object, object]", value)
        return value

    @property
    def teardown_limit(self) -> float:
        """How many seconds `close` may take, if nothing ignores its cancellation."""
        return _TEARDOWN_LIMIT * len(self._open)

    async def close(self, error: BaseException | None, *, is_decided: bool = True) -> BaseException | None:
        """Take down what was made, the last first, telling each how the task ended, and return how. It never raises.

        What goes wrong is logged: it changes nothing about how the task has ended. A cancellation that comes meanwhile cuts one
        teardown short, not those that remain. Unless it `is_decided`, a cancellation that nobody outside has asked for becomes
        what the dependency that asked for it makes of it: the TimeoutError of its timeout, the failures in its TaskGroup.
        """
        while self._open and not (self._place is not None and self._place.is_busy):
            generator = self._open.pop()
            try:
                async with asyncio.timeout(_TEARDOWN_LIMIT):
                    if isinstance(generator, AsyncGenerator):
                        await _finish_async(generator, error)
                    else:
                        await self._here(partial(_finish, generator, error))
            except BaseException as raised:  # noqa: BLE001 - whatever it is, the others have to be taken down, too
                if not is_decided and isinstance(error, asyncio.CancelledError) and _explains_cancellation(raised):
                    error = raised
                else:
                    self._report(generator, raised)
        return error

    def close_in_thread(self, error: BaseException | None, loop: asyncio.AbstractEventLoop) -> None:
        """Do the same from a thread that was given up and has come to its end later."""
        while self._open:
            generator = self._open.pop()
            try:
                if isinstance(generator, AsyncGenerator):
                    finish = _in_context(_finish_async(generator, error), self._context)
                    asyncio.run_coroutine_threadsafe(finish, loop).result(_TEARDOWN_LIMIT)
                else:
                    _finish(generator, error)
            except BaseException as raised:  # noqa: BLE001 - as above
                self._report(generator, raised)

    async def _begin(self, generator: object) -> object:
        # It is noted first: when it is cancelled before its yield, it may be under way in its thread.
        if isinstance(generator, AsyncGenerator):
            opened = cast("AsyncGenerator[object, None]", generator)
            self._open.append(opened)
            return await anext(opened, _NOTHING)
        begun = cast("Generator[object, None, None]", generator)
        self._open.append(begun)
        return await self._here(partial(next, begun, _NOTHING))

    async def _here(self, work: Callable[[], T]) -> T:
        return work() if self._place is None else await self._place.run(work)

    def _report(self, generator: object, error: BaseException) -> None:
        name = getattr(generator, "__qualname__", generator)
        if isinstance(error, asyncio.CancelledError):
            _log.warning("%s: the teardown of %s was cancelled.", self._owner, name)
        elif isinstance(error, TimeoutError):
            _log.error("%s: the teardown of %s took longer than %g s, or ran into a timeout.", self._owner, name, _TEARDOWN_LIMIT)
        else:
            _log.error("%s: the teardown of %s failed; how the task ended stands.", self._owner, name, exc_info=error)


def _finish(generator: Generator[object, None, None], error: BaseException | None) -> None:
    try:
        if error is None:
            next(generator)
        else:
            generator.throw(error)
    except StopIteration:
        return
    except BaseException as raised:
        if _is_the_same(raised, error):
            return
        raise
    generator.close()
    raise RuntimeError("A dependency has to yield once; this one has yielded again.")


async def _finish_async(generator: AsyncGenerator[object, None], error: BaseException | None) -> None:
    try:
        if error is None:
            await anext(generator)
        else:
            await generator.athrow(error)
    except StopAsyncIteration:
        return
    except BaseException as raised:
        if _is_the_same(raised, error):
            return
        raise
    await generator.aclose()
    raise RuntimeError("A dependency has to yield once; this one has yielded again.")


async def _in_context(work: Coro[None], context: contextvars.Context | None) -> None:
    """Run the rest of a dependency where its beginning was run: what it has set, only that context can take back."""
    await asyncio.get_running_loop().create_task(work, context=context)


def _explains_cancellation(raised: BaseException) -> bool:
    """Return whether a dependency has taken back the cancellation that it had asked for, and says why it had."""
    task = asyncio.current_task()
    return isinstance(raised, Exception) and task is not None and not task.cancelling()


def _is_the_same(raised: BaseException, error: BaseException | None) -> bool:
    """Return whether the error of the task came through; a StopIteration comes wrapped into a RuntimeError."""
    return error is not None and (raised is error or (isinstance(raised, RuntimeError) and raised.__cause__ is error))
