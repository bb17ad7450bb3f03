"""The state machine: whatever clients, workers and operators do in whatever order, the books of the backend are the model's."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.model.reference import Reference, State
from tests.model.stores import Store
from typedtasks.backend import (
    Bury,
    Delivery,
    Finish,
    LeaseKeeper,
    Once,
    Publication,
    Report,
    Reschedule,
    Session,
    SessionId,
    SessionLost,
    Settlement,
    TaskId,
)
from typedtasks.errors import BackendUnavailable
from typedtasks.testing import RecordingListener

__all__ = ["BackendMachine"]

T = TypeVar("T")

LEASE: Final = 60.0
TTL_MS: Final = 24 * 3600 * 1000
NAMES: Final = ("mail.send", "report.make")
KEYS: Final = (Once("app.task\norder-17", 30_000), Once("", 50_000))
MOST_SESSIONS: Final = 3
MOST_WAITING: Final = 8

_runs = itertools.count()
_Data = st.DataObject


@dataclass(eq=False)
class Worker:
    """One session, and what it believes to have."""

    session: Session
    keeper: LeaseKeeper
    listener: RecordingListener
    hand: dict[str, Delivery] = field(default_factory=dict[str, Delivery])
    """By receipt: what it has and has not settled or given back."""
    history: list[Delivery] = field(default_factory=list[Delivery])
    """Whatever it was ever handed: it may try to settle that again."""
    has_left: bool = False

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Take deliveries in hand."""
        self.hand.update({delivery.receipt: delivery for delivery in deliveries})
        self.history += deliveries


