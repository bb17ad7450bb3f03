"""Running one delivery: read its envelope, validate its arguments, call its function, turn what happens into a settlement."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar, cast

from typedtasks.backend import Delivery, Reschedule, Settlement
from typedtasks.clock import Clock
from typedtasks.codecs import Undecodable
from typedtasks.contract import Misfit
from typedtasks.coroutine import Coro
from typedtasks.envelope import EnvelopeInvalid, EnvelopeReader
from typedtasks.logs import Log
from typedtasks.sealing import SEAL_ROOM, Sealing
from typedtasks.task import AnyTask
from typedtasks.worker import decision
from typedtasks.worker.child import Died, OutOfTime
from typedtasks.worker.decision import Received
from typedtasks.worker.injecting import Injection, Injector
from typedtasks.worker.pool import ChildPool, Children, NoChild, is_suspect
from typedtasks.worker.soft import Overdue, run_with_soft_timeout

__all__ = ["Execution", "Prepared"]

T = TypeVar("T")

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


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a function raised in its thread. Returned, because a StopIteration cannot cross a future as an exception."""

    error: BaseException


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
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="typedtasks-task")
        self.clock = clock
        self._injector = injector
        self._children = children
        self._chance = random.Random()
        self._abandoned: set[object] = set()
        self.thread_returned: Callable[[], None] | None = None
        """Called on the event loop when a thread whose function had been given up is free again."""

    @property
    def abandoned_threads(self) -> int:
        """How many threads still run a function whose timeout or cancellation has been settled already."""
        return len(self._abandoned)

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
        work = self._call(prepared)
        if soft_timeout and received.task.boundary.is_async:
            work = run_with_soft_timeout(work, received.task.name, soft_timeout)
        scope = asyncio.timeout(timeout) if timeout else None
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
            return self.failed(received, error, timed_out=isinstance(error, Overdue) or (scope is not None and scope.expired()))
        except BaseException as error:  # noqa: BLE001 - whatever a task raises, SystemExit too, is its outcome
            return self.failed(received, error)

    async def _run_injected(self, prepared: Prepared, timeout: float, soft_timeout: float) -> Settlement:
        """Run it in a scope of its own. What follows from it is decided before its dependencies are taken down.

        One thing is left to them: a cancellation that came out of a dependency (its TaskGroup, its timeout) it may explain.
        """
        injection = self._injector.begin(prepared.received, timeout, soft_timeout, self._threads)
        try:
            settlement = await self.run(prepared._replace(injection=injection))
        except asyncio.CancelledError:
            self._leave(await injection.close(is_decided=False))
            if isinstance(injection.error, Exception):
                return self.failed(prepared.received, injection.error)
            raise
        self._leave(await injection.close(is_decided=True))
        return await self._told(settlement)

    def _leave(self, thread: asyncio.Future[None] | None) -> None:
        if thread is not None:
            self._injector.keep(thread)
            self._abandon(thread)

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

    def close(self) -> None:
        """Let the threads end. Those that still run a function are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _call(self, prepared: Prepared) -> object:
        if prepared.injection is not None:
            return await prepared.injection.call(prepared.args, prepared.kwargs)
        task = prepared.received.task
        if task.boundary.is_async:
            # `is_async` says that the function returns a coroutine; of what, its own boundary checks.
            return await cast("Coro[object]", task.function(*prepared.args, **prepared.kwargs))
        work = functools.partial(_call_in_thread, task.function, prepared.args, prepared.kwargs)
        context = contextvars.copy_context()
        future: asyncio.Future[object] = asyncio.get_running_loop().run_in_executor(self._threads, context.run, work)
        try:
            result = await asyncio.shield(future)
        except asyncio.CancelledError:
            if not future.done():
                self._abandon(future)
            raise
        if isinstance(result, _Raised):
            raise result.error
        return result

    def _abandon(self, thread: asyncio.Future[T]) -> None:
        self._abandoned.add(thread)
        thread.add_done_callback(self._returned)

    def _returned(self, future: object) -> None:
        self._abandoned.discard(future)
        if self.thread_returned is not None:
            self.thread_returned()

    def _ttl_of(self, task: AnyTask | None) -> int:
        return self._ttl_ms if task is None else task.definition.result_ttl_ms


def _call_in_thread(function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
    try:
        return function(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - it is raised again on the event loop
        return _Raised(error)
