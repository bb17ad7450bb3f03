"""Which parked tasks a worker takes, and when one that waited for another version is given up."""

from __future__ import annotations

import pytest

from typedtasks import Broker
from typedtasks.backend import Bury, Delivery, Reschedule, TaskId
from typedtasks.clock import ManualClock
from typedtasks.contract import Misfit
from typedtasks.envelope import EnvelopeReader, Header
from typedtasks.worker import decision
from typedtasks.worker.decision import Received
from typedtasks.worker.parking import Here, Parking, contract_token

HERE = Here(["mail.send", "the key 2026"], {"mail.send": "AAAAAA1111", "a task (not bad) of note": "CCCCCC1111"})


@pytest.mark.parametrize(
    ("awaited", "is_here"),
    [
        ("mail.send", True),
        ("mail.other", False),
        ("the key 2026", True),
        (contract_token("mail.send", "AAAAAA2222", ["BBBBBB"]), True),
        (contract_token("mail.send", "ZZZZZZ2222", ["BBBBBB"]), True),
        (contract_token("mail.send", "ZZZZZZ2222", ["BBBBBB", "AAAAAA"]), False),
        (contract_token("mail.send", "ZZZZZZ2222"), True),
        (contract_token("mail.other", "AAAAAA2222", ["BBBBBB"]), False),
        (contract_token("a task (not bad) of note", "ZZZZZZ", ["BBBBBB"]), True),
        (contract_token("a task (not bad) of note", "ZZZZZZ", ["CCCCCC"]), False),
        (contract_token("mail.send", "of x (not", ["AAAAAA"]), False),
    ],
)
def test_what_parked_tasks_wait_for_is_here_or_not(awaited: str, is_here: bool) -> None:
    """Names, keys, and any contract of the task that has not failed it."""
    assert (awaited in HERE) is is_here


def received(header: Header, *, unmet: bool = False) -> Received:
    """Return a delivery whose arguments do not fit the task that is known here."""
    broker = Broker("memory://")

    @broker.task(name="repeat")
    async def repeat(x: int) -> int:
        return x

    delivery = Delivery(TaskId("default.1"), "default", 1, b"", 1, "1", unmet=unmet)
    return Received(delivery, header, b'{"x":"three"}', repeat)


MISFIT = Misfit([{"loc": ("x",), "type": "int_type", "msg": "no int", "input": "three"}])


def test_a_misfit_of_another_contract_waits_until_nobody_came_for_it() -> None:
    """Whatever happened to it before, it is a dead letter only when its time came and no worker that might read it was there."""
    settlement = decision.rejected(received(Header("repeat", contract="ZZZZZZ1111", parked=1000)), MISFIT, 0.0)
    assert isinstance(settlement, Reschedule)
    own = received(Header("repeat")).task.contract()[:6]
    assert (settlement.delay_ms, settlement.awaits) == (240_000, f"the contract ZZZZZZ of repeat (not {own})")
    header, payload = EnvelopeReader(1000).read(settlement.body)
    assert (header.misfits, header.contract, payload) == ((own,), "ZZZZZZ1111", b'{"x":"three"}')
    assert isinstance(decision.rejected(received(header), MISFIT, 0.0), Reschedule)
    ended = decision.rejected(received(header, unmet=True), MISFIT, 0.0)
    assert isinstance(ended, Bury)
    assert "It was sent by the contract ZZZZZZ1111, and this worker has" in ended.reason


def test_a_misfit_waits_no_longer_than_it_may_be_started() -> None:
    """And a second more, so that it has expired by then."""
    header = Header("repeat", contract="ZZZZZZ1111", expires_ms=110_000)
    for now, delay_ms in ((100.0, 11_000), (200.0, 1000)):
        settlement = decision.rejected(received(header), MISFIT, now)
        assert isinstance(settlement, Reschedule)
        assert settlement.delay_ms == delay_ms


def test_what_seventeen_contracts_cannot_read_is_a_dead_letter() -> None:
    """A fleet has not so many at a time: something else is wrong."""
    header = Header("repeat", contract="ZZZZZZ1111", misfits=tuple(f"AAAA{number:02d}" for number in range(16)))
    assert isinstance(decision.rejected(received(header), MISFIT, 0.0), Bury)


def delivery(receipt: str) -> Delivery:
    """Return a delivery."""
    return Delivery(TaskId(f"default.{receipt}"), "default", 1, b"", 1, receipt)


def test_parked_tasks_are_asked_for_until_there_are_fewer_than_there_is_room_for() -> None:
    """Then there are no more, until one is heard of again."""
    parking = Parking(HERE, ManualClock().monotonic)
    assert not parking.hear("mail.other")
    assert parking.hear("mail.send")
    assert parking.due() == ["mail.send"]
    parking.take("mail.send", [delivery("1"), delivery("2")], 2)
    parking.take("mail.send", [], 0)
    assert parking.due() == ["mail.send"]
    parking.take("mail.send", [delivery("3")], 2)
    assert not parking.knows_of_any
    assert parking.hear("mail.send")
    assert parking.due() == ["mail.send"]


def test_what_has_to_be_parked_again_is_left_for_a_while_each_time_for_longer() -> None:
    """Two workers that each lack what the other has would hand it back and forth without end."""
    clock = ManualClock()
    parking = Parking(HERE, clock.monotonic)
    for pause in (1, 2, 4):
        parking.hear("the key 2026")
        parking.take("the key 2026", [delivery("1")], 5)
        parking.end("1", in_vain=True)
        parking.hear("the key 2026")
        assert parking.due() == []
        clock.advance(pause)
        assert parking.due() == ["the key 2026"]
    parking.take("the key 2026", [delivery("2")], 5)
    parking.end("2", in_vain=False)
    parking.hear("the key 2026")
    assert parking.due() == ["the key 2026"]