class BackendMachine(RuleBasedStateMachine):
    """Runs random operations on a backend and on the reference, and compares what both say."""

    def __init__(self, store: Store, done: Counter[str]) -> None:
        super().__init__()
        self.done = done
        """How often it did what."""
        self.store = store
        self.queue = f"q{next(_runs)}"
        self.model = Reference()
        self.workers: list[Worker] = []
        self.committed: dict[TaskId, int] = {}
        self.runner = asyncio.Runner()
        self.backend = store.new_backend()
        self.numbers = itertools.count()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns."""
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        self.do(self.backend.open(RecordingListener()))
        self.do(self._join())

    @rule(data=st.data())
    def step(self, data: _Data) -> None:
        """Do one thing of those that make sense now, the interesting ones more often."""
        possible = [name for name, weight in self._possible().items() for _ in range(weight)]
        action = data.draw(st.sampled_from(possible), label="action")
        self.done[action] += 1
        getattr(self, action)(data)

    def _possible(self) -> dict[str, int]:
        model, workers = self.model, self.workers
        waiting, running, alive = model.of(State.WAITING), model.of(State.RUNNING), [w for w in workers if self._is_alive(w)]
        busy, staying = any(map(self._has_work, workers)), [worker for worker in workers if not worker.has_left]
        stale, parked = [worker for worker in staying if worker not in alive], [job for job in waiting if job.awaits]
        return {
            "publish": 4 if len(waiting) < MOST_WAITING else 0,
            "join": 6 if not alive else len(alive) < MOST_SESSIONS,
            "receive": 6 if alive and model.claimable() else 0,
            "settle": 6 if busy else 0,
            "settle_too_late": 2 * any(worker.history for worker in stale),
            "settle_after_leaving": any(worker.has_left and worker.history for worker in workers),
            "work_without_a_lease": bool(stale),
            "lose_a_reply": busy,
            "recover": 4 if alive and running else 0,
            "release": 2 * any(worker.history for worker in staying),
            "renew": 2 * any(map(self._may_renew, workers)),
            "let_time_pass": 2,
            "cancel": bool(waiting or running),
            "unpark": 3 * bool(alive and parked and min(job.due for job in parked) > model.now),
            "replay": 3 if model.of(State.DEAD) else 0,
            "drop": bool(model.of(State.DEAD)),
            "purge": len(waiting) >= MOST_WAITING or len(model.of(State.DEAD)) > 2,
            "leave": busy and len(alive) > 1,
            "expire": busy,
        }

    def publish(self, data: _Data) -> None:
        items = [
            Publication(
                TaskId(f"{self.queue}.{next(self.numbers):020d}"),
                self.queue,
                data.draw(st.sampled_from([0, 1, 1, 2]), label="priority"),
                b"body %d" % next(self.numbers),
                data.draw(st.sampled_from([0, 0, 0, 0, 20_000]), label="delay_ms"),
                once=data.draw(st.sampled_from([None, None, None, *KEYS]), label="once"),
            )
            for _ in range(data.draw(st.integers(1, 3), label="count"))
        ]
        duplicates = self.do(self.backend.publish(items))
        stored_as = {item.id: self.model.publish(item) for item in items}
        assert dict(duplicates) == {id: holder for id, holder in stored_as.items() if holder != id}
        self.done["duplicates"] += len(duplicates)

    def join(self, data: _Data) -> None:
        self.do(self._join())

    def work_without_a_lease(self, data: _Data) -> None:
        worker = self._one_of(data, lambda worker: not self._is_alive(worker))
        lost = (SessionLost, BackendUnavailable) if worker.has_left else SessionLost
        with pytest.raises(lost):
            self.do(worker.session.receive(5, 0))
        with pytest.raises(lost):
            self.do(worker.session.recover((), 5))
        self.done["lost session"] += 1

    def receive(self, data: _Data) -> None:
        capacity = data.draw(st.integers(1, 6), label="capacity")
        worker = self._one_of(data, self._is_alive)
        claimable = self.model.claimable()
        deliveries = self.do(worker.session.receive(capacity, 0))
        assert len(deliveries) == min(capacity, len(claimable))
        for delivery in deliveries:
            job = self.model.jobs[delivery.id]
            assert job in claimable
            assert (delivery.queue, delivery.priority, delivery.body) == (self.queue, job.priority, job.body)
            assert (delivery.deliveries, delivery.cancelled) == (job.deliveries + 1, job.cancelled)
        self._hand_out(worker, deliveries)

    def lose_a_reply(self, data: _Data) -> None:
        """What was handed over did not arrive: the session does not know that it has it."""
        worker = self._one_of(data, lambda worker: bool(worker.hand))
        del worker.hand[data.draw(st.sampled_from(sorted(worker.hand)), label="receipt")]

    def recover(self, data: _Data) -> None:
        capacity = data.draw(st.integers(1, 6), label="capacity")
        worker = self._one_of(data, self._is_alive)
        held = [receipt for receipt, delivery in worker.hand.items() if self.model.owns(worker.session.id, delivery)]
        wanted = self.model.recoverable(worker.session.id, held)
        found = self.do(worker.session.recover(held, capacity)).deliveries
        assert len(found) == min(capacity, len(wanted))
        for delivery in found:
            job = self.model.jobs[delivery.id]
            assert job in wanted
            assert (delivery.body, delivery.cancelled) == (job.body, job.cancelled)
            # An own one, whose hand-over was lost, may or may not be counted once more.
            assert delivery.deliveries - job.deliveries in ((0, 1) if job.owner == worker.session.id else (1,))
        self._hand_out(worker, found)
        self.done["recovered"] += len(found)

    def settle(self, data: _Data) -> None:
        """What it has, and now and then what it had: the second must not be settled."""
        worker = self._one_of(data, self._has_work)
        known = [*worker.hand.values(), *worker.hand.values(), *worker.history[-3:]]
        self._settle(data, worker, known)

    def settle_too_late(self, data: _Data) -> None:
        """Another may have it by now, and may have ended it."""
        worker = self._one_of(data, lambda worker: self._is_stale(worker) and bool(worker.history))
        self._settle(data, worker, worker.history[-6:])

    def settle_after_leaving(self, data: _Data) -> None:
        worker = self._one_of(data, lambda worker: worker.has_left and bool(worker.history))
        batch = [self._settlement(data, delivery) for delivery in worker.history[-2:]]
        try:
            answers = self.do(worker.session.settle(batch))
        except BackendUnavailable:
            return  # it has closed its connections
        assert answers == [False] * len(batch)

    def _settle(self, data: _Data, worker: Worker, known: Sequence[Delivery]) -> None:
        batch = [self._settlement(data, d) for d in data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=4))]
        reports = [Report(item.delivery, b"%d" % next(self.numbers), TTL_MS) for item in batch]
        owned = [self.model.owns(worker.session.id, item.delivery) for item in batch]
        assert self.do(worker.session.report(reports)) == owned
        answers = self.do(worker.session.settle(batch))
        assert answers == [self.model.settle(worker.session.id, item) for item in batch]
        self.done.update("settled" if answer else "refused" for answer in answers)
        for item in batch:
            worker.hand.pop(item.delivery.receipt, None)

    def release(self, data: _Data) -> None:
        worker = self._one_of(data, lambda worker: bool(worker.history) and not worker.has_left)
        batch = data.draw(st.lists(st.sampled_from(worker.history[-5:]), min_size=1, max_size=3), label="batch")
        answers = self.do(worker.session.release(batch))
        assert answers == [self.model.release(worker.session.id, delivery) for delivery in batch]
        for delivery in batch if data.draw(st.booleans(), label="answered") else ():
            worker.hand.pop(delivery.receipt, None)

    def renew(self, data: _Data) -> None:
        worker = self._one_of(data, self._may_renew)
        assert worker.keeper.renew() == self._is_alive(worker)
        if self._is_alive(worker):
            self.model.leases[worker.session.id] = self.model.now + LEASE

    def let_time_pass(self, data: _Data) -> None:
        self._let_pass(data.draw(st.sampled_from([10.0, 10.0, 10.0, 20.0, 70.0]), label="seconds"))

    def _let_pass(self, seconds: float) -> None:
        self.store.advance(self.queue, seconds)
        self.model.now += seconds

    def cancel(self, data: _Data) -> None:
        ids = self._some_ids(data, [job.id for job in (*self.model.of(State.WAITING), *self.model.of(State.RUNNING))])
        self.do(self.backend.cancel(ids))
        self.model.cancel(ids)

    def unpark(self, data: _Data) -> None:
        names = data.draw(st.sets(st.sampled_from(NAMES), min_size=1), label="names")
        worker = self._one_of(data, self._is_alive)
        capacity = data.draw(st.integers(0, 3), label="capacity")
        parked = {job.id: job.awaits for job in self.model.parked(names)}
        deliveries = self.do(worker.session.unpark(names, capacity))
        assert len(deliveries) == min(capacity, len(parked))
        for delivery in deliveries:
            job = self.model.jobs[delivery.id]
            assert (delivery.queue, delivery.priority, delivery.body) == (self.queue, job.priority, job.body)
            assert (delivery.deliveries, delivery.cancelled, delivery.unmet) == (job.deliveries + 1, False, False)
            self.model.hand_out(worker.session.id, delivery, parked[delivery.id])
        worker.take(deliveries)
        if len(deliveries) == capacity:
            self.model.keep_parked(names)

    def replay(self, data: _Data) -> None:
        ids = self._some_ids(data, [job.id for job in self.model.of(State.DEAD)])
        found = self.do(self.backend.replay(self.queue, ids))
        assert found == self.model.replay(ids)
        self.done["replayed"] += len(found)

    def drop(self, data: _Data) -> None:
        ids = self._some_ids(data, list(self.model.jobs))
        assert self.do(self.backend.drop(self.queue, ids)) == self.model.drop(ids)

    def purge(self, data: _Data) -> None:
        dead = data.draw(st.booleans(), label="dead")
        assert self.do(self.backend.purge(self.queue, dead=dead)) == self.model.purge(dead=dead)

    def leave(self, data: _Data) -> None:
        worker = self._one_of(data, self._has_work)
        self.do(worker.session.leave())
        worker.has_left = True
        self.model.leases[worker.session.id] = self.model.now

    def expire(self, data: _Data) -> None:
        worker = self._one_of(data, self._has_work)
        self.do(self.backend.expire(worker.session.id, [self.queue]))
        self.model.leases[worker.session.id] = self.model.now

    @invariant()
    def the_books_are_in_order(self) -> None:
        """Whatever was accepted is in exactly one state, and the backend knows which."""
        if not self.workers:
            return
        self.done["steps"] += 1
        counts, model = self.do(self.backend.counts(self.queue)), self.model
        waiting, due = model.of(State.WAITING), model.claimable()
        assert counts.running == len(model.of(State.RUNNING))
        assert counts.dead == len(model.of(State.DEAD))
        assert counts.ready + counts.delayed + counts.parked == len(waiting)
        assert counts.ready <= len(due)  # a due one may not have been moved yet
        parked, parked_due = sum(1 for job in waiting if job.awaits), sum(1 for job in due if job.awaits)
        assert parked - parked_due <= counts.parked <= parked
        ended = len(model.of(State.DONE)) + len(model.of(State.PURGED))
        assert len(model.jobs) == counts.ready + counts.delayed + counts.parked + counts.running + counts.dead + ended

    @invariant()
    def at_most_one_outcome_is_committed(self) -> None:
        """And it is the one whose settlement was answered with True."""
        ids = list(self.model.jobs)
        outcomes = self.do(self.backend.read_outcomes(ids)) if ids else {}
        expected = {id: job.outcomes for id, job in self.model.jobs.items() if job.outcomes}
        assert {id: [body] for id, body in outcomes.items()} == expected

    @invariant()
    def dead_letters_keep_what_was_sent(self) -> None:
        """The bytes, the reason, and how often it was delivered."""
        if self.model.of(State.DEAD):
            found = self.do(self.backend.dead_letters(self.queue))
            letters = {letter.id: (letter.body, letter.reason, letter.priority, letter.deliveries) for letter in found}
            dead = {job.id: (job.body, job.reason, job.priority, job.deliveries) for job in self.model.of(State.DEAD)}
            assert letters == dead

    def teardown(self) -> None:
        """At the end a new session finds all that is left, and can end it: nothing stays with those who are gone."""
        try:
            if self.workers:
                self._drain()
        finally:
            for worker in self.workers:
                worker.keeper.close()
                if not worker.has_left:
                    self.do(worker.session.leave())
            self.do(self.backend.close())
            self.runner.close()

    def _drain(self) -> None:
        self._let_pass(1000.0)
        self.do(self._join())
        last = self.workers[-1]
        while found := self.do(last.session.recover(list(last.hand), 10)).deliveries or self.do(last.session.receive(10, 0)):
            assert not {delivery.receipt for delivery in found} & set(last.hand)
            self._hand_out(last, found)
            assert len(last.history) <= len(self.model.jobs)
        settlements = [Finish(delivery, b"at last", TTL_MS) for delivery in last.hand.values()]
        assert all(self.do(last.session.settle(settlements)))
        for item in settlements:
            assert self.model.settle(last.session.id, item)
        assert not self.model.of(State.WAITING)
        assert not self.model.of(State.RUNNING)
        self.the_books_are_in_order()
        missing = self.do(self.backend.missing(list(self.model.jobs)))
        assert missing == {job.id for job in self.model.of(State.PURGED) if not job.outcomes}

    async def _join(self) -> None:
        listener = RecordingListener()
        id = SessionId(f"{self.queue}-{len(self.workers)}")
        session = await self.backend.join(id, [self.queue], LEASE, listener)
        self.model.leases[id] = self.model.now + LEASE
        self.workers.append(Worker(session, session.keeper(), listener))

    def _one_of(self, data: _Data, suits: Callable[[Worker], bool]) -> Worker:
        places = [place for place, worker in enumerate(self.workers) if suits(worker)]
        return self.workers[data.draw(st.sampled_from(places), label="worker")]

    def _has_work(self, worker: Worker) -> bool:
        return self._is_alive(worker) and bool(worker.hand)

    def _is_stale(self, worker: Worker) -> bool:
        return not self._is_alive(worker) and not worker.has_left

    def _may_renew(self, worker: Worker) -> bool:
        """Return whether a renewal would say or change anything."""
        return not worker.has_left and self.model.leases[worker.session.id] < self.model.now + LEASE

    def _is_alive(self, worker: Worker) -> bool:
        return self.model.is_alive(worker.session.id)

    def _some_ids(self, data: _Data, ids: Sequence[TaskId]) -> list[TaskId]:
        return data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3, unique=True), label="ids")

    def _hand_out(self, worker: Worker, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.model.hand_out(worker.session.id, delivery)
        worker.take(deliveries)

    def _settlement(self, data: _Data, delivery: Delivery) -> Settlement:
        text = b"%d" % next(self.numbers)
        kind = data.draw(st.sampled_from(["bury", "finish", "retry", "park"]), label="kind")
        if kind == "finish":
            return Finish(delivery, b"outcome " + text, TTL_MS)
        if kind == "bury":
            return Bury(delivery, f"reason {text.decode()}", b"rejected " + text, TTL_MS)
        awaits = data.draw(st.sampled_from(NAMES), label="awaits") if kind == "park" else ""
        return Reschedule(delivery, b"again " + text, data.draw(st.sampled_from([0, 20_000, 90_000]), label="delay"), awaits=awaits)
