"""Codecs: what is stored is compressed and encrypted, and every ending is what it is without them; on every backend."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest
from pydantic import BaseModel

from tests.main_job.stage import Stage
from typedtasks import (
    Broker,
    Cancelled,
    Context,
    Crashed,
    DefinitionError,
    Depends,
    Expired,
    Failure,
    PayloadRejected,
    PayloadTooLarge,
    Progress,
    ResultInvalid,
    Retry,
    Success,
    Task,
    TaskError,
    Worker,
)
from typedtasks.backend import Priority, Publication, TaskId, new_task_id
from typedtasks.backends.memory import MemoryBackend
from typedtasks.cli.showing import needed
from typedtasks.codecs import Compress, Encrypt, PayloadCodec
from typedtasks.envelope import Header, write_header
from typedtasks.outcome import success_prefix

PATIENCE = 10.0
OLD, NEW = Encrypt.new_key(), Encrypt.new_key()


class Letter(BaseModel):
    to: str
    text: str


class Undeliverable(TaskError):
    to: str


def encrypting(*keys: str) -> list[PayloadCodec]:
    """Return the codecs of a broker that has these keys."""
    known = {"2025": OLD, "2026": NEW}
    return [Compress(threshold=100), Encrypt({id: known[id] for id in keys or ("2026",)})]


def define(broker: Broker) -> Task[..., str, Undeliverable]:
    """Define the task of these tests."""

    @broker.task(name="mail.send", raises=Undeliverable, retry=Retry(max_attempts=2, backoff=0.001, on=ConnectionError))
    async def send(letter: Letter, how: str = "") -> str:
        if how == "fail":
            raise Undeliverable(to=letter.to)
        if how == "crash":
            raise ValueError(letter.text)
        if how == "retry":
            raise ConnectionError
        if how == "hang":
            await asyncio.Event().wait()
        if how == "lie":
            return 7  # type: ignore[return-value]  # what is under test
        return letter.text.upper()

    return send


ADA = Letter(to="ada", text="the canary sings " * 20)


async def test_every_ending_is_what_it_is_without_codecs(stage: Stage) -> None:
    """And neither a payload, nor a result, nor a failure is anywhere in the store in clear text."""
    broker = stage.broker(codecs=encrypting())
    send = define(broker)
    async with broker:
        ended = [await send.options(delay=3600).enqueue(ADA), await send.options(expires=0.001).enqueue(ADA)]
        await ended[0].cancel()
        (late,) = [task.body for task in await broker.backend.peek("default") if task.id == ended[1].id]
        await asyncio.sleep(0.01)  # the time that has to pass is what expires
        async with Worker(broker):
            assert [await handle.outcome(PATIENCE) for handle in ended] == [Cancelled(), Expired()]
            handles = await broker.enqueue_many(
                [send.call(ADA), *(send.call(ADA, how) for how in ("fail", "crash", "retry", "lie"))]
            )
            success, failure, crash, again, lie = [await handle.outcome(PATIENCE) for handle in handles]
            assert success == Success(ADA.text.upper())
            assert await handles[0].peek() == success
            assert isinstance(failure, Failure)
            assert failure.error.to == "ada"
            assert isinstance(crash, Crashed)
            assert crash.message == ADA.text
            assert isinstance(again, Crashed)
            assert again.attempts == 2
            assert isinstance(lie, Crashed)
            assert isinstance(lie.error, ResultInvalid)
            running = await send.enqueue(ADA, "hang")
            await running.cancel()
            assert await running.outcome(PATIENCE) == Cancelled()
        stored = await broker.backend.read_outcomes([handle.id for handle in handles])
    assert len(stored) == len(handles)
    for body in (late, *stored.values()):
        line, _, rest = body.partition(b"\n")
        assert b'"codecs":["zlib","aes-256-gcm-siv"]' in line
        assert b"canary" not in body.lower()
        assert b"ada" not in rest
    assert len(late) < 300  # it was compressed before it was encrypted


async def test_keys_are_changed_without_losing_a_task(stage: Stage) -> None:
    """Old messages are read with the old key; what a worker has no key for waits for one that has it."""
    ahead, behind = stage.broker(codecs=encrypting("2026", "2025")), stage.broker(codecs=encrypting("2025"))
    send, send_behind = define(ahead), define(behind)
    async with ahead, behind:
        old = await send_behind.enqueue(ADA)
        new = await send.enqueue(ADA)
        async with Worker(behind):
            assert await old.result(PATIENCE) == ADA.text.upper()
            async with asyncio.timeout(PATIENCE):
                while not (parked := await behind.parked()):
                    await asyncio.sleep(0.005)
        assert [(task.id, task.awaits) for task in parked] == [(new.id, "the key 2026")]
        assert needed(parked[0]) == "has the key 2026"
        async with Worker(ahead):
            assert await new.result(PATIENCE) == ADA.text.upper()
            assert await ahead.handle(send, old.id).result(PATIENCE) == ADA.text.upper()
        unread = await behind.handle(send_behind, new.id).outcome(PATIENCE)
    assert isinstance(unread, Crashed)
    assert unread.message.endswith("it was encrypted with the key '2026', which is not among the keys here.")


@pytest.fixture
def memory() -> Stage:
    """One store, in memory."""
    return Stage("memory://", MemoryBackend())


async def test_a_worker_without_the_codecs_leaves_the_task_to_one_that_has_them(memory: Stage) -> None:
    """As in a deployment that begins to use them."""
    plain, sealing = memory.broker(), memory.broker(codecs=encrypting())
    send_plain, send = define(plain), define(sealing)
    async with plain, sealing:
        handle = await send.enqueue(ADA)
        async with Worker(plain), asyncio.timeout(PATIENCE):
            while not (parked := await plain.parked()):
                await asyncio.sleep(0.005)
        assert parked[0].awaits == "the codec aes-256-gcm-siv"
        async with Worker(sealing):
            assert await handle.result(PATIENCE) == ADA.text.upper()
        unread = await plain.handle(send_plain, handle.id).outcome(PATIENCE)
    assert isinstance(unread, Crashed)
    assert "was encoded with zlib, aes-256-gcm-siv, and this side has no such codecs" in unread.message


@pytest.mark.parametrize("codecs", [None, Compress(), "zlib", [Compress]])
def test_what_is_no_list_of_codecs_is_refused_where_it_is_written(codecs: object) -> None:
    """With what to pass."""
    with pytest.raises(DefinitionError, match=r"codecs.* pass .*such as \[?Compress\(\)"):
        Broker("memory://", codecs=codecs)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_what_is_not_encrypted_is_refused_unless_it_is_accepted(memory: Stage) -> None:
    """Nobody without a key can make an encrypting worker run anything; a deployment may accept it for a time."""
    plain, sealing = memory.broker(), memory.broker(codecs=encrypting())
    accepting = memory.broker(codecs=[Encrypt({"2026": NEW}, accept_plain=True), _Reversed()])
    send, sealed = define(plain), define(sealing)
    accepted_there = define(accepting)
    async with plain, sealing, accepting:
        refused, accepted = await send.enqueue(ADA), await send.enqueue(ADA)
        async with Worker(sealing):
            outcome = await sealing.handle(sealed, refused.id).outcome(PATIENCE)
        assert isinstance(outcome, Crashed)
        assert isinstance(outcome.error, PayloadRejected)
        assert "it was not encoded with aes-256-gcm-siv, which is required here" in outcome.message
        letters = await sealing.dead_letters()
        assert {letter.id for letter in letters} == {refused.id, accepted.id}
        assert (await sealing.replay([accepted.id])).put_back == ()
        assert (await accepting.replay([accepted.id])).put_back == (accepted.id,)
        async with Worker(accepting):
            assert await accepting.handle(accepted_there, accepted.id).result(PATIENCE) == ADA.text.upper()


async def test_ciphertexts_cannot_be_moved_to_another_task_nor_changed(memory: Stage) -> None:
    """They are bound to the task's id and name; what does not fit there is a dead letter, and is never run."""
    broker = memory.broker(codecs=encrypting())
    send = define(broker)

    @broker.task(name="mail.burn")
    async def burn(letter: Letter, how: str = "") -> str:
        raise AssertionError("it must not run")

    async with broker:
        await send.enqueue(ADA)
        (stored,) = await broker.backend.peek("default")
        await broker.purge()
        line, _, sealed = stored.body.partition(b"\n")
        burning = line.replace(b"mail.send", b"mail.burn")
        moved = {
            "another id": (f"{stored.id[:-1]}{'A' if stored.id[-1] != 'A' else 'B'}", line, sealed),
            "another task": (stored.id, burning, sealed),
            "changed": (f"{stored.id[:-2]}__", line, sealed[:-1] + bytes([sealed[-1] ^ 1])),
            "cut": (f"{stored.id[:-2]}_-", line, sealed[:9]),
            "empty": (f"{stored.id[:-2]}-_", line, b""),
        }
        for id, first, rest in moved.values():
            await broker.backend.publish([Publication(TaskId(id), "default", Priority.NORMAL, first + b"\n" + rest)])
        async with Worker(broker), asyncio.timeout(PATIENCE):
            while len(letters := await broker.dead_letters()) < len(moved):
                await asyncio.sleep(0.005)
    reasons = {letter.id: letter.reason for letter in letters}
    for name, (id, _, _) in moved.items():
        assert "cannot be decoded: it " in reasons[TaskId(id)], name


