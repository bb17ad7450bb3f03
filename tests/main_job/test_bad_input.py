"""What lies in a queue may be anything: the worker lives, nothing is lost, and the reason is kept."""

from __future__ import annotations

import pytest

from tests.main_job.stage import Stage
from typedtasks import Broker, Crashed, DefinitionError, PayloadRejected, PayloadTooLarge, Replay, Worker
from typedtasks.backend import is_queue_name
from typedtasks.envelope import Header, write_header

PATIENCE = 10.0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"\x00\xff\xfe",
        b'{"v":2,"task":"f"}\n{"x":1}',
        b'{"v":1}\n{"x":1}',
        b"[" * 10_000 + b"\n{}",
        b'{"v":1,"task":"f"}\n' + b"[" * 10_000,
        b'{"v":1,"task":"f"}\n{"x":' + b"[" * 10_000 + b"}",
        b'{"v":1,"task":"f"}\n{"x":1',
        b'{"v":1,"task":"f"}\n',
        b'{"v":1,"task":"f"}\n[1]',
        b'{"v":1,"task":"f"}\n{"x":1,"y":2}',
        b'{"v":1,"task":"f"}\n{"x":1e400}',
        b'{"v":1,"task":"f"}\n{"x":"\xff"}',
        b'{"v":1,"task":"f"}\n{"x":true}',
        b'{"v":1,"task":"f"}\n{"x":' + b"1" * 400_000 + b"}",
        b'{"v":1,"task":"f","attempt":-5}\n{"x":1}',
    ],
    ids=range(17),
)
async def test_what_cannot_be_run_becomes_a_dead_letter_with_its_raw_bytes(stage: Stage, body: bytes) -> None:
    """The waiter gets PayloadRejected, and the next task runs."""
    broker = stage.broker()

    @broker.task(name="f")
    async def f(x: int) -> int:
        return x

    async with broker, Worker(broker):
        id = await stage.put_raw(broker, body)
        outcome = await broker.handle(f, id).outcome(timeout=PATIENCE)
        assert isinstance(outcome, Crashed)
        assert isinstance(outcome.error, PayloadRejected)
        (letter,) = await broker.dead_letters()
        assert (letter.id, letter.body) == (id, body)
        assert letter.reason
        assert await (await f.enqueue(1)).result(timeout=PATIENCE) == 1


async def test_a_dead_letter_can_be_replayed_once_it_can_be_run(stage: Stage) -> None:
    """After a fix, the same bytes go back into the queue."""
    strict, mended = stage.broker(), stage.broker()

    @strict.task(name="f")
    async def f(x: int) -> int:
        return x

    @mended.task(name="f")
    async def f_mended(x: str) -> str:
        return x

    async with strict, mended:
        async with Worker(strict):
            id = await stage.put_raw(strict, write_header(Header("f")) + b'{"x":"abc"}')
            await strict.handle(f, id).outcome(timeout=PATIENCE)
        assert await mended.replay([id]) == Replay(put_back=(id,))
        async with Worker(mended):
            assert await mended.handle(f_mended, id).result(timeout=PATIENCE) == "abc"
        assert (await mended.counts()).dead == 0


async def test_a_payload_above_the_limit_is_refused_at_enqueue(stage: Stage) -> None:
    """The error says both sizes; nothing is sent."""
    broker = stage.broker(max_payload=1000)

    @broker.task(name="f")
    async def f(text: str) -> None: ...

    async with broker:
        with pytest.raises(PayloadTooLarge) as raised:
            await f.enqueue("x" * 1001)
        assert raised.value.limit == 1000
        assert (await broker.counts()).ready == 0


@pytest.mark.parametrize("queue", ["", "a b", "a.b", "ü", "x" * 65, "a/b", "{a}"])
def test_a_queue_name_that_could_break_keys_or_ids_is_refused(queue: str) -> None:
    """At the broker and at the task."""
    assert not is_queue_name(queue)
    with pytest.raises(DefinitionError, match="is not a queue name"):
        Broker("memory://", default_queue=queue)
