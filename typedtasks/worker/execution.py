"""Running one delivery: read its envelope, validate its arguments, call its function, turn what happens into a settlement."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import random
import threading
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, cast

from typedtasks.backend import Delivery, Reschedule, Settlement
from typedtasks.clock import Clock
from typedtasks.codecs import Undecodable
from typedtasks.contract import Misfit
from typedtasks.coroutine import Coro
from typedtasks.envelope import EnvelopeInvalid, EnvelopeReader
from typedtasks.forking import end_forked_child, run_next, unwatch_forks, watch_forks
from typedtasks.logs import Log
from typedtasks.sealing import SEAL_ROOM, Sealing
from typedtasks.task import AnyTask
from typedtasks.worker import decision
from typedtasks.worker.abandoned import Abandoned
from typedtasks.worker.child import Died, OutOfTime
from typedtasks.worker.decision import Received
from typedtasks.worker.injecting import Injection, Injector
from typedtasks.worker.pool import ChildPool, Children, NoChild, is_suspect
from typedtasks.worker.soft import Overdue, run_with_soft_timeout
from typedtasks.worker.threads import THREAD_GOES_ON, Threads, is_awaitable

__all__ = ["Execution", "Prepared"]

_SLACK: Final = 5.0
"""Seconds beyond its timeout that a suspect has before its child is killed: it has a timeout there, too."""

_log = Log("typedtasks.worker")


class Prepared(NamedTuple):
    """A delivery that is ready to run: its arguments are validated, unless a child of `pool` runs it and looks at them."""

    received: Received
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = MappingProxyType({})
    pool: ChildPool | None = None
    injection: Injection | None = None
    """Set while it runs, if it has injected parameters."""
    context: contextvars.Context | None = None
    """That in which it runs, if it has injected parameters: they may be taken down later."""


class Execution:
    """Runs deliveries: asynchronous functions on the loop, each in a context of its own, synchronous ones in threads.

    With `children`, those that were lost twice, and tasks with `executor="process"`, run in child processes.
    """

    def __init__(
        self,
        tasks: Mapping[str, AnyTask],
        *,
        max_payload: int,
        ttl_ms: int,
        threads: int,
        clock: Clock,
        injector: Injector,
        sealing: Sealing | None = None,
        children: Children | None = None,
    ) -> None:
        self._tasks = tasks
        self._sealing = sealing or Sealing((), max_payload=max_payload, max_result=0)
        self.seals = bool(self._sealing.names)
        """Whether outcomes are to be `sealed`."""
        self._reader = EnvelopeReader(max_payload + SEAL_ROOM)
        self._ttl_ms = ttl_ms
        self.abandoned = Abandoned(threads)
        """What was given up, and holds a slot until it ends."""
        self._threads = Threads(threads, self.abandoned)
        self.clock = clock
        self._injector = injector
        self._children = children
        self._chance = random.Random()
        self.context = contextvars.copy_context()
        """What every execution begins with: the variables that lifespans have set, and those of no other execution."""
        self.overran: Callable[[Received], None] | None = None
        """Called on the event loop when an execution is asked to end, because its time is over."""
        self.decided: dict[str, Settlement] = {}
        """By receipt: what follows from executions that are over, but for what comes after the `yield` of their dependencies."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._is_forked = False
        watch_forks(self)

    def name_of(self, delivery: Delivery) -> str:
        """Return the name of a delivery's task, as far as its envelope can be read."""
        try:
            return self._reader.read(delivery.body)[0].task
        except EnvelopeInvalid:
            return "An envelope"

    def prepare(self, delivery: Delivery) -> Prepared | Settlement:
        """Return the delivery ready to run, or what it ends with at once: refused, cancelled, expired, parked or rejected."""
        try:
            return self._prepare(delivery)
        except Exception as error:  # noqa: BLE001 - no message may end the worker; the log says which and how
            _log.exception("%s cannot be prepared; it is kept as a dead letter.", delivery.id)
            return decision.refused(delivery, f"{type(error).__name__} while it was prepared", self._ttl_ms)

    def _prepare(self, delivery: Delivery) -> Prepared | Settlement:
        try:
            header, payload = self._reader.read(delivery.body)
        except EnvelopeInvalid as invalid:
            return decision.refused(delivery, str(invalid), self._ttl_ms)
        task = self._tasks.get(header.task)
        if delivery.cancelled:
            return decision.cancelled(delivery, header, self._ttl_of(task))
        if header.expires_ms and header.expires_ms < self.clock.now() * 1000:
            return decision.expired(delivery, header, self._ttl_of(task))
        if task is None:
            return decision.parked(delivery, header, payload)
        received = Received(delivery, header, payload, task)
        pool = None if self._children is None else self._children.pool_for(task.definition, delivery)
        if pool is None:
            return self._validated(received)
        try:
            if self.seals or header.codecs:
                self._opened(received)  # a child that lacks a key could only put it back
        except Undecodable as error:
            return decision.undecodable(received, error)
        return Prepared(received, pool=pool)

    def _validated(self, received: Received) -> Prepared | Settlement:
        try:
            is_plain = not (self.seals or received.header.codecs)
            args, kwargs = received.task.boundary.decode_arguments(received.payload if is_plain else self._opened(received))
        except Misfit as misfit:
            return decision.rejected(received, misfit.without_values() if self._sealing.hides else misfit, self.clock.now())
        except Undecodable as error:
            return decision.undecodable(received, error)
        return Prepared(received, args, kwargs)

    def _opened(self, received: Received) -> bytes:
        """Return the arguments as JSON. Raises `Undecodable`."""
        header = received.header
        return self._sealing.open_call(received.payload, header.codecs, received.delivery.id, header.task)

    def sealed(self, settlement: Settlement) -> Settlement:
        """Return a settlement as it is stored: its outcome encoded by the broker's codecs."""
        if isinstance(settlement, Reschedule):
            return settlement
        try:
            return settlement._replace(outcome=self._sealing.seal_outcome(settlement.outcome, settlement.delivery.id))
        except Exception:  # noqa: BLE001 - a codec may be the user's; what it cannot encode is not stored as it is
            _log.exception("The outcome of %s cannot be encoded.", settlement.delivery.id)
            return settlement._replace(outcome=decision.unsealed())

    async def run(self, prepared: Prepared) -> Settlement:
        """Return what follows from running it. Raises `CancelledError` where it was cancelled, by whomever."""
        received = prepared.received
        header, definition = received.header, received.task.definition
        timeout, soft_timeout = header.timeout or definition.timeout, header.soft_timeout or definition.soft_timeout
        if prepared.pool is not None:
            return await self._run_in_child(received, prepared.pool, timeout)
        if received.task.boundary.injected and prepared.injection is None:
            return await self._run_injected(prepared, timeout, soft_timeout)
        work = self._call(prepared, soft_timeout)
        if soft_timeout and received.task.boundary.is_async:
            work = run_with_soft_timeout(work, received.task.name, soft_timeout)
        scope = timer = None
        if timeout:
            scope = asyncio.timeout(None)
            timer = self._loop.call_later(timeout, self._out_of_time, scope, received, context=self.context)
        try:
            if scope is None:
                value = await work
            else:
                async with scope:
                    value = await work
            return decision.returned(received, received.task.boundary.encode_result(value))
        except Misfit as misfit:
            if prepared.injection is not None:
                prepared.injection.error = misfit
            return decision.misreturned(received, misfit.without_values() if self._sealing.hides else misfit)
        except asyncio.CancelledError:
            raise
        except TimeoutError as error:
            return self._timed_out(prepared, error, is_over=scope is not None and scope.expired())
        except BaseException as error:  # noqa: BLE001 - whatever a task raises, SystemExit too, is its outcome
            return self.failed(received, error)
        finally:
            if timer is not None:
                timer.cancel()

    def _timed_out(self, prepared: Prepared, error: TimeoutError, *, is_over: bool) -> Settlement:
        """Return what follows from a `TimeoutError`: its time `is_over`, or the function has raised it."""
        if is_over and _is_in_thread(prepared):
            error = _overdue(prepared.received, THREAD_GOES_ON)
        return self.failed(prepared.received, error, timed_out=is_over or isinstance(error, Overdue))

    def _out_of_time(self, scope: asyncio.Timeout, received: Received) -> None:
        scope.reschedule(self._loop.time())
        if self.overran is not None:
            self.overran(received)

    async def _run_injected(self, prepared: Prepared, timeout: float, soft_timeout: float) -> Settlement:
        """Run it in a scope of its own. What follows from it is decided before its dependencies are taken down.

        One thing is left to them: a cancellation that came out of a dependency (its TaskGroup, its timeout) it may explain.
        """
        received = prepared.received
        injection = self._injector.begin(received, timeout, soft_timeout, self._threads.pool, prepared.context)
        try:
            settlement = await self.run(prepared._replace(injection=injection))
        except asyncio.CancelledError:
            await self._take_down(injection, received, is_decided=False)
            if isinstance(injection.error, Exception):
                return self.failed(received, injection.error)
            raise
        receipt = received.delivery.receipt
        self.decided[receipt] = settlement
        try:
            await self._take_down(injection, received, is_decided=True)
            return await self._told(settlement)
        finally:
            del self.decided[receipt]

    async def _take_down(self, injection: Injection, received: Received, *, is_decided: bool) -> None:
        if self._is_forked:
            end_forked_child(_who(received), injection.error)
        limit, timer = injection.teardown_limit, None
        if limit and self.overran is not None:
            timer = self._loop.call_later(limit, self.overran, received, context=self.context)
        try:
            thread = await injection.close(is_decided=is_decided)
        finally:
            if timer is not None:
                timer.cancel()
        if thread is not None:
            self._injector.keep(thread)
            self.abandoned.add(thread, _who(received), THREAD_GOES_ON)

    async def _told(self, settlement: Settlement) -> Settlement:
        """Return the settlement once the task's last progress has arrived: it would not be taken after that."""
        reporter = self._injector.reporter
        if reporter.is_behind(settlement.delivery):
            await reporter.catch_up(settlement.delivery)
        return settlement

    async def _run_in_child(self, received: Received, pool: ChildPool, timeout: float) -> Settlement:
        delivery, is_process_task = received.delivery, received.task.definition.executor == "process"
        if is_suspect(delivery):
            _log.warning("%s (%s) was lost %d times: it runs alone.", received.task.name, delivery.id, delivery.deliveries - 1)
        try:
            limit = timeout if is_process_task or not timeout else timeout + _SLACK
            report = functools.partial(self._injector.report, received)
            return await self._told(await pool.run(delivery, received.task.name, limit, report))
        except Died as died:
            is_hidden = self._sealing.hides
            return decision.fatal(received, str(died), died.stderr, was_lost=is_suspect(delivery), is_hidden=is_hidden)
        except OutOfTime as error:
            return self.failed(received, error, timed_out=True)
        except NoChild as error:
            if is_process_task:
                _log.error("%s (%s) is put off, because no child can run it: %s", received.task.name, delivery.id, error)
                return decision.put_off(received)
            _log.error("%s runs in this process, because no child can run it: %s", delivery.id, error)
        prepared = self._validated(received)
        return await self.run(prepared) if isinstance(prepared, Prepared) else prepared

    def failed(self, received: Received, error: BaseException, *, timed_out: bool = False) -> Settlement:
        """Return what follows from an error that its function raised."""
        if self._is_forked:
            end_forked_child(_who(received), error)
        try:
            settlement = decision.failed(received, error, timed_out=timed_out, chance=self._chance, now=self.clock.now())
            if isinstance(settlement, Reschedule):
                fields = {"task": received.task.name, "id": received.delivery.id, "attempts": received.header.attempt}
                _log.warning("%s", decision.retry_notice(received, error, settlement), extra={"fields": fields})
            return settlement
        except Exception:  # noqa: BLE001 - an exception may be made so that nothing can be told of it
            _log.exception("%s: its failure cannot be told.", received.delivery.id)
            return decision.crashed(received)

    def cancelled(self, received: Received) -> Settlement:
        """Return what follows from the cancellation of a task that was running."""
        return decision.cancelled(received.delivery, received.header, received.task.definition.result_ttl_ms)

    def given_up(self, received: Received, *, is_cancelled: bool) -> Settlement:
        """Return what follows from an execution that was asked to end, and has not."""
        decided = self.decided.get(received.delivery.receipt)
        if decided is not None:
            return decided
        if is_cancelled:
            return self.cancelled(received)
        return self.failed(received, _overdue(received, "ignores its cancellation: it goes on in its worker"), timed_out=True)

    def forked(self) -> None:
        """See to it that a child which comes back from a task ends at once, without a step of any other (see `Inherited`)."""
        self._is_forked = True
        if threading.get_ident() == self._thread and self._loop.is_running():
            task = asyncio.current_task(self._loop)
            who = task.get_name() if task is not None else "A callback"
            run_next(self._loop, functools.partial(end_forked_child, who))

    def close(self) -> None:
        """Let the threads end. Those that still run a function are not waited for."""
        unwatch_forks(self)
        self._threads.close()

    async def _call(self, prepared: Prepared, soft_timeout: float) -> object:
        if prepared.injection is not None:
            return await prepared.injection.call(prepared.args, prepared.kwargs)
        task = prepared.received.task
        if task.boundary.is_async:
            # `is_async` says that the function returns a coroutine; of what, its own boundary checks.
            return await cast("Coro[object]", task.function(*prepared.args, **prepared.kwargs))
        if task.boundary.has_returned_awaitable:
            result = task.function(*prepared.args, **prepared.kwargs)
        else:  # it may block: only its first call shows that it returns an awaitable, as decorators of coroutine functions do
            result = await self._threads.call(_who(prepared.received), task.function, prepared.args, prepared.kwargs)
        if not is_awaitable(result):
            return result
        task.boundary.has_returned_awaitable = True
        return await (run_with_soft_timeout(_awaited(result), task.name, soft_timeout) if soft_timeout else result)

    def _ttl_of(self, task: AnyTask | None) -> int:
        return self._ttl_ms if task is None else task.definition.result_ttl_ms


def _who(received: Received) -> str:
    return f"{received.task.name} ({received.delivery.id})"


def _overdue(received: Received, how: str) -> Overdue:
    timeout = received.header.timeout or received.task.definition.timeout
    return Overdue(f"{received.task.name} ran longer than its timeout of {timeout:g} s, and {how}.")


def _is_in_thread(prepared: Prepared) -> bool:
    """Return whether the function runs in a thread."""
    if prepared.injection is not None:
        return prepared.injection.is_in_thread
    boundary = prepared.received.task.boundary
    return not boundary.is_async and not boundary.has_returned_awaitable


async def _awaited(value: Awaitable[object]) -> object:
    return await value