async def test_progress_is_encrypted_too(memory: Stage) -> None:
    """It is bound to the task's id; who has no key is told so."""
    broker, plain = memory.broker(codecs=encrypting()), memory.broker()
    send = define(plain)

    @broker.task(name="mail.sort")
    async def sort(*, context: Context = Depends()) -> None:
        context.progress(1, 2, "the canary")

    async with broker, plain, Worker(broker):
        handle = await sort.enqueue()
        await handle.result(PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while not (stored := await broker.backend.read_reports([handle.id])):
                await asyncio.sleep(0.005)
        assert await handle.progress() == Progress(1, 2, "the canary")
        with pytest.raises(ResultInvalid, match="was encoded: pass the same Broker"):
            await plain.handle(send, handle.id).progress()
    assert b"canary" not in stored[handle.id]
    for body in (stored[handle.id], b'["aes-256-gcm-siv"]\nx', b"[1]\nx", b'{"done":1}', b""):
        with pytest.raises(ResultInvalid, match="cannot be read: it"):
            broker.sealing.open_progress(body, TaskId("default.another"))


async def test_an_outcome_that_someone_else_wrote_is_not_believed(memory: Stage) -> None:
    """Neither in clear text nor taken from another task."""
    broker = memory.broker(codecs=encrypting())
    send = define(broker)
    async with broker, Worker(broker):
        one, two = await send.enqueue(ADA), await send.enqueue(ADA)
        await one.result(PATIENCE)
        await two.result(PATIENCE)
        stored = await broker.backend.read_outcomes([one.id, two.id])
    opened = broker.sealing.open_outcome(stored[one.id], two.id)
    forged = broker.sealing.open_outcome(success_prefix(1) + b'"forged"', two.id)
    for outcome in (send.read_outcome(opened), send.read_outcome(forged)):
        assert isinstance(outcome, Crashed)
        assert isinstance(outcome.error, ResultInvalid)
        assert f"The outcome of {two.id} cannot be read: it " in outcome.message


async def test_a_payload_that_inflates_beyond_the_limit_is_refused_before_it_is_inflated(memory: Stage) -> None:
    """A bomb costs no memory: it is a dead letter that says how large it may be."""
    broker = memory.broker(codecs=[Compress()], max_payload=10_000)
    send = define(broker)
    bomb = Compress().encode(b'{"letter":{"to":"x","text":"' + b"x" * 50_000_000 + b'"}}', b"")
    async with broker, Worker(broker):
        body = write_header(Header("mail.send", codecs=("zlib",))) + bomb
        assert len(body) > 26_000
        small = write_header(Header("mail.send", codecs=("zlib",))) + Compress().encode(b" " * 5_000_000, b"")
        ids = [await Stage.put_raw(broker, body), await Stage.put_raw(broker, small)]
        outcomes = [await broker.handle(send, id).outcome(PATIENCE) for id in ids]
        letters = await broker.dead_letters()
    assert len(letters) == 2
    for outcome in outcomes:
        assert isinstance(outcome, Crashed)
        assert isinstance(outcome.error, PayloadRejected)
    assert "its compressed data has more than the 11024 bytes that are allowed" in letters[1].reason


async def test_no_error_shows_what_was_encrypted(memory: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Dead letters and logs say where something does not fit, and not what it was."""
    caplog.set_level(logging.DEBUG)
    broker = memory.broker(codecs=encrypting())
    send, id = define(broker), new_task_id("default", broker.clock.now())
    sealed = broker.sealing.seal_call(b'{"letter":"the canary"}', id, send.name)
    body = write_header(Header(send.name, codecs=broker.sealing.names)) + sealed
    async with broker, Worker(broker):
        await broker.backend.publish([Publication(id, "default", Priority.NORMAL, body)])
        outcome = await broker.handle(send, id).outcome(PATIENCE)
        (letter,) = await broker.dead_letters(since=timedelta(hours=1))
    assert isinstance(outcome, Crashed)
    assert "letter: Input should be" in letter.reason
    assert "canary" not in letter.reason + outcome.message + caplog.text + str(broker.replay_obstacle(letter))
    assert broker.read_payload(letter) == b'{"letter":"the canary"}'


class _Reversed:
    """A codec of the user's own."""

    name = "reversed"
    hides = False
    is_required = False
    awaited = ()

    def encode(self, data: bytes, bound_to: bytes) -> bytes:
        return data[::-1]

    def decode(self, data: bytes, bound_to: bytes, limit: int) -> bytes:
        return data[::-1]


class _Broken(_Reversed):
    """One that fails at both ends, after the call was encoded."""

    is_broken = False

    def encode(self, data: bytes, bound_to: bytes) -> bytes:
        if self.is_broken:
            raise ZeroDivisionError
        return data

    def decode(self, data: bytes, bound_to: bytes, limit: int) -> bytes:
        if b"decode" in data:
            raise ZeroDivisionError
        self.is_broken = True
        return data


async def test_a_codec_that_raises_costs_one_task_and_not_the_worker(memory: Stage) -> None:
    """What it cannot decode is a dead letter; what it cannot encode is not stored in clear text."""
    broker = memory.broker(codecs=[_Broken()])
    send = define(broker)
    async with broker, Worker(broker):
        refused = await send.enqueue(Letter(to="x", text="decode"))
        waiter = await refused.outcome(PATIENCE)
        assert isinstance(waiter, Crashed)
        assert "reversed raised ZeroDivisionError when it decoded it" in waiter.message
        lost = await (await send.enqueue(Letter(to="x", text="encode"))).outcome(PATIENCE)
    assert isinstance(lost, Crashed)
    assert "could not be encoded" in lost.message


class _Wordy(_Reversed):
    """One that makes everything twice as long."""

    def encode(self, data: bytes, bound_to: bytes) -> bytes:
        return data + data


async def test_what_codecs_make_larger_than_workers_read_is_refused_when_it_is_sent(memory: Stage) -> None:
    """One by one and in bulk; nothing was sent."""
    broker = memory.broker(codecs=[_Wordy()], max_payload=10_000)
    send = define(broker)
    call = send.call(Letter(to="x", text="y" * 9_000))
    async with broker:
        for sending in (send.enqueue(Letter(to="x", text="y" * 9_000)), broker.enqueue_many([call])):
            with pytest.raises(PayloadTooLarge, match=r"18\d\d\d when they are encoded with reversed; at most 11024 may be sent"):
                await sending
        assert (await broker.counts()).ready == 0
